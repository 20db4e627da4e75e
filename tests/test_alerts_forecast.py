"""Forecasts against a plain reference; tests/test_alerts_plain.py runs this file once more without compilation."""

from __future__ import annotations

import csv
import gzip
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.checks import forecast
from alerts.checks.forecast import HORIZONS, WARM, Forecasts
from alerts.outlook import Reach
from edge.reading import FAIL, MISSING, PASS, READING, SUSPECT, Rows

SECOND = 1_000_000
HOUR = 3600 * SECOND
NOW = 1_790_000_000 * SECOND
RECORDINGS = Path(__file__).parents[1] / ".." / "shared" / "data"

READINGS = st.lists(
    st.tuples(
        st.sampled_from([300, 300, 300, 299, 1, 900, 0, -300, 4000, 7 * 86_400]),  # seconds to the next
        st.sampled_from([0.0, 1.0, 1.1, 1.5, 2.0, 9.0, -3.0, 1e29, 1e308, math.nan, math.inf]),
        st.sampled_from([PASS, PASS, PASS, SUSPECT, FAIL]),
    ),
    max_size=70,
)


class Reference:
    """One series with its whole past, by the book."""

    def __init__(self) -> None:
        self.past: list[dict[str, Any]] = []  # since the last gap
        self.count = 0
        self.step = self.restless = self.calm = self.time = self.value = 0.0
        self.trends = {forecast.FAST: 0.0, forecast.SLOW: 0.0}
        self.week: dict[int, tuple[float, int]] = {}
        self.error = np.zeros((3, 5, 4))
        self.low, self.high, self.spread = np.zeros((3, 5)), np.zeros((3, 5)), np.zeros((3, 5))

    def feed(self, at: int, value: float) -> None:
        """Take a reading."""
        if self.count:
            passed = at - self.time
            self.step = self.step or passed
            if passed > forecast.GAP * self.step:
                self.past, self.trends = [], dict.fromkeys(self.trends, 0.0)
            else:
                for place, back in enumerate(HORIZONS.tolist()):
                    if len(self.past) >= back:
                        self._judge(place, back, self.past[-back], at, value)
                slope = (value - self.value) / passed
                for kind in self.trends:
                    share = 1 - math.exp(-passed / (forecast.TREND_MEMORY[kind] * self.step))
                    self.trends[kind] += share * (slope - self.trends[kind])
                change = abs(slope) * self.step
                self.restless += forecast.RESTLESS_MEMORY * (change - self.restless)
                self.calm += max(forecast.CALM_MEMORY, 1 / (self.count + 1)) * (change - self.calm)
            limit = 0.1 * self.step
            self.step += min(max(0.1 * (passed - self.step), -limit), limit)
        hour = at // HOUR % 168
        usual, visits = self.week.get(hour, (0.0, 0))
        surprise = value - usual if visits else 0.0
        visits = min(visits + 1, forecast.VISITS_REMEMBERED)
        self.week[hour] = float(np.float32(usual + (value - usual) / visits)), visits
        moves = self.trends[forecast.FAST] * self.step
        course = 1 if abs(moves) <= forecast.MOVES * self.calm else 2 if moves > 0 else 0
        self.past.append({
            "at": at, "value": value, "trends": dict(self.trends), "surprise": surprise, "course": course,
            "unit": self.restless + 0.3 * self.calm + 1e-12,
        })  # fmt: skip
        self.count, self.time, self.value = self.count + 1, at, value

    def expect(self, kind: int, then: dict[str, Any], passed: float) -> float:
        """What a candidate says."""
        if kind == forecast.PERSISTENCE:
            return float(then["value"])
        if kind == forecast.WEEKLY:
            hour = int((then["at"] + passed) // HOUR) % 168
            if hour not in self.week:
                return float(then["value"])
            faded = math.exp(-passed / (forecast.SURPRISE_LASTS * self.step))
            return float(self.week[hour][0] + then["surprise"] * faded)
        lasts = forecast.TREND_LASTS[kind] * self.step
        return float(then["value"] + then["trends"][kind] * lasts * (1 - math.exp(-passed / lasts)))

    def _judge(self, place: int, back: int, then: dict[str, Any], at: int, value: float) -> None:
        passed = at - then["at"]
        if not 0.5 < passed / (back * self.step) < 2:
            return
        course = then["course"]
        best = int(np.argmin(self.error[course, place]))
        for kind in range(4):
            off = min(max((value - self.expect(kind, then, passed)) / then["unit"], -50), 50)
            if kind == best:
                self.spread[course, place] += 0.03 * (abs(off) - self.spread[course, place])
                step = forecast.QUANTILE_STEP * self.spread[course, place]
                self.low[course, place] += step * (0.1 - (off < self.low[course, place]))
                self.high[course, place] += step * (0.9 - (off < self.high[course, place]))
            self.error[course, place, kind] += forecast.ERROR_MEMORY * (
                abs(off) - self.error[course, place, kind]
            )


def looking(*series: int) -> Forecasts:
    made = Forecasts()
    for each in series or (3,):
        made.add(each)
    return made


def columns(readings: list[tuple[int, float, int]], series: int = 3) -> tuple[Rows, Any]:
    rows, newer, at, newest = np.zeros(len(readings), READING), [], NOW, 0
    for place, (step, value, flag) in enumerate(readings):
        at += step * SECOND
        rows[place] = (at, series, value, MISSING if math.isnan(value) else flag)
        newer.append(at > newest)
        newest = max(newest, at)
    return rows, np.array(newer, np.bool_)


def course(values: Any, step_s: int = 300) -> tuple[Rows, Any]:
    """Readings at even steps."""
    return columns([(step_s, float(value), PASS) for value in values])


@given(READINGS)
@settings(deadline=None, max_examples=200)
def test_any_readings_leave_what_the_reference_leaves(readings: list[tuple[int, float, int]]) -> None:
    rows, newer = columns(readings)
    reference, made = Reference(), looking()
    made.observe(rows, newer)
    for row, is_newer in zip(rows, newer, strict=True):
        if is_newer and row["flag"] in {PASS, SUSPECT} and abs(row["value"]) < forecast.GREATEST:
            reference.feed(int(row["time"]), float(row["value"]))
    state = made.state()[0]
    assert state["count"] == reference.count
    assert state["step"] == pytest.approx(reference.step)
    for name in ("error", "low", "high", "spread"):
        assert state[name] == pytest.approx(getattr(reference, name), rel=1e-6, abs=1e-6), name
    for hour, (usual, visits) in reference.week.items():
        assert (state["week"][hour], state["visits"][hour]) == (pytest.approx(usual), visits)
    for look in made.ahead(3):
        assert look.low <= look.median <= look.high


@given(READINGS, st.data())
@settings(deadline=None, max_examples=100)
def test_fed_one_by_one_with_restarts_or_in_one_batch_the_state_is_the_same_bits(
    readings: list[tuple[int, float, int]], data: st.DataObject
) -> None:
    rows, newer = columns(readings)
    one, other = looking(), looking(7, 3)
    one.observe(rows, newer)
    place = 0
    while place < len(rows):
        until = place + data.draw(st.integers(1, len(rows) - place))
        other.observe(rows[place:until], newer[place:until])
        saved = other.state().copy()
        other = looking(3, 9)  # in other places, and with one that was not there
        other.take_up(saved)
        place = until
    assert one.state()[0].tobytes() == other.state()[other._place[3]].tobytes()


def test_nothing_is_said_of_what_is_hardly_known_or_not_asked_for() -> None:
    made = looking()
    made.observe(*course(range(WARM - 1)))
    assert made.ahead(3) == []
    assert made.time_to(3, 60) is None
    assert made.ahead(99) == []


def test_a_rise_that_may_well_end_reaches_nothing() -> None:
    made = looking()
    rng = np.random.default_rng(1)
    made.observe(*course(1 + 0.3 * rng.standard_normal(1600)))
    assert made.time_to(3, 5.0) is None


def test_a_steady_rise_reaches_a_level_when_it_should_and_a_fall_in_the_other_direction() -> None:
    for sign in (1, -1):
        made = looking()
        rng = np.random.default_rng(1)
        still = 1 + 0.001 * rng.standard_normal(3000)
        rise = np.concatenate(
            [np.concatenate([still[:200], 1 + sign * 0.05 * np.arange(40), still[:60]]) for _ in range(8)]
        )
        made.observe(*course(np.concatenate([rise, 1 + sign * 0.05 * np.arange(20)])))
        reach = made.time_to(3, 1 + sign * 1.15)
        assert reach is not None
        assert 900 <= reach.median_s <= 2400  # four readings of 300 s
        assert reach.earliest_s <= reach.median_s
        assert made.time_to(3, 1 - sign) is None


def test_a_series_that_stands_reaches_nothing() -> None:
    made = looking()
    made.observe(*course([2.0] * 500))
    assert made.time_to(3, 2.5) is None
    assert made.time_to(3, 2.0) is None


def test_a_count_is_never_expected_below_nothing() -> None:
    made = looking()
    made.observe(*course(np.random.default_rng(2).poisson(1, 500)))
    assert all(0 <= look.low <= look.median <= look.high for look in made.ahead(3))


def test_a_burst_of_a_million_equal_readings_leaves_finite_numbers() -> None:
    made = looking()
    count = 1_000_000 if hasattr(forecast._learn, "py_func") else 2_000
    rows = np.zeros(count, READING)
    rows["time"], rows["series"], rows["value"], rows["flag"] = NOW + np.arange(count), 3, 5.0, PASS
    made.observe(rows, np.ones(count, np.bool_))
    assert [look.median for look in made.ahead(3)] == [5.0] * len(HORIZONS)


def test_one_reading_a_week_is_looked_ahead_by_weeks() -> None:
    made = looking()
    made.observe(*course(np.arange(80.0), step_s=7 * 86_400))
    assert [look.after_s for look in made.ahead(3)] == pytest.approx([h * 7 * 86_400 for h in HORIZONS])


@pytest.mark.parametrize(
    ("reach", "said"),
    [
        (Reach(3, 2400, 1500, 4200), "in about 40 min, 25 min to 70 min"),
        (Reach(3, 130, 20, None), "in about 2 min, at the earliest 1 min, or not at all"),
        (Reach(3, 14_400, 10_800, 18_000), "in about 4 h, 3 h to 5 h"),
    ],
)
def test_what_is_said_is_no_finer_than_it_is_known(reach: Reach, said: str) -> None:
    assert str(reach) == said


@pytest.mark.skipif(not hasattr(forecast._learn, "py_func"), reason="takes minutes without compilation")
def test_on_a_year_of_real_counts_four_of_five_lie_between_the_bounds_and_persistence_is_beaten() -> None:
    path = RECORDINGS / "crowd" / "auckland_pedestrian_hourly_4_stations_2022_2025.csv.gz"
    if not path.exists():
        pytest.skip("the recordings in ../shared/data are not here")
    with gzip.open(path, "rt") as file:
        found = [row for row in csv.DictReader(file) if row["station"] == "107 Quay Street" and row["value"]]
    times = [round(datetime.fromisoformat(row["time"]).timestamp()) * SECOND for row in found[:10_000]]
    values = [float(row["value"]) for row in found[:10_000]]
    made, inside, asked, off, persistent = looking(), 0, 0, 0.0, 0.0
    for place in range(len(times) - 4):
        row = np.array([(times[place], 3, values[place], PASS)], READING)
        made.observe(row, np.array([place == 0 or times[place] > max(times[:place][-3:])]))
        if place < 1500 or times[place + 4] - times[place] != 4 * HOUR:
            continue
        look = made.ahead(3)[2]
        asked += 1
        inside += look.low <= values[place + 4] <= look.high
        off += abs(values[place + 4] - look.median)
        persistent += abs(values[place + 4] - values[place])
    assert 0.76 <= inside / asked <= 0.86
    assert off < 0.6 * persistent


def test_a_time_that_comes_again_or_goes_back_teaches_nothing_also_when_it_is_called_newer() -> None:
    made, again = Forecasts(), Forecasts()
    rows = np.zeros(6, READING)
    rows["time"], rows["series"], rows["flag"] = np.array([1, 2, 2, 1, 3, 3]) * 300_000_000, 1, PASS
    rows["value"] = [1, 2, 9, 9, 3, 9]
    for forecasts, fed in ((made, rows), (again, rows[[0, 1, 4]])):
        forecasts.add(1)
        forecasts.observe(fed, np.ones(len(fed), np.bool_))
    assert made.state().tobytes() == again.state().tobytes()
