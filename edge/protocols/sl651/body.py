"""The body of an SL 651-2014 message: the elements in it with station, time and value, whichever the encoding."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

Value = float | int | str | bytes | list[float | None] | None
"""A number (missing: NaN), a status word, a text, the bytes themselves, the values of a series, or None: unreadable."""

NAN = float("nan")
SCALE = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)


class Element(NamedTuple):
    """One element as it stands in the body. Station, time and class stand in it too, as elements of their own."""

    station: str  # ten hexadecimal digits; empty where the frame's own is meant
    klass: int  # of the station; 0 where it is not said
    at_us: int | None  # UTC; None where none is said, or it cannot be read
    ident: int  # a byte, or FFxx
    definition: int
    offset: int  # where it begins in the body
    size: int  # of all of it, in bytes
    value: Value
    step_us: int = 0  # between the values of a series


@dataclass(slots=True)
class Body:
    """A body that was read as far as it could be."""

    serial: int = 0
    sent: str = ""  # YYMMDDHHmmSS, Beijing time
    elements: list[Element] = field(default_factory=list)
    settings: list[Element] = field(default_factory=list)  # the value is the raw text of the data
    own: tuple[int, bytes] | None = None  # offset and data that have a form of their own
    troubles: list[tuple[str, str]] = field(default_factory=list)  # code and text


def number(digits: str, decimals: int) -> float | None:
    """Packed BCD as a number: all F is missing (NaN), a leading FF is a minus; None where a digit is no digit."""
    if digits.isdecimal():
        return int(digits) / SCALE[decimals]
    if digits and not digits.strip("f"):
        return NAN
    if digits[:2] == "ff" and digits[2:].isdecimal():
        return -int(digits[2:]) / SCALE[decimals]
    return None


def slots(data: bytes, width: int) -> list[float | None]:
    """The five-minute values of an hour: rain of one byte in 0.1 mm, levels of two bytes in 0.01 m; all F is missing."""
    if width == 1:
        return [NAN if each == 0xFF else each / 10 for each in data]  # noqa: PLR2004
    words = [data[at] << 8 | data[at + 1] for at in range(0, len(data) - 1, 2)]
    return [NAN if each == 0xFFFF else each / 100 for each in words]  # noqa: PLR2004


def duration(digits: str) -> float | None:
    """HH.mm as minutes."""
    hours, _, minutes = digits.partition(".")
    if not (hours.isdecimal() and minutes.isdecimal() and len(minutes) == 2 and int(minutes) < 60):  # noqa: PLR2004
        return None
    return float(int(hours) * 60 + int(minutes))
