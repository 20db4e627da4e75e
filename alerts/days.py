"""The city's days: where each begins, and the slots that begin in it; zoneinfo knows the clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

FIRST, BEYOND = date(1899, 1, 1), date(2102, 1, 1)
"""A year more than any reading's time on both sides: an interval may be long."""
GRID = date(2000, 1, 1)
"""Slots are counted from the beginning of this day."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Days:
    """Local days by number, 0 being FIRST. A day of a clock change has 23 or 25 hours, or whatever its zone says.

    A slot is one interval of a series, counted from the beginning of GRID. It belongs to the day in which it begins,
    so that each slot belongs to one day also where intervals do not divide days.
    """

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where each day begins, in microseconds since 1970 UTC; one more than there are days."""
        span = range(FIRST.toordinal(), BEYOND.toordinal() + 1)
        midnights = (datetime.fromordinal(day).replace(tzinfo=self.zone) for day in span)
        # Not timestamp(): a float would do, an integer is exact by itself.
        return np.array([(at - EPOCH) // timedelta(microseconds=1) for at in midnights], np.int64)

    @property
    def origin(self) -> int:
        """Where slot 0 of every series begins."""
        return int(self.starts[(GRID - FIRST).days])

    def number(self, at: int) -> int:
        """The day in which a moment lies."""
        return int(np.searchsorted(self.starts, at, "right")) - 1

    def slots(self, day: int, interval_us: int) -> tuple[int, int, int]:
        """The slots that begin in a day: where the first begins, where the last ends, and how many they are."""
        first, beyond = (
            -((self.origin - int(start)) // interval_us) for start in self.starts[[day, day + 1]]
        )
        return self.origin + first * interval_us, self.origin + beyond * interval_us, beyond - first


def as_date(day: int) -> date:
    """The date of a day."""
    return FIRST + timedelta(days=day)


def number_of(day: date) -> int:
    """The number of a date."""
    return (day - FIRST).days
