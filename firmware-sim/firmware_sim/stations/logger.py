"""An HJ 212 data logger: real-time and minute data, repeated until 9014 comes; obeys requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from firmware_sim.protocols.bcd import beijing, since_1970
from firmware_sim.protocols.hj212 import Factor, Instrument, Order, Orders, answer, data, packet, qn, segment
from firmware_sim.stations.clock import Clock
from firmware_sim.stations.outbox import Outbox

# Metric -> (factor, decimals): surface water, air, waste water.
FACTORS = {
    "ph": ("w01001", 2),
    "dissolved-oxygen": ("w01009", 2),
    "water-temperature": ("w01010", 1),
    "conductivity": ("w01014", 1),
    "turbidity": ("w01003", 1),
    "cod": ("w01018", 1),
    "cod-mn": ("w01019", 2),
    "ammonia": ("w21003", 3),
    "phosphorus": ("w21011", 3),
    "nitrogen": ("w21001", 3),
    "pm2-5": ("a34004", 0),
    "pm10": ("a34002", 0),
    "so2": ("a21026", 1),
    "no2": ("a21004", 1),
    "o3": ("a05024", 1),
    "co": ("a21005", 2),
    "air-temperature": ("a01001", 1),
    "air-pressure": ("a01006", 2),
}
REALTIME, MINUTE = "2011", "2051"
TAKEN, REFUSED, DONE = 1, 2, 1  # QnRtn, QnRtn, ExeRtn


@dataclass(slots=True)
class Intervals:
    """How often what is told, in seconds."""

    realtime_s: float = 30.0
    minute_s: float = 600.0


class Logger:
    """One data logger's firmware, without I/O."""

    def __init__(self, instrument: Instrument, intervals: Intervals, clock: Clock, outbox: Outbox) -> None:
        self.instrument, self.intervals, self.clock, self.outbox = instrument, intervals, clock, outbox
        self.hang_up = False
        self.refused = 0  # orders for another one
        self._reader = Orders()
        self._answers = b""
        self._gathered: dict[str, list[float]] = {}
        self._realtime = self._minute = -1
        self._qn_ms = 0

    def sampled(self, values: Mapping[str, float], true_s: float) -> None:
        """One turn of the sampling loop."""
        shown = self.clock.at(true_s)
        due, minute = int(shown // self.intervals.realtime_s), int(shown // self.intervals.minute_s)
        if due != self._realtime:
            told = [
                Factor(
                    code, {"Rtd": None if values[m] != values[m] else values[m]}, _flag(values[m]), decimals
                )
                for m, (code, decimals) in FACTORS.items()
                if m in values
            ]
            self._tell(REALTIME, due * self.intervals.realtime_s, told, shown)
        if self._minute not in (-1, minute):
            # The time of a period is its beginning, as HJ 212 has it.
            self._tell(MINUTE, (minute - 1) * self.intervals.minute_s, self._periods(), shown)
            self._gathered = {}
        for metric, value in values.items():
            if metric in FACTORS:  # of the period that has begun, not of the one just told
                self._gathered.setdefault(metric, []).append(value)
        self._realtime, self._minute = due, minute

    def _periods(self) -> list[Factor]:
        told = []
        for metric, values in self._gathered.items():
            good = [value for value in values if value == value]  # noqa: PLR0124 - NaN
            code, decimals = FACTORS[metric]
            if not good:
                told.append(Factor(code, {}, "D"))
                continue
            spread = {"Min": min(good), "Avg": sum(good) / len(good), "Max": max(good)}
            told.append(Factor(code, dict(spread), "N", decimals))
        return told

    def _tell(self, cn: str, time_s: float, factors: list[Factor], shown: float) -> None:
        if not factors:
            return
        # A request's number is its time in milliseconds, and no two are the same.
        self._qn_ms = max(self._qn_ms + 1, round(shown * 1000))
        number = qn(beijing(self._qn_ms / 1000))
        whole = b"".join(data(self.instrument, number, cn, beijing(time_s), factors))
        self.outbox.put((number, cn), lambda _: whole)

    def outgoing(self, now: float, true_s: float) -> bytes:  # noqa: ARG002 - only some tell the time
        """Bytes to send now."""
        told, self._answers = self._answers, b""
        return told + self.outbox.due(now)

    def heard(self, received: bytes, true_s: float) -> None:
        """Take what the host sent."""
        for order in self._reader.feed(received):
            head = order.head
            if head.get("MN") != self.instrument.mn:
                self.refused += 1
            elif head.get("CN") in ("9014", "9013"):
                for cn in (REALTIME, MINUTE):
                    if self.outbox.acknowledge((head.get("QN"), cn)):
                        break
            elif not head.get("CN", "9").startswith("9"):
                self._answers += self._obey(order, true_s)

    def _obey(self, order: Order, true_s: float) -> bytes:
        number, cn = order.head.get("QN", ""), order.head.get("CN", "")
        done, upload = True, b""
        match cn:
            case "1061":
                upload = self._upload(number, cn, f"RtdInterval={self.intervals.realtime_s:.0f}")
            case "1062":
                done = self._set("realtime_s", order.cp.get("RtdInterval", ""), 1)
            case "1063":
                upload = self._upload(number, cn, f"MinInterval={self.intervals.minute_s / 60:.0f}")
            case "1064":
                done = self._set("minute_s", order.cp.get("MinInterval", ""), 60)
            case "1011":
                stamp = f"SystemTime={beijing(self.clock.at(true_s)):%Y%m%d%H%M%S}"
                upload = self._upload(number, cn, stamp)
            case "1012":
                done = self._set_clock(order.cp.get("SystemTime", ""), true_s)
            case _:
                return answer(self.instrument, number, "9011", f"QnRtn={REFUSED}")
        taken = answer(self.instrument, number, "9011", f"QnRtn={TAKEN}")
        return taken + upload + answer(self.instrument, number, "9012", f"ExeRtn={DONE if done else 2}")

    def _upload(self, number: str, cn: str, cp: str) -> bytes:
        return packet(segment(self.instrument, number, cn, 0, cp, None))

    def _set(self, name: str, text: str, scale: int) -> bool:
        if not text.isdigit() or not 0 < int(text) <= 3600:  # noqa: PLR2004 - an hour
            return False
        setattr(self.intervals, name, int(text) * scale)
        return True

    def _set_clock(self, text: str, true_s: float) -> bool:
        try:
            told = datetime.strptime(text, "%Y%m%d%H%M%S")  # noqa: DTZ007 - Beijing time has no zone here
        except ValueError:
            return False
        self.clock.set(since_1970(told), true_s)
        return True

    def reboot(self) -> None:
        """RAM is lost."""
        self.outbox.reboot()
        self._gathered = {}
        self._realtime = self._minute = -1


def _flag(value: float) -> str:
    return "N" if value == value else "D"  # noqa: PLR0124 - NaN
