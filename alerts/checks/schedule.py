"""Schedules: the hours, weekdays and months in which a rule is open, on a clock of one fixed offset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

HOUR_US = 3_600_000_000

SCHEDULE = np.dtype([("offset", "i8"), ("hours", "u1", (7, 24)), ("months", "u1", 12)])
"""offset: of the local clock to UTC, microseconds; hours: by weekday (Monday first) and hour, 1 open."""


@njit(cache=True, nogil=True)
def is_open(schedule: Any, time: int) -> bool:
    """Whether a schedule is open at a time (microseconds UTC)."""
    hours = (time + schedule["offset"]) // HOUR_US
    days = hours // 24
    if schedule["hours"][(days + 3) % 7][hours % 24] == 0:  # 1970 began on a Thursday
        return False
    # The month by Howard Hinnant's days_from_civil, turned around: years begin in March, leap days end them.
    of_era = (days + 719_468) % 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153  # 0: March
    return bool(schedule["months"][(month + 2) % 12] != 0)


def lay_out(
    offset_s: int, hours: Iterable[tuple[int, int]], weekdays: Iterable[int], months: Iterable[int]
) -> NDArray[Any]:
    """A SCHEDULE: spans of whole hours `[from, to)` that may pass midnight, weekdays 0 to 6, months 1 to 12."""
    schedule = np.zeros((), SCHEDULE)
    schedule["offset"] = offset_s * 1_000_000
    for first, end in hours:
        span = range(first, end if first < end else end + 24)
        for weekday in weekdays:
            schedule["hours"][weekday, [hour % 24 for hour in span]] = 1
    schedule["months"][[month - 1 for month in months]] = 1
    return schedule
