"""The alarm and state words at the end of a report, two bytes each, the lowest first."""

from __future__ import annotations

from typing import NamedTuple

LENGTH = 4


class Bit(NamedTuple):
    """One bit: its metric (`""`: told, not stored), and what 0 and 1 mean."""

    metric: str
    name: str
    off: str = "no"
    on: str = "yes"
    turned: bool = False  # the metric is 1 where the bit is 0


ALARMS = (
    Bit("mains-lost", "mains lost"),
    Bit("battery-low", "battery low"),
    Bit("level-alarm", "level over its limit"),
    Bit("flow-alarm", "flow over its limit"),
    Bit("quality-alarm", "quality over its limit"),
    Bit("flow-meter-fault", "flow meter faulty"),
    Bit("", "pump's state has changed"),
    Bit("level-meter-fault", "level meter faulty"),
    Bit("pressure-alarm", "pressure over its limit"),
    Bit("temperature-alarm", "temperature over its limit"),
    Bit("", "IC card alarm"),
    Bit("quota-alarm", "quota alarm"),
    Bit("remaining-water-alarm", "remaining water below its limit"),
    Bit("", "door alarm"),
    Bit("", "spare 14"),
    Bit("", "spare 15"),
)
STATES = (
    Bit("", "IC card", "not in use", "in use"),
    Bit("", "quota", "off", "on"),
    Bit("pump-running", "pump", "running", "stopped", turned=True),
    Bit("door-open", "door", "open", "closed", turned=True),
    Bit("", "supply", "mains", "battery"),
)
"""From bit 2 on; bits 0 and 1 are the working mode."""
MODES = ("reports and answers", "reports, to be confirmed", "answers", "test or repair")


class Seen(NamedTuple):
    """One bit as it was sent."""

    bit: Bit
    set: bool

    @property
    def value(self) -> float:
        """Of the metric: 1 or 0."""
        return float(self.set != self.bit.turned)


def words(data: bytes) -> tuple[list[Seen], str]:
    """Every bit of the four bytes, and the working mode."""
    alarm, state = int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "little")
    seen = [Seen(bit, bool(alarm >> place & 1)) for place, bit in enumerate(ALARMS)]
    seen += [Seen(bit, bool(state >> place & 1)) for place, bit in enumerate(STATES, start=2)]
    return seen, MODES[state & 3]
