"""Fixes: the row type of positions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FIX = np.dtype(
    [
        ("time", "<i8"),  # us since 1970 UTC
        ("track", "<i4"),  # id in the table `track`
        ("lon", "<f8"),  # WGS 84
        ("lat", "<f8"),
        ("accuracy", "<f4"),  # metres; NaN: the source says nothing
        ("outcome", "u1"),  # of geo.track: believed, or why not
        ("named", "?"),  # a device tells its own place; else the track is a token
    ]
)

Fixes = NDArray[Any]
"""A structured array of dtype FIX."""
Places = dict[tuple[int, int], tuple[float, float]]
"""Longitude and latitude by (track, time in us)."""
