"""The headcount: how many people are in each watched zone at a moment, from cameras, from doors, or from tracks.

Which of them is believed: cameras where they see (almost) the whole zone, for they count heads now and drift nowhere; else
its doors, for they know the part that no camera sees; else what cameras see of it; else tracks. While cameras see it all
they correct the doors, so that these go on from a right number when a camera fails. Where the two contradict each other
nothing is corrected, and the larger number is believed: a covered camera sees nobody, and a crowd must not be missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cityhub.crowd.agreement import Agreement
from cityhub.crowd.ground import Gate, Ground, Meter, View
from edge.reading import FAIL, MISSING, PASS, UNEVALUATED
from geo.clocks import clocks
from geo.counters import OUTDOORS, Occupancy
from geo.counting import HALF_LIVES, Views

Column = NDArray[np.float64]

COUNT = np.dtype([("time", "<i8"), ("slot", "<i4"), ("value", "<f8"), ("flag", "u1"), ("arrived", "<i8")])
"""A reading that counts people; times in us."""

WHOLE = 0.95
"""Of its ground; outlines are drawn by hand, and nobody draws a view to the last metre."""
LEAST_HALF_LIFE_S = 10.0
"""A count fades with the interval of its camera; one that speaks every second is smoothed over so long."""
CORRECT_EVERY_S = 60.0
"""Counts of the same cameras err alike: more of them prove nothing."""
LEAST_KEPT_S = 120.0
"""A flow looks back over a minute and an interval."""
APART_S = 30.0
"""A clock may be off by this and one interval; cameras that stamp the begin of a minute are a minute behind."""
SILENT_INTERVALS, SILENT_S = 3.0, 60.0
"""A counter of which nothing is heard for so long counts nothing; its device need only say anything at all."""


@dataclass(slots=True)
class Counted:
    """Of each of z watched zones, at one moment; NaN: not known."""

    persons: Column
    source: list[str]  # "cameras", "doors", "tracks" or ""
    share: Column  # of its ground that cameras see now; NaN where no view is drawn
    seen: Column  # persons in that part
    spread: Column  # standard deviation of what the doors say; NaN where it is not they who are believed
    doors: Column  # persons, by the doors alone where cameras contradict them; NaN where they are not known
    contradicted: NDArray[np.bool_]  # cameras and doors cannot both be right
    disagree: Column  # how many persons the two were apart at their nearest of late; NaN where only one knows


class Headcount:
    """What is remembered between two moments: the counts of the last minutes, and who went through the doors."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        storeys = {zone.floor or "" for zone in ground.watched}
        self.floors = [_Floor(ground, floor) for floor in sorted(storeys)]
        self.outside = {view.camera for view in ground.views if (view.floor or "") not in storeys}
        """Cameras whose view lies in no watched zone."""
        for floor in self.floors:
            self.outside |= floor.outside
        place = {zone.key: index for index, zone in enumerate(ground.watched)}
        sides = [
            [place.get(key or "", OUTDOORS) for key in (gate.into, gate.before)] for gate in ground.gates
        ]
        self.doors = [index for index, (into, before) in enumerate(sides) if into != before]
        """Gates at which people come into a watched zone or go out of it."""
        columns = np.array([sides[index] for index in self.doors], np.int64).reshape(-1, 2)
        self._occupancy = Occupancy(len(place), columns[:, 0], columns[:, 1])
        self._zone_doors = [
            [door for door, index in enumerate(self.doors) if zone in sides[index]]
            for zone in range(len(place))
        ]
        self._corrected = np.full(len(place), -np.inf)
        self._agreement = Agreement(len(place))
        self.rows: NDArray[np.void] = np.zeros(0, COUNT)
        self.waiting: NDArray[np.void] = np.zeros(
            0, COUNT
        )  # passings that have not gone through the doors yet
        self.heard: dict[int, int] = {}  # by device: when anything came of it, us
        self.apart: dict[str, float] = {}  # by device: how far its clock is behind, s
        self._recalled = False
        self._sound = self.rows
        self._spans: dict[int, tuple[int, int]] = {}
        self._last: dict[int, list[float]] = {}
        self.attend(())

    def attend(self, meters: Iterable[Meter]) -> None:
        """These series count; all others are nothing to us."""
        self.meters = {meter.slot: meter for meter in meters}
        self.dense = {
            meter.zone_id for meter in self.meters.values() if meter.dense and meter.zone_id is not None
        }
        """Ids of zones whose density a camera says itself."""
        self._view_of = {meter.device: meter for meter in self.meters.values() if meter.counts == "view"}
        by_name = {(meter.device, meter.metric): meter for meter in self.meters.values()}
        for floor in self.floors:
            floor.attend(self.meters.values())
        self.ways = [
            (_meter(by_name, gate, gate.forward), _meter(by_name, gate, gate.backward))
            for gate in self.ground.gates
        ]
        """By gate: the meters of its two ways; None where nothing counts it."""
        self._passes = np.array(
            [meter.slot for way in self.ways for meter in way if meter is not None], np.int32
        )
        for zone, doors in enumerate(self._zone_doors):
            ways = [meter for door in doors for meter in self.ways[self.doors[door]] if meter is not None]
            counting = [*self._views_of(zone), *ways] if doors else []
            longest = max((meter.interval_s for meter in counting), default=0.0)
            self._agreement.interval_s[zone] = longest

    def take(self, rows: NDArray[np.void], heard: dict[int, int]) -> None:
        """Take in new readings, in the order in which they came."""
        self.heard |= heard
        rows = rows[np.isin(rows["slot"], list(self.meters))]
        self.waiting = np.concatenate([self.waiting, rows[np.isin(rows["slot"], self._passes)]])
        self.rows = np.concatenate([self.rows, rows])
        if self._recalled:
            # What was stored a moment ago was recalled, and comes this way too: once, for all of it is here now.
            _, first = np.unique(self.rows[["slot", "time"]], return_index=True)
            self.rows, self._recalled = self.rows[np.sort(first)], False

    def remember(self, rows: NDArray[np.void]) -> None:
        """Take up what an earlier run of the hub has taken in: at the doors it has been reckoned with."""
        self.rows, self._recalled = np.concatenate([rows, self.rows]), True
        for row in rows:
            device = self.meters[int(row["slot"])].device_id
            self.heard[device] = max(self.heard.get(device, 0), int(row["arrived"]))

    def count(self, at_us: int, tracks: Column) -> Counted:
        """How many are where; `tracks` (z,) is how many tracks are in each zone, NaN where nobody follows any.

        Counts that came after `at_us` by their own time wait; those that are late are no counts of now.
        """
        self._forget(at_us)
        self._sort(at_us)
        self._judge_clocks()
        zones = len(self.ground.watched)
        seen, share = np.full(zones, np.nan), np.full(zones, np.nan)
        for floor in self.floors:
            floor.look(self.rows, self.apart, at_us, seen, share)
        doors, apart = self._pass(at_us, seen, share)
        source: list[str] = []
        disagree = self._disagreement(at_us, seen, share, doors, apart)
        counted = Counted(
            np.full(zones, np.nan), source, share, seen, np.full(zones, np.nan), doors, apart != 0, disagree
        )
        for zone in range(zones):
            known = np.isfinite(doors[zone])
            if apart[zone] > 0 or (share[zone] >= WHOLE and not apart[zone] < 0):
                source.append("cameras")
                counted.persons[zone] = seen[zone]
            elif known:
                source.append("doors")
                counted.persons[zone], counted.spread[zone] = doors[zone], self._occupancy.spread[zone]
            elif share[zone] > 0:
                source.append("cameras")
                counted.persons[zone] = seen[zone]
            else:
                source.append("" if np.isnan(tracks[zone]) else "tracks")
                counted.persons[zone] = tracks[zone]
        return counted

    def alive(self, meter: Meter, at_us: int) -> bool:
        """Whether a counter's device has been heard lately."""
        silent_us = max(SILENT_INTERVALS * meter.interval_s, SILENT_S) * 1e6
        return at_us - self.heard.get(meter.device_id, 0) <= silent_us

    def evidence(self, zone: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
        """What the last count of a zone rests on: the newest count of each camera, and of each way of its doors."""
        views = [meter for meter in self._views_of(zone) if meter.device not in self.apart]
        ways = [meter for door in self._zone_doors[zone] for meter in self.ways[self.doors[door]]]
        return self.newest(views), self.newest(ways)

    def state(self) -> dict[str, Column]:
        """What the doors have made of each zone, by its key."""
        rows = self._occupancy.state()
        return {
            zone.key: rows[place] for place, zone in enumerate(self.ground.watched) if self._zone_doors[place]
        }

    def restore(self, state: Mapping[str, Column]) -> None:
        """Go on from what `state` gave; zones that are no more are left out."""
        here = [
            (place, state[zone.key]) for place, zone in enumerate(self.ground.watched) if zone.key in state
        ]
        if here:
            self._occupancy.restore(
                np.array([place for place, _ in here]), np.array([row for _, row in here])
            )

    def go_on_from(self, before: Headcount) -> None:
        """The ground was drawn anew: take over what is known."""
        self.rows, self.waiting, self.heard = before.rows, before.waiting, before.heard
        self.restore(before.state())

    def _views_of(self, zone: int) -> list[Meter]:
        """What counts the views that see some of a zone."""
        cameras = next((floor.cameras(zone) for floor in self.floors if zone in floor.places), set())
        return [self._view_of[camera] for camera in sorted(cameras) if camera in self._view_of]

    def _pass(self, at_us: int, seen: Column, share: Column) -> tuple[Column, Column]:
        """Let people through the doors, and correct them by counts of whole zones.

        Returns:
            Persons by the doors (z,), NaN where they are not believed; and how many more the cameras see than there
            can be by the doors, or if they see all, how many fewer (below zero); 0 where both may be right.
        """
        ready = self.waiting["time"] <= at_us
        passed, self.waiting = self.waiting[ready], self.waiting[~ready]
        self._occupancy.passed(*(self._through(passed, way) for way in (0, 1)))
        attended = self._attended(at_us)
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

    def _attended(self, at_us: int) -> NDArray[np.bool_]:
        """Zones (z,) whose doors are all counted, by somebody who was heard lately."""
        attended = [
            bool(doors)
            and all(
                meter is not None and self.alive(meter, at_us)
                for door in doors
                for meter in self.ways[self.doors[door]]
            )
            for doors in self._zone_doors
        ]
        return np.array(attended, np.bool_)

    def _disagreement(self, at_us: int, seen: Column, share: Column, doors: Column, apart: Column) -> Column:
        """How many persons cameras and doors are apart, where they contradict each other and did all the last minute."""
        cameras = np.where(share > 0, seen, np.nan)
        gap = self._agreement.gap(at_us, cameras, doors)
        return np.where((apart == 0) & ~np.isnan(gap), 0.0, gap)

    def _through(self, passed: NDArray[np.void], way: int) -> Column:
        """Persons through each door in one direction; NaN where the checks say that its counter has failed."""
        found = np.zeros(len(self.doors))
        if not len(passed):
            return found
        failed = np.isin(passed["flag"], (FAIL, MISSING))
        value = np.where(failed, np.nan, passed["value"])
        slots, place = np.unique(passed["slot"], return_inverse=True)
        sums = np.zeros(len(slots))
        np.add.at(sums, place, value)
        by_slot = dict(zip(slots.tolist(), sums.tolist(), strict=True))
        for door, index in enumerate(self.doors):
            meter = self.ways[index][way]
            if meter is not None:
                found[door] = by_slot.get(meter.slot, 0.0)
        return found

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


class _Floor:
    """The zones and views of one floor: flat outlines know nothing of what lies above them."""

    def __init__(self, ground: Ground, floor: str) -> None:
        self.zones = [place for place, zone in enumerate(ground.watched) if (zone.floor or "") == floor]
        self.places = set(self.zones)
        self._views: list[View] = [view for view in ground.views if (view.floor or "") == floor]
        polygons = [ground.watched[place].geometry for place in self.zones]
        self._faces = Views(polygons, [view.geometry for view in self._views])
        self._looking = dict(zip(self.zones, self._faces.looking(), strict=True))
        self.outside = {self._views[place].camera for place in self._faces.outside}
        self._half_life: Column = np.full(len(self._views), LEAST_HALF_LIFE_S)
        self._slots = np.zeros(0, np.int64)
        self._camera = np.zeros(0, np.int64)

    def attend(self, meters: Iterable[Meter]) -> None:
        place = {view.camera: index for index, view in enumerate(self._views)}
        mine = sorted(
            (meter.slot, meter) for meter in meters if meter.counts == "view" and meter.device in place
        )
        self._slots = np.array([slot for slot, _ in mine], np.int64)
        self._camera = np.array([place[meter.device] for _, meter in mine], np.int64)
        for _, meter in mine:
            self._half_life[place[meter.device]] = max(meter.interval_s, LEAST_HALF_LIFE_S)

    def cameras(self, zone: int) -> set[str]:
        """The cameras that see some of a zone."""
        return {self._views[index].camera for index in self._looking[zone]}

    def look(
        self, rows: NDArray[np.void], apart: dict[str, float], at_us: int, seen: Column, share: Column
    ) -> None:
        """Write what cameras see now into the columns of all zones."""
        if not self._views:
            return
        sound = np.isin(rows["slot"], self._slots) & np.isin(rows["flag"], (PASS, UNEVALUATED))
        rows = rows[sound]
        camera = (
            self._camera[np.searchsorted(self._slots, rows["slot"])]
            if len(self._slots)
            else np.zeros(0, np.int64)
        )
        wrong = [index for index, view in enumerate(self._views) if view.camera in apart]
        trusted = ~np.isin(camera, wrong)
        found = self._faces.persons(
            camera[trusted], rows["time"][trusted], rows["value"][trusted], at_us, self._half_life
        )
        drawn = [place for place, zone in enumerate(self.zones) if self._looking[zone]]
        zones = np.array(self.zones, np.int64)[drawn]
        seen[zones], share[zones] = found.persons[drawn], found.share[drawn]


def kept_s(interval_s: float) -> float:
    """How long counts that come so often are kept."""
    return max(HALF_LIVES * max(interval_s, LEAST_HALF_LIFE_S), LEAST_KEPT_S)


def _meter(by_name: dict[tuple[str, str], Meter], gate: Gate, metric: str) -> Meter | None:
    """What counts one way of a gate; a number in view passes nothing."""
    meter = by_name.get((gate.counter or "", metric))
    return meter if meter is not None and meter.counts != "view" else None
