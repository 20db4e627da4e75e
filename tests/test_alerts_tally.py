"""The tally against a plain reference; tests/test_alerts_plain.py runs this file once more without compilation."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from alerts.checks import tally
from alerts.checks.tally import Tally
from alerts.days import Days, as_date, number_of
from edge.reading import FAIL, MISSING, PASS, READING, SUSPECT, UNEVALUATED, Rows

SECOND = 1_000_000
HOUR, DAY = 3600 * SECOND, 86_400 * SECOND
ZONES = {name: Days(name) for name in ("Asia/Shanghai", "Europe/Berlin", "Asia/Kolkata", "Pacific/Apia")}
# The night of a clock change in Berlin, and the day that Apia left out; now and then both ends of the calendar.
STARTS = [
    1_774_742_400 * SECOND - HOUR,
    1_325_152_800 * SECOND,
    1_790_000_000 * SECOND,
    -2_208_000_000 * SECOND,
]
INTERVALS_S = (7.0, 300.0, 3600.0, 7 * 86_400.0)  # by series, from 1

Reading = tuple[int, int, int, bool]
READINGS = st.lists(
    st.tuples(
        st.integers(1, len(INTERVALS_S)),
        st.sampled_from([
            0, 1, 3 * SECOND, -3 * SECOND, 100 * SECOND, -100 * SECOND, HOUR, -HOUR, 5 * HOUR, DAY, -DAY, 9 * DAY,
        ]),
        st.sampled_from([PASS, PASS, UNEVALUATED, SUSPECT, FAIL, MISSING]),
        st.booleans(),
    ),
    max_size=60,
)  # fmt: skip


def checked_by_flag(flag: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """TESTED where a flag says that a check has run."""
    return np.where((flag == UNEVALUATED) | (flag == MISSING), 0, tally.TESTED).astype(np.uint8)


def counting(days: Days) -> Tally:
    made = Tally(days)
    for series, interval_s in enumerate(INTERVALS_S, 1):
        made.configure(series, interval_s)
    return made


def columns(readings: list[Reading], start: int) -> tuple[Rows, Any, Any]:
    """Rows as the judge hands them on, each (series, time) once, with newer and delayed."""
    found, newer, delayed, newest, seen, at = [], [], [], dict[int, int](), set(), start
    for series, step, flag, is_delayed in readings:
        at += step
        if (series, at) in seen:
            continue
        seen.add((series, at))
        found.append((at, series, 1.0, flag))
        newer.append(at > newest.get(series, -(2**62)))
        newest[series] = max(at, newest.get(series, at))
        delayed.append(is_delayed)
    return np.array(found, READING), np.array(newer, np.bool_), np.array(delayed, np.bool_)


def slot_of(days: Days, series: int, at: int) -> tuple[int, date]:
    """The slot of a moment and its day, by datetime arithmetic."""
    origin = datetime(2000, 1, 1, tzinfo=ZoneInfo(days.zone.key)).astimezone(UTC)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
    slot = (moment - origin) // timedelta(seconds=INTERVALS_S[series - 1])
    begins = origin + slot * timedelta(seconds=INTERVALS_S[series - 1])
    return slot, begins.astimezone(days.zone).date()


@given(READINGS, st.sampled_from(sorted(ZONES)), st.sampled_from(STARTS), st.data())
@settings(deadline=None, max_examples=200)
def test_what_is_summed_and_what_is_counted_anew_gives_the_slots_that_are_filled(
    readings: list[Reading], zone: str, start: int, data: st.DataObject
) -> None:
    days = ZONES[zone]
    rows, newer, delayed = columns(readings, start)
    made = counting(days)
    filled: dict[tuple[int, date], int] = {}
    good: dict[tuple[int, date], set[int]] = {}
    place = 0
    while place < len(rows):
        # What is folded together; a restart now and then, with a checkpoint that may be older than the rows.
        saved = made.state.copy()
        until = place + data.draw(st.integers(1, len(rows) - place))
        marks = made.mark(
            rows[place:until],
            newer[place:until],
            delayed[place:until],
            checked_by_flag(rows["flag"][place:until]),
        )
        doubtful = set()
        for row, mark in zip(rows[place:until], marks, strict=True):
            series, flag, outcome = int(row["series"]), int(row["flag"]), int(mark["outcome"])
            slot, day = slot_of(days, series, int(row["time"]))
            assert as_date(int(mark["day"])) == day
            if flag not in {FAIL, MISSING}:
                good.setdefault((series, day), set()).add(slot)
            filled[series, day] = filled.get((series, day), 0) + bool(outcome & tally.FILLS)
            if outcome & tally.DOUBTFUL:
                doubtful.add((series, day))
        for key in doubtful:
            filled[key] = len(good[key])
        assert {key: count for key, count in filled.items() if count} == {
            key: len(slots) for key, slots in good.items()
        }
        restart = data.draw(st.sampled_from(["no", "no", "nothing saved", "saved"]))
        if restart != "no":
            made = counting(days)
        if restart == "saved":
            made.take_up(saved)
            # A start feeds what is stored and newer than its checkpoint, in order.
            fed = np.sort(rows[place:until][newer[place:until]], order=["series", "time"])
            made.mark(
                fed, np.ones(len(fed), np.bool_), np.zeros(len(fed), np.bool_), checked_by_flag(fed["flag"])
            )
        place = until


@given(READINGS, st.sampled_from(STARTS))
@settings(deadline=None, max_examples=100)
def test_outcomes_are_the_references(readings: list[Reading], start: int) -> None:
    rows, newer, delayed = columns(readings, start)
    marks = counting(ZONES["Europe/Berlin"]).mark(rows, newer, delayed, checked_by_flag(rows["flag"]))
    for row, is_newer, is_delayed, mark in zip(rows, newer, delayed, marks, strict=True):
        wanted = {
            tally.STORED: True,
            tally.ON_TIME: not is_delayed,
            tally.OUT_OF_ORDER: not is_newer,
            tally.TESTED: row["flag"] in {PASS, SUSPECT, FAIL},
            tally.SUSPECTED: row["flag"] == SUSPECT,
            tally.FAILED: row["flag"] == FAIL,
            tally.COMPARED | tally.AGREED | tally.DUPLICATE | tally.REFUSED: False,
        }
        assert {bit: bool(mark["outcome"] & bit) for bit in wanted} == wanted


@given(READINGS, st.data())
@settings(deadline=None, max_examples=100)
def test_fed_one_by_one_or_in_batches_marks_state_and_sums_are_the_same(
    readings: list[Reading], data: st.DataObject
) -> None:
    rows, newer, delayed = columns(readings, STARTS[0])
    checked = checked_by_flag(rows["flag"])
    one, other = counting(ZONES["Europe/Berlin"]), counting(ZONES["Europe/Berlin"])
    together = one.mark(rows, newer, delayed, checked)
    sums: dict[tuple[int, int, int], int] = {}
    place = 0
    while place < len(rows):
        until = place + data.draw(st.integers(1, len(rows) - place))
        span = slice(place, until)
        marks = other.mark(rows[span], newer[span], delayed[span], checked[span])
        assert marks.tobytes() == together[span].tobytes()
        for entry in other.gather(rows[span], marks):
            key = int(entry["series"]), int(entry["day"]), int(entry["outcome"])
            sums[key] = sums.get(key, 0) + int(entry["times"])
        place = until
    assert one.state.tobytes() == other.state.tobytes()
    counted: dict[tuple[int, int, int], int] = {}
    for row, mark in zip(rows, together, strict=True):
        key = int(row["series"]), int(mark["day"]), int(mark["outcome"])
        counted[key] = counted.get(key, 0) + 1
    assert sums == counted


def test_days_of_a_clock_change_have_23_and_25_hours_of_slots() -> None:
    days = ZONES["Europe/Berlin"]
    hours = [
        days.slots(number_of(date(2026, month, day)), HOUR)[2] for month, day in ((3, 29), (6, 1), (10, 25))
    ]
    assert hours == [23, 24, 25]
    assert days.slots(number_of(date(2026, 3, 29)), 300 * SECOND)[2] == 276


def test_a_day_that_the_city_left_out_has_no_slots() -> None:
    days = ZONES["Pacific/Apia"]
    assert days.slots(number_of(date(2011, 12, 30)), HOUR)[2] == 0
    assert days.number(int(days.starts[number_of(date(2011, 12, 31))])) == number_of(date(2011, 12, 31))


@pytest.mark.parametrize("interval_s", [7, 11_000, 90_000, 7 * 86_400])
def test_each_slot_belongs_to_one_day_also_where_intervals_do_not_divide_days(interval_s: int) -> None:
    days = ZONES["Europe/Berlin"]
    first = number_of(date(2026, 3, 20))
    spans = [days.slots(day, interval_s * SECOND) for day in range(first, first + 30)]
    assert all(ends == begins for (_, ends, _), (begins, _, _) in pairwise(spans))
    assert sum(due for _, _, due in spans) == (spans[-1][1] - spans[0][0]) // (interval_s * SECOND)
    an_hour_short = 30 * 86_400 - 3600
    assert abs(sum(due for _, _, due in spans) - an_hour_short / interval_s) <= 1


def test_days_begin_where_zoneinfo_says() -> None:
    for days in ZONES.values():
        for number in range(0, len(days.starts) - 1, 997):
            local = datetime.fromtimestamp(math.ceil(days.starts[number] / 1e6), days.zone)
            assert local.date() in {as_date(number), as_date(number + 1)}


def test_a_burst_of_a_million_readings_fills_one_slot() -> None:
    made = counting(ZONES["Asia/Shanghai"])
    count = 1_000_000 if made.mark.__module__ and hasattr(tally._mark, "py_func") else 1_000
    rows = np.zeros(count, READING)
    rows["time"], rows["series"], rows["flag"] = STARTS[2] // HOUR * HOUR + np.arange(count), 3, PASS
    yes, no = np.ones(count, np.bool_), np.zeros(count, np.bool_)
    marks = made.mark(rows, yes, no, checked_by_flag(rows["flag"]))
    assert (marks["outcome"] & (tally.FILLS | tally.DOUBTFUL) != 0).sum() == 1
    entries = made.gather(rows, marks)
    assert sorted(entries["times"].tolist()) == [1, count - 1]


def test_another_interval_makes_what_was_saved_unknown() -> None:
    made = counting(ZONES["Asia/Shanghai"])
    row = np.array([(STARTS[2], 2, 1.0, PASS)], READING)
    yes, no = np.ones(1, np.bool_), np.zeros(1, np.bool_)
    made.mark(row, yes, no, checked_by_flag(row["flag"]))
    other = Tally(ZONES["Asia/Shanghai"])
    other.configure(1, INTERVALS_S[0])
    other.configure(2, 60.0)
    other.take_up(made.state)
    assert other.state["slot"][2] == tally.UNKNOWN
    other.take_up(np.zeros(9, np.dtype([("other", "i8")])))
    assert other.state["interval"][2] == 60 * SECOND


def test_a_series_that_is_not_counted_leaves_nothing() -> None:
    made = counting(ZONES["Asia/Shanghai"])
    made.reach(9)
    rows = np.array([(STARTS[2], 9, 1.0, PASS), (STARTS[2], 1, 1.0, PASS)], READING)
    yes, no = np.ones(2, np.bool_), np.zeros(2, np.bool_)
    marks = np.concatenate([
        made.mark(rows, yes, no, checked_by_flag(rows["flag"])), made.place(rows, tally.DUPLICATE)
    ])  # fmt: skip
    assert made.gather(np.concatenate([rows, rows]), marks)["series"].tolist() == [1, 1]
