"""Flow across a line: persons per metre of its width and second, from tracks or from what a line counter says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Column = NDArray[np.float64]


class Line(NamedTuple):
    """A line between two points, in metres of one local plane; forward is from its left side to its right."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width_m(self) -> float:
        """Its length, which is the width that people pass through."""
        return float(np.hypot(self.x2 - self.x1, self.y2 - self.y1))


class Crossings(NamedTuple):
    """Each time that a track crossed the line, in order of time; k rows."""

    track: NDArray[np.int64]
    time_s: Column  # between the two fixes, where the straight way meets the line
    direction: NDArray[np.int8]  # 1 forward, -1 back
    speed: Column  # m/s at right angles to the line


def crossings(
    track: NDArray[np.int64], time_s: Column, x: Column, y: Column, line: Line, max_gap_s: float
) -> Crossings:
    """Find where tracks cross a line, on the straight way from each fix to the next of the same track.

    A fix on the line belongs to its left side, the line's first end to the line and its second not: so whoever stops
    on the line, or passes where two lines meet, is counted once.

    Args:
        track: int (n,).
        time_s: float64 (n,), in any order.
        x: float64 (n,), metres east; a fix that is not finite is none.
        y: float64 (n,), metres north.
        line: with its two ends apart.
        max_gap_s: over a longer gap nobody knows the way, and it is no crossing.

    Raises:
        ValueError: the columns differ in length, or the line is a point or not finite.
    """
    track, (time_s, x, y) = np.asarray(track), (np.asarray(each, np.float64) for each in (time_s, x, y))
    if track.ndim != 1 or not track.shape == time_s.shape == x.shape == y.shape:
        raise ValueError("track, time_s, x and y must be columns of one length")
    if not 0 < line.width_m < np.inf:
        raise ValueError(f"a line of {line.width_m} m has no width to pass through")
    known = np.flatnonzero(np.isfinite(time_s) & np.isfinite(x) & np.isfinite(y))
    order = known[np.lexsort((time_s[known], track[known]))]
    track, time_s, x, y = track[order], time_s[order], x[order], y[order]
    east, north = (line.x2 - line.x1) / line.width_m, (line.y2 - line.y1) / line.width_m
    # Metres to the left of the line, and along it.
    aside = east * (y - line.y1) - north * (x - line.x1)
    along = east * (x - line.x1) + north * (y - line.y1)
    left = aside >= 0
    took = np.diff(time_s)
    here = np.flatnonzero(
        (track[1:] == track[:-1]) & (left[1:] != left[:-1]) & (took > 0) & (took <= max_gap_s)
    )
    share = aside[here] / (aside[here] - aside[here + 1])
    meets = along[here] + share * (along[here + 1] - along[here])
    met = (meets >= 0) & (meets < line.width_m)
    here, share = here[met], share[met]
    at = time_s[here] + share * took[here]
    first = np.argsort(at, kind="stable")
    here = here[first]
    return Crossings(
        track[here],
        at[first],
        np.where(left[here], 1, -1).astype(np.int8),
        np.abs(aside[here + 1] - aside[here]) / took[here],
    )


def per_window(found: Crossings, line: Line, edges_s: ArrayLike) -> tuple[Column, Column]:
    """Flow in each window of time.

    Args:
        found: crossings of the line.
        line: the line.
        edges_s: (w + 1,), ascending; a window holds its beginning and not its end.

    Returns:
        Forward and back, float64 (w,) each, persons/(m s). Net flow is their difference; crush risk is in their sum.

    Raises:
        ValueError: the edges do not ascend.
    """
    edges = np.asarray(edges_s, np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():  # noqa: PLR2004 - a beginning and an end
        raise ValueError("edges_s must ascend, two or more")
    window = np.searchsorted(edges, found.time_s, side="right") - 1
    inside = (window >= 0) & (window < len(edges) - 1)
    both = [
        np.bincount(window[inside & (found.direction == way)], minlength=len(edges) - 1) for way in (1, -1)
    ]
    forward, back = (per_m_s(counts, line.width_m, np.diff(edges)) for counts in both)
    return forward, back


def per_m_s(persons: ArrayLike, width_m: ArrayLike, seconds: ArrayLike) -> Column:
    """Flow of columns of counts, persons/(m s).

    Args:
        persons: (n,) counted in one direction; below zero or not finite is no count.
        width_m: (n,) or one number: the clear width.
        seconds: (n,) or one number: how long it was counted.

    Returns:
        float64 (n,); NaN where there is no count, or no width or time above zero.
    """
    columns = (np.asarray(each, np.float64) for each in (persons, width_m, seconds))
    counts, width, took = np.broadcast_arrays(*columns)
    known = np.isfinite(counts) & (counts >= 0) & np.isfinite(width * took) & (width > 0) & (took > 0)
    flow = np.full(known.shape, np.nan)
    np.divide(counts, width * took, out=flow, where=known)
    return flow


def within(
    time_s: ArrayLike, counts: ArrayLike, interval_s: ArrayLike, end_s: ArrayLike, window_s: float
) -> Column:
    """What of each count of an interval fell into a window, taken as spread evenly over its interval.

    So a window holds as much of a counter that speaks once a minute as of one that speaks every second, however their
    stamps lie to the window.

    Args:
        time_s: (n,), the end of the interval that was counted.
        counts: (n,) persons; below zero or not finite is no count.
        interval_s: (n,) or one number, above 0.
        end_s: (n,) or one number: the end of the window.
        window_s: its length.

    Returns:
        float64 (n,), persons; 0 for what is no count.
    """
    columns = (np.asarray(each, np.float64) for each in (time_s, counts, interval_s, end_s))
    at, persons, interval, end = np.broadcast_arrays(*columns)
    shared = np.minimum(at, end) - np.maximum(at - interval, end - window_s)
    known = np.isfinite(persons) & (persons >= 0) & (shared > 0)
    return np.asarray(np.where(known, persons * shared / interval, 0.0), np.float64)
