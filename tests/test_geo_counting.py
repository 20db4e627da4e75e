"""Persons per zone: from cameras that overlap, from lines that drift, from tracks; and clocks that are apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon, box

from geo.area import area_m2
from geo.clocks import clocks
from geo.counters import OUTDOORS, Occupancy
from geo.counting import HALF_LIVES, Seen, ViewError, Views
from geo.locate import Locator
from geo.presence import persons

NOW = 1_782_853_300_000_000
SECOND = 1_000_000


def square(west: float, south: float, east: float, north: float) -> Polygon:
    """A box in thousandths of a degree, at the equator: 111 m each."""
    return box(west / 1000, south / 1000, east / 1000, north / 1000)


def counted(views: Views, *counts: float, age_s: tuple[float, ...] = ()) -> Seen:
    ages = age_s or (0,) * len(counts)
    stamp = np.array([NOW - round(age * SECOND) for age in ages], np.int64)
    return views.persons(np.arange(len(counts)), stamp, np.array(counts, float), NOW, 10.0)


def test_views_apart_add_up_and_what_nobody_sees_is_said() -> None:
    views = Views([square(0, 0, 4, 4), square(8, 8, 9, 9)], [square(0, 0, 1, 4), square(2, 0, 4, 2)])
    found = counted(views, 30, 12)
    assert found.persons[0] == pytest.approx(42)
    assert found.share.tolist() == pytest.approx([0.5, 0.0], abs=1e-6)
    assert np.isnan(found.persons[1])
    assert np.isnan(found.age_s[1])


def test_two_cameras_on_one_square_are_averaged_not_added() -> None:
    views = Views([square(0, 0, 2, 2)], [square(0, 0, 2, 2)] * 2)
    assert counted(views, 40, 50).persons[0] == pytest.approx(45)
    assert counted(views, 0, 10).persons[0] == pytest.approx(5)


def test_where_one_of_two_overlapping_cameras_sees_nobody_the_people_stand_in_the_rest() -> None:
    left, middle, right = square(0, 0, 1, 1), square(1, 0, 2, 1), square(2, 0, 3, 1)
    views = Views([left, middle, right], [square(0, 0, 2, 1), square(1, 0, 3, 1)])
    assert counted(views, 10, 0).persons.tolist() == pytest.approx([10, 0, 0], abs=0.02)
    # An even crowd is found even; and added it would be half too many.
    assert counted(views, 20, 20).persons.tolist() == pytest.approx([10, 10, 10], rel=1e-6)


def test_a_fresh_count_weighs_more_than_an_old_one_and_a_stale_one_nothing() -> None:
    views = Views([square(0, 0, 2, 2)], [square(0, 0, 2, 2)] * 2)
    found = counted(views, 40, 100, age_s=(0, 10))
    assert found.persons[0] == pytest.approx((40 + 0.5 * 100) / 1.5)
    assert found.age_s[0] == pytest.approx(10)
    found = counted(views, 40, 100, age_s=(0, 10 * HALF_LIVES + 1))
    assert found.persons[0] == pytest.approx(40)
    assert found.stale.tolist() == [False, True]
    # A count of the future is no count of now either.
    assert counted(views, 40, 100, age_s=(0, -180)).persons[0] == pytest.approx(40)


def test_a_camera_that_counts_more_often_is_no_better_witness() -> None:
    views = Views([square(0, 0, 2, 2)], [square(0, 0, 2, 2)] * 2)
    camera = np.array([0] * 20 + [1])
    found = views.persons(camera, np.full(21, NOW), np.array([10.0] * 20 + [30.0]), NOW, 10.0)
    assert found.persons[0] == pytest.approx(20)


def test_a_camera_whose_view_lies_in_no_zone_is_told_and_counts_nowhere() -> None:
    views = Views([square(0, 0, 2, 2)], [square(0, 0, 2, 2), square(5, 5, 6, 6)])
    assert views.outside == [1]
    assert counted(views, 5, 500).persons.tolist() == pytest.approx([5])


def test_half_a_view_outside_brings_half_its_people() -> None:
    views = Views([square(0, 0, 2, 2)], [square(1, 0, 3, 2)])
    assert counted(views, 30).persons[0] == pytest.approx(15)


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_a_count_that_is_none_is_told_and_not_used(wrong: float) -> None:
    views = Views([square(0, 0, 2, 2)], [square(0, 0, 2, 2)] * 2)
    found = counted(views, 20, wrong)
    assert found.unused.tolist() == [False, True]
    assert found.persons[0] == pytest.approx(20)
    assert np.isnan(counted(views, wrong, wrong).persons[0])


def test_a_count_of_no_camera_and_columns_that_do_not_fit() -> None:
    views = Views([square(0, 0, 2, 2)], [square(0, 0, 2, 2)])
    stamp = np.full(2, NOW)
    found = views.persons(np.array([0, 7]), stamp, np.array([3.0, 9.0]), NOW, 10.0)
    assert found.unused.tolist() == [False, True]
    with pytest.raises(ValueError, match="one length"):
        views.persons(np.array([0]), stamp, np.array([3.0]), NOW, 10.0)
    with pytest.raises(ValueError, match="above 0"):
        views.persons(np.array([0, 0]), stamp, np.ones(2), NOW, 0.0)


@pytest.mark.parametrize("flat", [Polygon(), Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])])
def test_a_view_or_a_zone_without_ground_is_refused(flat: Polygon) -> None:
    with pytest.raises(ViewError, match="view of camera 1"):
        Views([square(0, 0, 1, 1)], [square(0, 0, 1, 1), flat])
    with pytest.raises(ViewError, match="zone 0") as refused:
        Views([flat], [square(0, 0, 1, 1)])
    assert "outline" in refused.value.hint


def test_no_cameras_see_nobody() -> None:
    found = counted(Views([square(0, 0, 1, 1)], []))
    assert np.isnan(found.persons).all()
    assert found.share.tolist() == [0.0]


corner = st.integers(0, 8)
box_ = st.tuples(corner, corner, st.integers(1, 5), st.integers(1, 5)).map(
    lambda b: square(b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(st.lists(st.tuples(box_, st.integers(0, 200)), min_size=1, max_size=5), st.integers(1, 12))
def test_people_are_never_added_twice_nor_lost(seen: list[tuple[Polygon, int]], cut: int) -> None:
    polygons, counts = [view for view, _ in seen], [float(count) for _, count in seen]
    whole, west, east = square(-1, -1, 14, 14), square(-1, -1, cut, 14), square(cut, -1, 14, 14)
    found = counted(Views([whole, west, east], polygons), *counts)
    everybody, left, right = np.nan_to_num(found.persons)
    # Never more than the sum; and as the likeliest, as many as each camera's share of what it expected adds up to.
    assert -1e-9 <= everybody <= sum(counts) + 1e-6
    assert left + right == pytest.approx(everybody, abs=1e-6)
    apart = all(not a.intersects(b) for i, a in enumerate(polygons) for b in polygons[:i])
    if apart:
        assert everybody == pytest.approx(sum(counts), rel=1e-9)
    if len({round(count / area_m2(view), 12) for view, count in zip(polygons, counts, strict=True)}) == 1:
        dense = counts[0] / area_m2(polygons[0])
        assert everybody == pytest.approx(dense * found.share[0] * area_m2(whole), rel=1e-6, abs=1e-9)


def test_clocks_apart_by_minutes_are_told_and_a_slow_line_is_not_a_wrong_clock() -> None:
    rng = np.random.default_rng(3)
    camera = np.repeat([0, 1, 2, 3], 30)
    time_us = NOW + np.tile(np.arange(30) * SECOND, 4)
    delay_s = rng.exponential(0.3, 120)
    delay_s[60:90] += rng.exponential(60, 30) * (rng.random(30) < 0.8)
    behind_s = np.repeat([0, 180, 0, -240], 30)
    found = clocks(
        camera, time_us, time_us + np.round((delay_s + behind_s) * SECOND).astype(np.int64), 5, 5.0
    )
    assert found.apart.tolist() == [False, True, False, True, False]
    assert found.behind_s[[1, 3]] == pytest.approx([180, -240], abs=1)
    assert np.isnan(found.behind_s[4])
    assert [sentence.split(":")[0] for sentence in found.told()] == [
        "the clock of camera 1 is 180 s behind",
        "the clock of camera 3 is 240 s ahead",
    ]
    with pytest.raises(ValueError, match="not one of"):
        clocks(np.array([5]), np.array([NOW]), np.array([NOW]), 5, 5.0)
    with pytest.raises(ValueError, match="one length"):
        clocks(camera, time_us[:1], time_us, 5, 5.0)


def hall() -> Occupancy:
    """One hall with two doors; counted empty at first."""
    place = Occupancy(1, np.array([0, 0]), np.array([OUTDOORS, OUTDOORS]))
    place.counted(np.array([0]), np.array([0.0]), np.array([0.5]))
    return place


@given(st.lists(st.tuples(*[st.integers(0, 20)] * 4), max_size=30))
def test_in_minus_out_is_what_a_plain_sum_gives_and_never_below_zero(steps: list[tuple[int, ...]]) -> None:
    place, plain, short = hall(), 0.0, 0.0
    for a, b, c, d in steps:
        place.passed(np.array([a, b]), np.array([c, d]))
        plain += a + b - c - d
        short += max(-plain, 0)
        plain = max(plain, 0)
        assert place.persons[0] == plain
        assert place.shortfall[0] == short


def test_a_door_that_misses_people_drifts_and_counts_correct_it() -> None:
    rng = np.random.default_rng(5)
    corrected, control, truth = hall(), hall(), 0.0
    worst = {"corrected": 0.0, "control": 0.0}
    for minute in range(600):
        come, go = rng.poisson(40), min(rng.poisson(38), truth)
        truth += come - go
        # One in ten who leave is not seen.
        forward, backward = np.array([come, 0]), np.array([rng.binomial(int(go), 0.9), 0])
        corrected.passed(forward, backward)
        control.passed(forward, backward)
        if minute % 30 == 29:
            corrected.counted(np.array([0]), np.array([max(rng.normal(truth, 25), 0)]), np.array([25.0]))
        # Once the drift has been learned, which takes a few counts.
        if minute > 240:
            worst["corrected"] = max(worst["corrected"], abs(corrected.persons[0] - truth))
            worst["control"] = max(worst["control"], abs(control.persons[0] - truth))
    assert worst["corrected"] < 80
    assert worst["control"] > 1500
    assert abs(corrected.persons[0] - truth) < 3 * corrected.spread[0]


def test_who_leaves_one_zone_through_an_inner_door_is_in_the_other() -> None:
    place = Occupancy(2, np.array([0, 1]), np.array([OUTDOORS, 0]))
    place.counted(np.array([0, 1]), np.zeros(2), np.ones(2))
    place.passed(np.array([10.0, 4.0]), np.array([1.0, 0.0]))
    assert place.persons.tolist() == [5, 4]


def test_before_the_first_count_and_after_a_failed_counter_nobody_knows() -> None:
    place = Occupancy(1, np.array([0, 0]), np.array([OUTDOORS, OUTDOORS]))
    place.passed(np.array([9.0, 0.0]), np.zeros(2))
    assert not place.known[0]
    assert np.isinf(place.spread[0])
    assert place.counted(np.array([0]), np.array([50.0]), np.array([5.0])).tolist() == [False]
    assert (place.persons[0], place.spread[0]) == (50.0, 5.0)
    for wrong in (-3.0, np.nan):
        assert place.passed(np.array([wrong, 2.0]), np.array([0.0, 0.0])).tolist() == [True, False]
        assert not place.known[0]
        place.counted(np.array([0]), np.array([60.0]), np.array([5.0]))
        assert place.persons[0] == 60


def test_a_count_that_is_none_corrects_nothing() -> None:
    place = hall()
    place.passed(np.array([7.0, 0.0]), np.zeros(2))
    for persons_, error in ((-1.0, 1.0), (np.nan, 1.0), (5.0, 0.0), (5.0, np.nan)):
        assert place.counted(np.array([0]), np.array([persons_]), np.array([error])).tolist() == [True]
    assert place.persons[0] == 7


def test_lines_that_lead_nowhere_are_refused() -> None:
    for behind, before in (([2], [-1]), ([0], [0]), ([-1], [-1]), ([0], [-2]), ([0], [])):
        with pytest.raises(ValueError, match=r"line joins|one length"):
            Occupancy(2, np.array(behind), np.array(before))
    with pytest.raises(ValueError, match="2 lines"):
        hall().passed(np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="each zone once"):
        hall().counted(np.zeros(2, int), np.ones(2), np.ones(2))


fix = st.tuples(st.integers(0, 4), st.integers(-20, 5), st.sampled_from([0.5, 1.5, 2.5, 9.0, np.nan]))


@given(st.lists(fix, max_size=40))
def test_tracks_are_counted_where_they_were_last_seen(fixes: list[tuple[int, int, float]]) -> None:
    zones = Locator([square(0, 0, 1, 1), square(1, 0, 2, 1), square(0, 0, 3, 1)])
    track = np.array([t for t, _, _ in fixes], np.int64)
    time_us = np.array([NOW + s * SECOND for _, s, _ in fixes], np.int64)
    lon = np.array([x / 1000 for _, _, x in fixes], np.float64)
    expected = np.zeros(3, int)
    for each in set(track.tolist()):
        mine = [(s, i, x) for i, (t, s, x) in enumerate(fixes) if t == each and -10 <= s <= 0]
        if mine:
            where = max(mine, key=lambda fix: fix[:2])[2]
            expected += np.array([0 <= where <= 1, 1 <= where <= 2, 0 <= where <= 3])
    found = persons(zones, track, time_us, lon, np.full(len(fixes), 0.0005), NOW, 10.0)
    assert found.tolist() == expected.tolist()


def test_columns_of_tracks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        persons(Locator([]), np.zeros(1, int), np.zeros(2, int), np.zeros(1), np.zeros(1), NOW, 1.0)
