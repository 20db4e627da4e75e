"""Numbers and times of SL/T 427: packed decimals, the lowest byte first; a station's clock is Beijing's."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

BEIJING = timedelta(hours=8)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TP_427, TP_206 = 7, 5
"""Bytes of the time tag: with month and year, or without (SZY 206)."""
DAY_US = 86_400_000_000


class Number(NamedTuple):
    """A number as it was sent; NaN is none, and `why` says why where that is not the standard's own way to say so."""

    value: float
    why: str = ""


NONE = Number(math.nan)


def decimal(data: bytes, decimals: int, *, signed: bool = False) -> Number:
    """Packed decimal, low byte first. The highest digit of a signed one is its sign: F is minus."""
    text = data[::-1].hex()
    sign, digits = (text[0], text[1:]) if signed else ("0", text)
    if not digits.strip("a"):
        return NONE
    if not text.strip("f"):
        return Number(math.nan, "all F is not this standard's way to say that there is no value")
    if sign not in "0f" or not digits.isdigit():
        return Number(math.nan, f"{data.hex()} is no packed decimal")
    value = int(digits) / 10**decimals
    return Number(-value if sign == "f" else value)


def two(byte: int) -> int | None:
    """Two decimal digits."""
    high, low = byte >> 4, byte & 0x0F
    return high * 10 + low if high < 10 and low < 10 else None  # noqa: PLR2004


def time_us(tag: bytes, arrived_us: int) -> int | None:
    """UTC of a time tag; None where it is no time.

    A tag without month and year (SZY 206) is the latest such day that is not more than a day ahead of now.
    """
    digits = [two(byte) for byte in tag[:-1]]
    if None in digits:
        return None
    second, minute, hour, day, *date = (digit or 0 for digit in digits)
    if date:
        return _us(2000 + date[1], date[0], day, hour, minute, second)
    now = EPOCH + timedelta(microseconds=arrived_us) + BEIJING
    for back in range(-1, 3):  # the next month first: a clock may be ahead of ours
        months = now.year * 12 + now.month - 1 - back
        at = _us(months // 12, months % 12 + 1, day, hour, minute, second)
        if at is not None and at <= arrived_us + DAY_US:
            return at
    return None


def _us(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int | None:
    try:
        at = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - BEIJING
    except ValueError:
        return None
    return (at - EPOCH) // timedelta(microseconds=1)


def tag(at_us: int, length: int) -> bytes:
    """The time tag of a moment, seven bytes or five; no delay is said."""
    at = EPOCH + timedelta(microseconds=at_us) + BEIJING
    parts = [at.second, at.minute, at.hour, at.day, at.month, at.year % 100][: length - 1]
    return bytes(part // 10 << 4 | part % 10 for part in parts) + b"\x00"
