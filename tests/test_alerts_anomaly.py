"""The anomaly check against a plain reference, which tests/test_alerts_plain.py asks once more without compilation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from alerts.checks.anomaly import NOTE, STATE, Anomaly, Tuning
from alerts.checks.usual import DAY_HOUR, HOUR, HOURS_BEFORE, NOTHING, PAST, STEP
from alerts.checks.wording import clause, reason
from edge.reading import FAIL, MISSING, READING, UNEVALUATED, Rows

SECOND = 1_000_000
HOURLY, FIVE_MINUTES, DAY = 3_600 * SECOND, 300 * SECOND, 86_400 * SECOND
MONDAY = 20_703 * DAY  # midnight, UTC
PER_DAY = DAY // FIVE_MINUTES
LIKELY = 0.5
"""A score worth an alarm."""

# So that a few dozen readings pass through all that the kernel does.
HASTY = Tuning(level=20, span=300, quiet=5, visits=6, apart=3, begin=10)
OFFSET_MIN = 330

SPACINGS = [SECOND // 10, 60 * SECOND, FIVE_MINUTES, HOURLY, 7 * DAY, 0, -HOURLY]
STRETCHES = st.lists(
    st.tuples(
        st.integers(1, 3),  # slot
        st.sampled_from(SPACINGS),
        st.sampled_from(["noise", "day", "constant", "spikes", "none", "failed", "beyond measure"]),
        st.integers(1, 60),  # readings
    ),
    min_size=3,
    max_size=9,
)


class Reference:
    """One series, one reading after the other, as docs/checks/anomaly.md puts it."""

    def __init__(self, offset_min: int, tuning: Tuning) -> None:
        self.offset, self.tuning = offset_min * 60 * SECOND, tuning
        self.time = self.rows = self.hour = 0
        self.value = self.pace = self.age = self.level = self.noise = 0.0
        self.highest = self.lowest = self.widest = self.told = 0.0
        self.visits: dict[tuple[bool, int], int] = {}
        self.band: dict[tuple[bool, int], tuple[float, float]] = {}
        self.residuals: list[float] = []  # of this hour
        self.usual_then = (0.0, 0.0)
        self.missed: list[float] = []  # one after another, on one side

    @property
    def span(self) -> float:
        steps = self.tuning.noise * self.noise
        return self.highest - self.lowest + steps + (1e-6 * abs(self.level) + 1e-12)

    def take(self, time: int, value: float) -> tuple[float, int, float]:
        """The note: score, kind and how far beyond."""
        tuning = self.tuning
        change, paces, recent = 0.0, 1.0, False
        if self.rows:
            elapsed = time - self.time
            interval = float(min(max(elapsed, 60 * SECOND), HOURLY))
            pace = self.pace or interval
            self.pace = min(max(interval, pace / 1.05), pace * 1.05)
            change, paces, recent = value - self.value, elapsed / self.pace, elapsed <= 3 * self.pace
        step = change if recent else 0.0
        self.time, self.value = time, value
        self.rows += 1
        self.age += paces
        known = self.age > tuning.begin and self.rows > 30

        most = self.span if known and self.highest > self.lowest else math.inf
        gain = max(1 - math.exp(-paces / tuning.level), paces / self.age)
        self.level += gain * clamp(value - self.level, most * max(paces, 1))
        self.noise += gain * (min(abs(change), most) - self.noise)
        residual, span = value - self.level, self.span

        hours = (time + self.offset) // HOURLY
        here = ((hours // 24 + 3) % 7 >= 5, hours % 24)
        missed = self.turn(hours, here) if self.rows == 1 or hours != self.hour else 0.0
        self.residuals.append(residual)

        self.told *= math.exp(-paces / tuning.quiet)
        note = (0.0, NOTHING, 0.0)
        if known:
            top, bottom, where = self.usual(here, 1)
            beyond = residual - top if residual > top else min(residual - bottom, 0.0)
            leap = (abs(step) - self.widest) / (self.widest + 0.01 * span)
            for excess, kind, distance in (
                (abs(beyond) / span, where, beyond),
                (tuning.step * leap, STEP, step),
                (tuning.lasting * abs(missed) / span, HOURS_BEFORE, missed),
            ):
                if excess > self.told:
                    note = (excess / (excess + tuning.half), kind, distance)
                    self.told = min(excess, 1.0)
            most = span if self.highest > self.lowest else math.inf
            residual = min(max(residual, self.lowest - most), self.highest + most)
            step = clamp(step, self.widest + most)
        self.learn(here, residual, step, span, math.exp(-paces / tuning.span))
        return note

    def turn(self, hours: int, here: tuple[bool, int]) -> float:
        """Close the hour before; the lesser distance when it is the second in a row that was missed."""
        top, bottom = self.usual_then
        outside = 0.0
        if self.residuals and min(self.residuals) > top:
            outside = min(self.residuals) - top
        elif self.residuals and max(self.residuals) < bottom:
            outside = max(self.residuals) - bottom
        if hours != self.hour + 1 or not outside:
            self.missed = []
        elif self.missed and self.missed[-1] * outside > 0:
            self.missed.append(outside)
        else:
            self.missed = [outside]
        self.usual_then = self.usual(here, 0)[:2]
        self.hour, self.residuals = hours, []
        if here in self.band:
            self.band[here] = narrowed(*self.band[here], math.exp(-1 / self.tuning.visits))
        self.visits[here] = min(self.visits.get(here, 0) + 1, 255)
        return min(self.missed, key=abs) if len(self.missed) == 2 else 0.0

    def usual(self, here: tuple[bool, int], beside: int) -> tuple[float, float, int]:
        weekend, hour = here
        apart = self.visits.get(here, 0) >= self.tuning.apart
        if not apart and self.visits.get((False, hour), 0) + self.visits.get((True, hour), 0) < 2:
            return self.highest, self.lowest, PAST
        near = [
            self.band[kind, hour_near % 24]
            for kind in ([weekend] if apart else [False, True])
            for hour_near in range(hour - beside, hour + beside + 1)
            if (kind, hour_near % 24) in self.band
        ]
        return max(top for top, _ in near), min(bottom for _, bottom in near), DAY_HOUR if apart else HOUR

    def learn(self, here: tuple[bool, int], residual: float, step: float, span: float, fade: float) -> None:
        middle = (self.highest + self.lowest) / 2
        self.highest = max(middle + (self.highest - middle) * fade, residual)
        self.lowest = min(middle + (self.lowest - middle) * fade, residual)
        self.widest = max(self.widest * fade, abs(step))
        if here not in self.band:
            self.band[here] = single(residual), single(residual)
        most = math.inf if self.visits[here] < 2 else self.tuning.widen * span
        top, bottom = self.band[here]
        self.band[here] = (
            single(top + min(max(residual - top, 0.0), most)),
            single(bottom - min(max(bottom - residual, 0.0), most)),
        )


def clamp(number: float, most: float) -> float:
    return min(max(number, -most), most)


def single(number: float) -> float:
    """Bands are kept in single precision."""
    return float(np.float32(number))


def narrowed(top: float, bottom: float, fade: float) -> tuple[float, float]:
    middle = (top + bottom) / 2
    return single(middle + (top - middle) * fade), single(middle + (bottom - middle) * fade)


def columns(stretches: list[tuple[int, int, str, int]], seed: int) -> tuple[Rows, NDArray[np.bool_]]:
    """Rows as the batch hands them over, stretch after stretch, marked where they continue their series."""
    draw = np.random.default_rng(seed)
    readings: list[tuple[int, int, float, int]] = []
    at = MONDAY
    for slot, spacing, kind, count in stretches:
        for noise in draw.normal(size=count):
            at += spacing
            value = {
                "noise": noise,
                "day": 10 * math.sin(at / DAY * math.tau) + noise,
                "constant": 5.0,
                "spikes": 0.0 if abs(noise) < 1.5 else 100 * noise,
                "none": math.nan,
                "failed": 1e6 * noise,
                "beyond measure": [math.inf, -math.inf, 1e300, 1e29][int(10 * abs(noise)) % 4],
            }[kind]
            flag = {"none": MISSING, "failed": FAIL}.get(kind, UNEVALUATED)
            readings.append((at, slot, value, flag))
    rows = np.array(readings, READING)
    newest: dict[int, int] = {}
    newer = []
    for row in rows:
        slot, time = int(row["series"]), int(row["time"])
        newer.append(time > newest.get(slot, 0))
        newest[slot] = max(time, newest.get(slot, 0))
    return rows, np.array(newer, np.bool_)


def hasty() -> Anomaly:
    return Anomaly(OFFSET_MIN, HASTY)


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    hasty().score(np.zeros(1, READING), np.ones(1, np.bool_))


@given(STRETCHES, st.integers(0, 9))
@settings(deadline=None, max_examples=60)
def test_any_readings_get_the_references_scores(
    stretches: list[tuple[int, int, str, int]], seed: int
) -> None:
    rows, newer = columns(stretches, seed)
    before = rows.copy()
    notes = hasty().score(rows, newer)
    known = {slot: Reference(OFFSET_MIN, HASTY) for slot in (1, 2, 3)}
    for row, is_newer, note in zip(rows, newer, notes, strict=True):
        said = (0.0, NOTHING, 0.0)
        if is_newer and row["flag"] not in {FAIL, MISSING} and abs(row["value"]) <= 1e30:
            said = known[int(row["series"])].take(int(row["time"]), float(row["value"]))
        assert int(note["kind"]) == said[1]
        assert float(note["score"]) == pytest.approx(said[0], rel=1e-5, abs=1e-6)
        assert float(note["beyond"]) == pytest.approx(said[2], rel=1e-6, abs=1e-6)
        assert 0 <= note["score"] <= 1
    assert rows.tobytes() == before.tobytes()


@given(STRETCHES, st.integers(0, 9), st.data())
@settings(deadline=None, max_examples=30)
def test_fed_one_by_one_or_in_batches_or_over_a_restart_scores_and_state_are_the_same_bits(
    stretches: list[tuple[int, int, str, int]], seed: int, data: st.DataObject
) -> None:
    rows, newer = columns(stretches, seed)
    whole, other = hasty(), hasty()
    together = whole.score(rows, newer)
    pieces, start = [], 0
    while start < len(rows):
        end = start + data.draw(st.integers(1, len(rows) - start))
        pieces.append(other.score(rows[start:end], newer[start:end]))
        start = end
        if data.draw(st.booleans()):
            saved, other = np.frombuffer(other.state.tobytes(), STATE), hasty()
            other.take_up(saved)
    assert together.tobytes() == np.concatenate(pieces).tobytes()
    slots = len(other.state)
    assert whole.state[:slots].tobytes() == other.state[: len(whole.state)].tobytes()


def test_a_saved_state_of_another_layout_is_not_taken() -> None:
    check = hasty()
    check.take_up(np.ones(9, np.dtype([("other", "f8")])))
    assert not check.state["rows"].any()
    check.take_up(np.zeros(0, STATE))
    assert len(check.state) == 1


def notes_of(values: Sequence[float] | NDArray[np.float64], step: int = FIVE_MINUTES) -> NDArray[Any]:
    """The notes on evenly spaced values from a Monday's midnight on."""
    rows = np.zeros(len(values), READING)
    rows["time"], rows["series"] = MONDAY + step * np.arange(len(values)), 1
    rows["value"], rows["flag"] = values, UNEVALUATED
    return Anomaly().score(rows, np.ones(len(rows), np.bool_))


def noise(count: int) -> NDArray[np.float64]:
    return np.random.default_rng(4).normal(size=count)


def commute(days: int, working_days: int = 5) -> NDArray[np.float64]:
    """A count that is 80 from 8 to 18 on working days, else 20."""
    at = np.arange(days * PER_DAY)
    busy = (at // PER_DAY % 7 < working_days) & (at % PER_DAY >= 8 * 12) & (at % PER_DAY < 18 * 12)
    return np.where(busy, 80.0, 20.0) + noise(len(at))


def found(notes: NDArray[Any]) -> list[int]:
    return [int(place) for place in np.flatnonzero(notes["score"] >= LIKELY)]


def test_a_spike_is_found_and_what_follows_it_is_not() -> None:
    values = noise(10 * PER_DAY)
    quiet = found(notes_of(values))
    at = 8 * PER_DAY
    values[at] = 40
    assert [place for place in found(notes_of(values)) if place >= at] == [at]
    assert len([place for place in quiet if place < at]) <= 8


def test_a_level_that_shifts_is_told_when_it_begins_and_then_learnt() -> None:
    values = noise(20 * PER_DAY)
    at = 10 * PER_DAY + 50
    values[at:] += 12
    notes = notes_of(values)
    places = [place for place in found(notes) if place >= at]
    assert places[0] == at
    assert len(places) <= 3
    assert not [place for place in places if place > at + 2 * PER_DAY]


@pytest.mark.parametrize(("working_days", "days"), [(7, 8), (5, 36)])
def test_a_peak_that_is_missing_from_its_day_is_found(working_days: int, days: int) -> None:
    values = commute(days, working_days)
    last = (days - 1) * PER_DAY
    values[last + 8 * 12 : last + 18 * 12] -= 60
    notes = notes_of(values)
    places = [place for place in found(notes) if place >= last]
    assert places == [last + 10 * 12]  # hours 8 and 9 are over
    assert notes["kind"][places[0]] == HOURS_BEFORE
    assert notes["beyond"][places[0]] < -30


def test_a_working_days_count_is_found_at_the_weekend_once_weekends_are_known() -> None:
    values = commute(56)
    sunday = 55 * PER_DAY
    values[sunday + 9 * 12 : sunday + 12 * 12] += 60
    notes = notes_of(values)
    places = [place for place in found(notes) if place >= sunday]
    assert places[0] == sunday + 9 * 12
    assert notes["kind"][places[0]] == DAY_HOUR
    assert not found(notes_of(commute(56))[50 * PER_DAY :])


def test_a_step_between_values_that_the_hour_knows_is_found() -> None:
    at = np.arange(10 * PER_DAY)
    values = 20 * np.sin(at / 6 * math.tau / 4)  # every two hours up and down, slowly
    values[8 * PER_DAY + 7] = -values[8 * PER_DAY + 7]
    notes = notes_of(values)
    places = [place for place in found(notes) if place >= 8 * PER_DAY]
    assert places == [8 * PER_DAY + 7]
    assert notes["kind"][places[0]] == STEP


@pytest.mark.parametrize("step", [60 * SECOND, FIVE_MINUTES, HOURLY])
def test_a_quiet_noisy_series_raises_almost_nothing(step: int) -> None:
    values = noise(30 * DAY // step)
    notes = notes_of(values, step)
    assert len(found(notes)) <= 20
    assert (notes["score"] >= 0.8).sum() == 0


def test_a_trend_raises_nothing() -> None:
    values = np.linspace(0, 300, 30 * PER_DAY) + noise(30 * PER_DAY)
    assert len(found(notes_of(values))) <= 20


def test_ten_readings_a_second_are_judged_by_the_hours_before() -> None:
    values = noise(10 * 3 * 3_600)
    at = len(values) - 50
    values[at:] += 30
    assert [place for place in found(notes_of(values, SECOND // 10)) if place >= at] == [at]


def test_one_reading_a_week_is_judged_after_half_a_year() -> None:
    values = noise(100)
    values[-1] = 30
    assert found(notes_of(values, 7 * DAY))[-1] == 99


def test_one_wrong_value_does_not_blind_the_series() -> None:
    values = noise(20 * PER_DAY)
    values[8 * PER_DAY] = 1e9
    values[12 * PER_DAY + 7] = 60
    places = found(notes_of(values))
    assert 8 * PER_DAY in places
    assert 12 * PER_DAY + 7 in places


def test_nothing_is_learnt_from_failed_missing_or_old_rows() -> None:
    rows = np.zeros(4, READING)
    rows["time"], rows["series"], rows["value"] = MONDAY + np.arange(4), 1, [1, 2, 3, math.nan]
    rows["flag"] = [FAIL, MISSING, UNEVALUATED, UNEVALUATED]
    check = Anomaly()
    notes = check.score(rows, np.array([True, True, False, True]))
    assert not notes["score"].any()
    assert not check.state["rows"].any()


@pytest.mark.parametrize(
    ("note", "said"),
    [
        ((0.9, HOUR, 1.3, 2.1), "3.4 m is 2.1 m above what this hour usually has"),
        ((0.9, DAY_HOUR, 5.5, -2.1), "3.4 m is 2.1 m below what this hour of such a day usually has"),
        ((0.9, PAST, 1.3, 2.1), "3.4 m is 2.1 m above all that it lately had"),
        ((0.9, STEP, 0.25, -2.1), "3.4 m is 2.1 m down in one step; the widest lately was 0.25 m"),
        (
            (0.9, HOURS_BEFORE, 5.5, -2.1),
            "for two hours every reading was 2.1 m or more below what these hours usually have",
        ),
        ((0.0, NOTHING, 0.0, 0.0), ""),
    ],
)
def test_the_reason_is_said_in_words(note: tuple[float, int, float, float], said: str) -> None:
    assert reason(3.4, np.array(note, NOTE), "m") == said
    assert reason(3.4, np.array(note, NOTE)) == said.replace(" m ", " ").removesuffix(" m")
    told = clause(3.4, np.array(note, NOTE))
    assert (told is None) == (said == "")
    if told is not None:
        assert all(f"{abs(figure):g}" in said for name, figure in told[1].items() if name != "value")
