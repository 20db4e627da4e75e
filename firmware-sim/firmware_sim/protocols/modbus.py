"""A Modbus TCP slave: registers of a water sensor or an energy meter, behind one door."""

from __future__ import annotations

import struct
from collections.abc import Callable

READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY = 3, 4, 6, 16
NO_FUNCTION, NO_ADDRESS, NO_VALUE, BUSY, NO_UNIT = 1, 2, 3, 6, 11
HERTZ = 50.0
MOST = 125  # registers one answer holds

Registers = Callable[[], dict[int, int]]
"""A unit's registers as they are now: address -> 16 bits; none before its first sample."""


def level_sensor(rain_mm: float, level_m: float) -> dict[int, int]:
    """SL 651, 5.2: rain in 0.1 mm at 0000H, level in mm as 32 bits at 0002H, high word first."""
    level = struct.pack(">i", round(level_m * 1000))
    high, low = struct.unpack(">HH", level)
    return {0: round(rain_mm * 10) & 0xFFFF, 1: 0, 2: high, 3: low}


def energy_meter(volts: float, amperes: float, watts: float, kwh: float) -> dict[int, int]:
    """32-bit floats, high word first, where three-phase meters after the SDM630 have them.

    Voltage 0000H, current 0006H, power 000CH of one phase and 0034H of all, frequency 0046H, energy 0048H; between
    them noughts: the other two phases are not connected.
    """
    found = dict.fromkeys(range(0x50), 0)
    for address, value in (
        (0x00, volts), (0x06, amperes), (0x0C, watts), (0x34, watts), (0x46, HERTZ), (0x48, kwh),
    ):  # fmt: skip
        found[address], found[address + 1] = struct.unpack(">HH", struct.pack(">f", value))
    return found


class Slave:
    """Answers requests of Modbus TCP; holds what was written until it is written again."""

    def __init__(self, units: dict[int, Registers]) -> None:
        self.units = units
        self.answered = 0
        self._written: dict[tuple[int, int], int] = {}

    def take(self, waiting: bytes) -> tuple[bytes, bytes]:
        """Answer all whole requests; the answers, and what is left of the stream.

        Raises:
            ValueError: this is not Modbus, the link is of no further use.
        """
        answers = b""
        while len(waiting) >= 7:  # noqa: PLR2004 - the head
            number, protocol, size, unit = struct.unpack(">HHHB", waiting[:7])
            if protocol != 0 or not 2 <= size <= 254:  # noqa: PLR2004 - the standard's bounds
                raise ValueError("no Modbus head")
            if len(waiting) < 6 + size:
                break
            body = self._answer(unit, waiting[7 : 6 + size])
            answers += struct.pack(">HHHB", number, 0, len(body) + 1, unit) + body
            waiting = waiting[6 + size :]
            self.answered += 1
        return answers, waiting

    def _answer(self, unit: int, request: bytes) -> bytes:  # noqa: PLR0911 - one return an exception
        function = request[0]
        if unit not in self.units:
            return bytes([function | 0x80, NO_UNIT])
        measured = self.units[unit]()
        if not measured:
            return bytes([function | 0x80, BUSY])
        registers = measured | {a: v for (u, a), v in self._written.items() if u == unit}
        if function in (READ_HOLDING, READ_INPUT) and len(request) == 5:  # noqa: PLR2004 - address and count
            first, count = struct.unpack(">HH", request[1:])
            if not 1 <= count <= MOST:
                return bytes([function | 0x80, NO_VALUE])
            wanted = range(first, first + count)
            if not all(address in registers for address in wanted):
                return bytes([function | 0x80, NO_ADDRESS])
            return bytes([function, 2 * count]) + b"".join(
                struct.pack(">H", registers[address]) for address in wanted
            )
        if function == WRITE_ONE and len(request) == 5:  # noqa: PLR2004 - address and value
            address, value = struct.unpack(">HH", request[1:])
            if address not in registers:
                return bytes([function | 0x80, NO_ADDRESS])
            self._written[unit, address] = value
            return request
        return bytes([function | 0x80, NO_FUNCTION])
