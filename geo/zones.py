"""Zones and lines out of GeoJSON: what an operator imports, checked feature by feature, every fault of it told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import shapely

from geo.area import areas_m2
from geo.axes import astray, polar
from geo.corridor import corridor
from geo.datum import Datum, to_wgs84
from geo.document import MAX_BYTES, features
from geo.lines import COUNTING, LINE_KINDS, Line, read_line
from geo.mending import repaired
from geo.properties import IDENTIFIER, MAX_FLOOR, MAX_NAME, Properties
from geo.refusal import Fault, ShapeError, ZoneError, named
from geo.shapes import course, polygon

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon

__all__ = ["IDENTIFIER", "MAX_BYTES", "Line", "Parsed", "Zone", "ZoneError", "parse"]

DEFAULT_KIND, LAYER = "area", "zones"
WATCHED = frozenset(("crowd", "restricted", "evacuation"))
"""Kinds of zones that are devices: the hub says how many are inside, and rules watch it."""
VIEW = "camera-view"
MAX_WATCHED_KEY = 59
"""Its device is called zone-KEY or line-KEY."""
MAX_METRES, MAX_SECONDS = 10_000.0, 31 * 86_400.0


@dataclass(frozen=True, slots=True)
class Zone:
    """A named area with a kind, in WGS 84 degrees, longitude first; `id` and `version` are the table's."""

    key: str
    name: str
    kind: str
    geometry: Polygon | MultiPolygon
    usable_m2: float | None = None  # the walkable part; density is counted on it where known
    capacity: int | None = None  # people
    layer: str = LAYER
    floor: str | None = None
    valid_from: datetime | None = None  # outside these it is no fence; None: open
    valid_to: datetime | None = None
    department: str | None = None  # whose people are told; None: the hub's own
    camera: str | None = None  # the device whose view on the ground it is
    exit_m: float | None = None  # None, here and below: the default of geo.fence.Fence
    enter_s: float | None = None
    exit_s: float | None = None
    dwell_s: float | None = None
    expected: tuple[str, ...] = ()  # devices that ought to be inside
    area_m2: float = 0.0  # of the whole
    id: int = 0
    version: int = 0

    @property
    def ground_m2(self) -> float:
        """What density is counted on."""
        return self.area_m2 if self.usable_m2 is None else self.usable_m2

    def holds(self, moment: datetime) -> bool:
        """Whether it is valid at a moment."""
        begun = self.valid_from is None or self.valid_from <= moment
        return begun and (self.valid_to is None or moment < self.valid_to)


class Parsed(NamedTuple):
    """The zones and lines of a document in its order, and a sentence for each thing put right or assumed."""

    zones: list[Zone]
    notes: list[str]
    lines: list[Line] = []  # noqa: RUF012 -- never changed
    place: dict[str, int] = {}  # noqa: RUF012 -- of its feature, by key


def parse(document: bytes | str, datum: Datum = "WGS84", layer: str = LAYER) -> Parsed:
    """Read an RFC 7946 FeatureCollection or Feature.

    A zone is a Polygon, a MultiPolygon, a Point with `radius_m`, or a LineString with `width_m`; a LineString of the kind
    waterway or counting-line is a line. The key is `id` or `properties.id`; docs/zones.md lists the properties, others are
    ignored. Rings that cross themselves are repaired and noted.

    Args:
        document: at most `MAX_BYTES` of JSON; bytes are UTF-8.
        datum: what its coordinates are in, as its source declares; nothing in a document tells GCJ-02 from WGS 84.
        layer: of the features that name none.

    Raises:
        ZoneError: it is not that, or some of its features are no zones; all of them are named.
    """
    read = _Reading(layer)
    for index, feature in enumerate(features(document)):
        read.take(index, feature)
    zones = read.zones
    if not read.faults:
        read.faults += swapped(zones, index=read.index)
    if read.faults:
        raise ZoneError(read.faults)
    if polar([zone.geometry for zone in zones]):
        read.notes.append(
            "all of it lies around a pole: if no city of yours does, its axes are swapped (longitude first)."
        )
    if datum not in ("WGS84", "CGCS2000"):
        zones, read.lines = _moved(zones, datum), [_moved_line(line, datum) for line in read.lines]
    areas = areas_m2([zone.geometry for zone in zones]).tolist()
    zones = [replace(zone, area_m2=area) for zone, area in zip(zones, areas, strict=True)]
    read.notes += [
        f"'{zone.key}': usable_m2 is {zone.usable_m2:g}, more than its {zone.area_m2:.0f} m2."
        for zone in zones
        if zone.usable_m2 is not None and zone.usable_m2 > 1.01 * zone.area_m2
    ]
    return Parsed(zones, read.notes, read.lines, read.index)


class _Reading:
    """What a document's features have given so far."""

    def __init__(self, layer: str) -> None:
        self.zones: list[Zone] = []
        self.lines: list[Line] = []
        self.notes: list[str] = []
        self.faults: list[Fault] = []
        self.index: dict[str, int] = {}
        self._layer = layer

    def take(self, index: int, feature: object) -> None:
        """One feature: a zone, a line, or faults."""
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            self.faults.append(
                Fault("it is not a Feature", 'Each member of "features" has "type": "Feature".', index)
            )
            return
        given = Properties(feature)
        key = self._key(feature, given, index)
        if key is None:
            return
        if key in self.index:
            self.faults.append(
                Fault(f"this key is used twice, first by feature {self.index[key]}",
                      "Give each feature an id of its own.", index, key)
            )  # fmt: skip
            return
        self.index[key] = index
        try:
            clauses = self._read(key, feature.get("geometry"), given)
        except ShapeError as error:
            self.faults.append(Fault(str(error), error.hint, index, key, error.place))
            clauses = []
        self.faults += [Fault(sentence, hint, index, key) for sentence, hint in given.wrong]
        self.notes += [f"{named(index, key)}{clause}." for clause in clauses]

    def _key(self, feature: dict[str, Any], given: Properties, index: int) -> str | None:
        key = feature.get("id")
        if key is None:
            key = given.raw("id")
        if isinstance(key, int) and not isinstance(key, bool):
            key = str(key)
        if isinstance(key, str) and IDENTIFIER.fullmatch(key):
            return key
        if key is None:
            fault = Fault("it has no id", 'Add "id": "a-short-name" to the feature or its properties.', index)
        else:
            plain = re.sub(r"[^a-z0-9]+", "-", str(key)[:64].lower()).strip("-")
            fault = Fault(
                f"its id {str(key)[:70]!r} is not an identifier",
                "Use small letters, digits and hyphens, 64 at most" + (f": {plain!r}." if plain else "."),
                index,
            )
        self.faults.append(fault)
        return None

    def _read(self, key: str, geometry: Any, given: Properties) -> list[str]:
        kind = given.identifier("kind", "district")
        layer = given.identifier("layer", "districts") or self._layer
        if (kind in WATCHED or kind == COUNTING) and len(key) > MAX_WATCHED_KEY:
            given.wrong.append(
                (f"its key has {len(key)} characters", f"A {kind} has {MAX_WATCHED_KEY} at most: shorten it.")
            )
        if kind in LINE_KINDS:
            line, clauses = read_line(key, kind, geometry, given, layer)
            self.lines.append(line)
            return clauses
        zone, clauses = _zone(key, kind or DEFAULT_KIND, geometry, given, layer)
        if given.raw("kind") is None:
            clauses.append(f"it has no kind; taken as {DEFAULT_KIND!r}")
        self.zones.append(zone)
        return clauses


def _zone(key: str, kind: str, geometry: Any, given: Properties, layer: str) -> tuple[Zone, list[str]]:
    """A feature that is an area, and clauses of what was put right; raises ShapeError."""
    begins, ends = given.span()
    said = (
        given.amount("usable_m2"),
        given.persons("capacity"),
        layer,
        given.line("floor", MAX_FLOOR),
        begins,
        ends,
        given.identifier("department", "police"),
        given.identifier("camera", "camera-1"),
        given.amount("exit_m", MAX_METRES, zero=True),
        given.amount("enter_s", MAX_SECONDS, zero=True),
        given.amount("exit_s", MAX_SECONDS, zero=True),
        given.amount("dwell_s", MAX_SECONDS),
        given.identifiers("expected", "truck-7"),
    )
    name = given.line("name", MAX_NAME) or key
    clauses = []
    if kind == VIEW and given.raw("camera") is None:
        clauses.append("it is a camera's view and names no camera: no count goes into it")
    # Drawn last: what is wrong with the properties is told all the same.
    drawn, wrong = _drawn(geometry, given)
    if wrong:
        clauses.append(f"its outline was repaired ({wrong}); look at it on the map")
    return Zone(key, name, kind, drawn, *said), clauses


def _drawn(geometry: Any, given: Properties) -> tuple[Polygon | MultiPolygon, str | None]:
    if isinstance(geometry, dict) and geometry.get("type") in ("LineString", "MultiLineString"):
        line = course(geometry)
        if given.raw("width_m") is None:
            raise ShapeError(
                f"its geometry is a {geometry['type']} without a width_m, and its kind is none of a line",
                f"Add properties.width_m, in metres, or the kind {' or '.join(sorted(LINE_KINDS))}.",
            )
        width = given.amount("width_m")
        return (corridor(line, width), None) if width is not None else (shapely.Polygon(), None)
    return polygon(geometry, given.raw("radius_m"))


def swapped(
    zones: Sequence[Zone], among: Sequence[Polygon | MultiPolygon] = (), index: dict[str, int] | None = None
) -> list[Fault]:
    """Zones far from all others, `among` included, that would lie among them with their axes swapped.

    A latitude beyond 90 degrees is refused before; here are the swapped ones that are places on the earth, too.
    """
    places = {} if index is None else index
    polygons = [zone.geometry for zone in zones]
    found = astray([*polygons, *among])
    faults = []
    for at in found[found < len(zones)].tolist():
        x, y = polygons[at].representative_point().coords[0]
        key = zones[at].key
        faults.append(
            Fault(
                "it lies far from all others, and among them with its axes swapped",
                f"GeoJSON writes longitude first: [{y:.6g}, {x:.6g}].",
                places.get(key),
                key,
                (x, y),
            )
        )
    return faults


def _moved(zones: list[Zone], datum: Datum) -> list[Zone]:
    """The same zones in WGS 84, corner by corner; what the move has made cross itself is repaired."""
    moved = shapely.transform(
        np.array([zone.geometry for zone in zones], object),
        lambda position: np.column_stack(to_wgs84(datum, position[:, 0], position[:, 1])),
    )
    return [
        replace(zone, geometry=repaired(drawn) or zone.geometry)
        for zone, drawn in zip(zones, moved.tolist(), strict=True)
    ]


def _moved_line(line: Line, datum: Datum) -> Line:
    drawn = shapely.transform(
        line.geometry, lambda position: np.column_stack(to_wgs84(datum, position[:, 0], position[:, 1]))
    )
    return replace(line, geometry=drawn)
