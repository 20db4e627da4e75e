"""Zones out of GeoJSON: what an operator imports, checked feature by feature."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import shapely

from geo.area import area_m2
from geo.axes import astray, polar
from geo.datum import Datum, to_wgs84
from geo.shapes import ShapeError, polygon

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon

# A city's 2,000 districts at 100 vertices are 5 MB; decoding takes about eight times the size in memory.
MAX_BYTES = 32 * 1024 * 1024
MAX_NAME = 200
DEFAULT_KIND = "area"
IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
MAX_CAPACITY = 2**31 - 1

# The members of the 2008 `crs` that mean what RFC 7946 fixes; CGCS2000 (4490) equals it within decimetres.
_WGS84 = re.compile(r"(CRS84|\b4326|\b4490)$")


@dataclass(frozen=True, slots=True)
class Zone:
    """A named area with a kind, in WGS 84 degrees, longitude first."""

    key: str
    name: str
    kind: str
    geometry: Polygon | MultiPolygon
    usable_m2: float | None = None  # the walkable part; density is counted on it where known
    capacity: int | None = None  # people


class Parsed(NamedTuple):
    """The zones of a document in its order, and a sentence for each thing that was put right or assumed."""

    zones: list[Zone]
    notes: list[str]


class ZoneError(ValueError):
    """A document that cannot be imported; nothing of it is.

    The text is one sentence that names the feature; `feature` is its key, or its index where it has none, or
    None where the document itself is at fault; `hint` says what to do.
    """

    def __init__(self, sentence: str, hint: str, feature: int | str | None = None) -> None:
        where = (
            ""
            if feature is None
            else f"feature {feature}: "
            if isinstance(feature, int)
            else f"'{feature}': "
        )
        super().__init__(where + sentence)
        self.feature = feature
        self.hint = hint


def parse(document: bytes | str, datum: Datum = "WGS84") -> Parsed:
    """Read an RFC 7946 FeatureCollection or Feature.

    A feature is a Polygon, a MultiPolygon, or a Point with `properties.radius_m`; its key is `id` or
    `properties.id`. The properties `name` (else the key), `kind` (else "area"), `usable_m2` and `capacity`
    are read, others are ignored. Rings that cross themselves are repaired and noted.

    Args:
        document: at most `MAX_BYTES` of JSON; bytes are UTF-8.
        datum: what its coordinates are in, as its source declares; nothing in a document tells GCJ-02 from WGS 84.

    Raises:
        ZoneError: it is not that, or one of its features is no zone.
    """
    features = _features(_decoded(document))
    zones: list[Zone] = []
    notes: list[str] = []
    seen: set[str] = set()
    for index, feature in enumerate(features):
        key = _key(feature, index)
        if key in seen:
            raise ZoneError("this key is used twice", "Give each feature an id of its own.", key)
        seen.add(key)
        zones.append(_zone(key, feature, notes))
    _refuse_swapped(zones, notes)
    return Parsed(zones if datum in ("WGS84", "CGCS2000") else [_moved(zone, datum) for zone in zones], notes)


def _decoded(document: bytes | str) -> object:
    if len(document) > MAX_BYTES:
        raise ZoneError(
            f"the document has {len(document):,} bytes, more than {MAX_BYTES:,}",
            "Split it, or simplify its outlines to what a map shows.",
        )
    try:
        text = document.decode("utf-8-sig") if isinstance(document, bytes) else document
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise ZoneError(f"the document is not UTF-8 at byte {error.start}", "Save it as UTF-8.") from error
    except RecursionError as error:
        raise ZoneError(
            "the document is nested too deeply", "GeoJSON needs nine levels; export it again."
        ) from error
    except ValueError as error:
        raise ZoneError(f"the document is not JSON: {error}", "Export it as GeoJSON again.") from error


def _features(document: object) -> list[dict[str, Any]]:
    if not isinstance(document, dict) or document.get("type") not in ("FeatureCollection", "Feature"):
        kind = str(document.get("type"))[:40] if isinstance(document, dict) else type(document).__name__
        raise ZoneError(
            f"the document is a {kind}, not a FeatureCollection or Feature",
            "Wrap each geometry in a Feature with an id.",
        )
    _refuse_other_datum(document.get("crs"))
    features = [document] if document["type"] == "Feature" else document.get("features")
    if not isinstance(features, list) or not features:
        raise ZoneError("the document has no features", "Export at least one area.")
    for index, feature in enumerate(features):
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            raise ZoneError("it is not a Feature", 'Each member of "features" has "type": "Feature".', index)
    return features


def _refuse_other_datum(crs: object) -> None:
    """RFC 7946 has no `crs`, older files do: a zone in another system would lie somewhere else, silently."""
    if crs is None:
        return
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(name, str) or not _WGS84.search(name):
        raise ZoneError(
            f"the document is in the coordinate system {str(name)[:60]}",
            "Export the layer in WGS 84 (EPSG:4326).",
        )


def _refuse_swapped(zones: list[Zone], notes: list[str]) -> None:
    """A latitude beyond 90 degrees was refused before; here are the swapped ones that are places on the earth, too."""
    polygons = [zone.geometry for zone in zones]
    for index in astray(polygons).tolist():
        x, y = polygons[index].representative_point().coords[0]
        raise ZoneError(
            f"it lies far from all others, and among them with its axes swapped: [{x:.6g}, {y:.6g}]",
            f"GeoJSON writes longitude first: [{y:.6g}, {x:.6g}].",
            zones[index].key,
        )
    if polar(polygons):
        notes.append(
            "all of it lies around a pole: if no city of yours does, its axes are swapped (longitude first)."
        )


def _moved(zone: Zone, datum: Datum) -> Zone:
    """The same zone in WGS 84, corner by corner."""
    moved = shapely.transform(
        zone.geometry, lambda position: np.column_stack(to_wgs84(datum, position[:, 0], position[:, 1]))
    )
    return replace(zone, geometry=moved)


def _key(feature: dict[str, Any], index: int) -> str:
    key = feature.get("id")
    if key is None:
        key = _properties(feature).get("id")
    if key is None:
        raise ZoneError("it has no id", 'Add "id": "a-short-name" to the feature or its properties.', index)
    if isinstance(key, int) and not isinstance(key, bool):
        key = str(key)
    if not isinstance(key, str) or not IDENTIFIER.fullmatch(key):
        plain = re.sub(r"[^a-z0-9]+", "-", str(key)[:64].lower()).strip("-")
        raise ZoneError(
            f"its id {str(key)[:70]!r} is not an identifier",
            "Use small letters, digits and hyphens, 64 at most" + (f": {plain!r}." if plain else "."),
            index,
        )
    return key


def _zone(key: str, feature: dict[str, Any], notes: list[str]) -> Zone:
    properties = _properties(feature)
    try:
        geometry, wrong = polygon(feature.get("geometry"), properties.get("radius_m"))
    except ShapeError as error:
        raise ZoneError(str(error), error.hint, key) from error
    if wrong:
        notes.append(f"'{key}': its outline was repaired ({wrong}); look at it on the map.")
    kind = properties.get("kind")
    if kind is None:
        kind = DEFAULT_KIND
        notes.append(f"'{key}': it has no kind; taken as {DEFAULT_KIND!r}.")
    elif not isinstance(kind, str) or not IDENTIFIER.fullmatch(kind):
        raise ZoneError(
            f"its kind {str(kind)[:70]!r} is not an identifier", "Write one as in 'district'.", key
        )
    usable_m2 = _amount(properties, "usable_m2", key)
    area = area_m2(geometry)
    if usable_m2 is not None and usable_m2 > 1.01 * area:
        notes.append(f"'{key}': usable_m2 is {usable_m2:g}, more than its {area:.0f} m2.")
    capacity = _amount(properties, "capacity", key)
    if capacity is not None and (capacity != int(capacity) or capacity > MAX_CAPACITY):
        raise ZoneError(f"its capacity is {capacity:g}, not a number of people", "Write a whole number.", key)
    return Zone(
        key, _name(properties, key), kind, geometry, usable_m2, None if capacity is None else int(capacity)
    )


def _name(properties: dict[str, Any], key: str) -> str:
    name = properties.get("name")
    if name is None:
        return key
    # Control characters and lone surrogates are legal JSON, and refused by the database.
    fit = isinstance(name, str) and not any(unicodedata.category(sign) in ("Cc", "Cs") for sign in name)
    if not fit or not 0 < len(name.strip()) <= MAX_NAME:
        raise ZoneError(
            "its name is not a line of text", f"Write 1 to {MAX_NAME} characters, or leave it out.", key
        )
    return str(name.strip())


def _amount(properties: dict[str, Any], member: str, key: str) -> float | None:
    """A number above zero, or None where it is not given."""
    value = properties.get(member)
    if value is None:
        return None
    try:
        fit = (
            not isinstance(value, bool)
            and isinstance(value, int | float)
            and math.isfinite(value)
            and value > 0
        )
    except OverflowError:
        fit = False
    if not fit:
        raise ZoneError(
            f"its {member} is {str(value)[:40]}, not a number above 0", "Correct it, or leave it out.", key
        )
    return float(value)


def _properties(feature: dict[str, Any]) -> dict[str, Any]:
    properties = feature.get("properties")
    return properties if isinstance(properties, dict) else {}
