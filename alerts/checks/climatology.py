"""Climatology: the range that a month and an hour usually have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from alerts.checks.bounds import BOUNDS, set_bounds

HOUR_US = 3_600_000_000
MONTHS, HOURS = 12, 24


def table(given: Mapping[str, Any]) -> NDArray[Any]:
    """BOUNDS by month and hour, NaN where nothing is known; of spans that overlap the last one holds."""
    made = np.zeros((MONTHS, HOURS), BOUNDS)
    made["fail_low"] = np.nan
    for span in given["spans"]:
        for month in around(span.get("months") or (1, MONTHS), 1, MONTHS):
            for hour in around(span.get("hours") or (0, HOURS - 1), 0, HOURS):
                set_bounds(made[month - 1, hour], span)
    return made.ravel()


def around(span: tuple[int, int], first: int, count: int) -> list[int]:
    """The numbers from one to the other, both included, around the end of the circle if need be."""
    start, end = span
    return [(start - first + step) % count + first for step in range((end - start) % count + 1)]


@njit(cache=True, nogil=True, error_model="numpy")
def cell_of(hour: int) -> int:
    """The place in a table of an hour counted from 1970 by the climatology's clock."""
    return month_of(hour // HOURS) * HOURS + hour % HOURS


@njit(cache=True, nogil=True, error_model="numpy")
def month_of(day: int) -> int:
    """The month, 0 to 11, of a day counted from 1970-01-01, in the Gregorian calendar.

    Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days: years begin in March, so that
    the leap day is the last one, and months are a straight line over days.
    """
    of_era = (day + 719_468) % 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    return ((5 * of_year + 2) // 153 + 2) % 12
