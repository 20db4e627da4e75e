"""How a place fills: persons per minute, and how soon it is full, where the counts surely say so.

One window cannot serve both: a long one foresees far and is slow to see that a concert has ended, a short one the other way
round. So of several windows the shortest that is sure speaks, and none that a shorter one contradicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geo.trend import Reach, Trend, time_to, trend

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

WINDOWS_S = (300.0, 450.0, 600.0, 900.0, 1200.0, 1800.0)
POINTS = 31
"""Counts that are looked at in each window: 465 slopes, 0.2 ms."""
FORESEEN_S = WINDOWS_S[-1]
"""Farther ahead nothing is said: a straight line is believed for as long as it was seen."""
# A slope over a window changes a count by no more than this many times what it has moved in it.
STEEP = 2.0
# A longer window goes on where the shorter may have half its slope, or twice.
ALIKE = 2.0
NEARLY = 0.98


class Filling(NamedTuple):
    """How fast, and when it is full; None where that is not sure, or lies farther ahead than is foreseen."""

    per_s: float | None
    full: Reach | None


def filling(time_s: ArrayLike, persons: ArrayLike, capacity: float | None) -> Filling:
    """How a place fills, from the counts of the last half hour.

    Args:
        time_s: (n,), seconds, ascending; the last is now.
        persons: (n,); below zero or not finite is no count.
        capacity: persons; None where nobody has said it.

    Returns:
        The slope of the shortest window that has one, and when the limit is reached by the shortest window that is sure.
    """
    at, counts = np.asarray(time_s, np.float64), np.asarray(persons, np.float64)
    known = np.isfinite(counts) & (counts >= 0)
    at, counts = at[known], counts[known]
    if not len(at):
        return Filling(None, None)
    shorter: list[Trend] = []
    for window_s in WINDOWS_S:
        first = int(np.searchsorted(at, at[-1] - window_s))
        there, those = at[first:], counts[first:]
        # Of a longer window no shorter one has said enough, and it holds every count of the shorter.
        if shorter and (capacity is None or _far(those, capacity)):
            continue
        stride = max(-(-len(there) // POINTS), 1)
        found = trend(there[::-1][::stride], those[::-1][::stride])
        if found is None:
            continue
        if not all(_agree(each, found) for each in shorter):
            break
        shorter.append(found)
        reach = None if capacity is None else time_to(found, capacity)
        # A line may have passed the limit where the people have not, when they suddenly stop coming.
        if reach is not None and (reach.after_s > 0 or counts[-1] >= NEARLY * reach.limit):
            return Filling(shorter[0].slope, reach)
    return Filling(shorter[0].slope if shorter else None, None)


def _agree(short: Trend, long: Trend) -> bool:
    """Whether the slope of a longer window may still be so."""
    slow, fast = sorted((long.slope / ALIKE, long.slope * ALIKE))
    return short.low <= fast and short.high >= slow


def _far(counts: np.ndarray[tuple[int], np.dtype[np.float64]], capacity: float) -> bool:
    """Whether a limit is out of reach of anything that these counts could mean."""
    return bool(capacity - counts[-1] > STEEP * np.ptp(counts))
