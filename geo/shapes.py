"""GeoJSON geometry to polygons: every position looked at, nothing believed."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from geo.area import area_m2
from geo.circle import circle

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

# Seven decimals of a degree are 1 cm: what is smaller than this is rounding, not a place.
MIN_AREA_M2 = 0.01

# Natural Earth has 180.00000000000014: an export's last digit, a tenth of a millimetre at most, is no mistake.
ROUNDING_DEG = 1e-9


class ShapeError(ValueError):
    """A geometry that is no zone; the text is a sentence, `hint` says what to do about it."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


def polygon(geometry: object, radius_m: object = None) -> tuple[Polygon | MultiPolygon, str | None]:
    """Read a GeoJSON geometry object.

    Args:
        geometry: the decoded `geometry` member: Polygon, MultiPolygon, or Point together with a radius.
        radius_m: metres, for a Point.

    Returns:
        A valid polygon with an area, in degrees, longitude first (heights are dropped), and, where it had to
        be repaired, a clause that says what was wrong.

    Raises:
        ShapeError: anything else.
    """
    if not isinstance(geometry, dict):
        raise ShapeError("it has no geometry", "Give it a Polygon, a MultiPolygon, or a Point with radius_m.")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "Point":
        return _disc(coordinates, radius_m), None
    if kind not in ("Polygon", "MultiPolygon"):
        raise ShapeError(
            f"its geometry is a {_named(kind)}, not an area",
            "Zones are Polygon, MultiPolygon, or Point with properties.radius_m.",
        )
    parts = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(parts, list) or not parts or not all(isinstance(part, list) and part for part in parts):
        raise ShapeError("its geometry is empty", "Draw at least one closed ring of four positions.")
    drawn = [Polygon(rings[0], rings[1:]) for rings in ([_ring(ring) for ring in part] for part in parts)]
    return _valid(drawn[0] if kind == "Polygon" else MultiPolygon(drawn))


def _valid(drawn: Polygon | MultiPolygon) -> tuple[Polygon | MultiPolygon, str | None]:
    """Repair what crosses itself, keeping areas only."""
    wrong = None if drawn.is_valid else shapely.is_valid_reason(drawn)
    sound = drawn if wrong is None else _repaired(drawn)
    if sound is None:
        raise ShapeError(
            f"its outline encloses no area, or none that can be repaired ({wrong})", "Draw its outline again."
        )
    if area_m2(sound) < MIN_AREA_M2:
        raise ShapeError(
            "its outline encloses no area", "Draw its outline again, with at least three corners."
        )
    return sound, wrong


def _repaired(drawn: Polygon | MultiPolygon) -> Polygon | MultiPolygon | None:
    # "structure" merges parts that overlap, where "linework" would cut a hole: so it comes first. On a ring that
    # runs along one edge three times it may answer with an invalid polygon, or raise.
    for repair in (partial(shapely.make_valid, method="structure", keep_collapsed=False), shapely.make_valid):
        try:
            repaired: BaseGeometry = repair(drawn)
        except shapely.errors.GEOSException:
            continue
        areas = [part for part in shapely.get_parts(repaired) if isinstance(part, Polygon)]
        # Linework keeps loose lines beside the areas, and may nest a multipolygon.
        areas += [p for m in shapely.get_parts(repaired) if isinstance(m, MultiPolygon) for p in m.geoms]
        whole = areas[0] if len(areas) == 1 else MultiPolygon(areas)
        if areas and whole.is_valid:
            return whole
    return None


def _disc(position: object, radius_m: object) -> Polygon:
    if radius_m is None:
        raise ShapeError(
            "it is a Point without a radius", "Add properties.radius_m, in metres, or draw an area."
        )
    if isinstance(radius_m, bool) or not isinstance(radius_m, int | float):
        raise ShapeError(f"its radius_m is {_named(radius_m)}, not a number", "Write metres, as in 150.")
    lon, lat = _positions([position])[0].tolist()
    try:
        return circle(lon, lat, radius_m)
    except ValueError as error:
        raise ShapeError(str(error), "Give a smaller radius_m, in metres, or draw the area.") from error


def _ring(ring: object) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """A closed ring as float64 (n, 2)."""
    if not isinstance(ring, list) or not ring:
        raise ShapeError("it has an empty ring", "Leave the ring out, or draw it.")
    corners = _positions(ring)
    if (corners[0] != corners[-1]).any():
        raise ShapeError("its ring is open", "Repeat the first position of each ring at its end.")
    if len(corners) < 4:  # noqa: PLR2004 - RFC 7946, 3.1.6
        raise ShapeError(
            f"its ring has {len(corners)} positions",
            "A closed ring has four or more, the last equal to the first.",
        )
    jump = np.abs(np.diff(corners[:, 0])) > 180  # noqa: PLR2004 - degrees
    if (jump & (np.abs(corners[1:, 1]) < 90)).any():  # noqa: PLR2004 - degrees; along a pole it is no crossing
        raise ShapeError(
            "its ring jumps over the antimeridian", "Cut it there into a MultiPolygon (RFC 7946, 3.1.9)."
        )
    return corners


def _positions(positions: list[object]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Positions as float64 (n, 2), on the earth."""
    pairs: list[list[Any]] = []
    for position in positions:
        if not isinstance(position, list) or len(position) < 2:  # noqa: PLR2004 - longitude, latitude
            raise ShapeError(f"{_named(position)} is not a position", "Write [longitude, latitude].")
        pairs.append(position[:2])
    if not set(map(type, chain.from_iterable(pairs))) <= {int, float}:
        odd = next(p for p in pairs if not {type(p[0]), type(p[1])} <= {int, float})
        raise ShapeError(f"{_named(odd)} is not a position", "Write [longitude, latitude] as two numbers.")
    try:
        corners = np.array(pairs, dtype=np.float64)
    except OverflowError as error:
        raise ShapeError("a coordinate is off the earth", "Write degrees, as in [120.6, 31.3].") from error
    if not np.isfinite(corners).all():
        raise ShapeError("a coordinate is not a finite number", "Remove the position, or write its degrees.")
    away = np.flatnonzero((np.abs(corners) > np.array((180, 90)) + ROUNDING_DEG).any(axis=1))
    if len(away):
        raise _off_the_earth(*corners[away[0]].tolist())
    np.clip(corners, (-180, -90), (180, 90), out=corners)
    return corners


def _off_the_earth(lon: float, lat: float) -> ShapeError:
    place = f"[{lon:.10g}, {lat:.10g}]"
    if abs(lon) <= 90 < abs(lat) <= 180:  # noqa: PLR2004 - degrees
        return ShapeError(
            f"{place} has a latitude beyond 90 degrees: its axes look swapped",
            f"GeoJSON writes longitude first: [{lat:.10g}, {lon:.10g}].",
        )
    if max(abs(lon), abs(lat)) > 360:  # noqa: PLR2004 - degrees
        return ShapeError(
            f"{place} is off the earth: it looks like metres of a map projection",
            "Export the layer in WGS 84 (EPSG:4326), as degrees.",
        )
    return ShapeError(
        f"{place} is off the earth",
        "Longitudes lie between -180 and 180 degrees, latitudes between -90 and 90.",
    )


def _named(value: object) -> str:
    """A stranger's value, short enough for a sentence."""
    text = repr(value) if not isinstance(value, str) else value
    return text if len(text) <= 40 else text[:37] + "..."  # noqa: PLR2004 - one line of a terminal
