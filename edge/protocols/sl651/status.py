"""State and alarms of a station, one bit each (SL 651-2014, table 58)."""

from __future__ import annotations

from typing import NamedTuple


class Bit(NamedTuple):
    """One bit as a metric that is 1 when its name is true."""

    metric: str
    inverted: bool  # the station says 0 for true
    meaning: str


BITS = (
    Bit("mains-lost", False, "mains lost"),
    Bit("battery-low", False, "battery low"),
    Bit("level-alarm", False, "level beyond its limit"),
    Bit("flow-alarm", False, "flow beyond its limit"),
    Bit("quality-alarm", False, "water quality beyond its limit"),
    Bit("flow-meter-fault", False, "flow meter at fault"),
    Bit("level-meter-fault", False, "level meter at fault"),
    Bit("door-open", True, "door of the box open"),
    Bit("storage-fault", False, "storage at fault"),
    Bit("ic-card", False, "IC card in use"),
    Bit("pump-running", True, "pump running"),
    Bit("water-left-alarm", False, "water left beyond its limit"),
)
RESERVED = ~((1 << len(BITS)) - 1)


def states(word: int) -> list[tuple[str, float]]:
    """Every bit that the standard names, as (metric, 0 or 1)."""
    return [(bit.metric, float((word >> place & 1) ^ bit.inverted)) for place, bit in enumerate(BITS)]
