"""Which zone is nearest to each of many points, within a distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from geo.outline import NEAR_M, Outlines, beyond
from geo.plane import around
from geo.reach import Near, Reach

MAX_WITHIN_M = 100_000.0
CHUNK = 16_384
PAIRS = 1 << 23
"""Points that are looked up at once, and the most pairs of point and zone that they may come to: 0.4 GB."""
FIRST_M, WIDER = 50.0, 4.0
"""Most points have a zone near by: so they are asked within this first, what is left within so many times more."""


class Nearest:
    """An index over n polygons; empty ones are near nothing. Read only once it is built."""

    def __init__(self, polygons: Sequence[Polygon | MultiPolygon]) -> None:
        self._outlines = Outlines(polygons)
        self._reach = Reach(polygons)
        self._chunk = min(max(PAIRS // max(len(polygons), 1), 1), CHUNK)

    def find(
        self, lon: NDArray[np.float64], lat: NDArray[np.float64], within_m: float
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Find the nearest zone of each point.

        Args:
            lon: float64 (m,), degrees east.
            lat: float64 (m,), degrees north; a point with a NaN or an infinity is near nothing.
            within_m: how far to look; above 0, at most `MAX_WITHIN_M`.

        Returns:
            int32 (m,) index of the zone, the lowest of those equally near, -1 where none is near enough; float64 (m,)
            metres to it, 0 inside and on its border, NaN where there is none. The error is that of `geo.plane`.

        Raises:
            ValueError: the columns differ in length, or the distance is out of bounds.
        """
        lon, lat = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
        if lon.ndim != 1 or lon.shape != lat.shape:
            raise ValueError(f"lon and lat must be columns of one length, not {lon.shape} and {lat.shape}")
        if not 0 < within_m <= MAX_WITHIN_M:
            raise ValueError(f"{within_m:g} m is not above 0 and at most {MAX_WITHIN_M:g} m")
        zone, metres = np.full(len(lon), -1, np.int32), np.full(len(lon), np.nan)
        known = np.flatnonzero(np.isfinite(lon) & np.isfinite(lat))
        for first in range(0, len(known), self._chunk):
            rows = known[first : first + self._chunk]
            zone[rows], metres[rows] = self._of(lon[rows], lat[rows], within_m)
        return zone, metres

    def _of(
        self, lon: NDArray[np.float64], lat: NDArray[np.float64], within_m: float
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Of points that are finite; wider and wider, but no wider than to a zone that is known to be there."""
        zone, metres = np.full(len(lon), -1, np.int32), np.full(len(lon), np.nan)
        _, limit = self._measured(self._reach.some(lon, lat), lon, lat, np.full(len(lon), within_m))
        rows, radius = np.arange(len(lon)), min(FIRST_M, within_m)
        while len(rows):
            x, y, within = lon[rows], lat[rows], np.minimum(limit[rows], radius)
            aside, above = around(x, y, within + NEAR_M)
            near = self._reach.find(x - aside, y - above, x + aside, y + above)
            found, off = self._measured(near, x, y, within)
            zone[rows], metres[rows] = found, np.where(found >= 0, off, np.nan)
            rows = rows[(found < 0) & (radius < limit[rows])]
            radius = min(radius * WIDER, within_m)
        return zone, metres

    def _measured(
        self,
        near: Near,
        lon: NDArray[np.float64],
        lat: NDArray[np.float64],
        within: NDArray[np.float64],
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """The nearest of the candidates of each point, -1 and `within` where none is within that many metres."""
        # A limit of NEAR_M itself would make a border of whatever lies beyond it.
        nearest, off = np.full(len(lon), -1, np.int32), within + 2 * NEAR_M
        _nearest(
            near, lon, lat, self._outlines.vertex, self._outlines.node, self._outlines.root, nearest, off
        )
        return nearest, np.where(nearest >= 0, off, within)


@njit(cache=True, nogil=True)
def _nearest(
    near: Any, lon: Any, lat: Any, vertex: Any, node: Any, root: Any, nearest: Any, off: Any
) -> None:
    for place in range(len(near.row)):
        row, zone = near.row[place], near.zone[place]
        if off[row] == 0:
            continue
        metres = beyond(
            vertex, node, root[zone], root[zone + 1], lon[row] + near.shift[place], lat[row], off[row]
        )
        if max(metres, 0.0) < off[row]:
            nearest[row], off[row] = zone, max(metres, 0.0)
