"""Quality flags against a plain reference; tests/test_alerts_plain.py runs this file once more without compilation."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alerts.checks import outcome as bits
from alerts.checks.company import Neighbour
from alerts.checks.quality import Quality
from alerts.checks.spread import BUCKETS
from edge.reading import FAIL, MISSING, PASS, READING, SUSPECT, UNEVALUATED, Rows

SECOND = 1_000_000
HOUR = 3_600 * SECOND
NOW = 1_790_000_000 * SECOND  # 2026-09-21 14:13:20

CHECKS: list[dict[str, Any]] = [
    {},
    {"gross_range": {"fail": (-10.0, 10.0)}},
    {"gross_range": {"fail": (-10.0, 10.0), "suspect": (-5.0, 5.0)}},
    {"rate_of_change": {"per_s": 2.0, "fail_per_s": 4.0}},
    {"spike": {"suspect": 2.0, "fail": 5.0, "within_s": 6.0}},
    {"spike": {"suspect": 1.0}},
    {"flat_line": {"tolerance": 1.0, "suspect_s": 5.0, "fail_s": 9.0}},
    {"attenuated_signal": {"window_s": 14.0, "suspect": 3.0, "fail": 1.0}},
    {
        "climatology": {
            "utc_offset_h": 8,
            "spans": [
                {"months": (9, 9), "suspect": (-4.0, 4.0), "fail": (-8.0, 8.0)},
                {"hours": (23, 1), "suspect": (0.0, 4.0)},
            ],
        }
    },
    {"gap": {"suspect_s": 3.0, "fail_s": 4.0}, "duplicate_time": "fail"},
    {
        "multivariate": {
            "max_age_s": 3.0,
            "ranges": [
                {"when": (0.0, 5.0), "suspect": (-1.0, 5.0)},
                {"when": (5.0, 9.0), "fail": (3.0, 9.0)},
            ],
        }
    },
    {"gross_range": {"fail": (-11.0, 11.0)}},  # with a neighbour
    {"gross_range": {"fail": (-11.0, 11.0)}},  # with a neighbour upstream
    {
        "gross_range": {"fail": (0.0, 8.0), "suspect": (1.0, 7.0)},
        "spike": {"suspect": 2.0},
        "rate_of_change": {"per_s": 0.5},
        "flat_line": {"tolerance": 0.5, "suspect_s": 4.0},
        "attenuated_signal": {"window_s": 7.0, "suspect": 1.0},
        "gap": {"suspect_s": 4.0},
        "duplicate_time": "suspect",
    },
]
SEVERAL, TWIN, DOWNSTREAM = 11, 12, 13
DECIDES = 2
NEIGHBOURS = {TWIN: (3, Neighbour(1.5, 4.0, 0.5)), DOWNSTREAM: (4, Neighbour(1.0, 4.0, lag_s=7.0))}

VALUES = (
    st.sampled_from([0.0, 0.5, 1.0, 5.0, 5.000001, 8.0, -5.0, -10.5, 10.0, math.nan, math.inf, -math.inf])
    | st.integers(-24, 24).map(lambda half: half / 2)
    | st.floats(-12, 12)
)
STEPS = st.sampled_from([0, SECOND, SECOND]) | st.integers(
    -2 * SECOND, 5 * SECOND
)  # uneven, and now and then back
READINGS = st.lists(st.tuples(st.integers(1, len(CHECKS)), STEPS, VALUES), max_size=60) | st.lists(
    st.tuples(st.just(len(CHECKS)), STEPS, st.integers(2, 6).map(float)), max_size=60
)


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    quality().mark(np.zeros(1, READING), np.ones(1, np.bool_))


def quality() -> Quality:
    """One slot for each set of checks."""
    made = Quality()
    for slot, asked in enumerate(CHECKS, 1):
        made.configure(np.array([slot]), asked)
    made.follow(SEVERAL, DECIDES)
    made.compare((slot, *beside) for slot, beside in NEIGHBOURS.items())
    return made


def columns(readings: list[tuple[int, int, float]]) -> tuple[Rows, Any]:
    """Rows as the batch hands them over, marked where they continue their series."""
    rows, newer, at = np.zeros(len(readings), READING), [], NOW
    newest: dict[int, int] = {}
    for place, (slot, step, value) in enumerate(readings):
        at += step
        rows[place] = (at, slot, value, UNEVALUATED)
        newer.append(at > newest.get(slot, 0))
        newest[slot] = max(at, newest.get(slot, 0))
    return rows, np.array(newer, np.bool_)


class Reference:
    """The checks as their documentation says, from whole histories."""

    def __init__(self) -> None:
        self.history: dict[int, list[tuple[int, float]]] = defaultdict(list)
        self.heard: dict[int, int] = {}
        self.seen: dict[int, list[tuple[int, float]]] = defaultdict(list)  # of the neighbour upstream

    def flag(self, slot: int, at: int, value: float, *, newer: bool) -> int:
        asked, past = CHECKS[slot - 1], self.history[slot]
        found: list[int] = []
        if newer:
            if "gap" in asked and slot in self.heard:
                silent = (at - self.heard[slot]) / SECOND
                found.append(graded(silent, asked["gap"]["suspect_s"], asked["gap"].get("fail_s")))
            self.heard[slot] = at
        elif "duplicate_time" in asked and at == self.heard[slot]:
            found.append({"suspect": SUSPECT, "fail": FAIL}[asked["duplicate_time"]])
        if math.isnan(value):
            return MISSING
        if "climatology" in asked:
            local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at + 8 * HOUR)
            if local.hour in {23, 0, 1}:
                found.append(bounded(value, None, (0, 4)))
            elif local.month == 9:
                found.append(bounded(value, (-8, 8), (-4, 4)))
        gross = asked.get("gross_range", {})
        bound = FAIL if math.isinf(value) else bounded(value, gross.get("fail"), gross.get("suspect"))
        if gross or bound == FAIL:
            found.append(bound)
        if newer and bound != FAIL:
            found += self.company(slot, at, value)
            found += self.signal(asked, past, at, value)
            past.append((at, value))
        return max(found, default=UNEVALUATED)

    def signal(
        self, asked: dict[str, Any], past: list[tuple[int, float]], at: int, value: float
    ) -> list[int]:
        found = []
        if (spike := asked.get("spike")) and len(past) > 1:
            (_, one), (since, other) = past[-1], past[-2]
            if (at - since) / SECOND <= spike.get("within_s", math.inf):
                height = abs(value - (one + other) / 2) - abs(one - other) / 2
                found.append(graded(height, spike["suspect"], spike.get("fail")))
        if (rate := asked.get("rate_of_change")) and past:
            speed = abs(value - past[-1][1]) / ((at - past[-1][0]) / SECOND)
            found.append(graded(speed, rate["per_s"], rate.get("fail_per_s")))
        if (flat := asked.get("flat_line")) and past:
            run = [(at, value)]
            for before in reversed(past):
                values = [each for _, each in (*run, before)]
                if run[-1][0] - before[0] > flat["suspect_s"] * SECOND:
                    break
                if max(values) - min(values) >= flat["tolerance"]:
                    break
                run.append(before)
            long = (at - run[-1][0]) / SECOND
            fails = long >= flat.get("fail_s", math.inf)
            found.append(FAIL if fails else SUSPECT if long >= flat["suspect_s"] else PASS)
        if spread := asked.get("attenuated_signal"):
            over = round(spread["window_s"] * SECOND)
            since, low, high = window([*past, (at, value)], over)
            if at - since >= over:
                found.append(graded(low - high, -spread["suspect"], -spread.get("fail", -math.inf)))
        return found

    def company(self, slot: int, at: int, value: float) -> list[int]:
        if slot == SEVERAL and self.history[DECIDES]:
            several = CHECKS[slot - 1]["multivariate"]
            then, other = self.history[DECIDES][-1]
            if abs(at - then) <= several["max_age_s"] * SECOND:
                for band in several["ranges"]:
                    if band["when"][0] <= other <= band["when"][1]:
                        return [bounded(value, band.get("fail"), band.get("suspect"))]
        if slot in NEIGHBOURS:
            other_slot, neighbour = NEIGHBOURS[slot]
            if self.history[other_slot]:
                then, other = self.history[other_slot][-1]
                if abs(at - then) <= neighbour.max_age_s * SECOND:
                    low = high = other
                    if neighbour.lag_s:
                        self.seen[slot].append((then, other))
                        _, low, high = window(self.seen[slot], round(neighbour.lag_s * SECOND))
                    here = value - neighbour.offset
                    agrees = low - neighbour.tolerance <= here <= high + neighbour.tolerance
                    return [PASS if agrees else SUSPECT]
        return []


def graded(found: float, suspect: float, fail: float | None) -> int:
    return FAIL if fail is not None and found > fail else SUSPECT if found > suspect else PASS


def bounded(value: float, fail: tuple[float, float] | None, suspect: tuple[float, float] | None) -> int:
    if fail and not fail[0] <= value <= fail[1]:
        return FAIL
    return SUSPECT if suspect and not suspect[0] <= value <= suspect[1] else PASS


def window(readings: list[tuple[int, float]], over: int) -> tuple[int, float, float]:
    """Since when a window has no hole as long as itself, and its lowest and highest, by buckets of a seventh."""
    width = over // (BUCKETS - 1) + 1
    since, newest = readings[0][0], readings[0][0] // width
    for at, _ in readings:
        if at // width - newest >= BUCKETS:
            since = at
        newest = max(newest, at // width)
    inside = [value for at, value in readings if newest - at // width < BUCKETS and at >= since]
    return since, min(inside), max(inside)


@given(READINGS)
@settings(deadline=None, max_examples=300)
def test_any_readings_get_the_references_flags(readings: list[tuple[int, int, float]]) -> None:
    rows, newer = columns(readings)
    reference = Reference()
    flags = [
        reference.flag(int(row["series"]), int(row["time"]), float(row["value"]), newer=bool(fresh))
        for row, fresh in zip(rows, newer, strict=True)
    ]
    before = rows.copy()
    found = quality().mark(rows, newer)
    assert rows["flag"].tolist() == flags
    for column in ("time", "series", "value"):  # raw values are never overwritten
        assert rows[column].tobytes() == before[column].tobytes()
    tested = rows["flag"] != MISSING
    assert ((found & bits.TESTED > 0) == (rows["flag"] != UNEVALUATED))[tested].all()
    assert ((found & bits.DOUBTED > 0) | (found & bits.FAILED > 0))[
        np.isin(rows["flag"], (SUSPECT, FAIL))
    ].all()


@given(READINGS, st.data())
@settings(deadline=None, max_examples=100)
def test_fed_one_by_one_or_in_batches_or_over_restarts_everything_is_the_same_bits(
    readings: list[tuple[int, int, float]], data: st.DataObject
) -> None:
    together, newer = columns(readings)
    pieces = together.copy()
    one, other = quality(), quality()
    found, parts = one.mark(together, newer), []
    start = 0
    while start < len(pieces):
        end = start + data.draw(st.integers(1, len(pieces) - start))
        parts.append(other.mark(pieces[start:end], newer[start:end]))
        start = end
        if data.draw(st.booleans()):
            saved = other.saved()
            other = quality()
            other.take_up(saved)
    assert together.tobytes() == pieces.tobytes()
    assert found.tolist() == [each for part in parts for each in part]
    assert bits_of(one) == bits_of(other)


def bits_of(checked: Quality) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in checked.saved().items()}


def marked(slot: int, *readings: tuple[float, float]) -> list[int]:
    """The flags of `(seconds, value)` of one slot."""
    return marked_by(CHECKS[slot - 1], *readings)


def marked_by(asked: dict[str, Any], *readings: tuple[float, float]) -> list[int]:
    checked = Quality()
    checked.configure(np.array([1]), asked)
    rows = np.array([(NOW + round(at * SECOND), 1, value, UNEVALUATED) for at, value in readings], READING)
    checked.mark(rows, np.ones(len(rows), np.bool_))
    return [int(flag) for flag in rows["flag"]]


def test_the_bounds_themselves_pass() -> None:
    assert marked(3, (0, -10), (1, -5), (2, 5), (3, 10), (4, 10.1)) == [SUSPECT, PASS, PASS, SUSPECT, FAIL]


def test_a_series_without_checks_is_not_evaluated() -> None:
    assert marked(1, (0, 1e9), (1, -1e9)) == [UNEVALUATED, UNEVALUATED]


def test_an_infinite_value_fails_even_where_nothing_is_asked_and_is_nothing_to_go_on_from() -> None:
    assert marked(1, (0, math.inf)) == [FAIL]
    assert marked(4, (0, 1), (1, -math.inf), (2, 1)) == [UNEVALUATED, FAIL, PASS]


def test_a_change_as_fast_as_allowed_passes_and_a_faster_one_is_suspect_or_fails() -> None:
    assert marked(4, (0, 0), (1, 2), (2, 4.1), (4, 8.1), (5, 13)) == [UNEVALUATED, PASS, SUSPECT, PASS, FAIL]


def test_a_failed_value_is_no_base_for_the_rate_of_the_next() -> None:
    asked = {"gross_range": {"fail": (0, 8)}, "rate_of_change": {"per_s": 0.5}}
    assert marked_by(asked, (0, 4), (1, 100), (2, 4.5)) == [PASS, FAIL, PASS]


def test_a_spike_is_flagged_as_it_passes_and_the_way_back_is_not() -> None:
    flat = [(at, 1.0) for at in range(4)]
    assert marked(6, *flat, (4, 9.0), (5, 1.0), (6, 1.0))[2:] == [PASS, PASS, SUSPECT, PASS, PASS]


def test_of_a_step_that_stays_one_reading_is_flagged() -> None:
    assert marked(6, (0, 1), (1, 1), (2, 9), (3, 9), (4, 9)) == [
        UNEVALUATED,
        UNEVALUATED,
        SUSPECT,
        PASS,
        PASS,
    ]


def test_what_was_said_long_ago_makes_nothing_a_spike() -> None:
    assert marked(5, (0, 1), (1, 1), (600, 9), (601, 1)) == [UNEVALUATED] * 4
    assert marked(5, (0, 1), (3, 1), (6, 9), (9.5, 1)) == [UNEVALUATED, UNEVALUATED, FAIL, UNEVALUATED]


def test_a_sensor_that_stands_still_is_suspect_then_fails_and_recovers_with_the_first_change() -> None:
    flags = marked(7, *((at, 3.0) for at in range(11)), (11, 4.0))
    assert flags == [UNEVALUATED, PASS, PASS, PASS, PASS, *[SUSPECT] * 4, FAIL, FAIL, PASS]


def test_a_run_goes_on_with_what_still_lies_within_the_tolerance() -> None:
    # 3.0 leaves the tolerance of 4.0, the 3.5 after it does not: the run begins there.
    asked = {"flat_line": {"tolerance": 0.75, "suspect_s": 3}}
    assert marked_by(asked, (0, 3), (1, 3.5), (2, 3.5), (3, 4), (4, 4))[3:] == [PASS, SUSPECT]


@given(st.lists(st.floats(-0.05, 0.15), min_size=40, max_size=120))
@settings(deadline=None, max_examples=100)
def test_however_many_levels_there_are_a_run_is_never_taken_for_longer_than_it_is(steps: list[float]) -> None:
    values = list(accumulate(steps, initial=5.0))
    flags = marked_by({"flat_line": {"tolerance": 1.0, "suspect_s": 15.0}}, *enumerate(values))
    for place, flag in enumerate(flags):
        if flag == SUSPECT:
            last = values[place - 15 : place + 1]
            assert max(last) - min(last) < 1.0


def test_a_drift_of_more_levels_than_steps_is_still_found_flat() -> None:
    asked = {"flat_line": {"tolerance": 1.0, "suspect_s": 60.0}}
    flags = marked_by(asked, *((at, 5 + at * 0.004) for at in range(400)))
    assert flags[60:] == [SUSPECT] * 340


def test_one_reading_a_week_is_neither_flat_nor_attenuated() -> None:
    week = 7 * 86_400
    asked = {
        "flat_line": {"tolerance": 0.1, "suspect_s": 3_600},
        "attenuated_signal": {"window_s": 86_400, "suspect": 1},
    }
    assert marked_by(asked, *((at * week, 1.0) for at in range(20))) == [UNEVALUATED] + [PASS] * 19


def test_a_signal_that_barely_moves_is_suspect_once_the_window_is_full() -> None:
    flags = marked(8, *((at, 2.0 * (at % 2)) for at in range(20)))
    assert flags == [UNEVALUATED] * 14 + [SUSPECT] * 6


@pytest.mark.parametrize(("silent_s", "flag"), [(15, SUSPECT), (16, PASS), (17, PASS)])
def test_a_window_begins_anew_after_a_silence_that_empties_it(silent_s: int, flag: int) -> None:
    # Buckets are two seconds wide and eight are kept; NOW begins one of them.
    assert NOW // SECOND % 2 == 0
    asked = {"gross_range": {"fail": (0, 9)}, "attenuated_signal": {"window_s": 13.999999, "suspect": 1}}
    assert marked_by(asked, *((at, 1.0) for at in range(21)), (20 + silent_s, 1.0))[-1] == flag


def test_months_and_hours_go_by_the_climatologys_own_clock() -> None:
    asked = {"climatology": {"utc_offset_h": 8, "spans": [{"months": (1, 1), "suspect": (0, 1)}]}}
    year = round(datetime(2026, 12, 31, 16, tzinfo=UTC).timestamp()) - NOW // SECOND
    assert marked_by(asked, (year - 1, 5), (year, 5), (year + 31 * 86_400, 5)) == [
        UNEVALUATED,
        SUSPECT,
        UNEVALUATED,
    ]


@given(st.integers(-70 * 366, 130 * 366))
@example(11_016)  # 2000-02-29, the last day of its four hundred years
@settings(deadline=None, max_examples=200)
def test_every_day_is_in_the_month_that_the_calendar_says(day: int) -> None:
    month = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).month
    asked = {"climatology": {"spans": [{"months": (month, month), "suspect": (0, 1)}]}}
    assert marked_by(asked, (day * 86_400 - NOW // SECOND, 0.5)) == [PASS]


def test_the_reading_that_ends_a_silence_is_flagged_and_a_missing_value_is_no_silence() -> None:
    assert marked(10, (0, 1), (3, 1), (6.5, 1), (11, 1)) == [UNEVALUATED, PASS, SUSPECT, FAIL]
    assert marked(10, (0, 1), (3, math.nan), (6, 1)) == [UNEVALUATED, MISSING, PASS]


def test_a_second_reading_of_the_newest_time_is_flagged() -> None:
    checked = quality()
    rows = np.array([(NOW, 10, 1.0, UNEVALUATED), (NOW, 10, 2.0, UNEVALUATED)], READING)
    found = checked.mark(rows, np.array([True, False]))
    assert rows["flag"].tolist() == [UNEVALUATED, FAIL]
    assert found[1] & bits.DUPLICATE


def test_a_late_row_is_held_against_bounds_only_and_leaves_no_trace() -> None:
    checked, other = quality(), quality()
    rows = np.array([(NOW, 14, 4.0, UNEVALUATED), (NOW - SECOND, 14, 6.9, UNEVALUATED)], READING)
    checked.mark(rows, np.array([True, False]))
    assert rows["flag"].tolist() == [PASS, PASS]
    other.mark(rows[:1], np.array([True]))
    assert bits_of(checked) == bits_of(other)


def together(*readings: tuple[int, float, float]) -> list[tuple[int, int]]:
    """Flag and whether compared and agreeing (2, 1) of `(slot, seconds, value)`."""
    rows = np.array(
        [(NOW + round(at * SECOND), slot, value, UNEVALUATED) for slot, at, value in readings], READING
    )
    found = quality().mark(rows, np.ones(len(rows), np.bool_))
    return [
        (int(flag), 2 * bool(one & bits.COMPARED) + bool(one & bits.AGREED))
        for flag, one in zip(rows["flag"], found, strict=True)
    ]


def test_a_twin_agrees_within_the_tolerance_and_says_nothing_when_it_is_old() -> None:
    assert together((3, 0, 2.0), (TWIN, 1, 4.0), (TWIN, 2, 4.1), (TWIN, 9, 9.0))[1:] == [
        (PASS, 3),
        (SUSPECT, 2),
        (PASS, 0),
    ]


def test_what_passed_upstream_may_come_by_within_the_lag() -> None:
    wave = [(4, at, value) for at, value in ((0, 0.0), (1, 0.5), (2, 4.0), (3, 4.5), (4, 0.5), (5, 0.0))]
    both = [each for slot, at, value in wave for each in ((slot, at, value), (DOWNSTREAM, at + 0.5, 0.0))]
    assert together(*both, (4, 6, 0.0), (DOWNSTREAM, 6.5, 4.4))[-1] == (PASS, 3)
    calm = [each for at in range(7) for each in ((4, at, 0.0), (DOWNSTREAM, at + 0.5, 0.0))]
    assert together(*calm, (4, 7, 0.0), (DOWNSTREAM, 7.5, 4.4))[-1] == (SUSPECT, 2)


def test_the_range_follows_the_other_metric() -> None:
    on, off = (DECIDES, 0, 6.0), (DECIDES, 0, 1.0)
    assert together(on, (SEVERAL, 1, 4.0))[1][0] == PASS
    assert together(on, (SEVERAL, 1, 2.0))[1][0] == FAIL
    assert together(off, (SEVERAL, 1, 2.0))[1][0] == PASS
    assert together(off, (SEVERAL, 1, 8.0))[1][0] == SUSPECT
    assert together(off, (SEVERAL, 9, 8.0))[1][0] == UNEVALUATED


def test_a_neighbour_may_be_named_anew_and_parted_while_readings_pass() -> None:
    checked = quality()
    rows = np.array([(NOW, 2, 5.0, UNEVALUATED), (NOW, DOWNSTREAM, 9.0, UNEVALUATED)], READING)
    assert not checked.mark(rows, np.ones(2, np.bool_))[1] & bits.COMPARED
    checked.compare([(DOWNSTREAM, 2, Neighbour(0.5, 4.0, lag_s=7.0))])
    rows["time"] += SECOND
    assert checked.mark(rows, np.ones(2, np.bool_))[1] & bits.NEIGHBOUR
    checked.compare([])
    rows["time"] += SECOND
    assert not checked.mark(rows, np.ones(2, np.bool_))[1] & bits.COMPARED


def test_a_million_readings_in_one_burst_are_judged_like_any_others() -> None:
    count = 1_000 if "NUMBA_DISABLE_JIT" in os.environ else 1_000_000
    rows = np.zeros(count, READING)
    rows["time"], rows["series"] = NOW + np.arange(count), 14
    rows["value"], rows["flag"] = 4, UNEVALUATED
    quality().mark(rows, np.ones(count, np.bool_))
    assert (rows["flag"] == PASS).all()


def test_what_was_kept_under_another_tolerance_begins_anew() -> None:
    first = Quality()
    first.configure(np.array([1]), {"flat_line": {"tolerance": 1.0, "suspect_s": 5.0}})
    rows = np.array([(NOW + at * SECOND, 1, 3 + at / 10, UNEVALUATED) for at in range(5)], READING)
    first.mark(rows, np.ones(5, np.bool_))
    second = Quality()
    second.configure(np.array([1]), {"flat_line": {"tolerance": 0.5, "suspect_s": 5.0}})
    second.take_up(first.saved())
    rows["time"] += 5 * SECOND
    rows["value"] = 3.4
    second.mark(rows, np.ones(5, np.bool_))
    assert rows["flag"].tolist() == [PASS, PASS, PASS, PASS, SUSPECT]


def test_a_saved_state_of_another_layout_is_not_taken() -> None:
    checked = quality()
    before = bits_of(checked)
    checked.take_up({"quality": np.ones(9, np.dtype([("other", "f8")]))})
    checked.take_up({})
    assert bits_of(checked) == before
