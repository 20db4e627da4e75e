"""What a sensor answers: when its values will be there, the values, who it is, and the check over them."""

from __future__ import annotations

import re
from typing import NamedTuple

ADDRESS = re.compile(r"[0-9A-Za-z]")
VALUE = re.compile(r"[+-](?:\d+\.?\d*|\.\d+)")
VALUES = re.compile(r"(?:[+-](?:\d{1,15}\.?\d{0,15}|\.\d{1,15}))*")
"""The standard has seven digits; sensors that send a few more are read."""
CHECK = 3
PAGES = 10
"""D0 to D9."""
LINE_LIMIT = 128
"""The longest answer of 1.4 to what we ask: address, 75 characters, check, end of line."""

COUNTS = {"M": 1, "V": 1, "C": 2, "HA": 3, "HB": 3}
"""Digits of the number of values in the answer to a command, without its C for the check and its number."""


class BadAnswer(ValueError):
    """An answer that says nothing; the message says why."""


class Promise(NamedTuple):
    """The answer to a start of measuring: so many values, after so many seconds at most."""

    seconds: int
    values: int


class Identity(NamedTuple):
    """The answer to `aI!`."""

    version: str
    vendor: str
    model: str
    revision: str
    serial: str


def crc(data: bytes) -> int:
    """CRC-16/ARC: polynomial 0xA001 reflected, from zero (SDI-12 1.4, section 4.4.12)."""
    register = 0
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return register


def printed(data: bytes) -> str:
    """The check as three characters, six bits each."""
    value = crc(data)
    return "".join(chr(0x40 | value >> shift & 0x3F) for shift in (12, 6, 0))


def without_check(answer: str) -> str:
    """The answer without the check at its end; raises BadAnswer where that is wrong."""
    said, check = answer[:-CHECK], answer[-CHECK:]
    if len(answer) <= CHECK:
        raise BadAnswer(f"{answer!r} ends before its check")
    right = printed(said.encode("latin-1"))
    if check != right:
        raise BadAnswer(f"wrong check: {check!r} was sent, {right!r} is right")
    return said


def promise(command: str, answer: str) -> Promise:
    """What a start of measuring (`M`, `MC1`, `C`, `V` ...) was answered: `atttn`; raises BadAnswer."""
    name = command.rstrip("0123456789")
    kind = name if name in COUNTS else name.removesuffix("C")
    digits = answer[1:]
    if len(digits) != 3 + COUNTS[kind] or not (digits.isascii() and digits.isdigit()):
        raise BadAnswer(f"{answer!r} is not {'attt' + 'n' * COUNTS[kind]}")
    return Promise(int(digits[:3]), int(digits[3:]))


def values(answer: str) -> list[float]:
    """The values of a data answer, which each begin with their sign; raises BadAnswer."""
    said = answer[1:]
    if not VALUES.fullmatch(said):
        raise BadAnswer(f"{answer!r} is not an address and values with their signs")
    return [float(text) for text in VALUE.findall(said)]


def identity(answer: str) -> Identity:
    """Who a sensor says it is: `allccccccccmmmmmmvvvxxx`; raises BadAnswer."""
    said = answer[1:]
    if len(said) < 19 or not said[:2].isdigit():  # noqa: PLR2004 -- version, vendor, model, revision
        raise BadAnswer(f"{answer!r} ends before version, vendor, model and revision")
    return Identity(
        f"{said[0]}.{said[1]}",
        said[2:10].strip(),
        said[10:16].strip(),
        said[16:19].strip(),
        said[19:].strip(),
    )
