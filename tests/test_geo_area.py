"""Areas against the ellipsoid's own formulas, integrated by another method, and against each other."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon, affinity, box

from geo.area import ECCENTRICITY, SEMI_MAJOR_M, SEMI_MINOR_M, area_m2, areas_m2
from geo.circle import CORNERS, MAX_RADIUS_M, circle


def integrated_m2(west: float, south: float, east: float, north: float) -> float:
    """A box's area as the sum of (meridian radius x parallel radius), by the midpoint rule."""
    steps = 20_000
    lat = np.radians(south + (np.arange(steps) + 0.5) * (north - south) / steps)
    root = np.sqrt(1 - (ECCENTRICITY * np.sin(lat)) ** 2)
    meridian = SEMI_MAJOR_M * (1 - ECCENTRICITY**2) / root**3
    parallel = SEMI_MAJOR_M / root * np.cos(lat)
    return float(np.radians(east - west) * np.radians((north - south) / steps) * (meridian * parallel).sum())


def test_the_whole_earth_has_the_ellipsoids_published_area() -> None:
    # 510,065,621.724 km2: the surface of WGS 84, from its closed formula.
    log = np.log((1 + ECCENTRICITY) / (1 - ECCENTRICITY))
    surface = 2 * np.pi * SEMI_MAJOR_M**2 + np.pi * SEMI_MINOR_M**2 / ECCENTRICITY * log
    assert surface == pytest.approx(510_065_621_724_000, rel=1e-11)
    assert area_m2(box(-180, -90, 180, 90)) == pytest.approx(surface, rel=1e-13)


@pytest.mark.parametrize("lat", [0.0, 31.3, 60.0, -45.0, 89.0])
@pytest.mark.parametrize("side", [0.001, 0.5])
def test_a_square_equals_the_integral_of_its_radii(lat: float, side: float) -> None:
    square = (120.6, lat, 120.6 + side, lat + side)
    assert area_m2(box(*square)) == pytest.approx(integrated_m2(*square), rel=1e-8)


def test_a_thousandth_of_a_degree_at_the_equator_is_the_product_of_two_arcs() -> None:
    arc = np.radians(0.001)
    expected = (arc * SEMI_MAJOR_M) * (arc * SEMI_MAJOR_M * (1 - ECCENTRICITY**2))
    assert area_m2(box(10, -0.0005, 10.001, 0.0005)) == pytest.approx(expected, rel=1e-7)


def test_a_plaza_keeps_eight_digits_far_from_the_prime_meridian() -> None:
    # Longitude does not matter to an area; 10 m across, only rounding of the input degrees is left.
    here = Polygon([(0, 31.3), (0.0001, 31.3), (0.0001, 31.3001), (0, 31.3001)])
    there = affinity.translate(here, xoff=120.6)
    assert area_m2(there) == pytest.approx(area_m2(here), rel=1e-8)


def test_holes_are_taken_off_and_parts_added_whichever_way_their_rings_run() -> None:
    hole = box(120.2, 31.2, 120.4, 31.4)
    holed = Polygon(box(120, 31, 121, 32).exterior, [hole.exterior])
    both = MultiPolygon([holed, hole])
    assert area_m2(holed) + area_m2(hole) == pytest.approx(area_m2(box(120, 31, 121, 32)), rel=1e-12)
    assert areas_m2([both, shapely.reverse(both), Polygon()]).tolist() == pytest.approx(
        [area_m2(box(120, 31, 121, 32))] * 2 + [0.0], rel=1e-12
    )
    assert areas_m2([]).tolist() == []


@given(
    st.lists(st.tuples(st.floats(120, 121), st.floats(30, 31)), min_size=4, max_size=12),
    st.floats(120.1, 120.9),
)
def test_the_pieces_of_a_cut_polygon_have_its_area(corners: list[tuple[float, float]], lon: float) -> None:
    whole = shapely.convex_hull(shapely.multipoints(corners))
    if not isinstance(whole, Polygon):
        return
    pieces = [whole.intersection(box(119, 29, lon, 32)), whole.intersection(box(lon, 29, 122, 32))]
    areas = areas_m2([piece for piece in pieces if isinstance(piece, Polygon)])
    # A cut rounds its two new corners to the next double: 1e-14 degrees along an edge of 100 km.
    assert areas.sum() == pytest.approx(area_m2(whole), rel=1e-9, abs=1e-3)


@pytest.mark.parametrize("lat", [0.0, 31.3, -65.0])
@pytest.mark.parametrize("radius", [5.0, 500.0, 20_000.0])
def test_a_circle_has_its_radius_and_its_area(lat: float, radius: float) -> None:
    drawn = circle(120.6, lat, radius)
    assert len(drawn.exterior.coords) == CORNERS + 1
    # On a sphere a cap is smaller than pi r2 by (r / R)2 / 12: 1e-6 at 20 km; chords are drawn straight in degrees.
    assert area_m2(drawn) == pytest.approx(np.pi * radius**2, rel=2e-5)
    lon, end = np.array(drawn.exterior.coords).T
    root = 1 - (ECCENTRICITY * np.sin(np.radians((lat + end) / 2))) ** 2
    north = np.radians(end - lat) * SEMI_MAJOR_M * (1 - ECCENTRICITY**2) / root**1.5
    east = np.radians(lon - 120.6) * SEMI_MAJOR_M / root**0.5 * np.cos(np.radians((lat + end) / 2))
    # Gauss's middle latitude, good to (r / R)2.
    assert np.hypot(north, east) == pytest.approx(np.full(CORNERS + 1, radius), rel=1.5e-3)


@pytest.mark.parametrize(
    ("lon", "lat", "radius"),
    [
        (0, 0, 0),
        (0, 0, -5),
        (0, 0, float("nan")),
        (0, 0, 2 * MAX_RADIUS_M),
        (0, 89.9999, 50),
        (179.9999, 0, 50),
    ],
)
def test_a_circle_that_cannot_be_drawn_is_refused(lon: float, lat: float, radius: float) -> None:
    with pytest.raises(ValueError, match=r"radius|reaches over"):
        circle(lon, lat, radius)
