"""Which points lie in which zones: many points against many polygons at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from geo.cells import Cells
from geo.outline import IN, UNSURE, Outlines, sides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from shapely import MultiPolygon, Polygon


def within(
    polygon: Polygon | MultiPolygon, lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Which of many points lie in one polygon, its border included.

    Args:
        polygon: WGS 84 degrees, as drawn by somebody who asks; it is prepared here and need not be kept.
        lon: float64 (m,), degrees east.
        lat: float64 (m,), degrees north; a point with a NaN or an infinity lies in no polygon.

    Returns:
        Indices of the points, ascending.
    """
    west, south, east, north = polygon.bounds or (np.nan,) * 4
    boxed = np.flatnonzero((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))
    shapely.prepare(polygon)
    return boxed[shapely.intersects_xy(polygon, lon[boxed], lat[boxed])]


MANY = 4096
"""So many questions are worth the kernel; fewer go to shapely, which needs no warming up."""


class Locator:
    """An index over n polygons, asked for columns of points.

    A point on a boundary, that of a hole included, is inside (`covers`). Built once, then read only:
    several threads may share one locator.
    """

    def __init__(self, polygons: Sequence[Polygon | MultiPolygon]) -> None:
        self._polygons = np.empty(len(polygons), dtype=object)
        self._polygons[:] = polygons
        self._cells = Cells(self._polygons)
        shapely.prepare(self._polygons)
        # GEOS builds the edge index of a prepared polygon at its first question, without a lock, and shapely
        # asks without the GIL: so ask each once here, inside its bounds, where the question is not cut short.
        west, south, east, north = shapely.bounds(self._polygons).T.reshape(4, -1)
        shapely.intersects_xy(self._polygons, (west + east) / 2, (south + north) / 2)
        self._outlines = Outlines(self._polygons.tolist())
        # STRtree is built at its first question, too: an empty one builds it.
        self._tree = shapely.STRtree(self._polygons)
        self._tree.query(shapely.Point())

    def __len__(self) -> int:
        return len(self._polygons)

    def locate(
        self, lon: NDArray[np.float64], lat: NDArray[np.float64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Find every (point, zone) pair in which the zone covers the point.

        Args:
            lon: float64 (m,), degrees east.
            lat: float64 (m,), degrees north; a point with a NaN or an infinity lies in no zone.

        Returns:
            int32 (k,) index of the point and int32 (k,) index of the zone, ordered by point, then zone.

        Raises:
            ValueError: the columns differ in length or are not one-dimensional.
        """
        lon = np.asarray(lon, dtype=np.float64)
        lat = np.asarray(lat, dtype=np.float64)
        if lon.ndim != 1 or lon.shape != lat.shape:
            raise ValueError(f"lon and lat must be columns of one length, not {lon.shape} and {lat.shape}")
        found = self._cells.find(lon, lat)
        inside = found.certain.copy()
        asked = np.flatnonzero(~inside)
        at = found.point[asked]
        inside[asked] = self._inside(found.zone[asked], lon[at], lat[at])
        point, zone = found.point[inside], found.zone[inside]
        if len(found.crowded):
            crowded_point, crowded_zone = self._search(found.crowded, lon, lat)
            point, zone = np.concatenate((point, crowded_point)), np.concatenate((zone, crowded_zone))
            order = np.lexsort((zone, point))
            point, zone = point[order], zone[order]
        return point.astype(np.int32), zone.astype(np.int32)

    def _inside(
        self, zone: NDArray[np.intp], lon: NDArray[np.float64], lat: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Which of k points their polygons cover. Shapely decides wherever rounding could: the answer is its own."""
        if len(zone) < MANY:
            return np.asarray(shapely.intersects_xy(self._polygons[zone], lon, lat), np.bool_)
        side = np.empty(len(zone), np.uint8)
        outlines = self._outlines
        sides(outlines.vertex, outlines.node, outlines.root, zone, lon, lat, side)
        inside: NDArray[np.bool_] = side == IN
        doubtful = np.flatnonzero(side == UNSURE)
        inside[doubtful] = shapely.intersects_xy(self._polygons[zone[doubtful]], lon[doubtful], lat[doubtful])
        return inside

    def _search(
        self, point: NDArray[np.intp], lon: NDArray[np.float64], lat: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Pairs of the given points by way of the tree, in no order."""
        # The tree is asked for boxes only: with a predicate it would prepare the point and walk every edge of
        # the polygon (NYC boroughs, 76,063 vertices: 38 times slower than asking the prepared polygons).
        asked, zone = self._tree.query(shapely.points(lon[point], lat[point]))
        point = point[asked]
        covered = self._inside(zone, lon[point], lat[point])
        return point[covered], zone[covered]
