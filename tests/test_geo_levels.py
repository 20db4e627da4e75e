"""Steps of tables, shares of a capacity, trends and the time to a limit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.table import load
from geo.density import per_m2
from geo.levels import UNKNOWN, share_of_capacity, step
from geo.trend import LEAST, Trend, time_to, trend

TABLES = load()


def limits(table: str) -> list[float]:
    return [each.limit for each in TABLES[table].table.steps if each.limit is not None]


def names(table: str) -> list[str]:
    return [each.name for each in TABLES[table].table.steps]


@pytest.mark.parametrize(
    ("m2_each", "grade"),
    # Fruin 1971, square metres a pedestrian: the bounds as the handbooks print them, a little within.
    [(4.0, "A"), (3.3, "A"), (2.4, "B"), (1.5, "C"), (1.0, "D"), (0.5, "E"), (0.4, "F")],
)
def test_fruins_levels_of_service_of_a_walkway(m2_each: float, grade: str) -> None:
    density = per_m2(np.array([100.0]), np.array([100 * m2_each]))
    assert names("fruin-walkway")[step(density, limits("fruin-walkway"))[0] - 1] == grade


def test_guidance_and_tiers_are_reached_at_their_limit() -> None:
    table = limits("crowd-density")
    assert step(table, table).tolist() == [1, 2, 3, 4]
    assert step(np.nextafter(table, 0), table).tolist() == [0, 1, 2, 3]
    still = limits("still-crowd")
    assert [names("still-crowd")[each - 1] for each in step([4.2, 6.0], still)] == [
        "limit of a queue",
        "uncomfortable to dangerous",
    ]
    full = share_of_capacity([79, 80, 95, 100, 140], 100)
    assert step(full, limits("scenic-capacity")).tolist() == [0, 1, 2, 3, 3]


@given(st.lists(st.floats(-10, 10), max_size=20), st.sets(st.floats(-10, 10), min_size=1, max_size=6))
def test_steps_equal_a_plain_count_of_the_limits_reached(values: list[float], table: set[float]) -> None:
    expected = [sum(limit <= value for limit in table) for value in values]
    assert step(values, sorted(table)).tolist() == expected


def test_what_is_not_known_has_no_step_and_a_table_must_ascend() -> None:
    assert step([np.nan, np.inf, -np.inf], [1, 2]).tolist() == [UNKNOWN, 2, 0]
    for wrong in ([], [2, 1], [1, 1], [1, np.nan], [[1]]):
        with pytest.raises(ValueError, match="limits"):
            step([1], wrong)


def test_a_share_needs_a_count_and_a_capacity() -> None:
    assert share_of_capacity([50, 0], [200, 10]).tolist() == [25.0, 0.0]
    assert np.isnan(share_of_capacity([-1, np.nan, 5, 5, 5], [10, 10, 0, -1, np.nan])).all()


@given(
    st.floats(-2, 2),
    st.floats(100, 1000),
    st.integers(LEAST, 60),
    st.randoms(use_true_random=False),
)
def test_a_straight_line_is_found_whatever_the_order_and_the_spacing(
    slope: float, start: float, n: int, rng: object
) -> None:
    del rng
    time_s = np.cumsum(np.random.default_rng(n).uniform(0.1, 1, n))
    counts = start + slope * time_s
    order = np.random.default_rng(n + 1).permutation(n)
    found = trend(time_s[order] + 1.6e9, counts[order])
    assert found is not None
    assert found.slope == pytest.approx(slope, abs=1e-4)
    assert found.now == pytest.approx(counts[-1], rel=1e-4)
    assert found.low <= found.slope <= found.high


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 200)), min_size=LEAST, max_size=40))
def test_the_slope_is_the_median_of_all_pairs(points: list[tuple[int, int]]) -> None:
    time_s, counts = np.array(points, float).T
    found = trend(time_s, counts)
    slopes = [(b - a) / (t - s) for s, a in points for t, b in points if t > s]
    if len(set(time_s)) < LEAST:
        assert found is None
        return
    assert found is not None
    assert found.slope == pytest.approx(float(np.median(slopes)))
    assert found.low <= found.slope <= found.high


def test_wrong_counts_do_not_move_the_slope() -> None:
    time_s = np.arange(60.0) * 10
    counts = 200 + 0.5 * time_s
    counts[[5, 20, 21, 22, 40, 50, 58]] = [0, 9000, 9000, 9000, 0, 4000, 0]
    found = trend(time_s, counts)
    assert found is not None
    assert found.slope == pytest.approx(0.5, rel=0.02)
    # The control: least squares goes astray.
    assert abs(np.polyfit(time_s, counts, 1)[0] - 0.5) > 0.5


def test_the_bounds_hold_the_true_slope_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(4)
    time_s = np.arange(30.0) * 10
    held = {0.0: 0, 0.6: 0}
    for alike in held:
        for _ in range(300):
            noise = rng.normal(0, 10, 30)
            for i in range(1, 30):
                noise[i] = alike * noise[i - 1] + (1 - alike**2) ** 0.5 * noise[i]
            found = trend(time_s, 500 + 0.3 * time_s + noise)
            assert found is not None
            held[alike] += found.low <= 0.3 <= found.high
    assert held[0.0] >= 0.92 * 300
    # Residuals that resemble their neighbours: still nearly so.
    assert held[0.6] >= 0.85 * 300


def test_time_to_capacity_is_said_before_a_filling_square_is_full() -> None:
    rng = np.random.default_rng(9)
    time_s = np.arange(0.0, 900, 10)
    held = 0
    for _ in range(100):
        # The newest count stands at 890 s, the square is full at 1,400 s.
        found = time_to(trend(time_s, rng.poisson(100 + time_s)), 1500)
        assert found is not None
        assert found.earliest_s < found.after_s < found.latest_s
        assert found.after_s == pytest.approx(510, rel=0.1)
        held += found.earliest_s <= 510 <= found.latest_s
    assert held >= 90


def test_nothing_is_said_where_it_is_not_sure() -> None:
    rng = np.random.default_rng(2)
    time_s = np.arange(0.0, 900, 10)
    assert time_to(trend(time_s, rng.poisson(500, 90)), 600) is None
    assert time_to(trend(time_s, 2000 - time_s), 3000) is None
    # Rising, and the limit so far away that nobody knows.
    assert time_to(trend(time_s, 100 + 0.01 * time_s), 5000) is None
    assert time_to(trend(time_s[:5], time_s[:5]), 60) is None
    assert time_to(Trend(1.0, 0.5, 2.0, 10.0, 1.0, 50.0, 100.0), np.nan) is None
    assert time_to(None, 10) is None


def test_a_limit_that_is_reached_is_reached_now() -> None:
    assert time_to(Trend(-1.0, -2.0, -0.5, 100.0, 1.0, 30.0, 60.0), 100) == (100, 0.0, 0.0, 0.0)


def test_counts_below_zero_and_at_one_time_are_no_evidence() -> None:
    assert trend(np.arange(20.0), np.full(20, -3.0)) is None
    assert trend(np.zeros(20), np.arange(20.0)) is None
    assert trend([], []) is None
    assert trend(np.full(20, np.nan), np.arange(20.0)) is None
    with pytest.raises(ValueError, match="one length"):
        trend([1, 2], [1])


def test_a_long_window_is_thinned_and_its_newest_count_kept() -> None:
    time_s = np.arange(5000.0)
    found = trend(time_s, 2 * time_s + 7)
    assert found is not None
    assert found.slope == pytest.approx(2)
    assert found.now == pytest.approx(10_005)
