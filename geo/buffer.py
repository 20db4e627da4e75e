"""Ground within some metres of a place, a line or an area: buffer, evacuation area, cordon; never less than asked for.

Drawn in an affine plane whose metres a degree are the fewest that occur in the drawing: so the buffer reaches at least
as far as was said everywhere, and where degrees are longer a little farther (0.1 % for each 0.1 degrees of latitude
that it spans at 31 degrees, 0.2 % at 50), and its round corners are drawn outside the arc (0.3 %).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from geo.plane import metres_per_degree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapely.geometry.base import BaseGeometry

MAX_M = 100_000.0
# Sides of a quarter of a circle: its polygon lies outside the arc by 0.3 %, and straight sides as far out.
QUARTER = 10
OUTSIDE = 1 / np.cos(np.pi / (4 * QUARTER))


class DrawError(ValueError):
    """What cannot be drawn; `hint` says what to do."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


def buffer(geometry: BaseGeometry, metres: float) -> Polygon | MultiPolygon:
    """Everything within some metres of a point, line or area given in degrees; an area itself included.

    Raises:
        DrawError: the geometry is empty or not finite, the distance is not above 0 and at most `MAX_M`, or it reaches
            over a pole or the antimeridian.
    """
    if not 0 < metres <= MAX_M:
        raise DrawError(f"a distance of {metres} m is not above 0 and at most {MAX_M:g} m", "Give metres.")
    west, south, east, north = geometry.bounds if not geometry.is_empty else (np.nan,) * 4
    if not np.isfinite([west, south, east, north]).all():
        raise DrawError("there is nothing to draw around", "Give a place, a line or an area in degrees.")
    aside_lat = metres / metres_per_degree(0.0)[1]
    ends = np.array((south - aside_lat, north + aside_lat))
    if np.abs(ends).max() >= 90:  # noqa: PLR2004 - degrees
        raise DrawError("it reaches over a pole", "Give a shorter distance.")
    # Degrees of longitude are shortest at the poleward end, degrees of latitude at the other: the equator, if within.
    equatorward = 0.0 if ends[0] < 0 < ends[1] else np.abs(ends).min()
    fewest = np.array((metres_per_degree(ends)[0].min(), metres_per_degree(equatorward)[1]))
    aside_lon = metres * OUTSIDE / fewest[0]
    if west - aside_lon < -180 or east + aside_lon > 180:  # noqa: PLR2004 - degrees
        raise DrawError("it reaches over the antimeridian", "Give each side of it alone.")
    origin = np.array((west, south))
    plane = shapely.transform(geometry, lambda place: (place - origin) * fewest)
    drawn = shapely.buffer(plane, metres * OUTSIDE, quad_segs=QUARTER)
    found = shapely.transform(drawn, lambda place: place / fewest + origin)
    if not isinstance(found, Polygon | MultiPolygon):
        raise DrawError("there is nothing to draw around", "Give a place, a line or an area in degrees.")
    return found


def evacuation(sources: Sequence[BaseGeometry], metres: float) -> Polygon | MultiPolygon:
    """The ground to be cleared: within some metres of any of the sources (incident, flooded reach, burning building).

    Holes are filled: nobody is left on an island of it.

    Raises:
        DrawError: as `buffer`, or there are no sources.
    """
    if not sources:
        raise DrawError("there is nothing to draw around", "Give a place, a line or an area in degrees.")
    return _filled(shapely.union_all([buffer(each, metres) for each in sources]))


def cordon(area: Polygon | MultiPolygon, width_m: float) -> Polygon | MultiPolygon:
    """The belt around an area where the guards stand: within a width of it, outside it, islands filled.

    Raises:
        DrawError: as `buffer`.
    """
    inner = _filled(area)
    belt = shapely.difference(_filled(buffer(inner, width_m)), inner)
    if not isinstance(belt, Polygon | MultiPolygon):
        raise DrawError("the belt has no ground", "Give a valid area.")
    return belt


def _filled(area: BaseGeometry) -> Polygon | MultiPolygon:
    whole = shapely.union_all([Polygon(each.exterior) for each in shapely.get_parts(area)])
    if not isinstance(whole, Polygon | MultiPolygon):
        raise DrawError("it is no area", "Give a polygon.")
    return whole
