"""The body of an SL 651 message: what is told, as HEX/BCD or as ASCII (6.6.2, 6.6.3, appendix C)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from firmware_sim.protocols.bcd import digits_of, pack
from firmware_sim.protocols.sl651.elements import ELEMENTS, LEVEL_SLOTS, RAIN_SLOTS

NONE: frozenset[str] = frozenset()


class Station(NamedTuple):
    """F1: of which station the following is told. Replies to a command have no class."""

    rtu: str  # ten hexadecimal digits
    kind: str = ""  # letter of table A.1


class Observed(NamedTuple):
    """F0: when the following was observed, Beijing time, in minutes."""

    at: datetime


class Number(NamedTuple):
    """One element; None where the sensor gave nothing."""

    symbol: str
    value: float | None


class Series(NamedTuple):
    """One element at an even step (31H), the first at the time of observation."""

    step_min: int
    symbol: str
    values: tuple[float | None, ...]


class Slots(NamedTuple):
    """Twelve 5-minute values of an hour (F4: mm; F5-FC: m above the base level)."""

    symbol: str
    values: tuple[float | None, ...]


class Status(NamedTuple):
    """45H, bits of table 58."""

    bits: int


class Text(NamedTuple):
    """F2: what a person entered."""

    words: bytes


class Picture(NamedTuple):
    """F3: a JPEG, to the end of the message."""

    jpeg: bytes


class Vendor(NamedTuple):
    """An identifier that the standard reserves and makers use (deviation g)."""

    leader: int
    definition: int
    digits: str


class Raw(NamedTuple):
    """Bytes of a reply that has no element (version text, pump states, configuration)."""

    data: bytes


Item = Station | Observed | Number | Series | Slots | Status | Text | Picture | Vendor | Raw


def minutes(moment: datetime) -> str:
    """YYMMDDHHmm."""
    return moment.strftime("%y%m%d%H%M")


def opening(serial: int, sent: datetime, *, ascii_: bool) -> bytes:
    """Serial number and time of sending: they begin every body, and only the first packet of several."""
    text = f"{serial:04X}{sent:%y%m%d%H%M%S}"
    return text.encode() if ascii_ else bytes.fromhex(text)


def told(items: list[Item], *, ascii_: bool, deviations: frozenset[str] = NONE) -> bytes:
    """The body after its opening; an ASCII body ends in the space that must not be left out."""
    return b"".join(_ascii(item) if ascii_ else _hex(item, deviations) for item in items)


def bcd(symbol: str, value: float | None, size: int | None = None) -> bytes:
    """A value's digits in `size` bytes; missing is all F, a minus is FF before the digits.

    Raises:
        ValueError: the value does not fit.
    """
    element = ELEMENTS[symbol]
    size = size or element.size
    if value is None:
        return b"\xff" * size
    digits = digits_of(value, element.decimals).zfill(element.digits)
    if len(digits) > 2 * element.size:
        raise ValueError(f"{symbol} {value} has more than {element.digits} digits")
    return (b"\xff" if _negative(symbol, value) else b"") + pack(digits)


def _negative(symbol: str, value: float | None) -> bool:
    return value is not None and round(value, ELEMENTS[symbol].decimals) < 0


def _number(symbol: str, value: float | None) -> bytes:
    # A minus takes a byte of its own, and the definition counts it.
    element = ELEMENTS[symbol]
    size = element.size + _negative(symbol, value)
    return bytes([element.leader, size << 3 | element.decimals]) + bcd(symbol, value)


def _series(series: Series) -> bytes:
    # One length for all values (6.6.4.4 d): where one is negative, missing ones are as long as it.
    element = ELEMENTS[series.symbol]
    size = element.size + any(_negative(series.symbol, value) for value in series.values)
    step = f"{series.step_min // 1440:02}{series.step_min // 60 % 24:02}{series.step_min % 60:02}"
    values = (bcd(series.symbol, value, size).rjust(size, b"\x00") for value in series.values)
    head = b"\x04\x18" + bytes.fromhex(step) + bytes([element.leader, size << 3 | element.decimals])
    return head + b"".join(values)


def slots(item: Slots, deviations: frozenset[str] = NONE) -> bytes:
    """Twelve values without their identifier; rain beyond 25.4 mm spills into the next slot (note e)."""
    empty = 0 if "b" in deviations else None
    if item.symbol in LEVEL_SLOTS:
        raw = (empty if value is None else round(value * 100) for value in item.values)
        return b"".join((0xFFFF if value is None else value).to_bytes(2, "big") for value in raw)
    spilled, out = 0, bytearray()
    for value in item.values:
        tenths = round(value * 10) + spilled if value is not None else None
        spilled = max((tenths or 0) - 254, 0)
        filled = empty if tenths is None else min(tenths, 254)
        out.append(0xFF if filled is None else filled)
    return bytes(out)


def _hex(item: Item, deviations: frozenset[str]) -> bytes:  # noqa: C901, PLR0911 - one case an identifier
    match item:
        case Station(rtu, kind):
            mark = b"\xf1\x28" if "d" in deviations else b"\xf1\xf1"
            return mark + bytes.fromhex(rtu) + kind.encode()
        case Observed(at):
            mark = b"\xf0\x28" if "d" in deviations else b"\xf0\xf0"
            return mark + bytes.fromhex(minutes(at))
        case Number(symbol, value):
            return _number(symbol, value)
        case Series():
            return _series(item)
        case Slots(symbol, _) if symbol in RAIN_SLOTS:
            return bytes([RAIN_SLOTS[symbol], 0x60]) + slots(item, deviations)
        case Slots(symbol, _):
            definition = 0x5C if "c" in deviations else 0xC0
            return bytes([LEVEL_SLOTS[symbol], definition]) + slots(item, deviations)
        case Status(bits):
            return b"\x45\x20" + bits.to_bytes(4, "big")
        case Text(words):
            return b"\xf2\xf2" + words
        case Picture(jpeg):
            return b"\xf3\xf3" + jpeg
        case Vendor(leader, definition, digits):
            return bytes([leader, definition]) + bytes.fromhex(digits)
        case Raw(data):
            return data


def _ascii(item: Item) -> bytes:  # noqa: C901, PLR0911 - one case an identifier
    match item:
        case Station(rtu, kind):
            return f"ST {rtu} {kind} ".encode() if kind else f"ST {rtu} ".encode()
        case Observed(at):
            return f"TT {minutes(at)} ".encode()
        case Number(symbol, value):
            return f"{symbol} {_decimal(symbol, value)} ".encode()
        case Series(step_min, symbol, values):
            told_ = " ".join(_decimal(symbol, value) for value in values)
            return f"{_step(step_min)} {symbol} {told_} ".encode()
        case Slots(symbol, _):
            return f"{symbol} {slots(item).hex().upper()} ".encode()
        case Status(bits):
            return f"ZT {bits:08X} ".encode()
        case Text(words):
            return b"RGZS " + words + b" "
        case Picture(jpeg):
            return b"PIC " + jpeg + b" "
        case Vendor(leader, _, digits):
            return f"{leader:02X} {digits} ".encode()
        case Raw(data):
            return data.hex().upper().encode()


def _decimal(symbol: str, value: float | None) -> str:
    return "M" if value is None else f"{value:.{ELEMENTS[symbol].decimals}f}"


def _step(step_min: int) -> str:
    if step_min % 1440 == 0:
        return f"DRD{step_min // 1440:02}"
    return f"DRH{step_min // 60:02}" if step_min % 60 == 0 else f"DRN{step_min:02}"
