"""The machine's clock, as the kernel judges it: whether somebody keeps it right, and how far off it is believed to be."""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import NamedTuple

TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
STA_UNSYNC, STA_NANO = 0x0040, 0x2000


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), with its tail of unused words."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("micros", ctypes.c_long),
        ("unused", ctypes.c_long * 32),
    )


class Clock(NamedTuple):
    """What is known of the clock."""

    synchronised: bool | None  # None: this system does not say
    offset_s: float | None  # what is still to be corrected; known only where somebody keeps the clock


def ask() -> Clock:
    """Ask the kernel; needs no rights."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):  # no Linux
        return Clock(None, None)
    found = _Timex()
    state = adjtimex(ctypes.byref(found))
    if state < 0:  # a container may forbid it
        return Clock(None, None)
    if state == TIME_ERROR or found.status & STA_UNSYNC:
        return Clock(synchronised=False, offset_s=None)
    return Clock(synchronised=True, offset_s=found.offset / (1e9 if found.status & STA_NANO else 1e6))
