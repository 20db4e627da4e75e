"""Quality flags against a plain reference; tests/test_alerts_plain.py runs this file once more without compilation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.checks.quality import STATE, Quality
from edge.reading import FAIL, MISSING, PASS, READING, SUSPECT, UNEVALUATED, Rows

SECOND = 1_000_000
NOW = 1_790_000_000 * SECOND

CHECKS: list[dict[str, Any]] = [
    {},
    {"gross_range": {"fail": (-10.0, 10.0)}},
    {"gross_range": {"fail": (-10.0, 10.0), "suspect": (-5.0, 5.0)}},
    {"rate_of_change": {"per_s": 2.0}},
    {"gross_range": {"fail": (0.0, 8.0), "suspect": (1.0, 7.0)}, "rate_of_change": {"per_s": 0.5}},
]
VALUES = st.sampled_from(
    [0.0, 1.0, 5.0, 5.000001, 7.0, 8.0, 8.000001, -5.0, -10.0, -10.5, 10.0, math.nan]
) | st.floats(-12, 12)
READINGS = st.lists(
    st.tuples(
        st.integers(1, len(CHECKS)),
        st.integers(-2 * SECOND, 5 * SECOND),  # the step to the next one: uneven, and now and then back
        VALUES,
    ),
    max_size=40,
)


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    quality().mark(np.zeros(1, READING), np.ones(1, np.bool_))


def quality() -> Quality:
    """One slot for each set of checks."""
    made = Quality()
    for slot, checks in enumerate(CHECKS, 1):
        made.configure(slot, checks)
    return made


def columns(readings: list[tuple[int, int, float]]) -> tuple[Rows, Any]:
    """Rows as the batch hands them over: missing values flagged, and marked where they continue their series."""
    rows, newer, at = np.zeros(len(readings), READING), [], NOW
    newest: dict[int, int] = {}
    for place, (slot, step, value) in enumerate(readings):
        at += step
        rows[place] = (at, slot, value, MISSING if math.isnan(value) else UNEVALUATED)
        newer.append(at > newest.get(slot, 0))
        newest[slot] = max(at, newest.get(slot, 0))
    return rows, np.array(newer, np.bool_)


def reference(rows: Rows, newer: Any) -> tuple[list[int], dict[int, tuple[int, float]]]:
    """IOOS QARTOD gross range and rate of change, one reading after the other."""
    last: dict[int, tuple[int, float]] = {}
    flags = []
    for row, is_newer in zip(rows, newer, strict=True):
        slot, at, value, flag = int(row["series"]), int(row["time"]), float(row["value"]), int(row["flag"])
        checks = CHECKS[slot - 1]
        if flag != MISSING:
            bounds = checks.get("gross_range", {})
            low, high = bounds.get("fail", (-math.inf, math.inf))
            doubt_low, doubt_high = bounds.get("suspect", (low, high))
            per_s = checks.get("rate_of_change", {}).get("per_s", math.inf)
            if not low <= value <= high:
                flag = FAIL
            else:
                suspect = not doubt_low <= value <= doubt_high
                if is_newer:
                    if slot in last and abs(value - last[slot][1]) > per_s / 1e6 * (at - last[slot][0]):
                        suspect = True
                    last[slot] = at, value
                if checks:
                    flag = SUSPECT if suspect else PASS
        flags.append(flag)
    return flags, last


@given(READINGS)
@settings(deadline=None, max_examples=200)
def test_any_readings_get_the_references_flags(readings: list[tuple[int, int, float]]) -> None:
    rows, newer = columns(readings)
    flags, last = reference(rows, newer)
    before = rows.copy()
    checked = quality()
    checked.mark(rows, newer)
    assert rows["flag"].tolist() == flags
    assert {
        slot: (int(checked.state["time"][slot]), float(checked.state["value"][slot]))
        for slot in range(1, len(CHECKS) + 1)
        if checked.state["time"][slot]
    } == last
    for column in ("time", "series", "value"):  # raw values are never overwritten
        assert rows[column].tobytes() == before[column].tobytes()


@given(READINGS, st.data())
@settings(deadline=None, max_examples=100)
def test_fed_one_by_one_or_in_batches_flags_and_state_are_the_same_bits(
    readings: list[tuple[int, int, float]], data: st.DataObject
) -> None:
    together, newer = columns(readings)
    pieces = together.copy()
    one, other = quality(), quality()
    one.mark(together, newer)
    start = 0
    while start < len(pieces):
        end = start + data.draw(st.integers(1, len(pieces) - start))
        other.mark(pieces[start:end], newer[start:end])
        start = end
    assert together.tobytes() == pieces.tobytes()
    assert one.state.tobytes() == other.state.tobytes()


def marked(slot: int, *readings: tuple[float, float]) -> list[int]:
    """The flags of `(seconds, value)` of one slot."""
    rows = np.array([(NOW + round(at * SECOND), slot, value, UNEVALUATED) for at, value in readings], READING)
    quality().mark(rows, np.ones(len(rows), np.bool_))
    return [int(flag) for flag in rows["flag"]]


def test_the_bounds_themselves_pass() -> None:
    assert marked(3, (0, -10), (1, -5), (2, 5), (3, 10), (4, 10.1)) == [SUSPECT, PASS, PASS, SUSPECT, FAIL]


def test_a_series_without_checks_is_not_evaluated() -> None:
    assert marked(1, (0, 1e9), (1, -1e9)) == [UNEVALUATED, UNEVALUATED]


def test_a_change_as_fast_as_allowed_passes_and_a_faster_one_is_suspect() -> None:
    assert marked(4, (0, 0), (1, 2), (2, 4.1), (4, 8.1)) == [PASS, PASS, SUSPECT, PASS]


def test_a_failed_value_is_no_base_for_the_rate_of_the_next() -> None:
    assert marked(5, (0, 4), (1, 100), (2, 4.5)) == [PASS, FAIL, PASS]


def test_a_late_row_is_held_against_bounds_only_and_leaves_no_trace() -> None:
    checked = quality()
    rows = np.array([(NOW, 5, 4.0, UNEVALUATED), (NOW - SECOND, 5, 1.0, UNEVALUATED)], READING)
    checked.mark(rows, np.array([True, False]))
    assert rows["flag"].tolist() == [PASS, PASS]
    assert checked.state[5].tolist() == (NOW, 4.0)


def test_a_saved_state_goes_on_where_it_ended() -> None:
    first = quality()
    first.mark(np.array([(NOW, 4, 0.0, UNEVALUATED)], READING), np.ones(1, np.bool_))
    second = quality()
    second.take_up(first.state)
    rows = np.array([(NOW + SECOND, 4, 2.5, UNEVALUATED)], READING)
    second.mark(rows, np.ones(1, np.bool_))
    assert rows["flag"].tolist() == [SUSPECT]


def test_a_saved_state_of_another_layout_is_not_taken() -> None:
    checked = quality()
    checked.take_up(np.ones(9, np.dtype([("other", "f8")])))
    assert not checked.state["time"].any()
    checked.take_up(np.zeros(50, STATE))  # of more series than are known yet
    checked.configure(60, CHECKS[1])
    assert len(checked.state) == len(checked.limits) > 60
