"""How a place fills: the shortest window that is sure speaks; and what else the census asks of the maths."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from shapely import box

from geo.counters import OUTDOORS, Occupancy
from geo.counting import Views
from geo.density import cells, densest
from geo.filling import FORESEEN_S, filling
from geo.flow import within

GRID_S = np.arange(-1800, 1, 10.0)


def noisy(persons: NDArray[np.float64], seed: int = 1) -> NDArray[np.float64]:
    return np.round(persons + np.random.default_rng(seed).normal(0, 4, len(persons)))


def test_a_square_that_fills_is_foreseen_and_one_that_stands_is_not() -> None:
    rising = noisy(600 + GRID_S / 60 * 20)  # 20 a minute, 600 now
    found = filling(GRID_S, rising, 800)
    assert found.per_s is not None
    assert found.per_s * 60 == pytest.approx(20, abs=4)
    assert found.full is not None
    assert found.full.after_s / 60 == pytest.approx(10, abs=1)
    assert found.full.earliest_s < found.full.after_s < found.full.latest_s
    for steady in (np.full(181, 780.0), noisy(np.full(181, 740.0)), noisy(700 - GRID_S / 60)):
        assert filling(GRID_S, steady, 800).full is None
    assert filling(GRID_S, rising, None).full is None
    assert filling(GRID_S, rising, 600 + 20 * (FORESEEN_S / 60 + 5)).full is None  # farther than is foreseen


def test_the_end_of_a_concert_is_seen_within_minutes_although_the_half_hour_still_rises() -> None:
    came = np.where(GRID_S < -300, 700 + (GRID_S + 300) / 60 * 20, 700.0)  # no more since five minutes
    assert filling(GRID_S[:-30], noisy(came)[:-30], 800).full is not None  # the control: it was foreseen
    found = filling(GRID_S, noisy(came), 800)
    assert found.per_s is not None
    assert abs(found.per_s * 60) < 3


def test_what_is_full_is_full_now_and_of_few_counts_nothing_is_said() -> None:
    full = filling(GRID_S, np.full(181, 805.0), 800).full
    assert full is not None
    assert full.after_s == 0
    assert filling(GRID_S[-7:], np.arange(7.0), 800) == (None, None)
    assert filling([], [], 800) == (None, None)
    assert filling(GRID_S, np.full(181, np.nan), 800) == (None, None)


def test_a_slow_camera_keeps_its_count_for_longer_than_a_fast_one() -> None:
    views = Views([box(0, 0, 1, 1)], [box(0, 0, 1, 1)] * 2)
    now, aged = 10**15, 10**15 - 100 * 10**6
    found = views.persons(np.array([0, 1]), np.array([aged, aged]), np.array([30.0, 90.0]), now, [60.0, 10.0])
    assert found.persons.tolist() == [30.0]
    assert found.stale.tolist() == [False, True]
    assert views.looking() == [[0, 1]]
    with pytest.raises(ValueError, match="above 0"):
        views.persons(np.array([0]), np.array([now]), np.array([1.0]), now, [60.0, 0.0])


def test_a_window_holds_as_much_of_a_slow_counter_as_of_a_fast_one() -> None:
    every_10_s, every_60_s = np.arange(-170, 1, 10.0), np.array([-124.2, -63.9, -4.1])
    assert within(every_10_s, np.full(18, 5.0), 10, 0, 60).sum() == pytest.approx(30)
    assert within(every_60_s, np.full(3, 30.0), 60, -4.1, 60).sum() == pytest.approx(30, rel=0.02)
    assert within([0, 0, 0], [-1, np.nan, 4], 10, 0, 60).tolist() == [0, 0, 4]


def test_the_densest_spot_is_found_and_a_pair_arm_in_arm_is_no_crowd() -> None:
    ground = box(0, 0, 30, 30)
    rows = np.arange(9) * 0.5
    x, y = (each.ravel() for each in np.meshgrid(3 + rows, 3 + rows))  # 4 persons/m2
    x, y = np.append(x, [25.0, 25.1, 25.0]), np.append(y, [25.0, 25.0, 25.0])
    found = densest(x, y, cells(x, y, ground, 1.5), 1.0, 5)
    assert found == pytest.approx(4, rel=0.05)
    pair = slice(81, None)
    assert np.isnan(densest(x[pair], y[pair], cells(x[pair], y[pair], ground, 1.5), 1.0, 5))
    assert np.isnan(densest(np.zeros(0), np.zeros(0), np.zeros(0, object), 1.0, 5))


def test_what_doors_counted_goes_on_from_what_was_saved() -> None:
    lines = np.array([0, 1]), np.array([OUTDOORS, 0])
    whole, first = Occupancy(2, *lines), Occupancy(2, *lines)
    for each in (whole, first):
        each.counted(np.array([0, 1]), np.array([50.0, 10.0]), np.array([2.0, 2.0]))
        each.passed(np.array([30.0, 5.0]), np.array([2.0, 1.0]))
    second = Occupancy(2, *lines)
    assert not second.known.any()
    second.restore(np.array([0, 1]), first.state())
    for each in (whole, second):
        each.passed(np.array([3.0, 4.0]), np.array([9.0, 0.0]))
        each.counted(np.array([0]), np.array([60.0]), np.array([5.0]))
    assert second.persons.tolist() == whole.persons.tolist()
    assert second.spread.tolist() == whole.spread.tolist()
