"""Longitude first: which zones of a document look as if their axes were swapped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

AMONG_DEG = 3.0
"""A city, or a province: what lies within this of the middle of a document is among its zones."""
ASTRAY_DEG = 10.0
SETTLED = 73.0
"""Beyond this latitude there is no city; Longyearbyen, with 2,500 people, is the exception that a note leaves room for."""


def astray(polygons: Sequence[Polygon | MultiPolygon]) -> NDArray[np.intp]:
    """Zones far from all others that would lie among them with their axes swapped; there must be three or more in all."""
    middle = _middles(polygons)
    if len(middle) < 3:  # noqa: PLR2004 - of two nobody knows which is wrong
        return np.zeros(0, np.intp)
    centre = np.median(middle, axis=0)
    off = np.abs(middle - centre).max(axis=1)
    swapped = np.abs(middle[:, ::-1] - centre).max(axis=1)
    return np.flatnonzero((off > ASTRAY_DEG) & (swapped < AMONG_DEG))


def polar(polygons: Sequence[Polygon | MultiPolygon]) -> bool:
    """Whether all zones lie where nobody lives, and none would with its axes swapped."""
    lon, lat = np.abs(_middles(polygons)).T
    return bool(len(lon) and (lat > SETTLED).all() and (lon < SETTLED).all())


def _middles(polygons: Sequence[Polygon | MultiPolygon]) -> NDArray[np.float64]:
    west, south, east, north = shapely.bounds(np.asarray(polygons, dtype=object)).reshape(-1, 4).T
    return np.column_stack(((west + east) / 2, (south + north) / 2))
