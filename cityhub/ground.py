"""The ground of the census: watched zones, what cameras see of it, and the lines at its doors; plain, without I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from shapely import MultiPolygon, Polygon, union_all

Ways = Literal["view", "in", "out"]


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
    """A line that people are counted across; forward leads out of `before` into `into` (keys of zones; None: outdoors)."""

    device: str
    key: str
    counter: str
    forward: str = "in"
    backward: str = "out"
    into: str | None = None
    before: str | None = None
    width_m: float | None = None


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
    told: tuple[str, ...] = field(default=(), compare=False)

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
        return Ground(self.watched, views, self.gates, self.told)


def one_view_each(views: Iterable[View]) -> tuple[View, ...]:
    """Several outlines of one camera on one floor are one view: its count is of all of them."""
    parts: dict[tuple[str, str | None], list[Polygon | MultiPolygon]] = {}
    for view in views:
        parts.setdefault((view.camera, view.floor), []).append(view.geometry)
    return tuple(
        View(camera, outlines[0] if len(outlines) == 1 else union_all(outlines), floor)
        for (camera, floor), outlines in sorted(parts.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    )
