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
from geo.reach import Reach

MAX_WITHIN_M = 100_000.0
CHUNK = 16_384
"""Points that are looked up at once: far points have many candidates."""


class Nearest:
    """An index over n polygons; empty ones are near nothing. Read only once it is built."""

    def __init__(self, polygons: Sequence[Polygon | MultiPolygon]) -> None:
        self._outlines = Outlines(polygons)
        self._reach = Reach(polygons)

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
        for first in range(0, len(known), CHUNK):
            rows = known[first : first + CHUNK]
            x, y = lon[rows], lat[rows]
            aside, above = around(x, y, within_m)
            near = self._reach.find(x - aside, y - above, x + aside, y + above)
            nearest, off = np.full(len(rows), -1, np.int32), np.full(len(rows), within_m + NEAR_M)
            _nearest(
                near, x, y, self._outlines.vertex, self._outlines.node, self._outlines.root, nearest, off
            )
            zone[rows], metres[rows] = nearest, np.where(nearest >= 0, off, np.nan)
        return zone, metres


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
