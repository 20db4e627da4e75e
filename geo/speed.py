"""Speed of each person on a track: way over time between a fix a little before and a fix a little after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[np.float64]


def speeds(track: NDArray[np.int64], time_s: Column, x: Column, y: Column, half_s: float) -> Column:
    """Speed at each fix, from the earliest to the latest fix of its track within `half_s` of it.

    As PedPy does it (individual speed, frame step = half_s x frame rate); at the ends of a track the window is cut.
    A short window measures the swaying of the head, a long one cuts corners: a third of a second is usual.

    Args:
        track: int (n,).
        time_s: float64 (n,), seconds, in any order.
        x: float64 (n,), metres east.
        y: float64 (n,), metres north.
        half_s: above 0.

    Returns:
        float64 (n,), m/s; NaN for a fix that is alone in its window, or not finite (which is nobody's neighbour).

    Raises:
        ValueError: the columns differ in length, or `half_s` is not above zero.
    """
    track, time_s, x, y = np.asarray(track), *(np.asarray(each, np.float64) for each in (time_s, x, y))
    if track.ndim != 1 or not track.shape == time_s.shape == x.shape == y.shape:
        raise ValueError("track, time_s, x and y must be columns of one length")
    if not half_s > 0:
        raise ValueError(f"half_s is {half_s}, not above 0")
    speed = np.full(len(track), np.nan)
    known = np.flatnonzero(np.isfinite(time_s) & np.isfinite(x) & np.isfinite(y))
    if len(known) == 0:
        return speed
    rank = np.unique(track[known], return_inverse=True)[1]
    order = np.lexsort((time_s[known], rank))
    known, rank = known[order], rank[order]
    elapsed = time_s[known] - time_s[known].min()
    # Tracks laid one behind the other on one axis, farther apart than a window reaches: one search for all.
    axis = rank * (elapsed.max() + 4 * half_s) + elapsed
    # Stamps are rounded: a fix exactly at the window's end is in it.
    hair = half_s * 1e-6
    first = np.searchsorted(axis, axis - half_s - hair, side="left")
    last = np.searchsorted(axis, axis + half_s + hair, side="right") - 1
    took = elapsed[last] - elapsed[first]
    way = np.hypot(x[known[last]] - x[known[first]], y[known[last]] - y[known[first]])
    found = np.full(len(known), np.nan)
    np.divide(way, took, out=found, where=took > 0)
    speed[known] = found
    return speed
