"""Trend of a count over a window, and when it will reach a limit: with bounds, and nothing where it is not sure.

The slope is the median of the slopes between all pairs (Theil 1950, Sen 1968): three wrong counts in ten do not move it.
Its bounds come from the variance of Kendall's S (Sen 1968; Gilbert 1987, 16.4.2), widened where neighbouring
residuals resemble each other, because a crowd's next count is no new evidence (Hamed and Rao 1998, lag one alone).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LEAST = 8
"""Counts at different times, before anything is said."""
MOST = 512
"""Counts that are looked at: of a longer window every second, third, ... (512 are 130,816 slopes, 5 ms)."""
TWO_SIDED_95 = 1.959964
# Neighbours that resemble each other more than this leave almost no evidence: it is not counted on to be less.
MOST_ALIKE = 0.9
# A straight line is believed for as long again as it was seen.
AHEAD = 1.0


# Spread of a median of n normal values: 1.4826 makes a median deviation a standard one, 1.2533 a mean's error a median's.
MEDIAN_ERROR = 1.4826 * 1.2533


class Trend(NamedTuple):
    """A slope per second that lies between low and high 19 times in 20, about the level in the middle of the window."""

    slope: float
    low: float
    high: float
    now: float  # of the line, at the newest time
    error: float  # of the level in the middle, 19 times in 20
    middle_s: float  # how long ago the middle is: there the slope and the level do not depend on each other
    window_s: float


class Reach(NamedTuple):
    """When a limit is reached, in seconds from the newest count; `latest_s` may lie beyond what is foreseen."""

    limit: float
    after_s: float
    earliest_s: float
    latest_s: float


def trend(time_s: ArrayLike, counts: ArrayLike) -> Trend | None:
    """Robust slope of a window of counts.

    Args:
        time_s: (n,), seconds, in any order.
        counts: (n,); below zero or not finite is no count.

    Returns:
        None where there are fewer than `LEAST` counts at different times.

    Raises:
        ValueError: the columns differ in length.
    """
    at, persons = np.asarray(time_s, np.float64), np.asarray(counts, np.float64)
    if at.ndim != 1 or at.shape != persons.shape:
        raise ValueError(
            f"time_s and counts must be columns of one length, not {at.shape} and {persons.shape}"
        )
    known = np.flatnonzero(np.isfinite(at) & np.isfinite(persons) & (persons >= 0))
    order = known[np.argsort(at[known], kind="stable")]
    # Counted from the newest, which is always looked at.
    order = order[::-1][:: max(-(-len(order) // MOST), 1)][::-1]
    at, persons = at[order], persons[order]
    if len(np.unique(at)) < LEAST:
        return None
    elapsed = at - at[-1]
    one, other = np.triu_indices(len(elapsed), 1)
    apart = elapsed[other] - elapsed[one]
    slopes = np.sort((persons[other] - persons[one])[apart > 0] / apart[apart > 0])
    slope = float(np.median(slopes))
    middle = float(np.median(elapsed))
    level = persons - slope * (elapsed - middle)
    residual = level - np.median(level)
    alike = _alike(residual)
    # How many of the sorted slopes lie between the median and a bound.
    half = TWO_SIDED_95 * np.sqrt(_variance(at, persons) * alike) / 2
    low, high = (len(slopes) - 1) / 2 - half, (len(slopes) - 1) / 2 + half
    return Trend(
        slope,
        float(slopes[int(low)]) if low >= 0 else -np.inf,
        float(slopes[int(np.ceil(high))]) if high <= len(slopes) - 1 else np.inf,
        float(np.median(level)) - slope * middle,
        TWO_SIDED_95 * MEDIAN_ERROR * float(np.median(np.abs(residual))) * (alike / len(persons)) ** 0.5,
        -middle,
        float(-elapsed[0]),
    )


def time_to(found: Trend | None, limit: float) -> Reach | None:
    """When the trend reaches a limit above it, such as a capacity.

    Returns:
        None where nothing can be said: no trend, one that is not surely rising (the lower bound is not above zero),
        or a limit farther away than the window was long. Zeros where the limit is reached already.
    """
    if found is None or not np.isfinite(limit):
        return None
    missing = limit - found.now
    if missing <= 0:
        return Reach(limit, 0.0, 0.0, 0.0)
    if found.low <= 0:
        return None
    after = missing / found.slope
    # The bounds turn about the middle: at the newest count the line itself is uncertain.
    from_middle = missing + found.slope * found.middle_s
    earliest = (from_middle - found.error) / found.high - found.middle_s
    latest = (from_middle + found.error) / found.low - found.middle_s
    return Reach(limit, after, max(earliest, 0.0), latest) if after <= AHEAD * found.window_s else None


def _variance(time_s: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Variance of Kendall's S without a trend, ties of both columns allowed for."""
    n = len(counts)
    variance = n * (n - 1) * (2 * n + 5) / 18
    for column in (time_s, counts):
        ties = np.unique(column, return_counts=True)[1]
        variance -= float((ties * (ties - 1) * (2 * ties + 5)).sum()) / 18
    return max(variance, 0.0)


def _alike(residual: NDArray[np.float64]) -> float:
    """How many counts are worth one, from how far neighbours lie on the same side."""
    whole = float(residual @ residual)
    if whole == 0:
        return 1.0
    alike = min(max(float(residual[1:] @ residual[:-1]) / whole, 0.0), MOST_ALIKE)
    return (1 + alike) / (1 - alike)
