"""Metres: the plane against geodesics, and the distance to a border against shapely."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Point, Polygon, box
from shapely.affinity import scale as stretched
from shapely.affinity import translate
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from geo.circle import _arrive
from geo.outline import Outlines, beyond, passes
from geo.plane import EARTH_M, apart, around, metres_per_degree

BOROUGHS = Path(__file__).parents[2] / "shared" / "data" / "geo" / "nyc_boroughs.geojson"
AZIMUTHS = np.linspace(0, 2 * np.pi, 73)

places = st.floats(-0.02, 0.02)


@given(st.floats(-80, 80), st.floats(1, 10_000))
def test_a_distance_in_the_plane_is_off_by_less_than_is_stated(lat: float, metres: float) -> None:
    east, north = metres_per_degree(lat)
    there = _arrive(120.0, lat, AZIMUTHS, metres)
    found = np.hypot((there[:, 0] - 120) * east, (there[:, 1] - lat) * north)
    stated = metres**2 * (np.tan(np.radians(abs(lat))) + 0.02) / (5 * EARTH_M) + metres**3 / EARTH_M**2
    assert np.abs(found - metres).max() < stated + 1e-7


def test_the_stated_error_is_no_idle_bound() -> None:
    east, north = metres_per_degree(31.0)
    there = _arrive(120.0, 31.0, AZIMUTHS, 10_000.0)
    found = np.hypot((there[:, 0] - 120) * east, (there[:, 1] - 31) * north)
    assert 1.5 < np.abs(found - 10_000).max() < 2


@given(st.floats(-70, 70), st.sampled_from([10.0, 1e3, 1e4, 1e5]), st.floats(179.5, 180))
def test_two_places_are_as_far_apart_as_the_geodesic(lat: float, metres: float, lon: float) -> None:
    for x, y in _arrive(lon, lat, AZIMUTHS[::6], metres):
        assert apart(lon, lat, (x + 180) % 360 - 180, y) == pytest.approx(
            metres, rel=1e-6 if metres < 2e4 else 1e-4
        )


@given(st.floats(-89, 89), st.floats(0.1, 50_000))
def test_the_box_around_a_point_holds_all_that_is_so_near(lat: float, metres: float) -> None:
    aside, above = around(np.zeros(1), np.array([lat]), metres)
    there = _arrive(0.0, lat, AZIMUTHS, metres)
    assert (np.abs(there[:, 1] - lat) <= above[0]).all()
    assert (np.abs(there[:, 0]) <= aside[0]).all()


def test_the_box_at_a_pole_goes_all_round() -> None:
    aside, _ = around(np.zeros(2), np.array([90.0, 90.0]), np.array([1.0, 0.0]))
    assert aside.tolist() == [360.0, 0.0]


@st.composite
def drawn(draw: st.DrawFn) -> Polygon | MultiPolygon:
    """A star of up to 60 corners, perhaps with a hole, perhaps with an island in it and another aside."""
    turns = np.linspace(0, 2 * np.pi, draw(st.integers(3, 60)), endpoint=False)
    radii = draw(st.lists(st.floats(0.002, 0.01), min_size=len(turns), max_size=len(turns)))
    star = Polygon(np.column_stack((np.cos(turns), np.sin(turns))) * np.array(radii)[:, None])
    made: BaseGeometry = star
    if draw(st.booleans()):
        made = star.difference(stretched(star, 0.6, 0.6, origin=(0, 0)))
    if draw(st.booleans()):
        made = MultiPolygon([*shapely.get_parts(made), translate(stretched(star, 0.2, 0.2), 0.02)])
    moved = translate(made, 120, draw(st.sampled_from([0.0, 31.0, -60.0])))
    assert isinstance(moved, Polygon | MultiPolygon)
    return moved


def measured(polygon: Polygon | MultiPolygon, lon: float, lat: float, limit: float = 1e6) -> float:
    outlines = Outlines([box(0, 0, 1, 1), polygon, box(0, 0, 1, 1)])
    return beyond(outlines.vertex, outlines.node, outlines.root[1], outlines.root[2], lon, lat, limit)


def on_the_ground(polygon: Polygon | MultiPolygon, lon: float, lat: float) -> Polygon | MultiPolygon:
    east, north = metres_per_degree(lat)
    return shapely.transform(polygon, lambda position: (position - (lon, lat)) * (east, north))


@given(drawn(), places, places)
def test_the_distance_to_a_border_is_the_one_that_shapely_measures(
    polygon: Polygon | MultiPolygon, x: float, y: float
) -> None:
    lon, lat = 120 + x, polygon.centroid.y + y
    flat = on_the_ground(polygon, lon, lat)
    expected = flat.boundary.distance(Point(0, 0)) * (-1 if flat.covers(Point(0, 0)) else 1)
    assert measured(polygon, lon, lat) == pytest.approx(expected, abs=1e-3)
    assert measured(polygon, lon, lat, 50.0) == pytest.approx(np.clip(expected, -50, 50), abs=1e-3)


@given(drawn(), st.floats(0, 1))
def test_what_lies_on_a_border_is_no_metre_away(polygon: Polygon | MultiPolygon, along: float) -> None:
    for ring in shapely.get_rings(polygon):
        on = shapely.line_interpolate_point(ring, along, normalized=True)
        assert measured(polygon, on.x, on.y) == 0


@given(drawn(), places, places, places, places)
def test_a_way_passes_through_what_shapely_says_it_meets(
    polygon: Polygon | MultiPolygon, x: float, y: float, to_x: float, to_y: float
) -> None:
    middle = polygon.centroid.y
    way = shapely.LineString([(120 + x, middle + y), (120 + to_x, middle + to_y)])
    if (
        polygon.covers(shapely.get_point(way, 0))
        or polygon.covers(shapely.get_point(way, 1))
        or way.length == 0
    ):
        return
    outlines = Outlines([polygon])
    ends = (120 + x, middle + y, 120 + to_x, middle + to_y)
    met = passes(outlines.vertex, outlines.node, 0, outlines.root[1], *ends, 0.0)
    assert met == polygon.intersects(way)
    deep = passes(outlines.vertex, outlines.node, 0, outlines.root[1], *ends, 5.0)
    assert not (deep and not met)
    if deep:
        assert polygon.intersection(way).length > 5e-5


@pytest.mark.skipif(not BOROUGHS.is_file(), reason=f"no {BOROUGHS}")
@settings(max_examples=20)
@given(st.floats(-74.3, -73.7), st.floats(40.5, 40.95))
def test_a_shore_of_twenty_thousand_vertices_is_as_far_as_shapely_says(lon: float, lat: float) -> None:
    borough = SHORES[0]
    flat = on_the_ground(borough, lon, lat)
    expected = flat.boundary.distance(Point(0, 0)) * (-1 if flat.covers(Point(0, 0)) else 1)
    found = beyond(SHORE.vertex, SHORE.node, 0, SHORE.root[1], lon, lat, 1e6)
    assert found == pytest.approx(expected, abs=1e-3)


def _shores() -> list[Polygon | MultiPolygon]:
    if not BOROUGHS.is_file():
        return []
    areas = [shape(feature["geometry"]) for feature in json.loads(BOROUGHS.read_text())["features"]]
    widest = max(areas, key=shapely.get_num_coordinates)
    assert isinstance(widest, Polygon | MultiPolygon)
    return [widest]


SHORES = _shores()
SHORE = Outlines(SHORES)


def test_a_cut_along_the_antimeridian_is_no_border() -> None:
    cut = box(179.99, 0, 180, 0.01)
    east, north = metres_per_degree(0.005)
    assert measured(cut, 179.9999, 0.005) == pytest.approx(-0.005 * north, rel=1e-6)
    assert measured(box(178.99, 0, 179, 0.01), 178.9999, 0.005) == pytest.approx(-0.0001 * east, rel=1e-6)


def test_duplicate_points_and_rings_without_an_area_give_a_distance_too() -> None:
    twice = Polygon([(0, 0), (0, 0), (0.01, 0), (0.01, 0), (0.01, 0.01), (0, 0.01), (0, 0.01)])
    assert measured(twice, 0.005, 0.001) == pytest.approx(-0.001 * metres_per_degree(0.001)[1], rel=1e-9)
    flat = Polygon([(0, 0), (0.01, 0), (0.02, 0), (0, 0)])
    assert measured(flat, 0.005, 0.001) == pytest.approx(0.001 * metres_per_degree(0.001)[1], rel=1e-9)


def test_no_polygon_is_near_an_empty_one() -> None:
    assert measured(Polygon(), 0.5, 0.5, 7.0) == 7.0
    assert len(Outlines([]).root) == 1
