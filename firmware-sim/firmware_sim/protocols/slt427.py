"""SL/T 427-2021 (and SZY 206-2016): water resources, frames 68 L 68 ... CS 16, low bytes first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from firmware_sim.protocols.bcd import digits_of
from firmware_sim.protocols.checksum import slt427

RAIN, LEVEL, FLOW, VELOCITY, GATE, POWER, MET, ENERGY, WATER_TEMPERATURE = range(1, 10)
SOIL, EVAPORATION, STATUS, RAIN_SUM, PRESSURE = 0xB, 0xC, 0xD, 0xE, 0xF
LINK, ALARM, VOLTAGE, REPORT = 0x02, 0x81, 0x84, 0xC0
LOGIN, LOGOUT, ALIVE = 0xF0, 0xF1, 0xF2
# A fresh message counts three tries down to one: the count tells a repeat (6.3.3).
FRESH = 3

# Bytes, decimals, and whether the highest half byte is a sign, for a value of each kind (tables 33-47).
SHAPES = {
    RAIN: (3, 1, False),
    LEVEL: (4, 3, True),
    VELOCITY: (3, 3, True),
    GATE: (3, 2, False),
    POWER: (3, 0, False),
    ENERGY: (4, 2, False),
    WATER_TEMPERATURE: (2, 1, False),
    EVAPORATION: (3, 1, False),
    PRESSURE: (4, 2, False),
}


@dataclass(frozen=True, slots=True)
class Station:
    """A terminal and its habits."""

    address: str  # ten hexadecimal digits, as they are sent
    short_time: bool = False  # SZY 206-2016: a time tag of five bytes, without month and year

    @property
    def wire(self) -> bytes:
        """The address as sent."""
        return bytes.fromhex(self.address)


def district_address(district: str, number: int) -> str:
    """Way 1 of an address: six digits of GB/T 2260, then the station's number, its low byte first."""
    return district + number.to_bytes(2, "little").hex().upper()


def packed(kind: int, value: float | None) -> bytes:
    """One value, lowest digits first; AA where there is none; F in front is a minus.

    Raises:
        ValueError: it does not fit.
    """
    size, decimals, signed = SHAPES[kind]
    if value is None:
        return b"\xaa" * size
    digits = digits_of(value, decimals).zfill(2 * size)
    minus = round(value, decimals) < 0
    if len(digits) > 2 * size or (minus and not signed) or (signed and digits[0] != "0"):
        raise ValueError(f"{value} does not fit into {size} bytes")
    return bytes.fromhex("F" + digits[1:] if minus else digits)[::-1]


def flow(value: float | None, *, hourly: bool = False) -> bytes:
    """Table 35: nine digits, three of them decimals; then sign and unit (m3/s or m3/h), two bits each."""
    if value is None:
        return b"\xaa" * 5
    digits = digits_of(value, 3).zfill(9)
    top = (0b1100 if round(value, 3) < 0 else 0) | (0b0011 if hourly else 0)
    return bytes.fromhex(f"{top:X}{digits}")[::-1]


def volume(value: float | None) -> bytes:
    """Table 36: m3, up to ten digits."""
    return b"\xaa" * 5 if value is None else bytes.fromhex(f"{round(value):010}")[::-1]


def soil(moisture: float | None, depth_cm: int) -> bytes:
    """Table 42: per cent in two bytes, depth in two."""
    share = b"\xaa\xaa" if moisture is None else bytes.fromhex(digits_of(moisture, 1).zfill(4))[::-1]
    return share + bytes.fromhex(f"{depth_cm:04}")[::-1]


def tag(station: Station, moment: datetime, delay_min: int = 0) -> bytes:
    """Time tag Tp: when it was taken, and for how many minutes it is worth an answer (0: ever)."""
    written = f"{moment:%S%M%H%d}" if station.short_time else f"{moment:%S%M%H%d%m%y}"
    return bytes.fromhex(written) + bytes([delay_min])


def framed(user: bytes) -> bytes:
    """Start, length, user data, check sum, end."""
    return bytes([0x68, len(user), 0x68]) + user + bytes([slt427(user), 0x16])


def uplink(station: Station, kind: int, afn: int, content: bytes, *, tries: int = FRESH) -> bytes:
    """A frame from a station; `tries` is the frame count bit field, one less at every repeat."""
    return framed(bytes([0x80 | tries << 4 | kind]) + station.wire + bytes([afn]) + content)


def report(
    station: Station,
    kind: int,
    values: bytes,
    moment: datetime,
    *,
    alarm: int = 0,
    state: int = 0,
    tries: int = FRESH,
) -> bytes:
    """C0: values of one kind, two bytes of alarms, two of the terminal's state, the time they were taken."""
    ending = alarm.to_bytes(2, "little") + state.to_bytes(2, "little") + tag(station, moment)
    return uplink(station, kind, REPORT, values + ending, tries=tries)


def alarm_report(station: Station, alarm: int, state: int, moment: datetime, *, tries: int = FRESH) -> bytes:
    """81: alarms and state, when something became wrong."""
    content = alarm.to_bytes(2, "little") + state.to_bytes(2, "little") + tag(station, moment)
    return uplink(station, STATUS, ALARM, content, tries=tries)


def voltage_report(station: Station, volts: float) -> bytes:
    """84: the supply voltage, two bytes, no time tag."""
    return uplink(station, STATUS, VOLTAGE, bytes.fromhex(digits_of(volts, 2).zfill(4))[::-1])


def link(station: Station, what: int) -> bytes:
    """02: log in, log out, or still here."""
    return uplink(station, 0, LINK, bytes([what]))


class Order(NamedTuple):
    """A frame from the centre."""

    tries: int
    kind: int
    address: bytes
    afn: int
    content: bytes


class Orders:
    """Reads frames from a stream; what is no frame is stepped over byte by byte."""

    def __init__(self) -> None:
        self._waiting = b""

    def feed(self, received: bytes) -> list[Order]:
        """Take what came; the downlinks that are whole by now."""
        self._waiting += received
        found = []
        while (start := self._waiting.find(0x68)) >= 0:
            left = self._waiting[start:]
            if len(left) < 3:  # noqa: PLR2004 - both starts and the length
                break
            whole = left[1] + 5
            if left[2] == 0x68 and len(left) < whole:  # noqa: PLR2004 - the second start
                break
            order = _order(left[:whole]) if left[2] == 0x68 else None  # noqa: PLR2004 - as above
            if order:
                found.append(order)
            self._waiting = left[whole if order else 1 :]
        else:
            self._waiting = b""
        return found


def _order(frame: bytes) -> Order | None:
    user = frame[3:-2]
    if frame[-1] != 0x16 or slt427(user) != frame[-2] or len(user) < 7 or user[0] & 0x80:  # noqa: PLR2004
        return None
    return Order(user[0] >> 4 & 3, user[0] & 0xF, user[1:6], user[6], user[7:])
