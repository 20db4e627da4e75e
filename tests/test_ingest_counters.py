"""Counters against plain Python: differences add up, resets are seen, and it does not matter how readings come."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from alerts.checks.quality import Quality
from edge.reading import FAIL, PASS, READING, SUSPECT, UNEVALUATED, Rows
from ingest.counters import Counters
from ingest.profile import DerivedMetric

SECOND = 1_000_000
SLOT = 3
Reading = tuple[int, float]


def rule(**said: Any) -> DerivedMetric:
    return DerivedMetric.model_validate({
        "unit": "mm", "quantity": "rain", "interval_s": 60, "from": "rain-total", "over": "counter", **said,
    })  # fmt: skip


def rows_of(readings: list[Reading], slot: int = SLOT) -> Rows:
    return np.array([(round(at * SECOND), slot, value, UNEVALUATED) for at, value in readings], READING)


def grown(counters: Counters, readings: list[Reading]) -> list[tuple[float, float, int]]:
    """Time in seconds, difference and flag of what is derived from these readings."""
    of, found = counters.differences(rows_of(readings))
    assert (found["time"] == rows_of(readings)["time"][of]).all()
    return [(row["time"] / SECOND, float(row["value"]), int(row["flag"])) for row in found]


def watched(**said: Any) -> Counters:
    counters = Counters()
    counters.watch(SLOT, rule(**said))
    return counters


@pytest.mark.parametrize(
    ("said", "readings", "found"),
    [
        ({}, [(0, 5)], []),  # the first says nothing
        ({}, [(0, 5), (60, 5.5), (120, 5.5)], [(60, 0.5, UNEVALUATED), (120, 0, UNEVALUATED)]),
        ({}, [(0, 12.2), (60, 12.3)], [(60, 0.1, UNEVALUATED)]),  # not 0.10000000000000142
        # A gap loses nothing: all of it is told at the time of the later reading.
        ({}, [(0, 5), (864_000, 90)], [(864_000, 85, UNEVALUATED)]),
        # No value is no reading: the next is told against the last that had one.
        ({}, [(0, 5), (60, math.nan), (120, 6)], [(120, 1, UNEVALUATED)]),
        # Late ones change nothing: what they would say is in the next difference already.
        ({}, [(0, 5), (120, 7), (60, 6), (120, 7), (180, 8)], [(120, 2, UNEVALUATED), (180, 1, UNEVALUATED)]),
        # A drop: the station was exchanged or restarted.
        ({}, [(0, 500), (60, 2), (120, 3)], [(60, 2, SUSPECT), (120, 1, UNEVALUATED)]),
        ({"on_reset": "skip"}, [(0, 500), (60, 2), (120, 3)], [(120, 1, UNEVALUATED)]),
        ({"most_per_s": 0.1}, [(0, 500), (60, 300), (120, 301)], [(120, 1, UNEVALUATED)]),  # no reset to 300
        # Going round is told from a reset by how fast it can grow.
        ({"wraps_at": 10_000, "most_per_s": 0.1}, [(0, 9_999), (60, 2)], [(60, 3, UNEVALUATED)]),
        ({"wraps_at": 10_000, "most_per_s": 0.1}, [(0, 9_000), (60, 2)], [(60, 2, SUSPECT)]),
        ({"wraps_at": 100, "most_per_s": 9}, [(0, 150), (60, 2)], [(60, 2, SUSPECT)]),  # it stood where it cannot
        # Faster than it can: told, but not believed.
        ({"most_per_s": 0.1}, [(0, 5), (60, 11.5), (120, 12)], [(60, 6.5, SUSPECT), (120, 0.5, UNEVALUATED)]),
        # Two tips of a bucket within a second are no cloudburst.
        ({"most_per_s": 0.1}, [(0, 5), (0.2, 5.5), (1, 6)], [(0.2, 0.5, UNEVALUATED), (1, 0.5, UNEVALUATED)]),
        ({}, [(0, 5), (60, -4)], []),
        ({}, [(0, 1e15), (60, 1e15 + 2)], [(60, 2, UNEVALUATED)]),
    ],
)  # fmt: skip
def test_what_a_counter_has_grown_by(
    said: dict[str, Any], readings: list[Reading], found: list[tuple[float, float, int]]
) -> None:
    assert grown(watched(**said), readings) == found


def reference(said: DerivedMetric, readings: list[Reading]) -> list[tuple[float, float, int]]:
    """The same in words of Python."""
    told: list[tuple[float, float, int]] = []
    last: Reading | None = None
    for at, value in readings:
        if math.isnan(value) or (last is not None and at <= last[0]):
            continue
        before, last = last, (at, value)
        if before is None:
            continue
        most = math.inf if said.most_per_s is None else said.most_per_s * max(at - before[0], 60)
        if value >= before[1]:
            rise = value - before[1]
            told.append((at, round(rise, 6), SUSPECT if rise > most else UNEVALUATED))
            continue
        around = -1.0 if said.wraps_at is None else value - before[1] + said.wraps_at
        if 0 <= around <= most:
            told.append((at, round(around, 6), UNEVALUATED))
        elif said.on_reset == "count" and 0 <= value <= most:
            told.append((at, round(value, 6), SUSPECT))
    return told


RULES = st.sampled_from([
    rule(), rule(on_reset="skip"), rule(most_per_s=0.25), rule(most_per_s=0.25, wraps_at=100),
    rule(most_per_s=0.125, wraps_at=50, on_reset="skip"),
])  # fmt: skip
READINGS = st.lists(
    st.tuples(
        st.integers(0, 40), st.sampled_from([0, 0.5, 1, 2, 7.25, 49.5, 50, 99, 99.75, 120, math.nan, -1])
    ),
    max_size=25,
)


@given(RULES, READINGS, st.data())
@settings(deadline=None)
def test_a_counter_grows_as_the_reference_says_in_any_portions(
    said: DerivedMetric, readings: list[Reading], data: st.DataObject
) -> None:
    counters = Counters()
    counters.watch(SLOT, said)
    found, left = [], readings
    while left:
        size = data.draw(st.integers(1, len(left)))
        found += grown(counters, left[:size])
        left = left[size:]
    assert found == reference(said, readings)


def test_counters_do_not_meet() -> None:
    counters = watched()
    counters.watch(7, rule(on_reset="skip"))
    rows = np.concatenate([rows_of([(0, 1), (1, 2)]), rows_of([(0, 50), (1, 9)], 7), rows_of([(2, 4)])])
    of, found = counters.differences(rows)
    assert of.tolist() == [1, 4]
    assert found["value"].tolist() == [1.0, 2.0]
    assert counters.covers(np.array([1, SLOT, 7, 8, 99], np.int32)).tolist() == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_a_doubtful_difference_is_not_passed_by_the_checks_that_follow() -> None:
    quality = Quality()
    quality.configure(np.array([SLOT]), {"gross_range": {"fail": (0, 100)}})
    rows = rows_of([(0, 5), (1, 5), (2, 500)])
    rows["flag"][1:] = SUSPECT
    quality.mark(rows, np.ones(3, np.bool_))
    assert rows["flag"].tolist() == [PASS, SUSPECT, FAIL]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"wraps_at": 100}, "wraps_at needs most_per_s"),
        ({"over": "zone-area", "most_per_s": 1}, "most_per_s: only for what is derived over counter"),
        ({"over": "counting"}, "zone-area"),
        ({"most_per_s": 0}, "greater than 0"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        rule(**said)
