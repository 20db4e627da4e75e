"""Emergency geometry: buffers, what lies downstream, who is near, and outlines that only grow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, MultiPolygon, Point, Polygon, box
from shapely.geometry import shape

from geo.area import area_m2
from geo.buffer import DrawError, buffer, cordon, evacuation
from geo.circle import _arrive
from geo.grown import FEWEST, grown
from geo.plane import metres_per_degree
from geo.responders import Sight, nearest
from geo.river import RiverError, Rivers

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
TURN = np.linspace(0, 2 * np.pi, 97)


@given(st.floats(-170, 170), st.floats(-65, 65), st.floats(1, 20_000))
def test_a_buffer_holds_everybody_within_the_distance_and_few_beyond(
    lon: float, lat: float, metres: float
) -> None:
    found = buffer(Point(lon, lat), metres)
    within = _arrive(lon, lat, TURN, 0.9999 * metres)
    assert found.covers(shapely.multipoints(within))
    beyond = _arrive(
        lon, lat, TURN, metres * 1.006 * (1 + 2 * metres / 6.37e6 * np.tan(np.radians(abs(lat))))
    )
    assert not shapely.intersects_xy(found, *beyond.T).any()


def test_a_long_line_is_buffered_by_no_less_at_either_end() -> None:
    # Two degrees of a meridian: a degree of longitude is four per cent shorter at its northern end.
    found = buffer(LineString([(120, 50), (120, 52)]), 1000)
    for lat in (50, 51, 52):
        beside = _arrive(120, lat, np.array([np.pi / 2, -np.pi / 2]), 999.9)
        assert shapely.intersects_xy(found, *beside.T).all()
    # The control: with one scale of the middle, the southern half is cut short... in degrees of the north.
    wide = 1000 / metres_per_degree(50)[0]
    assert not shapely.intersects_xy(
        box(120 - wide, 50, 120 + wide, 52), *_arrive(120, 52, np.array([np.pi / 2]), 999.9).T
    )


@pytest.mark.parametrize(
    ("geometry", "metres"),
    [
        (Point(), 10.0),
        (Point(np.nan, 1), 10.0),
        (Point(0, 0), 0.0),
        (Point(0, 0), np.nan),
        (Point(0, 0), 1e6),
        (Point(0, 89.9999), 100.0),
        (Point(179.9999, 0), 100.0),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_hint(geometry: Point, metres: float) -> None:
    with pytest.raises(DrawError) as refused:
        buffer(geometry, metres)
    assert refused.value.hint


def test_an_evacuation_area_has_no_islands_and_a_cordon_lies_around_it() -> None:
    ring = LineString([(0, 0), (0.02, 0), (0.02, 0.02), (0, 0.02), (0, 0)])
    area = evacuation([ring, Point(0.05, 0.01)], 300)
    assert isinstance(area, MultiPolygon)
    assert area.covers(Point(0.01, 0.01))
    belt = cordon(area, 50)
    assert area_m2(belt.intersection(area) if belt.intersects(area) else Polygon()) == pytest.approx(0, abs=1)  # type: ignore[arg-type]
    assert not shapely.intersects_xy(belt, 0.01, 0.01)
    outer = buffer(area, 49.9)
    assert belt.union(area).covers(outer)
    with pytest.raises(DrawError):
        evacuation([], 100)


# A main river from north to south, of two lines, with a tributary into the middle of the second and a fork near its end.
# A thousandth of a degree of latitude is about 110.6 m here.
MAIN_1, MAIN_2 = LineString([(0, 0.03), (0, 0.02)]), LineString([(0, 0.02), (0, 0.01), (0, 0)])
TRIBUTARY = LineString([(0.01, 0.015), (0, 0.015)])
FORK = LineString([(0, 0.005), (-0.01, 0.005)])
CROSSING = LineString([(-0.01, 0.012), (0.01, 0.012)])
NETWORK = Rivers([MAIN_1, MAIN_2, TRIBUTARY, FORK, CROSSING], np.array([1.0, 2.0, 1.0, 0.5, 9.0]))
DEGREE, WIDE = float(metres_per_degree(0.01)[1]), float(metres_per_degree(0.005)[0])


def test_downstream_goes_on_through_junctions_and_forks_and_never_up() -> None:
    found = NETWORK.downstream(0.0001, 0.025, 5000)
    assert set(found.line.tolist()) == {0, 1, 3}
    assert found.snapped_m == pytest.approx(11.1, abs=0.1)
    assert found.begins[0] == 0
    # The fork is the longest way: 0.02 degrees south, 0.01 west.
    assert found.ends.max() == pytest.approx(0.02 * DEGREE + 0.01 * WIDE, rel=1e-3)
    west, south, east, north = found.course.bounds
    assert (south, north, east) == pytest.approx((0, 0.025, 0), abs=1e-6)
    assert west == pytest.approx(-0.01)


def test_a_tributary_reaches_the_lower_river_and_not_the_upper() -> None:
    found = NETWORK.downstream(0.005, 0.015, 1e5)
    assert set(found.line.tolist()) == {1, 2, 3}
    assert found.course.bounds[3] == pytest.approx(0.015, abs=1e-6)


@given(st.floats(1, 4000))
def test_each_branch_ends_at_the_distance(metres: float) -> None:
    found = NETWORK.downstream(0, 0.03, metres)
    assert found.ends.max() <= metres + 1e-6
    main = min(metres, 0.03 * DEGREE)
    fork = min(max(metres - 0.025 * DEGREE, 0), 0.01 * WIDE)
    total = sum(found.ends - found.begins)
    assert total == pytest.approx(main + fork, rel=2e-4, abs=0.5)


def test_travel_time_goes_by_the_speed_of_each_line() -> None:
    slow, fast = 0.01 * DEGREE, 0.01 * DEGREE / 2
    found = NETWORK.within(0, 0.03, slow + fast)
    assert found.course.bounds[1] == pytest.approx(0.01, abs=1e-5)
    with pytest.raises(RiverError, match="no speeds"):
        Rivers([MAIN_1]).within(0, 0.03, 10)


def test_a_ring_of_lines_is_walked_once() -> None:
    corners = [(0, 0), (0.01, 0), (0.01, 0.01), (0, 0.01), (0, 0)]
    ring = Rivers([LineString(corners[n : n + 2]) for n in range(4)])
    found = ring.downstream(0.005, 0, 1e6)
    assert shapely.length(found.course) == pytest.approx(0.04, rel=1e-6)
    assert sum(found.ends - found.begins) == pytest.approx(found.ends.max())


def test_at_the_mouth_of_the_last_river_nothing_is_downstream() -> None:
    found = NETWORK.downstream(0, 0, 1000)
    assert len(found.line) == 0
    assert found.course.is_empty


@pytest.mark.parametrize(
    ("lon", "lat", "metres"), [(0.5, 0.5, 100.0), (0, 0.03, 0.0), (0, 0.03, np.nan), (np.nan, 0.03, 10.0)]
)
def test_a_place_away_from_rivers_is_refused(lon: float, lat: float, metres: float) -> None:
    with pytest.raises(RiverError) as refused:
        NETWORK.downstream(lon, lat, metres)
    assert refused.value.hint


def test_rivers_without_length_or_speed_are_refused() -> None:
    for lines in ([], [LineString()], [MAIN_1, LineString([(1, 1), (1, 1)])]):
        with pytest.raises(RiverError, match="no length"):
            Rivers(lines)
    for speed in ([0.0], [np.nan], [1.0, 1.0]):
        with pytest.raises(RiverError, match="speed"):
            Rivers([MAIN_1], np.array(speed))


place = st.tuples(st.one_of(st.floats(-180, 180), st.just(np.nan)), st.floats(-80, 80))


@given(st.lists(place, max_size=6), st.lists(place, max_size=12), st.integers(1, 4))
def test_the_nearest_are_the_nearest(
    places: list[tuple[float, float]], others: list[tuple[float, float]], k: int
) -> None:
    lon, lat = np.array(places).reshape(-1, 2).T
    there_lon, there_lat = np.array(others).reshape(-1, 2).T
    found = nearest(lon, lat, there_lon, there_lat, k)
    for i, (x, y) in enumerate(places):
        away = []
        for j, (a, b) in enumerate(others):
            east, north = metres_per_degree((y + b) / 2)
            metres = np.hypot(min((a - x) % 360, (x - a) % 360) * east, (b - y) * north)
            if np.isfinite(metres):
                away.append((metres, j))
        away.sort()
        assert found.metres[i][: len(away)] == pytest.approx([m for m, _ in away[:k]], rel=1e-9, abs=1e-6)
        assert (found.responder[i] >= 0).sum() == min(k, len(away))
        for j, metres in zip(found.responder[i], found.metres[i], strict=True):
            assert j == -1 or metres == pytest.approx({n: m for m, n in away}[j], rel=1e-9, abs=1e-6)


def test_the_nearest_across_the_antimeridian_and_true_metres() -> None:
    found = nearest(
        np.array([179.99]), np.array([10.0]), np.array([179.0, -179.99]), np.array([10.0, 10.0]), 1
    )
    assert found.responder.tolist() == [[1]]
    east = _arrive(120, 31, np.array([0.3, 2.0]), 5000)
    assert nearest(np.array([120.0]), np.array([31.0]), east[:, 0], east[:, 1], 2).metres[0] == pytest.approx(
        [5000] * 2, rel=1e-6
    )
    with pytest.raises(ValueError, match="cannot be asked"):
        nearest(np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1), 0)
    with pytest.raises(ValueError, match="one length"):
        nearest(np.zeros(1), np.zeros(2), np.zeros(1), np.zeros(1), 1)


def test_cameras_that_see_a_place_and_cameras_that_see_most_of_an_area() -> None:
    sight = Sight([box(0, 0, 2, 2), box(1, 0, 5, 4), box(9, 9, 10, 10)])
    at, camera = sight.of_places(np.array([1.5, 4.0, 7.0]), np.array([1.0, 1.0, 1.0]))
    assert list(zip(at.tolist(), camera.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 1)]
    seeing, share = sight.of_area(box(1, 0, 4, 4))
    assert seeing.tolist() == [1, 0]
    assert share.tolist() == pytest.approx([1, 2 / 12])
    assert sight.of_area(box(20, 20, 21, 21))[0].tolist() == []


@st.composite
def ragged(draw: st.DrawFn) -> Polygon | MultiPolygon:
    """A star with many corners, perhaps with a hole, perhaps with an island, somewhere on the earth."""
    seed, n = draw(st.integers(0, 1000)), draw(st.integers(3, 80))
    rng = np.random.default_rng(seed)
    turn = np.sort(rng.uniform(0, 2 * np.pi, n))
    reach = rng.uniform(0.2, 1, n) * draw(st.sampled_from([1e-3, 0.02, 0.4]))
    lon, lat = draw(st.sampled_from([(120.6, 31.3), (-73.9, 40.7), (10.7, -65.0)]))
    drawn: shapely.geometry.base.BaseGeometry = Polygon(
        np.column_stack((lon + reach * np.cos(turn), lat + reach * np.sin(turn)))
    ).buffer(0)
    if draw(st.booleans()):
        drawn = drawn.difference(drawn.centroid.buffer(reach.min() / 3))
    if draw(st.booleans()):
        drawn = drawn.union(box(lon + 2 * reach.max(), lat, lon + 2.2 * reach.max(), lat + reach.max() / 3))
    if not isinstance(drawn, Polygon | MultiPolygon) or drawn.is_empty:
        return box(lon, lat, lon + 0.001, lat + 0.001)
    return drawn


@settings(deadline=None, max_examples=60)
@given(ragged(), st.integers(FEWEST, 60), st.integers(4, 7))
def test_a_simplified_area_contains_the_area_and_keeps_to_the_limit(
    area: Polygon | MultiPolygon, corners: int, decimals: int
) -> None:
    found = grown(area, corners, decimals)
    assert found.area.covers(area)
    assert found.area.is_valid
    assert found.corners <= corners
    positions = shapely.get_coordinates(found.area)
    rings = len(shapely.get_rings(shapely.get_parts(found.area)))
    assert found.corners == len(positions) - rings
    assert (positions == np.round(positions, decimals)).all()


def test_the_more_corners_are_allowed_the_less_is_grown() -> None:
    turn = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    reach = 0.01 * (1 + 0.2 * np.sin(9 * turn) + 0.05 * np.sin(61 * turn))
    area = Polygon(np.column_stack((120 + reach * np.cos(turn), 31 + reach * np.sin(turn))))
    grew = [area_m2(grown(area, corners).area) / area_m2(area) for corners in (10, 20, 40, 100)]
    assert grew == sorted(grew, reverse=True)
    # A circle around it would add a half.
    assert grew[0] < 1.5
    assert grew[-1] < 1.1
    # The control: plain simplification cuts people out.
    assert not area.simplify(0.0005).covers(area)


def test_a_real_borough_fits_a_message_of_a_hundred_corners() -> None:
    if not DATA.exists():
        pytest.skip("no boroughs: the folder shared/data is not beside the project")
    features = json.loads((DATA / "geo" / "nyc_boroughs.geojson").read_text())["features"]
    borough = min((shape(each["geometry"]) for each in features), key=shapely.get_num_coordinates)
    assert isinstance(borough, Polygon | MultiPolygon)
    found = grown(borough, 100)
    assert found.area.covers(borough)
    assert found.corners <= 100
    # Thirty-three parts, most of them piers.
    assert len(shapely.get_parts(borough)) == 33
    assert found.added == pytest.approx(area_m2(found.area) / area_m2(borough) - 1)
    assert found.added < 0.25


def test_an_area_that_fits_is_left_as_it_is() -> None:
    area = box(120.1, 31.1, 120.2, 31.2)
    assert grown(area, 4) == (area, 4, 0.0)


@pytest.mark.parametrize(
    "area", [Polygon(), Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), box(0, 89.5, 1, 89.9), box(300, 0, 301, 1)]
)
def test_an_area_that_is_none_is_refused(area: Polygon) -> None:
    with pytest.raises(DrawError):
        grown(area, 10)


def test_a_limit_below_four_is_refused() -> None:
    with pytest.raises(DrawError, match="3 corners"):
        grown(box(0, 0, 1, 1), 3)
