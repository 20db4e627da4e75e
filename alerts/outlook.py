"""The outlook: what is expected of a series and when it reaches a level; and the table that tells those who ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import psycopg


class Outlook(NamedTuple):
    """What is expected after some time: the value lies between low and high four times in five."""

    after_s: float
    low: float
    median: float
    high: float


class Reach(NamedTuple):
    """When a level is reached, in seconds from the newest reading; latest is None where it may not be reached."""

    level: float
    median_s: float
    earliest_s: float
    latest_s: float | None

    def __str__(self) -> str:
        if self.latest_s is None:
            return f"in about {_span(self.median_s)}, at the earliest {_span(self.earliest_s)}, or not at all"
        return f"in about {_span(self.median_s)}, {_span(self.earliest_s)} to {_span(self.latest_s)}"


class Expected(NamedTuple):
    """A series, the time (us) and value of its newest reading, and the course that is expected from there."""

    series: int
    at_us: int
    value: float
    course: list[Outlook]


def time_to(now: float, course: Sequence[Outlook], level: float) -> Reach | None:
    """When a level is reached from the value `now`; None where it is not for sure, or nobody can say.

    For sure: where the median reaches the level, the bound on this side has left the present value.
    """
    sign = 1 if level > now else -1

    def crossing(side: str) -> float | None:
        points = [(each.after_s, sign * float(getattr(each, side))) for each in course]
        return _crossing(sign * now, points, sign * level)

    first, last = ("high", "low") if sign > 0 else ("low", "high")
    median_s, earliest_s = crossing("median"), crossing(first)
    if median_s is None or earliest_s is None:
        return None
    there = next(each for each in course if each.after_s >= median_s)
    if sign * getattr(there, last) <= sign * now:
        return None
    return Reach(level, median_s, earliest_s, crossing(last))


def write(connection: psycopg.Connection, expected: Sequence[Expected]) -> None:
    """Tell what is expected now."""
    if not expected:
        return
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            """insert into outlook (series_id, time, value, after_s, low, median, high)
               values (%s, to_timestamp(0) + %s * interval '1 microsecond', %s, %s, %s, %s, %s)
               on conflict (series_id) do update set time = excluded.time, value = excluded.value,
                  after_s = excluded.after_s, low = excluded.low, median = excluded.median, high = excluded.high""",
            [
                (each.series, each.at_us, each.value, *map(list, zip(*each.course, strict=True)))
                for each in expected
            ],
        )


def _crossing(now: float, course: list[tuple[float, float]], level: float) -> float | None:
    """When a course from `now` through these points first rises to a level, straight between them."""
    before_s, before = 0.0, now
    for after_s, value in course:
        if value >= level > before:
            return before_s + (after_s - before_s) * (level - before) / (value - before)
        before_s, before = after_s, value
    return None


def _span(seconds: float) -> str:
    """A time as people say it, no finer than it is known."""
    minutes = seconds / 60
    if minutes < 10:  # noqa: PLR2004 -- from here on in fives
        return f"{max(1, round(minutes))} min"
    if minutes < 120:  # noqa: PLR2004 -- from here on in hours
        return f"{5 * round(minutes / 5)} min"
    return f"{minutes / 60:.0f} h"
