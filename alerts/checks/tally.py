"""The tally: what became of every reading, as bits, and whether it fills its slot; counted in the same pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from alerts.checks import outcome as quality
from alerts.days import Days
from edge.reading import FAIL, MISSING, SUSPECT, Rows

# Outcomes: the bits of one reading.
STORED, ON_TIME, OUT_OF_ORDER, TESTED, SUSPECTED, FAILED, COMPARED, AGREED = (
    1 << place for place in range(8)
)
DUPLICATE, REFUSED = 1 << 8, 1 << 9
FILLS = 1 << 10  # the first good reading of its slot
DOUBTFUL = 1 << 11  # good, but only the table knows whether its slot was filled before: count that day anew

MARK = np.dtype([("day", "i4"), ("outcome", "i2")])
"""By row: the day of its slot (see alerts.days) and its outcome; 0 where its series is not counted."""

ENTRY = np.dtype([("day", "i4"), ("outcome", "i2"), ("series", "i4"), ("times", "i4")])
"""How often a series had an outcome on a day; a batch may have several entries of the same three."""

STATE = np.dtype([("interval", "i8"), ("slot", "i8"), ("filled", "u1")])
"""By series: its interval in microseconds (0: not counted), the slot of its newest reading, whether that is filled."""

UNKNOWN = np.iinfo(np.int64).min


class Tally:
    """What counting remembers of every series: the slot of its newest reading, O(1) and no bitmap.

    A reading that is newer than all before it fills its slot exactly when no good one was in that slot yet, which
    the newest slot tells. Where it cannot tell (late readings, the first after a start without a checkpoint) the
    outcome is DOUBTFUL, and the slots of that day are counted from the table.
    """

    def __init__(self, days: Days) -> None:
        self.days = days
        self.state: NDArray[Any] = np.zeros(1, STATE)
        self._last: NDArray[np.int32] = np.zeros(1, np.int32)

    def configure(self, series: int, interval_s: float) -> None:
        """Set the interval of a series; another one than it had makes its newest slot unknown."""
        self.reach(series)
        interval = max(1, round(interval_s * 1e6))
        if self.state["interval"][series] != interval:
            self.state[series] = (interval, UNKNOWN, 0)

    def take_up(self, saved: NDArray[Any]) -> None:
        """Begin where a checkpoint ended; only where the interval is still the same."""
        if saved.dtype != STATE:
            return
        known = min(len(saved), len(self.state))
        same = saved["interval"][:known] == self.state["interval"][:known]
        self.state[:known][same] = saved[:known][same]

    def mark(
        self, rows: Rows, newer: NDArray[np.bool_], delayed: NDArray[np.bool_], checked: NDArray[np.uint8]
    ) -> NDArray[Any]:
        """The day and outcome of every row; `checked` holds TESTED, COMPARED and AGREED by row."""
        marks = np.empty(len(rows), MARK)
        _mark(
            rows["series"], rows["time"], rows["flag"], newer, delayed, checked,
            self.days.starts, self.days.origin, self.state, marks["day"], marks["outcome"],
        )  # fmt: skip
        return marks

    def gather(self, rows: Rows, marks: NDArray[Any]) -> NDArray[Any]:
        """Count marks by series, day and outcome; returns an array of ENTRY. For one thread, not the one of `mark`."""
        entries = np.empty(len(rows), ENTRY)
        top = int(rows["series"].max(initial=0))
        if top >= len(self._last):
            self._last = np.zeros(2 * top + 1, np.int32)
        return entries[: _gather(rows["series"], marks["day"], marks["outcome"], self._last, entries)]

    def place(self, rows: Rows, outcome: int) -> NDArray[Any]:
        """Marks for rows that are not stored: their day, and one outcome for all."""
        marks = np.zeros(len(rows), MARK)
        _place(rows["series"], rows["time"], self.days.starts, self.days.origin, self.state, marks["day"])
        marks["outcome"] = np.where(self.state["interval"][rows["series"]] > 0, outcome, 0)
        return marks

    def reach(self, series: int) -> None:
        """Make room for a series; it is counted once it is configured."""
        if len(self.state) <= series:
            wider = np.zeros(max(series + 1, 2 * len(self.state)), STATE)
            wider[: len(self.state)] = self.state
            self.state = wider


def checked_by(outcome: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """TESTED, COMPARED and AGREED by what the quality checks say of each row."""
    return (
        np.where(outcome & quality.TESTED, TESTED, 0)
        | np.where(outcome & quality.COMPARED, COMPARED, 0)
        | np.where(outcome & quality.AGREED, AGREED, 0)
    ).astype(np.uint8)


@njit(cache=True, nogil=True)
def _day_of(at: int, starts: Any) -> int:
    # Guessed as if all days had 24 hours, then put right: by one at most, in whatever zone.
    day = min(max((at - starts[0]) // 86_400_000_000, 0), len(starts) - 2)
    while day > 0 and starts[day] > at:
        day -= 1
    while day < len(starts) - 2 and starts[day + 1] <= at:
        day += 1
    return int(day)


@njit(cache=True, nogil=True)
def _place(series: Any, time: Any, starts: Any, origin: int, state: Any, day: Any) -> None:
    for row in range(len(series)):
        interval = max(state[series[row]]["interval"], 1)
        day[row] = _day_of(origin + (time[row] - origin) // interval * interval, starts)


@njit(cache=True, nogil=True)
def _mark(  # noqa: PLR0917 -- a kernel takes its columns one by one
    series: Any,
    time: Any,
    flag: Any,
    newer: Any,
    delayed: Any,
    checked: Any,
    starts: Any,
    origin: int,
    state: Any,
    day: Any,
    outcome: Any,
) -> None:
    today = 0
    for row in range(len(series)):
        known = state[series[row]]
        interval = known["interval"]
        if interval == 0:
            day[row], outcome[row] = 0, 0
            continue
        slot = (time[row] - origin) // interval
        begins = origin + slot * interval
        if not starts[today] <= begins < starts[today + 1]:
            today = _day_of(begins, starts)
        day[row] = today
        found = STORED | int(checked[row])
        if not delayed[row]:
            found |= ON_TIME
        if flag[row] == SUSPECT:
            found |= SUSPECTED
        elif flag[row] == FAIL:
            found |= FAILED
        if not newer[row]:
            found |= OUT_OF_ORDER
        if flag[row] != FAIL and flag[row] != MISSING:
            found |= _fills(known, slot, newer[row])
        elif newer[row] and slot != known["slot"]:
            known["slot"], known["filled"] = slot, 0
        outcome[row] = found


@njit(cache=True, nogil=True)
def _fills(known: Any, slot: int, newer: bool) -> int:  # noqa: FBT001 -- a kernel's argument
    """Remember a good reading; returns FILLS, DOUBTFUL, or 0 where its slot is filled already."""
    if not newer:
        if slot == known["slot"]:
            known["filled"] = 1
        return DOUBTFUL
    first = slot != known["slot"]
    # A slot without anything good so far may have been filled late, before the last start.
    doubtful = known["slot"] == UNKNOWN or (not first and known["filled"] == 0)
    known["slot"], known["filled"] = slot, 1
    if doubtful:
        return DOUBTFUL
    return FILLS if first else 0


@njit(cache=True, nogil=True)
def _gather(series: Any, day: Any, outcome: Any, last: Any, entries: Any) -> int:
    # `last` is never cleared: an old place is recognised because the entry there is another one.
    count = 0
    for row in range(len(series)):
        if outcome[row] == 0:
            continue
        place = last[series[row]]
        if (
            place < count
            and entries[place]["series"] == series[row]
            and entries[place]["day"] == day[row]
            and entries[place]["outcome"] == outcome[row]
        ):
            entries[place]["times"] += 1
            continue
        last[series[row]] = count
        entries[count]["series"] = series[row]
        entries[count]["day"] = day[row]
        entries[count]["outcome"] = outcome[row]
        entries[count]["times"] = 1
        count += 1
    return count
