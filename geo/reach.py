"""Which polygons could be near: boxes of polygons, each grown by metres of its own, held against boxes of columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely import MultiPolygon, Polygon

from geo.plane import around

Column = NDArray[np.float64]

ALL_ROUND = 360.0
HALF_ROUND = 180.0


class Near(NamedTuple):
    """k candidates, ordered by row, then zone: a zone that may be near the box of a row."""

    row: NDArray[np.int32]  # (k,)
    zone: NDArray[np.int32]  # (k,)
    shift: Column  # (k,) degrees to add to the row's longitudes: -360, 0 or 360, over the antimeridian


class Reach:
    """An index over n polygons, part by part; a part that lies far from the others costs nothing there."""

    def __init__(self, polygons: Sequence[Polygon | MultiPolygon], metres: ArrayLike = 0.0) -> None:
        """Grow polygon i by `metres[i]` to each side."""
        self._zones = len(polygons)
        parts, owner = shapely.get_parts(np.asarray(polygons, dtype=object), return_index=True)
        filled = ~shapely.is_empty(parts)
        self._owner = owner[filled]
        west, south, east, north = shapely.bounds(parts[filled]).reshape(-1, 4).T
        grown = np.broadcast_to(np.asarray(metres, np.float64), (self._zones,))[self._owner]
        poleward = np.maximum(np.abs(south), np.abs(north))
        aside, above = around(west, poleward, grown)
        self._widest = float(aside.max(initial=0.0))
        self._tree = shapely.STRtree(shapely.box(west - aside, south - above, east + aside, north + above))
        self._tree.query(shapely.Point())  # it is built at its first question, and that may be a hurried one

    def some(self, lon: Column, lat: Column) -> Near:
        """One polygon that is likely to be near each of m finite points: the one whose box is, in degrees."""
        row, part = self._tree.query_nearest(shapely.points(lon, lat), all_matches=False)
        return Near(row.astype(np.int32), self._owner[part].astype(np.int32), np.zeros(len(row)))

    def find(self, west: Column, south: Column, east: Column, north: Column) -> Near:
        """Find what the boxes of m rows touch; degrees (m,), longitudes may go on beyond 180. NaN touches nothing."""
        rows = np.arange(len(west))
        over = np.flatnonzero(east > HALF_ROUND - self._widest)
        under = np.flatnonzero(west < self._widest - HALF_ROUND)
        row = np.concatenate((rows, over, under))
        shift = np.repeat((0.0, -ALL_ROUND, ALL_ROUND), (len(rows), len(over), len(under)))
        box = shapely.box(west[row] + shift, south[row], east[row] + shift, north[row])
        asked, part = self._tree.query(box)
        turn = np.searchsorted((-ALL_ROUND, 0.0, ALL_ROUND), shift[asked])
        # A row, a zone and a turn as one number: sorted, and told once where several parts are near.
        known = np.unique((row[asked] * self._zones + self._owner[part]) * 3 + turn)
        place = known // 3
        return Near(
            (place // max(self._zones, 1)).astype(np.int32),
            (place % max(self._zones, 1)).astype(np.int32),
            (known % 3 - 1) * ALL_ROUND,
        )
