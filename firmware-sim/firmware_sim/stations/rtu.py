"""An SL 651 station: reports by time, by threshold and by the hour, repeats what is not acknowledged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from firmware_sim.protocols.bcd import beijing
from firmware_sim.protocols.sl651.body import (
    Item,
    Number,
    Observed,
    Picture,
    Series,
    Slots,
    Station,
    Status,
    Vendor,
)
from firmware_sim.protocols.sl651.downlink import Downlink, Downlinks
from firmware_sim.protocols.sl651.frame import ACK, EOT, ESC, ETX, NAK, Line, body, frame, packet, packets
from firmware_sim.stations.clock import Clock
from firmware_sim.stations.elements import SYMBOLS
from firmware_sim.stations.memory import HOUR_SLOTS, SLOT_S, Memory
from firmware_sim.stations.orders import obey
from firmware_sim.stations.outbox import Outbox

HEARTBEAT, TEST, EVEN, TIMED, ADDITIONAL, HOURLY, PICTURE = 0x2F, 0x30, 0x31, 0x32, 0x33, 0x34, 0x36
HEARTBEAT_S = 40.0  # as the standard advises
DOOR_SHUT, MAINS_LOST, BATTERY_LOW, LEVEL_HIGH, PUMP_STOPPED = 1 << 7, 1, 1 << 1, 1 << 2, 1 << 10


@dataclass(slots=True)
class Settings:
    """How a station is set up."""

    kind: str = "H"  # class, table A.1
    timed_s: float = 3600.0
    functions: frozenset[int] = frozenset({TIMED, ADDITIONAL, HOURLY})
    thresholds: Mapping[str, float] = field(default_factory=dict)  # metric -> change that is told at once
    base_m: float = 0.0  # base level of F5
    picture_s: float = 0.0
    stays: bool = True  # keeps the link after EOT


class Rtu:
    """One station's firmware, without I/O: samples and downlinks in, frames out."""

    def __init__(self, line: Line, settings: Settings, chance: Random, clock: Clock, outbox: Outbox) -> None:
        self.line, self.settings, self.clock, self.outbox = line, settings, clock, outbox
        self.memory = Memory()
        self.serial = chance.randrange(0xF000, 0xFFFF) if "j" in line.deviations else 0
        self.pumps = 0
        self.parameters: dict[int, bytes] = {}
        self.refused = 0  # downlinks with another password or for another station
        self.repeated_packets = 0
        self.hang_up = False
        self._chance = chance
        self._reader = Downlinks()
        self._answers = b""
        self._pictures: dict[int, list[bytes]] = {}
        self._told: dict[str, float] = {}
        self._minute = -1
        self._timed_at = self._hour = self._pictured_at = -1
        self._spoke_at = 0.0

    # --- sampling

    def sampled(self, values: Mapping[str, float], true_s: float) -> None:
        """One turn of the sampling loop: remember, and tell what is due."""
        shown = self.clock.at(true_s)
        self.memory.keep(shown, values)
        minute = int(shown // 60)
        if minute == self._minute:
            # Times of observation are minutes: two reports of one minute would contradict each other.
            return
        due = int(shown // self.settings.timed_s)
        hour = int(shown // 3600)
        trigger = self._trigger(values)
        if HOURLY in self.settings.functions and self._hour not in (-1, hour):
            self.tell(HOURLY, self._hour_items(hour * 3600), shown)
        if EVEN in self.settings.functions and self._hour not in (-1, hour):
            self.tell(EVEN, self._even_items(hour * 3600), shown)
        if self._timed_at == -1 and TEST in self.settings.functions:
            self.tell(TEST, self.now_items(shown), shown)
        elif TIMED in self.settings.functions and due != self._timed_at:
            self.tell(TIMED, self.now_items(shown), shown)
            self._settle(values, minute)
        elif trigger and ADDITIONAL in self.settings.functions:
            self.tell(ADDITIONAL, self.now_items(shown, first=trigger), shown)
            self._settle(values, minute)
        self._timed_at, self._hour = due, hour
        self._picture(shown)

    def tell(self, function: int, items: list[Item], shown: float) -> None:
        """Put a report into the outbox under the next serial number."""
        self.serial = self.serial % 0xFFFF + 1
        sent = beijing(shown)
        if "j" in self.line.deviations and self._chance.random() < 0.1:  # noqa: PLR2004 - now and then
            # A clock that lost its year: 59 is 1959 or 2059, and neither is now.
            sent = sent.replace(year=2059, day=min(sent.day, 28))
        whole = frame(self.line, function, body(self.line, self.serial, sent, items))
        self.outbox.put((function, self.serial), lambda _: whole)

    def now_items(self, shown: float, first: str = "") -> list[Item]:
        """Station, time and all last values; the one that made it speak comes first (table 34)."""
        metrics = [name for name in self.memory.last if name in SYMBOLS and name != first]
        return [
            Station(self.line.rtu, self.settings.kind),
            Observed(beijing(shown)),
            *(self.number(name) for name in ([first] if first else []) + metrics if name != "battery"),
            *(
                [Vendor(0xC1, 0x12, f"{self._chance.randrange(10000):04}")]
                if "g" in self.line.deviations
                else []
            ),
            Status(self.status()),
            *([self.number("battery")] if "battery" in self.memory.last else []),
        ]

    def number(self, metric: str) -> Number:
        """The last value of a metric as an element."""
        value = self.memory.last.get(metric)
        if value is not None and metric == "wind-direction":
            value = round(value / 22.5) % 16 + 1  # 1 is north, clockwise
        symbol = "ZU" if metric == "level" and self.settings.kind == "K" else SYMBOLS[metric]
        return Number(symbol, None if value is None or value != value else value)  # noqa: PLR0124 - NaN

    def status(self) -> int:
        """Bits of table 58."""
        last = self.memory.last
        bits = DOOR_SHUT if not last.get("door-open") else 0
        bits |= MAINS_LOST * bool(last.get("mains-lost")) | BATTERY_LOW * bool(last.get("battery-low"))
        bits |= LEVEL_HIGH * bool(last.get("level-alarm"))
        return bits | (PUMP_STOPPED if "pump-running" in last and not last["pump-running"] else 0)

    def _trigger(self, values: Mapping[str, float]) -> str:
        for metric, step in self.settings.thresholds.items():
            if metric in values and metric in self._told and abs(values[metric] - self._told[metric]) >= step:
                return metric
        return ""

    def _settle(self, values: Mapping[str, float], minute: int) -> None:
        self._told = dict(values)
        self._minute = minute

    def _hour_items(self, end_s: int) -> list[Item]:
        # The time of an hour's report is that of its first group (table 36); deviation a tells the last one's.
        first = end_s - (HOUR_SLOTS - 1) * SLOT_S
        items: list[Item] = [
            Station(self.line.rtu, self.settings.kind),
            Observed(beijing(end_s if "a" in self.line.deviations else first)),
        ]
        if "rain" in self.memory.last:
            items.append(Slots("DRP", self.memory.slots("rain", end_s)))
        if "level" in self.memory.last:
            levels = self.memory.slots("level", end_s)
            base = self.settings.base_m
            items.append(Slots("DRZ1", tuple(None if one is None else max(one - base, 0) for one in levels)))
        if "a" not in self.line.deviations:
            items.append(Observed(beijing(end_s)))
        totals = [name for name in ("rain-total", "battery") if name in self.memory.last]
        # As they stood at the end of the hour, which may be minutes before this report.
        stood = ((name, self.memory.slots(name, end_s, count=1)[0]) for name in totals)
        return items + [Number(SYMBOLS[name], value) for name, value in stood]

    def _even_items(self, end_s: int) -> list[Item]:
        first = beijing(end_s) - timedelta(seconds=(HOUR_SLOTS - 1) * SLOT_S)
        values = self.memory.slots("level", end_s)
        return [Station(self.line.rtu, self.settings.kind), Observed(first), Series(5, "Z", values)]

    # --- pictures

    def _picture(self, shown: float) -> None:
        if self.settings.picture_s and int(shown // self.settings.picture_s) != self._pictured_at:
            self._pictured_at = int(shown // self.settings.picture_s)
            self.picture(jpeg(self._chance), shown)

    def picture(self, data: bytes, shown: float) -> None:
        """Send a picture in packets (M3): one acknowledgement for all, or the number of a bad one."""
        self.serial = self.serial % 0xFFFF + 1
        if "i" in self.line.deviations:
            data = data[:200]  # it ends before the JPEG does, and is a single packet all the same
        items: list[Item] = [
            Station(self.line.rtu, self.settings.kind),
            Observed(beijing(shown)),
            Picture(data),
        ]
        whole = body(self.line, self.serial, beijing(shown), items)
        made = packets(self.line, PICTURE, whole)
        self._pictures = {self.serial: made}
        self.outbox.put((PICTURE, self.serial), lambda _: b"".join(made))

    # --- the line

    def outgoing(self, now: float, true_s: float) -> bytes:
        """Bytes to send now: answers first, then reports, a heartbeat where there is nothing else.

        Args:
            now: seconds of the network's clock, which waits and repeats go by.
            true_s: seconds since 1970, which the station's own clock goes by.
        """
        told, self._answers = self._answers, b""
        told += self.outbox.due(now)
        if told:
            self._spoke_at = now
        elif now - self._spoke_at >= HEARTBEAT_S and self.settings.stays:
            self._spoke_at = now
            shown = beijing(self.clock.at(true_s))
            # The serial number of the last report, not counted on; nobody answers.
            told = frame(self.line, HEARTBEAT, body(self.line, max(self.serial, 1), shown, []))
        return told

    def heard(self, data: bytes, true_s: float) -> None:
        """Take what the centre sent."""
        for order in self._reader.feed(data):
            if order.rtu != self.line.rtu.upper():
                self.refused += 1
            elif order.end == NAK:
                self._repeat(order)
            elif order.end in (EOT, ESC, ACK) and self._acknowledged(order):
                self.hang_up = order.end == EOT and not self.settings.stays and not self.outbox.waiting
            elif "f" not in self.line.deviations and order.password != self.line.password.upper():
                self.refused += 1
            else:
                self._answers += obey(self, order, true_s)

    def _acknowledged(self, order: Downlink) -> bool:
        return self.outbox.acknowledge((order.function, order.serial))

    def _repeat(self, order: Downlink) -> None:
        for made in self._pictures.values():
            if order.packet and 1 <= order.packet[0] <= len(made):
                number = order.packet[0]
                self.repeated_packets += 1
                # The end of a repeated packet is ETX, wherever it stands (6.3.1.2 c).
                cut = made[number - 1]
                tail = (5 if self.line.ascii_ else 3) + ("e" in self.line.deviations)
                head = 30 if self.line.ascii_ else 17
                self._answers += packet(self.line, PICTURE, cut[head:-tail], (number, len(made)), ETX)

    def reboot(self) -> None:
        """RAM is lost: what waits, the slots, the count of serial numbers."""
        self.outbox.reboot()
        self.memory.forget()
        self.serial = self._chance.randrange(0x8000) if "j" in self.line.deviations else 0
        self._timed_at = self._hour = -1
        self._told = {}


def jpeg(chance: Random) -> bytes:
    """Something that begins and ends as a JPEG does."""
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + chance.randbytes(chance.randrange(600, 2400)) + b"\xff\xd9"
