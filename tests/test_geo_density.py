"""Density and speed against PedPy's own numbers, and against what must hold of any crowd."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon, box

from geo.density import cells, measure, per_m2
from geo.speed import speeds

DATA = Path(__file__).parents[1] / ".." / "shared" / "data" / "crowd"
FRAMES_PER_S = 16
# PedPy's numbers are printed with three digits.
PRINTED = 0.5e-3

L_SHAPE = Polygon([(0, 0), (10, 0), (10, 4), (4, 4), (4, 10), (0, 10)])
coordinate = st.one_of(st.floats(-1, 11), st.integers(0, 10).map(float), st.just(np.nan))
people = st.lists(st.tuples(coordinate, coordinate), max_size=25)
cut_offs = st.sampled_from([None, 0.5, 2.0])


def test_a_real_crowd_at_a_corner_has_the_density_and_speed_that_pedpy_computed() -> None:
    if not DATA.exists():
        pytest.skip("no recording of a crowd: the folder shared/data is not beside the project")
    with gzip.open(DATA / "pedpy_corner_traj.csv.gz", "rt") as lines:
        fixes = np.array([[float(each) for each in row] for row in list(csv.reader(lines))[1:]])
    with (DATA / "pedpy_corner_expected.csv").open() as lines:
        expected = [{k: float(v or "nan") for k, v in row.items()} for row in csv.DictReader(lines)]
    features = json.loads((DATA / "pedpy_corner_area.geojson").read_text())["features"]
    area = Polygon(features[0]["geometry"]["coordinates"][0])
    walls = Polygon(features[1]["geometry"]["coordinates"])
    time_s, frame, track, x, y = fixes.T
    speed = speeds(track.astype(np.int64), time_s, x, y, 5 / FRAMES_PER_S)
    compared = 0
    for row in expected:
        now = frame == row["frame"]
        found = measure(x[now], y[now], speed[now], cells(x[now], y[now], walls), area)
        assert round(found.classic, 3) == pytest.approx(row["classic_density_per_m2"], abs=1e-9)
        if found.persons:
            assert found.speed == pytest.approx(row["classic_speed_m_s"], abs=1.2 * PRINTED)
        else:
            assert np.isnan(found.speed)
        if not np.isnan(row["voronoi_density_per_m2"]):
            compared += 1
            # One per cent, or the last printed digit where one per cent is less than that.
            assert found.voronoi == pytest.approx(row["voronoi_density_per_m2"], rel=0.01, abs=1.02 * PRINTED)
            assert found.voronoi_speed == pytest.approx(row["voronoi_speed_m_s"], rel=0.01)
    assert compared > 700
    # The control: without the walls the same people have more room, and the numbers differ.
    now = frame == 450
    open_ground = cells(x[now], y[now], box(*walls.bounds))
    assert (
        measure(x[now], y[now], speed[now], open_ground, area).voronoi
        < 0.97 * expected[450 - 53]["voronoi_density_per_m2"]
    )


@given(people, cut_offs)
def test_everybody_on_the_ground_is_spread_over_ground_of_their_own(
    places: list[tuple[float, float]], cut_off: float | None
) -> None:
    x, y = np.array(places).reshape(-1, 2).T
    ground = cells(x, y, L_SHAPE, cut_off)
    on = np.array(
        [bool(np.isfinite([a, b]).all() and L_SHAPE.covers(shapely.Point(a, b))) for a, b in places], bool
    )
    m2 = shapely.area(ground)
    assert (m2[~on] == 0).all()
    whole = measure(x, y, np.ones(len(x)), ground, L_SHAPE)
    assert whole.persons == on.sum()
    counted = m2 > 0
    assert (counted == on).all()
    assert whole.voronoi * L_SHAPE.area == pytest.approx(counted.sum(), rel=1e-9)
    assert (shapely.area(shapely.difference(ground, L_SHAPE)) < 1e-6).all()
    if cut_off:
        assert (m2 <= np.pi * cut_off**2).all()
        reach = shapely.hausdorff_distance(shapely.points(x[counted], y[counted]), ground[counted])
        assert (reach <= cut_off + 1e-3).all()


@given(people.filter(lambda places: len(places) > 0))
def test_each_place_belongs_to_the_nearest_person(places: list[tuple[float, float]]) -> None:
    square = box(0, 0, 10, 10)
    x, y = np.array(places).T
    ground = cells(x, y, square)
    on = np.flatnonzero(~shapely.is_empty(ground))
    if len(on) == 0:
        return
    rng = np.random.default_rng(1)
    for a, b in rng.uniform(0, 10, (20, 2)):
        away = np.hypot(x[on] - a, y[on] - b)
        holder = on[shapely.distance(ground[on], shapely.Point(a, b)) < 1e-9]
        assert np.hypot(x[holder] - a, y[holder] - b) == pytest.approx(away.min(), abs=1e-3)


@given(people, st.floats(0.5, 9))
def test_two_parts_of_an_area_hold_together_what_the_whole_holds(
    places: list[tuple[float, float]], cut: float
) -> None:
    square = box(0, 0, 10, 10)
    x, y = np.array(places).reshape(-1, 2).T
    ground = cells(x, y, square, 1.5)
    speed = np.ones(len(x))
    halves = [box(0, 0, cut, 10), box(cut, 0, 10, 10)]
    parts = [measure(x, y, speed, ground, half).voronoi * half.area for half in halves]
    assert sum(parts) == pytest.approx(measure(x, y, speed, ground, square).voronoi * 100, abs=1e-6)


def test_people_on_one_spot_count_each() -> None:
    x = y = np.array([2.0, 2.0, 2.0 + 1e-9, 8.0])
    ground = cells(x, y, box(0, 0, 10, 10))
    assert shapely.area(ground).tolist() == pytest.approx([50.0] * 4)
    assert measure(x, y, np.ones(4), ground, box(0, 0, 5, 5)).voronoi * 25 == pytest.approx(1.5)


def test_one_person_has_the_ground_and_a_row_of_people_share_it() -> None:
    square = box(0, 0, 10, 10)
    assert shapely.area(cells(np.array([3.0]), np.array([3.0]), square)).tolist() == pytest.approx([100.0])
    row = cells(np.array([1.0, 3.0, 9.0]), np.full(3, 5.0), square)
    assert shapely.area(row).tolist() == pytest.approx([20.0, 40.0, 40.0])


def test_a_wall_keeps_the_room_behind_it_from_the_person_before_it() -> None:
    # A U: one person in its left arm. The cell covers both arms and the bottom; the right arm alone is cut off.
    walkable = Polygon([(0, 0), (10, 0), (10, 10), (6, 10), (6, 2), (4, 2), (4, 10), (0, 10)])
    ground = cells(np.array([2.0, 5.0]), np.array([8.0, 0.5]), walkable)
    assert ground[0].geom_type == "Polygon"
    assert ground[0].covers(shapely.Point(2, 8))
    assert not ground[0].intersects(box(6, 0, 10, 10))


def test_nobody_no_area_and_bad_columns() -> None:
    none = np.empty(0)
    ground = cells(none, none, L_SHAPE)
    empty = measure(none, none, none, ground, L_SHAPE)
    assert (empty.persons, empty.classic, empty.voronoi) == (0, 0.0, 0.0)
    assert np.isnan([empty.speed, empty.voronoi_speed]).all()
    nowhere = measure(none, none, none, ground, Polygon())
    assert np.isnan([nowhere.classic, nowhere.voronoi]).all()
    one = np.array([1.0])
    assert shapely.is_empty(cells(one, one, Polygon())).all()
    assert np.isnan(measure(one, one, np.array([np.nan]), cells(one, one, L_SHAPE), L_SHAPE).speed)
    with pytest.raises(ValueError, match="one length"):
        cells(none, one, L_SHAPE)
    with pytest.raises(ValueError, match="above 0"):
        cells(one, one, L_SHAPE, 0.0)


def test_a_count_below_zero_or_without_area_has_no_density() -> None:
    found = per_m2(np.array([6.0, 0.0, -1.0, np.nan, np.inf, 5.0, 5.0]), np.array([3, 5, 5, 5, 5, 0, np.nan]))
    assert found[:2].tolist() == [2.0, 0.0]
    assert np.isnan(found[2:]).all()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), max_size=40, unique=True), st.randoms())
def test_speeds_equal_a_plain_search_in_any_order(fixes: list[tuple[int, int]], rng: object) -> None:
    del rng
    track = np.array([a for a, _ in fixes], np.int64)
    time_s = np.array([b / 10 for _, b in fixes], np.float64)
    x, y = np.sin(time_s * 3 + track), np.cos(time_s * 2)
    found = speeds(track, time_s, x, y, 0.5)
    for i in range(len(fixes)):
        near = [
            j for j in range(len(fixes)) if track[j] == track[i] and abs(time_s[j] - time_s[i]) <= 0.5 + 1e-9
        ]
        first, last = min(near, key=lambda j: time_s[j]), max(near, key=lambda j: time_s[j])
        if first == last:
            assert np.isnan(found[i])
        else:
            way = np.hypot(x[last] - x[first], y[last] - y[first])
            assert found[i] == pytest.approx(way / (time_s[last] - time_s[first]))


def test_a_fix_that_is_not_finite_is_nobodys_neighbour() -> None:
    track = np.zeros(4, np.int64)
    time_s = np.array([0.0, 1.0, np.nan, 2.0])
    x = np.array([0.0, np.nan, 5.0, 4.0])
    found = speeds(track, time_s, x, np.zeros(4), 2.0)
    assert found[[0, 3]].tolist() == [2.0, 2.0]
    assert np.isnan(found[[1, 2]]).all()
    with pytest.raises(ValueError, match="above 0"):
        speeds(track, time_s, x, x, 0.0)
    with pytest.raises(ValueError, match="one length"):
        speeds(track, time_s, x, x[:2], 1.0)
