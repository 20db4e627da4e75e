"""GeoJSON geometry to polygons and lines: every position looked at, nothing believed."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from shapely import LineString, MultiLineString, MultiPolygon, Point, Polygon

from geo.circle import circle
from geo.mending import tangled, valid
from geo.refusal import Place, ShapeError, place_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ShapeError", "course", "polygon", "spot"]

# Natural Earth has 180.00000000000014: an export's last digit, a tenth of a millimetre at most, is no mistake.
ROUNDING_DEG = 1e-9


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
            "Zones are Polygon, MultiPolygon, Point with properties.radius_m, or LineString with properties.width_m.",
        )
    parts = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(parts, list) or not parts or not all(isinstance(part, list) and part for part in parts):
        raise ShapeError("its geometry is empty", "Draw at least one closed ring of four positions.")
    drawn, repeated = [], 0
    for at, part in enumerate(parts):
        rings = []
        for nth, ring in enumerate(part):
            corners, left_out = _ring(ring, _which(at if len(parts) > 1 else None, nth))
            rings.append(corners)
            repeated += left_out
        drawn.append(Polygon(rings[0], rings[1:]))
    sound, wrong = valid(drawn[0] if kind == "Polygon" else MultiPolygon(drawn))
    clauses = [] if wrong is None else [wrong]
    if repeated:
        clauses.append(f"{repeated} position{'s' if repeated > 1 else ''} twice in a row")
    return sound, "; ".join(clauses) or None


def course(geometry: dict[str, Any]) -> LineString | MultiLineString:
    """Read a GeoJSON LineString or MultiLineString: in degrees, longitude first, each part with a length.

    Raises:
        ShapeError: anything else.
    """
    several, coordinates = geometry.get("type") == "MultiLineString", geometry.get("coordinates")
    parts = coordinates if several else [coordinates]
    if not isinstance(parts, list) or not parts or not all(isinstance(part, list) and part for part in parts):
        raise ShapeError("its geometry is empty", "Draw a line of at least two positions.")
    lines = []
    for at, part in enumerate(parts):
        which = _which(at if several else None, 0)
        places = _positions(part, which)
        kept = places[np.concatenate(([True], (np.diff(places, axis=0) != 0).any(axis=1)))]
        if len(kept) < 2:  # noqa: PLR2004 - a line has two ends
            raise ShapeError(
                f"its line has no length{which}", "Draw at least two positions.", _place(kept[0])
            )
        _refuse_jump(kept, "line", which)
        lines.append(LineString(kept))
    drawn = MultiLineString(lines) if several else lines[0]
    if tangled(drawn):
        raise ShapeError(
            "its line crosses itself too often to draw ground around it",
            "Cut it into several.",
            place_of(drawn),
        )
    return drawn


def spot(geometry: dict[str, Any]) -> Point:
    """Read a GeoJSON Point: in degrees, longitude first.

    Raises:
        ShapeError: anything else.
    """
    lon, lat = _positions([geometry.get("coordinates")])[0].tolist()
    return Point(lon, lat)


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


def _ring(ring: object, which: str) -> tuple[NDArray[np.float64], int]:
    """A closed ring as float64 (n, 2), and how many of its positions repeated the one before."""
    if not isinstance(ring, list) or not ring:
        raise ShapeError(f"it has an empty ring{which}", "Leave the ring out, or draw it.")
    corners = _positions(ring, which)
    if (corners[0] != corners[-1]).any():
        raise ShapeError(
            f"its ring is open{which}",
            "Repeat the first position of each ring at its end.",
            _place(corners[0]),
        )
    if len(corners) < 4:  # noqa: PLR2004 - RFC 7946, 3.1.6
        raise ShapeError(
            f"its ring has {len(corners)} positions{which}",
            "A closed ring has four or more, the last equal to the first.",
            _place(corners[0]),
        )
    _refuse_jump(corners, "ring", which)
    kept = np.concatenate(([True], (np.diff(corners, axis=0) != 0).any(axis=1)))
    repeated = int(len(kept) - kept.sum())
    if len(kept) - repeated < 4:  # noqa: PLR2004 - as above
        raise ShapeError(
            f"its outline encloses no area{which}: {repeated} of its {len(corners)} positions repeat the one before",
            "Draw its outline again, with at least three corners.",
            _place(corners[0]),
        )
    return corners[kept], repeated


def _refuse_jump(places: NDArray[np.float64], name: str, which: str) -> None:
    jump = np.abs(np.diff(places[:, 0])) > 180  # noqa: PLR2004 - degrees
    jump &= np.abs(places[1:, 1]) < 90  # noqa: PLR2004 - degrees; along a pole it is no crossing
    if jump.any():
        raise ShapeError(
            f"its {name} jumps over the antimeridian{which}",
            f"Cut it there into a {'MultiPolygon' if name == 'ring' else 'MultiLineString'} (RFC 7946, 3.1.9).",
            _place(places[int(np.argmax(jump))]),
        )


def _positions(positions: list[object], which: str = "") -> NDArray[np.float64]:
    """Positions as float64 (n, 2), on the earth."""
    pairs: list[list[Any]] = []
    for at, position in enumerate(positions):
        if not isinstance(position, list) or len(position) < 2:  # noqa: PLR2004 - longitude, latitude
            raise ShapeError(
                f"{_named(position)} is not a position (number {at}{_more(which)})",
                "Write [longitude, latitude].",
            )
        pairs.append(position[:2])
    if not set(map(type, chain.from_iterable(pairs))) <= {int, float}:
        at, odd = next((n, p) for n, p in enumerate(pairs) if not {type(p[0]), type(p[1])} <= {int, float})
        raise ShapeError(
            f"{_named(odd)} is not a position (number {at}{_more(which)})",
            "Write [longitude, latitude] as two numbers.",
        )
    try:
        corners = np.array(pairs, dtype=np.float64)
    except OverflowError as error:
        raise ShapeError("a coordinate is off the earth", "Write degrees, as in [120.6, 31.3].") from error
    finite = np.isfinite(corners).all(axis=1)
    if not finite.all():
        at = int(np.flatnonzero(~finite)[0])
        raise ShapeError(
            f"a coordinate is not a finite number: {_named(pairs[at])} (number {at}{_more(which)})",
            "Remove the position, or write its degrees.",
            _place(corners[at - 1]) if at else None,
        )
    away = np.flatnonzero((np.abs(corners) > np.array((180, 90)) + ROUNDING_DEG).any(axis=1))
    if len(away):
        raise _off_the_earth(*corners[away[0]].tolist())
    np.clip(corners, (-180, -90), (180, 90), out=corners)
    return corners


def _which(part: int | None, ring: int) -> str:
    """Which ring of which part, as a sentence ends; nothing of the only one."""
    said = [] if part is None else [f"part {part}"]
    if ring:
        said.append(f"hole {ring}")
    return f" ({', '.join(said)})" if said else ""


def _more(which: str) -> str:
    return f" of {which.strip(' ()')}" if which else ""


def _place(position: NDArray[np.float64]) -> Place:
    return float(position[0]), float(position[1])


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
