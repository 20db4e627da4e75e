"""The doors: who went through them, what they make of each zone, and where cameras correct or contradict them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from cityhub.crowd.agreement import Agreement
from cityhub.crowd.counts import COUNT
from cityhub.crowd.ground import Gate, Ground, Meter
from edge.reading import FAIL, MISSING
from geo.counters import OUTDOORS, Occupancy

Column = NDArray[np.float64]

WHOLE = 0.95
"""Of a zone's ground; outlines are drawn by hand, and nobody draws a view to the last metre."""
CORRECT_EVERY_S = 60.0
"""Counts of the same cameras err alike: more of them prove nothing."""


class Doors:
    """The gates at which people come into a watched zone or go out of it, and the zones (z,) behind them."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        place = {zone.key: index for index, zone in enumerate(ground.watched)}
        sides = [
            [place.get(key or "", OUTDOORS) for key in (gate.into, gate.before)] for gate in ground.gates
        ]
        self._doors = [index for index, (into, before) in enumerate(sides) if into != before]
        columns = np.array([sides[index] for index in self._doors], np.int64).reshape(-1, 2)
        self._occupancy = Occupancy(len(place), columns[:, 0], columns[:, 1])
        self._of_zone = [
            [door for door, index in enumerate(self._doors) if zone in sides[index]]
            for zone in range(len(place))
        ]
        self._corrected = np.full(len(place), -np.inf)
        self._agreement = Agreement(len(place))
        self.waiting: NDArray[np.void] = np.zeros(0, COUNT)
        """Passings that have not gone through the doors yet."""
        self.ways: list[tuple[Meter | None, Meter | None]] = []
        """By gate: the meters of its two ways; None where nothing counts it."""
        self._passes = np.zeros(0, np.int32)
        self._stated: dict[int, float] = {}

    @property
    def spread(self) -> Column:
        """Standard deviation of what the doors say (z,)."""
        return self._occupancy.spread

    def attend(self, meters: Iterable[Meter], views_of: Callable[[int], list[Meter]]) -> None:
        """These series count; `views_of` gives what counts the views of a zone."""
        by_name = {(meter.device, meter.metric): meter for meter in meters}
        self.ways = [
            (_meter(by_name, gate, gate.forward), _meter(by_name, gate, gate.backward))
            for gate in self._ground.gates
        ]
        self._passes = np.array(
            [meter.slot for way in self.ways for meter in way if meter is not None], np.int32
        )
        for zone, doors in enumerate(self._of_zone):
            ways = [meter for meter in self.of(zone) if meter is not None]
            counting = [*views_of(zone), *ways] if doors else []
            longest = max((meter.interval_s for meter in counting), default=0.0)
            self._agreement.interval_s[zone] = longest

    def of(self, zone: int) -> list[Meter | None]:
        """The meters of all ways of a zone's doors."""
        return [meter for door in self._of_zone[zone] for meter in self.ways[self._doors[door]]]

    def take(self, rows: NDArray[np.void]) -> None:
        """Take in new readings: those that count passings wait for their moment."""
        self.waiting = np.concatenate([self.waiting, rows[np.isin(rows["slot"], self._passes)]])

    def state_count(self, zone: int, count: np.void) -> None:
        """Somebody says how many are in a zone (place), and is believed: at the next moment the doors go on from it."""
        if count["flag"] not in (FAIL, MISSING):
            self._stated[zone] = float(count["value"])

    def count(
        self, at_us: int, seen: Column, share: Column, alive: Callable[[Meter, int], bool]
    ) -> tuple[Column, Column]:
        """Let people through the doors, and correct them by counts of whole zones.

        Returns:
            Persons by the doors (z,), NaN where they are not believed; and how many more the cameras see than there
            can be by the doors, or if they see all, how many fewer (below zero); 0 where both may be right.
        """
        ready = self.waiting["time"] <= at_us
        passed, self.waiting = self.waiting[ready], self.waiting[~ready]
        self._occupancy.passed(*(self._through(passed, way) for way in (0, 1)))
        if self._stated:
            zones, persons = np.array(list(self._stated)), np.array(list(self._stated.values()))
            self._occupancy.forget(zones)
            self._occupancy.counted(zones, persons, np.sqrt(np.maximum(persons, 1.0)))
            self._stated.clear()
        attended = self._attended(at_us, alive)
        known = self._occupancy.known & attended
        # A count errs by its square root, as `geo.counting` takes it.
        error = np.sqrt(np.maximum(seen, 1.0))
        apart = np.zeros(len(known))
        both = np.flatnonzero(known & (share > 0))
        apart[both] = self._occupancy.apart(both, seen[both], error[both])
        apart[(apart < 0) & (share < WHOLE)] = 0.0  # the others may stand where nobody looks
        due = at_us - self._corrected >= CORRECT_EVERY_S * 1e6
        counts = (share >= WHOLE) & (due | ~self._occupancy.known)
        right, wrong = np.flatnonzero(counts & (apart == 0)), np.flatnonzero(counts & (apart != 0))
        self._occupancy.counted(right, seen[right], error[right])
        self._occupancy.refused(wrong, seen[wrong], apart[wrong])
        self._corrected[counts] = at_us
        doors = np.where(apart != 0, seen - apart, self._occupancy.persons)
        return np.where(self._occupancy.known & attended, doors, np.nan), apart

    def disagreement(self, at_us: int, seen: Column, share: Column, doors: Column, apart: Column) -> Column:
        """How many persons cameras and doors are apart, where they contradict each other and did all the last minute."""
        cameras = np.where(share > 0, seen, np.nan)
        gap = self._agreement.gap(at_us, cameras, doors)
        return np.where((apart == 0) & ~np.isnan(gap), 0.0, gap)

    def state(self) -> dict[str, Column]:
        """What the doors have made of each zone, by its key."""
        rows = self._occupancy.state()
        return {
            zone.key: rows[place] for place, zone in enumerate(self._ground.watched) if self._of_zone[place]
        }

    def restore(self, state: Mapping[str, Column]) -> None:
        """Go on from what `state` gave; zones that are no more are left out."""
        here = [
            (place, state[zone.key]) for place, zone in enumerate(self._ground.watched) if zone.key in state
        ]
        if here:
            self._occupancy.restore(
                np.array([place for place, _ in here]), np.array([row for _, row in here])
            )

    def _attended(self, at_us: int, alive: Callable[[Meter, int], bool]) -> NDArray[np.bool_]:
        """Zones (z,) whose doors are all counted, by somebody who was heard lately."""
        attended = [
            bool(doors) and all(meter is not None and alive(meter, at_us) for meter in self.of(zone))
            for zone, doors in enumerate(self._of_zone)
        ]
        return np.array(attended, np.bool_)

    def _through(self, passed: NDArray[np.void], way: int) -> Column:
        """Persons through each door in one direction; NaN where the checks say that its counter has failed."""
        found = np.zeros(len(self._doors))
        if not len(passed):
            return found
        failed = np.isin(passed["flag"], (FAIL, MISSING))
        value = np.where(failed, np.nan, passed["value"])
        slots, place = np.unique(passed["slot"], return_inverse=True)
        sums = np.zeros(len(slots))
        np.add.at(sums, place, value)
        by_slot = dict(zip(slots.tolist(), sums.tolist(), strict=True))
        for door, index in enumerate(self._doors):
            meter = self.ways[index][way]
            if meter is not None:
                found[door] = by_slot.get(meter.slot, 0.0)
        return found


def _meter(by_name: Mapping[tuple[str, str], Meter], gate: Gate, metric: str) -> Meter | None:
    """What counts one way of a gate; a number in view passes nothing."""
    meter = by_name.get((gate.counter or "", metric))
    return meter if meter is not None and meter.counts != "view" else None
