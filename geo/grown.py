"""Polygons simplified to a receiver's limit of corners without cutting anyone out: grown, never shrunk.

A CAP message, a cell broadcast or an old siren takes ten, a hundred or a thousand corners. A long outline is first
grown by a distance and simplified by less (Douglas and Peucker 1973 move no border by more than the tolerance), again
and again by more, until it has some hundreds of corners and its parts have grown together where they must; then corners
are taken off one by one, each adding as little as can be (`geo.corners`). Of several ways the one with least ground.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from geo.area import area_m2
from geo.buffer import DrawError
from geo.corners import fewer
from geo.plane import metres_per_degree

FEWEST = 4
"""Corners that always suffice: the smallest rectangle around everything."""
# So many corners are taken off one by one in half a second. At 100 corners New York's boroughs grow by 6 to 23 %; begun
# from 200, in a third of the time, by 12 to 35 %; from 800, in four times, by 5 to 23 %.
FINE = 400
# The border is moved back by a little less than it was moved out: what rounding takes is left.
BACK = 0.98
MITRE = 2.0
# Sharp corners keep their one corner when the area is grown by what rounding may take.
SHARP = 20.0
STEP = 2.0


class Grown(NamedTuple):
    """A simplified area and what the simplification cost."""

    area: Polygon | MultiPolygon
    corners: int  # the closing position of each ring not counted
    added: float  # ground, as a share of the area that was given


def grown(area: Polygon | MultiPolygon, corners: int, decimals: int = 6) -> Grown:
    """Simplify an area in degrees to at most so many corners, containing the area as it was.

    Parts may grow together and holes close.

    Args:
        area: valid, in degrees.
        corners: the receiver's limit for all rings together, `FEWEST` or more. Where the closing position counts
            as well, give one less for each ring that is allowed.
        decimals: of a degree that the receiver is sent, 4 to 9; the result is rounded to them, and still contains the
            area.

    Raises:
        DrawError: the area is empty, invalid or off the earth, or the limit is too low.
    """
    _refuse(area, corners, decimals)
    if _corners(area) <= corners and shapely.equals_exact(area, _rounded(area, decimals), 0.0):
        return Grown(area, _corners(area), 0.0)
    west, south, _, north = area.bounds
    origin, scale = np.array((west, south)), np.array(metres_per_degree((south + north) / 2))
    plane = shapely.transform(area, lambda place: (place - origin) * scale)
    # Rounding moves a corner by half a digit each way.
    margin = 2 * 10.0**-decimals * float(scale.max())
    best: Polygon | MultiPolygon | None = None
    for each in _ways(plane, corners, margin):
        wide = shapely.buffer(each, margin, join_style="mitre", mitre_limit=SHARP)
        fit = _fitting(shapely.transform(wide, lambda place: place / scale + origin), area, corners, decimals)
        if fit is not None and (best is None or fit.area < best.area):
            best = fit
    if best is None:
        raise DrawError("the area cannot be drawn with so few corners", "Allow more corners.")
    return Grown(best, _corners(best), area_m2(best) / area_m2(area) - 1)


def _ways(plane: Polygon | MultiPolygon, corners: int, least_m: float) -> Iterator[BaseGeometry]:
    """Areas of few enough corners that contain the given one, metres."""
    west, south, east, north = plane.bounds
    rough: BaseGeometry = plane
    metres = least_m
    while metres < east - west + north - south:
        if isinstance(rough, Polygon | MultiPolygon) and _corners(rough) <= max(FINE, 2 * corners):
            few = fewer(rough, corners)
            if few is not None:
                yield few
            if few is rough or _corners(rough) <= corners:
                break
        wide = shapely.buffer(rough, metres, join_style="mitre", mitre_limit=MITRE)
        rough = shapely.simplify(wide, metres * BACK, preserve_topology=True)
        metres *= STEP
    hull = shapely.convex_hull(plane)
    if isinstance(hull, Polygon):
        few = fewer(hull, corners)
        if few is not None:
            yield few
    yield shapely.oriented_envelope(plane)


def _refuse(area: Polygon | MultiPolygon, corners: int, decimals: int) -> None:
    if corners < FEWEST or not 4 <= decimals <= 9:  # noqa: PLR2004 - 11 m to 0.1 mm
        raise DrawError(
            f"{corners} corners of {decimals} decimals cannot be drawn", f"Allow {FEWEST} or more, of 4 to 9."
        )
    if area.is_empty or not area.is_valid or not np.isfinite(area.bounds).all():
        raise DrawError("there is no valid area to simplify", "Repair its outline first.")
    west, south, east, north = area.bounds
    if max(abs(south), abs(north)) >= 89 or max(abs(west), abs(east)) > 180:  # noqa: PLR2004 - degrees
        raise DrawError("the area is at a pole, or off the earth", "Give its outline in degrees.")


def _fitting(
    simple: BaseGeometry, area: Polygon | MultiPolygon, corners: int, decimals: int
) -> Polygon | MultiPolygon | None:
    """The simplified area rounded, if it holds: few enough corners, valid, containing the area, on the earth."""
    rounded = _rounded(simple, decimals)
    if not isinstance(rounded, Polygon | MultiPolygon) or not rounded.is_valid or _corners(rounded) > corners:
        return None
    west, _, east, _ = rounded.bounds
    return rounded if west >= -180 and east <= 180 and rounded.covers(area) else None  # noqa: PLR2004 - degrees


def _rounded(area: BaseGeometry, decimals: int) -> BaseGeometry:
    return shapely.transform(area, lambda place: np.round(place, decimals))


def _corners(area: Polygon | MultiPolygon) -> int:
    rings = shapely.get_rings(shapely.get_parts(area))
    return int(shapely.get_num_coordinates(rings).sum()) - len(rings)
