"""What the data of a report measured: every kind of SL/T 427, and where SZY 206 differs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from edge.protocols.sl427.values import NONE, Number, decimal

KINDS = {
    0: "confirmation",
    1: "rain",
    2: "level",
    3: "flow and volume",
    4: "velocity",
    5: "gate",
    6: "power",
    7: "weather",
    8: "energy",
    9: "water temperature",
    10: "water quality",
    11: "soil moisture",
    12: "evaporation",
    13: "alarms and state",
    14: "rain of a period",
    15: "water pressure",
}
STATISTICS, ALARMS = 14, 13

QUALITY = (
    "water-temperature",
    "ph",
    "dissolved-oxygen",
    "conductivity",
    "turbidity",
    "cod-mn",
    "ammonia",
    "phosphorus",
    "nitrogen",
    "chlorophyll-a",
    "cod",
    "bod5",
    "copper",
    "zinc",
    "fluoride",
    "selenium",
    "arsenic",
    "mercury",
    "cadmium",
    "chromium-vi",
    "lead",
    "cyanide",
    "phenol",
    "petroleum",
    "anionic-surfactant",
    "sulfide",
    "fecal-coliform",
    "sulfate",
    "chloride",
    "nitrate",
    "iron",
    "manganese",
)
"""Water quality by bit (table 18 of SL/T 427); bits from 32 on are spare."""


class Read(NamedTuple):
    """One value of a report."""

    metric: str
    number: Number
    unit: str
    raw: bytes


class Unfit(ValueError):
    """Data whose length no report of the kind has."""


class Plain(NamedTuple):
    """A kind that repeats one packed decimal, an instrument each."""

    metric: str
    length: int
    decimals: int
    unit: str
    signed: bool = False
    gain: float = 1.0
    several: bool = True


PLAIN = {
    1: Plain("rain-total", 3, 1, "mm", several=False),
    2: Plain("level", 4, 3, "m", signed=True),
    4: Plain("velocity", 3, 3, "m/s", signed=True),
    5: Plain("gate-opening", 3, 2, "m"),
    6: Plain("power", 3, 0, "W", gain=1000.0),
    8: Plain("energy-total", 4, 2, "kW.h"),
    9: Plain("water-temperature", 2, 1, "Cel", signed=True),
    12: Plain("evaporation", 3, 1, "mm"),
    15: Plain("pressure", 4, 2, "kPa"),
}


def _nth(metric: str, place: int) -> str:
    return metric if place == 0 else f"{metric}-{place + 1}"


def _plain(data: bytes, kind: Plain) -> Iterator[Read]:
    if not data or len(data) % kind.length or (not kind.several and len(data) != kind.length):
        raise Unfit(f"{len(data)} bytes are not {'some times ' if kind.several else ''}{kind.length}")
    for place in range(len(data) // kind.length):
        raw = data[place * kind.length : (place + 1) * kind.length]
        value, why = decimal(raw, kind.decimals, signed=kind.signed)
        yield Read(_nth(kind.metric, place), Number(value * kind.gain, why), kind.unit, raw)


def _flow(data: bytes, *, old: bool) -> Iterator[Read]:
    """Pairs of flow and volume. The flow's highest digit is two bits of sign and two of unit; in SZY 206 F is minus."""
    if not data or len(data) % 10:
        raise Unfit(f"{len(data)} bytes are not pairs of flow and volume, ten each")
    for place in range(len(data) // 10):
        flow, volume = data[place * 10 : place * 10 + 5], data[place * 10 + 5 : place * 10 + 10]
        sign = flow[4] >> 4
        number = decimal(flow[:4] + bytes((flow[4] & 0x0F,)), 3)
        if not (flow[:4].hex() + f"{flow[4] & 0x0F:x}").strip("a"):
            number = NONE  # the fifth byte may keep sign and unit
        elif sign not in {0x0, 0x3, 0xC, 0xF}:
            number = Number(math.nan, f"{flow.hex()}: sign and unit {sign:X} are none")
        else:
            hours = 3600.0 if sign & 0x3 and not (old and sign == 0xF) else 1.0  # noqa: PLR2004
            number = Number((-1.0 if sign & 0xC else 1.0) * number.value / hours, number.why)
        yield Read(_nth("flow", place), number, "m3/s", flow)
        yield Read(_nth("volume-total", place), decimal(volume, 0, signed=True), "m3", volume)


def _wind(data: bytes) -> Iterator[Read]:
    speed = data[:2] + bytes((data[2] & 0x0F,))
    number = (
        NONE
        if not data.hex().strip("a") or not speed.hex().replace("0a", "").strip("a")
        else decimal(speed, 2)
    )
    yield Read("wind-speed", number, "m/s", data)


def _weather(data: bytes) -> Iterator[Read]:
    if len(data) not in {3, 8}:
        raise Unfit(f"{len(data)} bytes are neither pressure (3) nor pressure, wind and temperature (8)")
    yield Read("air-pressure", decimal(data[:3], 0), "hPa", data[:3])
    if data[3:]:
        yield from _wind(data[3:6])
        yield Read("air-temperature", decimal(data[6:], 1, signed=True), "Cel", data[6:])


def _old_wind(data: bytes) -> Iterator[Read]:
    if len(data) != 3:  # noqa: PLR2004
        raise Unfit(f"{len(data)} bytes are not the 3 of wind")
    yield from _wind(data)


def _soil(data: bytes) -> Iterator[Read]:
    if not data or len(data) % 4:
        raise Unfit(f"{len(data)} bytes are not pairs of moisture and depth, four each")
    for place in range(0, len(data), 4):
        raw = data[place : place + 4]
        depth = decimal(raw[2:], 0)
        if math.isnan(depth.value):
            yield Read("", Number(math.nan, f"{raw[2:].hex()} is no depth"), "%", raw)
        else:
            yield Read(f"soil-moisture-{depth.value:.0f}", decimal(raw[:2], 1), "%", raw)


def _quality(data: bytes, decimals: Mapping[str, int]) -> Iterator[Read]:
    """Five bytes of which parameters there are, four of each. How many decimals each has the station must be asked."""
    bits = int.from_bytes(data[:5], "little")
    if len(data) < 5 or len(data) != 5 + 4 * bits.bit_count():  # noqa: PLR2004
        raise Unfit(f"{len(data)} bytes are not those of {bits.bit_count()} parameters")
    place = 5
    for bit in range(40):
        if not bits >> bit & 1:
            continue
        raw = data[place : place + 4]
        place += 4
        metric = QUALITY[bit] if bit < len(QUALITY) else f"quality-{bit}"
        known = decimals.get(metric)
        number = decimal(raw, known or 0)
        if known is None and not math.isnan(number.value):
            why = f"{number.value:.0f} digits as sent: set how many of them are decimals"
            number = Number(math.nan, f"{metric}: {why}")
        yield Read(metric, number, "", raw)


STEPS = {0b00: (5, "min"), 0b01: (1, "h"), 0b10: (1, "d")}


def _statistics(data: bytes) -> Iterator[Read]:
    """A byte of period and three of rain."""
    if len(data) != 4:  # noqa: PLR2004
        raise Unfit(f"{len(data)} bytes are not the 4 of rain in a period")
    number, count = decimal(data[1:], 1), data[0] & 0x3F
    step = STEPS.get(data[0] >> 6)
    if step is None:
        yield Read("", Number(math.nan, f"rain of a test, {number.value:g} mm: not stored"), "mm", data)
    elif not count:
        yield Read("", Number(math.nan, "rain of no period"), "mm", data)
    else:
        yield Read(f"rain-{count * step[0]}{step[1]}", number, "mm", data)


def _alarms(data: bytes) -> Iterator[Read]:
    if data and len(data) != 2:  # noqa: PLR2004
        raise Unfit(f"{len(data)} bytes are not the 2 of a voltage")
    if data:
        yield Read("battery", decimal(data, 2), "V", data)


def values(kind: int, data: bytes, *, old: bool, decimals: Mapping[str, int]) -> list[Read]:
    """The values of a report without its alarm and state words and its time tag; raises Unfit.

    `old`: the station speaks SZY 206. `decimals`: of water quality, by metric. A metric `""` is told, not stored.
    """
    if old and kind == 8:  # noqa: PLR2004
        return list(_old_wind(data))
    if kind in PLAIN:
        return list(_plain(data, PLAIN[kind]))
    special: dict[int, Callable[[], Iterator[Read]]] = {
        3: lambda: _flow(data, old=old),
        7: lambda: _weather(data),
        10: lambda: _quality(data, decimals),
        11: lambda: _soil(data),
        13: lambda: _alarms(data),
        14: lambda: _statistics(data),
    }
    if kind not in special:
        raise Unfit(f"kind {kind} carries no values")
    return list(special[kind]())
