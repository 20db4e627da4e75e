"""The ground of the census: watched zones, what cameras see of it, and the lines at its doors, as the tables have them."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import psycopg
from shapely import LineString, MultiPolygon, Polygon, transform, union_all

from api.watched import LINE, PREFIX, ZONE
from geo.lines import COUNTING
from geo.plane import metres_per_degree
from geo.table import lines, zones_of
from geo.zones import VIEW, WATCHED

Ways = Literal["view", "in", "out", "tally"]
"""What a number counts; a tally is of a whole zone, as somebody says who has counted it."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A zone that the hub speaks for, as `device`."""

    device: str
    id: int
    key: str
    name: str
    kind: str
    geometry: Polygon | MultiPolygon
    usable_m2: float  # the walkable part; the whole where nobody has said it
    capacity: int | None = None
    dwell_s: float | None = None
    expected: frozenset[str] = frozenset()
    floor: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """The ground that a camera sees."""

    camera: str
    geometry: Polygon | MultiPolygon
    floor: str | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """A line that people are counted across; forward leads out of `before` into `into` (keys of zones; None: outdoors).

    Without a counter tracks are counted that cross it as it is drawn: forward from its left to its right.
    """

    device: str
    key: str
    counter: str | None
    forward: str = "in"
    backward: str = "out"
    into: str | None = None
    before: str | None = None
    width_m: float | None = None
    drawn: LineString | None = None


@dataclass(frozen=True, slots=True)
class Meter:
    """A series that counts people; `zone_id` is of the zone that its device counts as a whole."""

    slot: int
    device_id: int
    device: str
    metric: str
    counts: Ways
    interval_s: float
    zone_id: int | None = None
    dense: bool = False  # its device derives the density of that zone itself


@dataclass(frozen=True, slots=True)
class Ground:
    """All of it, as it is now."""

    watched: tuple[Watched, ...] = ()
    views: tuple[View, ...] = ()
    gates: tuple[Gate, ...] = ()
    resting: tuple[str, ...] = ()
    """Devices of watched zones that do not hold now: nothing is known of them, and nobody misses it."""

    def with_whole_views(self, meters: Iterable[Meter]) -> Ground:
        """The same, where a camera that counts a zone and has no view drawn sees just that zone."""
        drawn = {view.camera for view in self.views}
        zones = {zone.id: zone for zone in self.watched}
        whole = {
            meter.device: View(meter.device, zone.geometry, zone.floor)
            for meter in meters
            if meter.counts == "view"
            and meter.device not in drawn
            and meter.zone_id is not None
            and (zone := zones.get(meter.zone_id)) is not None
        }
        views = (*self.views, *(whole[key] for key in sorted(whole)))
        return replace(self, views=views)

    def registered(self, devices: Container[str]) -> Ground:
        """The same without those for which no device stands (yet)."""
        return replace(
            self,
            watched=tuple(zone for zone in self.watched if zone.device in devices),
            gates=tuple(gate for gate in self.gates if gate.device in devices),
            resting=tuple(device for device in self.resting if device in devices),
        )


def one_view_each(views: Iterable[View]) -> tuple[View, ...]:
    """Several outlines of one camera on one floor are one view: its count is of all of them."""
    parts: dict[tuple[str, str | None], list[Polygon | MultiPolygon]] = {}
    for view in views:
        parts.setdefault((view.camera, view.floor), []).append(view.geometry)
    return tuple(
        View(camera, outlines[0] if len(outlines) == 1 else union_all(outlines), floor)  # type: ignore[arg-type]  # of polygons
        for (camera, floor), outlines in sorted(
            parts.items(), key=lambda item: (item[0][0], item[0][1] or "")
        )
    )


def read(connection: psycopg.Connection[Any]) -> Ground:
    """What holds now."""
    now = datetime.now(UTC)
    with connection.cursor() as cursor:
        known = zones_of(cursor, {*WATCHED, VIEW})
        drawn = lines(cursor, COUNTING)
    watched = tuple(
        Watched(
            PREFIX[ZONE] + zone.key, zone.id, zone.key, zone.name, zone.kind, zone.geometry, zone.ground_m2,
            zone.capacity, zone.dwell_s, frozenset(zone.expected), zone.floor,
        )
        for zone in known
        if zone.kind in WATCHED and zone.holds(now)
    )  # fmt: skip
    views = one_view_each(
        View(zone.camera, zone.geometry, zone.floor)
        for zone in known
        if zone.kind == VIEW and zone.camera is not None and zone.holds(now)
    )
    gates = tuple(
        Gate(
            PREFIX[LINE] + line.key, line.key, line.counter, line.forward, line.backward, line.into_zone,
            line.from_zone, line.width_m or _length_m(line.geometry), line.geometry,
        )
        for line in drawn
    )  # fmt: skip
    resting = tuple(PREFIX[ZONE] + zone.key for zone in known if zone.kind in WATCHED and not zone.holds(now))
    return Ground(watched, views, gates, resting)


def _length_m(drawn: LineString) -> float:
    """A line as people draw it is as long as what it closes is wide."""
    across, along = metres_per_degree(drawn.centroid.y)
    return float(transform(drawn, lambda place: place * (across, along)).length)
