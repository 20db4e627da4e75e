"""The counts of the last minutes, who was heard when, and whose clock is too far off to be believed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from cityhub.crowd.ground import Meter
from edge.reading import FAIL, MISSING
from geo.clocks import clocks
from geo.counting import HALF_LIVES

COUNT = np.dtype([("time", "<i8"), ("slot", "<i4"), ("value", "<f8"), ("flag", "u1"), ("arrived", "<i8")])
"""A reading that counts people; times in us."""

LEAST_HALF_LIFE_S = 5.0
"""One that speaks every second is smoothed over so long."""
LEAST_KEPT_S = 120.0
"""A flow looks back over a minute and an interval."""
APART_S = 30.0
"""A clock may be off by this and one interval; cameras that stamp the begin of a minute are a minute behind."""
SILENT_INTERVALS, SILENT_S = 3.0, 60.0
"""A counter of which nothing is heard for so long counts nothing; its device need only say anything at all."""


class Counts:
    """What has come of the meters that count."""

    def __init__(self) -> None:
        self.meters: dict[int, Meter] = {}
        self.rows: NDArray[np.void] = np.zeros(0, COUNT)
        self.heard: dict[int, int] = {}  # by device: when anything came of it, us
        self.apart: dict[str, float] = {}  # by device: how far its clock is behind, s
        self._recalled = False
        self._sound = self.rows
        self._spans: dict[int, tuple[int, int]] = {}
        self._last: dict[int, list[float]] = {}

    def attend(self, meters: Iterable[Meter]) -> None:
        """These series count; all others are nothing to us."""
        self.meters = {meter.slot: meter for meter in meters}

    def take(self, rows: NDArray[np.void], heard: Mapping[int, int]) -> NDArray[np.void]:
        """Take in new readings, in the order in which they came; returns those that count."""
        self.heard |= heard
        rows = rows[np.isin(rows["slot"], list(self.meters))]
        self.rows = np.concatenate([self.rows, rows])
        if self._recalled:
            # What was stored a moment ago was recalled, and comes this way too: once, for all of it is here now.
            _, first = np.unique(self.rows[["slot", "time"]], return_index=True)
            self.rows, self._recalled = self.rows[np.sort(first)], False
        return rows

    def remember(self, rows: NDArray[np.void]) -> None:
        """Take up what an earlier run of the hub has taken in."""
        self.rows, self._recalled = np.concatenate([rows, self.rows]), True
        for row in rows:
            device = self.meters[int(row["slot"])].device_id
            self.heard[device] = max(self.heard.get(device, 0), int(row["arrived"]))

    def go_on_from(self, before: Counts) -> None:
        """The ground was drawn anew: take over what is known."""
        self.rows, self.heard = before.rows, before.heard

    def order(self, at_us: int) -> None:
        """Make ready for a moment: what is old is let go, what is sound in order, and clocks are judged."""
        self._forget(at_us)
        self._sort(at_us)
        self._judge_clocks()

    def alive(self, meter: Meter, at_us: int) -> bool:
        """Whether a counter's device has been heard lately."""
        silent_us = max(SILENT_INTERVALS * meter.interval_s, SILENT_S) * 1e6
        return at_us - self.heard.get(meter.device_id, 0) <= silent_us

    def newest(self, meters: Iterable[Meter | None]) -> dict[str, list[float]]:
        """The newest sound count of each, by `device/metric`: the time in ms, and the value."""
        return {
            f"{meter.device}/{meter.metric}": self._last[meter.slot]
            for meter in meters
            if meter is not None and meter.slot in self._last
        }

    def rows_of(self, meter: Meter) -> NDArray[np.void]:
        """The sound counts of a meter up to the moment that was counted last, oldest first."""
        first, last = self._spans.get(meter.slot, (0, 0))
        return self._sound[first:last]

    def _judge_clocks(self) -> None:
        """Whose clock is too far off, by the counts of the last minutes."""
        slots = sorted(self.meters)
        tolerance = np.array([APART_S + self.meters[slot].interval_s for slot in slots])
        found = clocks(
            np.searchsorted(slots, self.rows["slot"]),
            self.rows["time"],
            self.rows["arrived"],
            len(slots),
            tolerance,
        )
        self.apart = {
            self.meters[slots[place]].device: float(found.behind_s[place])
            for place in np.flatnonzero(found.apart)
        }

    def _sort(self, at_us: int) -> None:
        """Put the counts that are no failures and not of the future in order, by series."""
        sound = self.rows[(self.rows["time"] <= at_us) & ~np.isin(self.rows["flag"], (FAIL, MISSING))]
        self._sound = sound[np.lexsort((sound["time"], sound["slot"]))]
        slots, first = np.unique(self._sound["slot"], return_index=True)
        last = np.append(first[1:], len(self._sound))[: len(first)]
        self._spans = dict(zip(slots.tolist(), zip(first.tolist(), last.tolist(), strict=True), strict=True))
        newest = self._sound[last - 1] if len(slots) else self._sound
        columns = (newest["slot"].tolist(), (newest["time"] // 1000).tolist(), newest["value"].tolist())
        self._last = {slot: [at_ms, value] for slot, at_ms, value in zip(*columns, strict=True)}

    def _forget(self, at_us: int) -> None:
        """Let go what came too long ago to say anything of now; by arrival, for clocks may lie."""
        if not len(self.rows):
            return
        slots, place = np.unique(self.rows["slot"], return_inverse=True)
        kept = [
            1e6 * kept_s(self.meters[slot].interval_s) if slot in self.meters else -np.inf
            for slot in slots.tolist()
        ]
        self.rows = self.rows[self.rows["arrived"] > at_us - np.array(kept)[place]]


def kept_s(interval_s: float) -> float:
    """How long counts that come so often are kept."""
    return max(HALF_LIVES * half_life_s(interval_s), LEAST_KEPT_S)


def half_life_s(interval_s: float) -> float:
    """How soon a count weighs half: it fades with the interval of its camera, and is gone after four of them."""
    return max(interval_s / 2, LEAST_HALF_LIFE_S)
