"""Report by exception: what is sent, what is held back, and that nothing sent draws a false line."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.drivers.dialogue import Sample
from edge.exception import ByException, Rule
from edge.journal import JournalFull
from edge.positions import Fix

S = 1_000_000


class Kept:
    """Stands where the agent stands."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.fixes: list[Fix] = []
        self.full = False

    def accept(self, samples: Iterable[Sample], fixes: Iterable[Fix] = ()) -> None:
        if self.full:
            raise JournalFull("no room")
        self.samples += samples
        self.fixes += fixes

    @property
    def points(self) -> list[tuple[int, float]]:
        return [(at // S, value) for _, at, value in self.samples]


def level(at_s: int, value: float, device: str = "r") -> Sample:
    return (f"{device}/level", at_s * S, value)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def by(kept: Kept) -> ByException:
    return ByException(kept.accept, Rule({"level": 0.01}, 900 * S))


def test_what_stays_within_the_deadband_is_sent_once_in_a_longest_silence(
    kept: Kept, by: ByException
) -> None:
    for at in range(0, 2_000, 100):
        by.accept([level(at, 3.42)])
    assert kept.points == [(0, 3.42), (900, 3.42), (1_800, 3.42)]
    assert by.suppressed == 17


def test_a_change_is_sent_with_the_last_that_was_held_back(kept: Kept, by: ByException) -> None:
    for at, value in [(0, 3.42), (300, 3.42), (600, 3.425), (660, 3.60), (720, 3.60)]:
        by.accept([level(at, value)])
    assert kept.points == [(0, 3.42), (600, 3.425), (660, 3.60)]
    assert by.suppressed == 2


def test_creeping_away_is_a_change_from_what_was_sent_and_not_from_what_was_read(
    kept: Kept, by: ByException
) -> None:
    for at in range(10):
        by.accept([level(at, at / 256)])
    assert [at for at, _ in kept.points] == [0, 2, 3, 5, 6, 8, 9]


def test_a_step_of_exactly_the_deadband_is_a_change_whatever_binary_fractions_make_of_it(
    kept: Kept, by: ByException
) -> None:
    by.accept([level(0, 3.43), level(1, 3.44), level(2, 3.43)])
    assert [value for _, value in kept.points] == [3.43, 3.44, 3.43]


def test_a_value_that_goes_missing_and_comes_back_is_sent_both_times(kept: Kept, by: ByException) -> None:
    for at, value in [(0, 1.0), (1, math.nan), (2, math.nan), (3, 1.0)]:
        by.accept([level(at, value)])
    assert [at for at, _ in kept.points] == [0, 1, 2, 3]


def test_metrics_without_a_deadband_and_late_readings_are_always_sent(kept: Kept, by: ByException) -> None:
    by.accept([("r/rain", 0, 0.0), ("r/rain", S, 0.0), level(100, 3.42)])
    by.accept([level(50, 3.42), level(60, 3.42)])
    assert kept.points == [(0, 0.0), (1, 0.0), (100, 3.42), (50, 3.42), (60, 3.42)]
    assert by.suppressed == 0


def test_places_are_always_sent(kept: Kept, by: ByException) -> None:
    by.accept([level(0, 1.0)])
    fix = ("r", S, 120.0, 31.0, math.nan)
    by.accept([level(1, 1.0)], [fix])
    assert (kept.fixes, by.suppressed) == ([fix], 1)


def test_what_the_journal_does_not_take_is_as_if_it_had_not_been_said(kept: Kept, by: ByException) -> None:
    by.accept([level(0, 1.0), level(1, 1.0)])
    kept.full = True
    with pytest.raises(JournalFull):
        by.accept([level(2, 1.0), level(3, 5.0)])
    kept.full = False
    assert by.suppressed == 1
    by.accept([level(2, 1.0), level(3, 5.0)])
    assert kept.points == [(0, 1.0), (2, 1.0), (3, 5.0)]


def test_the_last_word_of_each_series_is_sent_when_the_agent_ends(kept: Kept, by: ByException) -> None:
    by.accept([level(0, 1.0), level(1, 1.001), level(0, 2.0, "q")])
    by.flush()
    assert kept.points == [(0, 1.0), (0, 2.0), (1, 1.001)]
    assert by.suppressed == 0


@given(
    st.lists(st.tuples(st.integers(1, 400), st.floats(-1, 1)), min_size=1, max_size=60),
    st.integers(1, 10),
)
def test_the_line_between_what_is_sent_is_never_two_deadbands_from_what_was_read(
    steps: list[tuple[int, float]], group: int
) -> None:
    kept, band = Kept(), 0.25
    by = ByException(kept.accept, Rule({"level": band}, 900 * S))
    read, at = [], 0
    for step, value in steps:
        at += step
        read.append(level(at, value))
    for start in range(0, len(read), group):
        by.accept(read[start : start + group])
    by.flush()
    sent = kept.points
    assert sent == sorted(sent)
    assert len(sent) + by.suppressed == len(read)
    for _, at_us, value in read:
        before = max(point for point in sent if point[0] <= at_us // S)
        after = min(point for point in sent if point[0] >= at_us // S)
        span = after[0] - before[0]
        line = before[1] if not span else before[1] + (after[1] - before[1]) * (at_us // S - before[0]) / span
        assert abs(line - value) <= 2 * band + 1e-9
