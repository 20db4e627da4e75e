"""Report by exception: what lies within its deadband of the last that was sent is not sent again, up to a longest silence."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge.drivers.dialogue import Sample
from edge.drivers.listener import Accept
from edge.positions import Fix

SERIES_KEPT = 100_000  # a station that invents names must not fill our memory; the rest is sent as it comes


@dataclass(frozen=True, slots=True)
class Rule:
    """When a reading is worth sending."""

    deadband: Mapping[str, float]  # by metric, in its unit; a metric that is not named is always sent
    silence_us: int  # the longest time between two that are sent, by the readings' own times


class ByException:
    """Stands before `accept`. May be called from any driver's thread.

    A change beyond the deadband also sends the last one that was held back: a chart draws a line between points, and
    without it a level that was still for an hour and then jumped would look as if it had climbed for an hour. One that
    only ends the longest silence needs no such company: it lies within the deadband, and so does the line to it.
    """

    def __init__(self, accept: Accept, rule: Rule) -> None:
        self._accept, self._rule = accept, rule
        self._sent: dict[str, tuple[int, float]] = {}
        self._held: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self.suppressed = 0  # readings held back and never sent

    def accept(self, samples: Iterable[Sample], fixes: Iterable[Fix] = ()) -> None:
        """Pass on what is worth it, and every fix; raises what `accept` raises, and then all is as if nothing had been said."""
        with self._lock:
            sent: dict[str, tuple[int, float]] = {}
            held: dict[str, tuple[int, float] | None] = {}
            passed: list[Sample] = []
            suppressed = 0
            for sample in samples:
                suppressed += self._weigh(sample, sent, held, passed)
            if passed or fixes:
                self._accept(passed, fixes)
            self._sent |= sent
            for name, waits in held.items():
                if waits is None:
                    self._held.pop(name, None)
                else:
                    self._held[name] = waits
            self.suppressed += suppressed

    def flush(self) -> None:
        """Send what is held back: the agent ends, and the last word of a series should not be lost."""
        with self._lock:
            if self._held:
                self._accept([(name, *waits) for name, waits in self._held.items()])
                self.suppressed -= len(self._held)
                self._held.clear()

    def _weigh(
        self,
        sample: Sample,
        sent: dict[str, tuple[int, float]],
        held: dict[str, tuple[int, float] | None],
        passed: list[Sample],
    ) -> int:
        """Pass a reading on or hold it back; how many more are suppressed."""
        name, at_us, value = sample
        band = self._rule.deadband.get(name.rpartition("/")[2])
        last = sent.get(name) or self._sent.get(name)
        if band is None or (last is None and len(self._sent) + len(sent) >= SERIES_KEPT):
            passed.append(sample)
            return 0
        if last is not None and at_us <= last[0]:  # late: a gap is being filled, and each point of it counts
            passed.append(sample)
            return 0
        waits = held[name] if name in held else self._held.get(name)
        moved = last is None or _moved(last[1], value, band)
        if not moved and last is not None and at_us - last[0] < self._rule.silence_us:
            if waits is not None and at_us <= waits[0]:
                return 1
            held[name] = (at_us, value)
            return 1
        freed = 0
        if moved and waits is not None and waits[0] < at_us:
            passed.append((name, *waits))
            freed = 1
        passed.append(sample)
        sent[name] = (at_us, value)
        held[name] = None
        return -freed


def _moved(last: float, value: float, band: float) -> bool:
    if math.isnan(last) or math.isnan(value):
        return math.isnan(last) != math.isnan(value)
    # A hair of tolerance: 3.43 - 3.42 is 0.010000000000000231, and 3.44 - 3.43 a hair less than 0.01.
    return abs(value - last) >= band * (1 - 1e-9)
