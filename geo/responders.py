"""Who is near and what is in sight: nearest responders, and cameras whose view covers a place or meets an area."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely

from geo.locate import Locator
from geo.plane import metres_per_degree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from shapely import MultiPolygon, Polygon

    Column = NDArray[np.float64]

# Distances held at once: 32 MB.
BLOCK = 1 << 22


class Nearest(NamedTuple):
    """The k nearest of each of m places, the nearest first."""

    responder: NDArray[np.int64]  # (m, k); -1 where there are fewer
    metres: Column  # (m, k) as the crow flies; infinite where there are fewer


def nearest(lon: Column, lat: Column, responder_lon: Column, responder_lat: Column, k: int) -> Nearest:
    """Find the nearest responders of each place.

    Distances are measured with the degrees of the latitude in the middle between two places: right to a millionth up
    to 10 km and to a ten-thousandth up to 100 km. They are no ways along streets.

    Args:
        lon: float64 (m,), degrees east of the places.
        lat: float64 (m,).
        responder_lon: float64 (n,); one whose position is not finite is nowhere, and near to nobody.
        responder_lat: float64 (n,).
        k: how many, 1 or more.

    Raises:
        ValueError: the columns differ in length, or k is below one.
    """
    columns = [np.asarray(each, np.float64) for each in (lon, lat, responder_lon, responder_lat)]
    lon, lat, there_lon, there_lat = columns
    if lon.ndim != 1 or lon.shape != lat.shape or there_lon.ndim != 1 or there_lon.shape != there_lat.shape:
        raise ValueError("lon and lat must be columns of one length")
    if k < 1:
        raise ValueError(f"{k} responders cannot be asked for")
    found = Nearest(np.full((len(lon), k), -1), np.full((len(lon), k), np.inf))
    known = np.flatnonzero(np.isfinite(there_lon) & np.isfinite(there_lat))
    some = min(k, len(known))
    if some == 0:
        return found
    rows = max(BLOCK // len(known), 1)
    for at in range(0, len(lon), rows):
        here = slice(at, at + rows)
        away = _apart_m(lon[here, None], lat[here, None], there_lon[known], there_lat[known])
        away[np.isnan(away)] = np.inf
        few = np.argpartition(away, some - 1, axis=1)[:, :some]
        # Of two at one distance the earlier stands first.
        few = np.take_along_axis(few, np.lexsort((few, np.take_along_axis(away, few, 1)), axis=1), 1)
        metres = np.take_along_axis(away, few, 1)
        found.metres[here, :some] = metres
        found.responder[here, :some] = np.where(np.isfinite(metres), known[few], -1)
    return found


class Sight:
    """The views of c cameras on the ground; built once, then read only."""

    def __init__(self, views: Sequence[Polygon | MultiPolygon]) -> None:
        self._locator = Locator(views)
        self._views = np.empty(len(views), dtype=object)
        self._views[:] = views
        self._tree = shapely.STRtree(self._views)
        self._tree.query(shapely.Point())

    def of_places(self, lon: Column, lat: Column) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Every pair of place and camera that sees it: int32 (j,) each, ordered by place, then camera."""
        return self._locator.locate(lon, lat)

    def of_area(self, area: Polygon | MultiPolygon) -> tuple[NDArray[np.int64], Column]:
        """Cameras that see any of an area, those that see most of it first, and the share of it that each sees."""
        camera = np.sort(self._tree.query(area, predicate="intersects"))
        share = shapely.area(shapely.intersection(self._views[camera], area)) / area.area
        order = np.argsort(-share, kind="stable")
        return camera[order].astype(np.int64), share[order]


def _apart_m(lon: Column, lat: Column, there_lon: Column, there_lat: Column) -> Column:
    east, north = metres_per_degree((lat + there_lat) / 2)
    # The shorter way round: over the antimeridian where that is it.
    aside = (there_lon - lon + 540.0) % 360.0 - 180.0
    away: Column = np.hypot(aside * east, (there_lat - lat) * north)
    return away
