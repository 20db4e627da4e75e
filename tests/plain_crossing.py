"""Who comes and goes, in plain Python: one fix, one zone at a time, no candidates, shapely for every distance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import shapely
from shapely import LineString, MultiPolygon, Point, Polygon

from geo.fence import KINDS, Fence
from geo.plane import metres_per_degree
from geo.track import Motion

Area = Polygon | MultiPolygon
Event = tuple[int, int, int, str, int, int]  # row, track, zone, kind, at, stayed


def flat(shape: Area, lon: float, lat: float) -> Area:
    """A zone in metres around a place."""
    moved: Area = shapely.transform(shape, lambda position: (position - (lon, lat)) * metres_per_degree(lat))
    return moved


def signed_m(zone: Area, lon: float, lat: float) -> float:
    """Metres to the border, below 0 inside."""
    ground, here = flat(zone, lon, lat), Point(0, 0)
    metres = ground.boundary.distance(here)
    return 0.0 if metres < 1e-4 else -metres if ground.covers(here) else metres


def far_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Metres between two places of one town."""
    east, north = metres_per_degree((one[1] + other[1]) / 2)
    return math.hypot((other[0] - one[0]) * east, (other[1] - one[1]) * north)


@dataclass
class Fix:
    """A position that is believed."""

    time: int
    place: tuple[float, float]
    accuracy: float


@dataclass
class Bond:
    """A track and a zone: since when it has been inside or outside, and evidence for the other, fix by fix."""

    inside: bool = False
    stayed: int = 0
    dwelt: bool = False
    absent: bool = False
    streak: list[int] = field(default_factory=list)  # times of the fixes in a row that speak for a change
    streak_says: bool | None = None
    idle: int = 0  # us in a streak of leaving


class Plain:
    """The reference: the rules as the page on zones states them."""

    def __init__(self, zones: Sequence[Area], fences: Sequence[Fence], motion: Motion) -> None:
        self.zones, self.fences, self.motion = zones, fences, motion
        self.last: dict[int, Fix] = {}
        self.odd: dict[int, list[Fix]] = {}
        self.bonds: dict[tuple[int, int], Bond] = {}
        self.expected: set[tuple[int, int]] = set()

    def fix(
        self, row: int, track: int, time: int, lon: float, lat: float, accuracy: float
    ) -> tuple[str, list[Event]]:
        """What becomes of one fix, and what it brings."""
        radius = accuracy if accuracy >= 0 else self.motion.accuracy_m
        now = Fix(time, (lon, lat), radius)
        if not (abs(lon) <= 180 and abs(lat) <= 90):
            return "nowhere", []
        before = self.last.get(track)
        if before is not None and time <= before.time:
            return "late", []
        if radius > self.motion.max_accuracy_m:
            return "vague", []
        took: int | None = None
        if before is not None:
            if self.possible(before, now):
                took = time - before.time if time - before.time <= self.motion.gap_s * 1e6 else None
            else:
                odd = self.odd.get(track, [])
                agrees = odd and time > odd[-1].time and self.possible(odd[-1], now)
                self.odd[track] = [*odd, now] if agrees else [now]
                if len(self.odd[track]) < 3:
                    return "jump", []
        self.odd.pop(track, None)
        self.last[track] = now
        events = [
            event
            for zone in range(len(self.zones))
            for event in self.one(row, track, zone, before if took is not None else None, now, took)
            if event[3] in self.fences[zone].tells
        ]
        return "believed", sorted(events, key=lambda event: (KINDS.index(event[3]), event[2]))

    def possible(self, one: Fix, other: Fix) -> bool:
        gone = far_m(one.place, other.place) - one.accuracy - other.accuracy
        return gone <= self.motion.max_speed_mps * (other.time - one.time) / 1e6

    def one(  # noqa: C901, PLR0912 -- the rules in their order
        self, row: int, track: int, zone: int, before: Fix | None, now: Fix, took: int | None
    ) -> list[Event]:
        area, fence = self.zones[zone], self.fences[zone]
        told: list[Event] = []

        def tell(kind: str, at: int, stayed: int = 0) -> None:
            told.append((row, track, zone, kind, at, stayed))

        room = self.room(zone)
        metres = signed_m(area, *now.place)
        says = (
            True
            if metres <= -min(now.accuracy, room)
            else False
            if metres > fence.exit_m + now.accuracy
            else None
        )
        bond = self.bonds.setdefault((track, zone), Bond())
        if (
            not bond.inside
            and not (bond.streak and bond.streak_says)
            and says is not True
            and before
            and metres > 0
        ):
            deep = min(max(now.accuracy, before.accuracy), room)
            if self.through(area, before.place, now.place, deep):
                tell("cross", now.time)
                tell("outside", now.time)
        if bond.inside:
            bond.idle += took or 0
            if says is not False:
                bond.stayed, bond.idle = bond.stayed + bond.idle, 0
        wanted = not bond.inside
        due = (track, zone) in self.expected and not bond.absent
        if says is wanted or (says is False and not bond.inside and due):
            if bond.streak_says is not says or took is None:
                bond.streak = []
            bond.streak, bond.streak_says = [*bond.streak, now.time], says
        else:
            bond.streak, bond.streak_says = [], None
        long = fence.enter_s if bond.streak_says else fence.exit_s
        if bond.streak and now.time - bond.streak[0] >= round(long * 1e6):
            began, bond.streak = bond.streak[0], []
            if bond.streak_says:
                self.bonds[track, zone] = bond = Bond(inside=True, stayed=now.time - began)
                tell("enter", began)
            else:
                if bond.inside:
                    tell("exit", began, bond.stayed)
                    tell("outside", now.time)
                bond = self.bonds[track, zone] = Bond()
                if (track, zone) in self.expected:
                    bond.absent = True
                    tell("absent", began)
        if bond.inside:
            tell("inside", now.time, bond.stayed)
            if fence.dwell_s and not bond.dwelt and not bond.streak and bond.stayed >= fence.dwell_s * 1e6:
                bond.dwelt = True
                tell("dwell", now.time, bond.stayed)
        return told

    def room(self, zone: int) -> float:
        ground = flat(self.zones[zone], *self.zones[zone].centroid.coords[0])
        return ground.area / ground.length

    def through(self, area: Area, one: tuple[float, float], other: tuple[float, float], deep: float) -> bool:
        if one == other:
            return False
        within = area.intersection(LineString([one, other]))
        if deep <= 0 or within.is_empty:
            return not within.is_empty
        middles = [
            part.interpolate(0.5, normalized=True) for part in shapely.get_parts(within) if part.length > 0
        ]
        return any(signed_m(area, middle.x, middle.y) <= -deep for middle in middles)
