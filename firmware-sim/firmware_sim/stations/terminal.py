"""An SL/T 427 terminal: logs in, reports each kind of value, stays on line, sets its clock by the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from firmware_sim.protocols.bcd import beijing, since_1970
from firmware_sim.protocols.slt427 import (
    ALARM,
    ALIVE,
    ENERGY,
    EVAPORATION,
    FLOW,
    FRESH,
    GATE,
    LEVEL,
    LINK,
    LOGIN,
    POWER,
    PRESSURE,
    RAIN,
    REPORT,
    VELOCITY,
    WATER_TEMPERATURE,
    Orders,
    Station,
    alarm_report,
    flow,
    link,
    packed,
    report,
    volume,
)
from firmware_sim.stations.clock import Clock
from firmware_sim.stations.outbox import Outbox

ALIVE_S = 60.0
KINDS = {
    "rain-total": RAIN,
    "level": LEVEL,
    "velocity": VELOCITY,
    "gate-opening": GATE,
    "energy-total": ENERGY,
    "water-temperature": WATER_TEMPERATURE,
    "evaporation": EVAPORATION,
    "pressure": PRESSURE,
}
ALARMS = {
    "mains-lost": 1,
    "battery-low": 2,
    "level-alarm": 4,
    "flow-alarm": 8,
    "quality-alarm": 16,
    "door-open": 1 << 13,
}


class Terminal:
    """One terminal's firmware, without I/O."""

    def __init__(self, station: Station, report_s: float, clock: Clock, outbox: Outbox) -> None:
        self.station, self.report_s, self.clock, self.outbox = station, report_s, clock, outbox
        self.hang_up = False
        self.refused = 0
        self.mode = 1  # what the centre last said: 0 both ways, 1 reports, 2 answers, 3 repair
        self._reader = Orders()
        self._due = -1
        self._alarms = 0
        self._logged_in = False
        self._spoke_at = 0.0
        self._count = 0

    def sampled(self, values: Mapping[str, float], true_s: float) -> None:
        """One turn of the sampling loop."""
        shown = self.clock.at(true_s)
        alarms = sum(bit for name, bit in ALARMS.items() if values.get(name))
        state = self._state(values)
        moment = beijing(shown)
        if alarms != self._alarms:
            self._put(ALARM, lambda tries: alarm_report(self.station, alarms, state, moment, tries=tries))
        due = int(shown // self.report_s)
        if due != self._due:
            for kind, content in self._contents(values):
                self._put(REPORT, self._made(kind, content, moment, alarms, state))
        self._alarms, self._due = alarms, due

    def _state(self, values: Mapping[str, float]) -> int:
        stopped = "pump-running" in values and not values["pump-running"]
        shut = not values.get("door-open")
        return 1 | stopped << 4 | shut << 5 | bool(values.get("mains-lost")) << 6

    def _contents(self, values: Mapping[str, float]) -> list[tuple[int, bytes]]:
        told = [(kind, packed(kind, _given(values[name]))) for name, kind in KINDS.items() if name in values]
        if "power" in values:
            told.append((POWER, packed(POWER, _given(values["power"] / 1000))))  # kW
        if "flow" in values or "volume-total" in values:
            both = flow(_given(values.get("flow"))) + volume(_given(values.get("volume-total")))
            told.append((FLOW, both))
        return told

    def _made(
        self, kind: int, content: bytes, moment: datetime, alarms: int, state: int
    ) -> Callable[[int], bytes]:
        return lambda tries: report(
            self.station, kind, content, moment, alarm=alarms, state=state, tries=FRESH - tries
        )

    def _put(self, afn: int, make: Callable[[int], bytes]) -> None:
        self._count += 1
        self.outbox.put((afn, self._count), make)

    def outgoing(self, now: float, true_s: float) -> bytes:  # noqa: ARG002 - only some tell the time
        """Bytes to send now: a log-in first, then reports, a sign of life where there is nothing else."""
        told = b"" if self._logged_in else link(self.station, LOGIN)
        self._logged_in = True
        told += self.outbox.due(now)
        if not told and now - self._spoke_at >= ALIVE_S:
            told = link(self.station, ALIVE)
        if told:
            self._spoke_at = now
        return told

    def link_lost(self) -> None:
        """The next link begins with a log-in."""
        self._logged_in = False

    def heard(self, received: bytes, true_s: float) -> None:
        """Take what the centre sent: an acknowledgement names the function, and tells the time."""
        for order in self._reader.feed(received):
            if order.address != self.station.wire:
                self.refused += 1
            elif order.afn in (REPORT, ALARM):
                self.outbox.acknowledge_first(order.afn)
                if order.content:
                    self.mode = order.content[0]
                self._set_clock(order.content[1:], true_s)
            elif order.afn != LINK:
                self.refused += 1

    def _set_clock(self, tag: bytes, true_s: float) -> None:
        if len(tag) != 7:  # noqa: PLR2004 - the short tag has no month and sets no clock
            return
        try:
            told = datetime.strptime(tag[:6].hex(), "%S%M%H%d%m%y")  # noqa: DTZ007 - Beijing time, no zone
        except ValueError:
            return
        self.clock.set(since_1970(told), true_s)

    def reboot(self) -> None:
        """RAM is lost."""
        self.outbox.reboot()
        self._due, self._alarms, self._logged_in = -1, 0, False


def _given(value: float | None) -> float | None:
    return None if value is None or value != value else value  # noqa: PLR0124 - NaN
