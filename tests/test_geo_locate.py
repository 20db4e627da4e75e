"""Location of columns of points against a plain loop of shapely's `covers`, and against a real city."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import MultiPolygon, Point, Polygon, box
from shapely.geometry import shape

from geo import cells, locate
from geo.locate import Locator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"

# A coarse lattice: random corners and random points meet on boundaries and corners often.
lattice = st.integers(0, 12).map(lambda n: 120 + n / 8)
anywhere = st.one_of(lattice, st.floats(119.9, 121.6), st.sampled_from([np.nan, np.inf, -np.inf]))


def pairs(
    polygons: Sequence[Polygon | MultiPolygon], lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> list[tuple[int, int]]:
    locator = Locator(polygons)
    point, zone = locator.locate(lon, lat)
    assert point.dtype == zone.dtype == np.int32
    # Many points go another way inside: the same ones again and again must be told the same.
    often = locate.MANY // max(len(lon), 1) + 1
    many_point, many_zone = locator.locate(np.tile(lon, often), np.tile(lat, often))
    last = many_point >= len(lon) * (often - 1)
    assert (many_point[last] - len(lon) * (often - 1)).tolist() == point.tolist()
    assert many_zone[last].tolist() == zone.tolist()
    return list(zip(point.tolist(), zone.tolist(), strict=True))


def looped(
    polygons: Sequence[Polygon | MultiPolygon], lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> list[tuple[int, int]]:
    return [
        (i, j)
        for i, (x, y) in enumerate(zip(lon, lat, strict=True))
        for j, polygon in enumerate(polygons)
        if np.isfinite([x, y]).all() and polygon.covers(Point(x, y))
    ]


@st.composite
def drawn_area(draw: st.DrawFn) -> Polygon | MultiPolygon:
    """A box, a hull, a frame with a hole, or several of them as one multipolygon."""
    corners = draw(st.lists(st.tuples(lattice, lattice), min_size=3, max_size=8))
    hull = shapely.convex_hull(shapely.multipoints(corners))
    if not isinstance(hull, Polygon):
        hull = hull.buffer(0.125, join_style="mitre")
    if draw(st.booleans()):
        west, south, east, north = hull.bounds
        hull = hull.difference(
            box(
                *(west + (east - west) / 4, south + (north - south) / 4),
                (west + east) / 2,
                (south + north) / 2,
            )
        )
    if draw(st.booleans()):
        other = draw(st.tuples(lattice, lattice))
        hull = hull.union(box(*other, other[0] + 0.25, other[1] + 0.25))
    assert isinstance(hull, Polygon | MultiPolygon)
    return hull


@given(st.lists(drawn_area(), max_size=6), st.lists(st.tuples(anywhere, anywhere), max_size=30))
def test_located_pairs_equal_a_plain_loop(
    polygons: list[Polygon | MultiPolygon], points: list[tuple[float, float]]
) -> None:
    corners = shapely.get_coordinates(polygons)[:20]
    lon, lat = np.vstack((np.array(points).reshape(-1, 2), corners)).T
    assert pairs(polygons, lon, lat) == looped(polygons, lon, lat)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20), st.integers(0, 3))
def test_points_on_slanted_edges_are_answered_as_shapely_answers(
    places: list[tuple[float, float]], turned: int
) -> None:
    star = Polygon([(120.1, 31.0), (120.9, 31.3), (120.3, 31.9), (120.4, 31.4)])
    polygons = [shapely.affinity.rotate(star, 37 * turned), star]
    edge = shapely.line_interpolate_point(polygons[0].exterior, [a for a, _ in places], normalized=True)
    lon, lat = shapely.get_coordinates(edge).T
    assert pairs(polygons, lon, lat) == looped(polygons, lon, lat)


def test_a_boundary_and_the_rim_of_a_hole_are_inside_and_the_hole_is_not() -> None:
    frame = Polygon(box(0, 0, 4, 4).exterior, [box(1, 1, 3, 3).exterior])
    lon = np.array([0.0, 4.0, 1.0, 2.0, 2.0, 5.0])
    lat = np.array([0.0, 2.0, 2.0, 3.0, 2.0, 2.0])
    assert pairs([frame], lon, lat) == [(0, 0), (1, 0), (2, 0), (3, 0)]


def test_a_shared_border_belongs_to_both_neighbours() -> None:
    assert pairs([box(0, 0, 1, 1), box(1, 0, 2, 1)], np.array([1.0]), np.array([0.5])) == [(0, 0), (0, 1)]


def test_crowded_cells_are_answered_by_the_tree() -> None:
    rng = np.random.default_rng(7)
    # Fifty small disks on one spot of a wide map: one cell holds all their boundaries.
    disks = [Point(x, y).buffer(0.01) for x, y in rng.normal(0, 0.01, (50, 2))] + [box(-60, -60, 60, 60)]
    lon, lat = rng.normal(0, 0.02, (2, 300))
    lon[::50], lat[::50] = 30.0, np.nan
    assert Locator(disks)._cells.find(lon, lat).crowded.size > 0
    assert pairs(disks, lon, lat) == looped(disks, lon, lat)


def test_wide_overlapping_zones_make_the_grid_coarser_and_stay_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "MAX_ENTRIES", 500)
    rng = np.random.default_rng(8)
    disks = [Point(x, y).buffer(1) for x, y in rng.normal(0, 0.1, (12, 2))]
    lon, lat = rng.uniform(-1.5, 1.5, (2, 500))
    assert pairs(disks, lon, lat) == looped(disks, lon, lat)


def test_a_town_in_one_cell_of_a_wide_map_has_a_grid_of_its_own() -> None:
    rng = np.random.default_rng(11)
    seeds = rng.uniform(120, 120.02, (400, 2))
    town = [*shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(seeds)))]
    areas = [each for each in town if isinstance(each, Polygon)] + [
        box(-170, -80, 170, 80),
        box(60, 0, 70, 9),
    ]
    lon, lat = rng.uniform(119.99, 120.03, (2, 300))
    lon[::60], lat[::50] = 65.0, np.nan
    locator = Locator(areas)
    assert locator._cells._nested
    assert locator._cells.find(lon, lat).crowded.size == 0
    assert pairs(areas, lon, lat) == looped(areas, lon, lat)


def test_no_zones_no_points_and_empty_zones_give_no_pairs() -> None:
    one = np.array([0.5])
    assert pairs([], one, one) == []
    assert pairs([Polygon()], one, one) == []
    assert pairs([Polygon(), box(0, 0, 1, 1)], one, one) == [(0, 1)]
    assert pairs([box(0, 0, 1, 1)], np.array([]), np.array([])) == []


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        Locator([box(0, 0, 1, 1)]).locate(np.zeros(2), np.zeros(3))


def test_threads_may_share_a_locator() -> None:
    rng = np.random.default_rng(9)
    disks = [Point(x, y).buffer(0.3, quad_segs=200) for x, y in rng.uniform(-2, 2, (40, 2))]
    lon, lat = rng.uniform(-2, 2, (2, 20_000))
    shared, found = Locator(disks), []

    def ask() -> None:
        found.append([column.tolist() for column in shared.locate(lon, lat)])

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = [column.tolist() for column in Locator(disks).locate(lon, lat)]
    assert found == [expected] * 4


def test_three_hundred_layers_that_share_one_border_are_indexed_and_all_found() -> None:
    shared = Locator([box(0, 0, 1, 1)] * 300)
    lon, lat = np.array([0.5, 1.0, 0.999, 1.001, -0.1]), np.array([0.5, 0.3, 0.001, 0.5, 0.5])
    point, zone = shared.locate(lon, lat)
    assert np.bincount(point, minlength=5).tolist() == [300, 300, 300, 0, 0]
    assert zone[:300].tolist() == list(range(300))


def test_every_hydrant_of_a_real_city_lies_in_the_borough_it_names() -> None:
    boroughs, hydrants = DATA / "geo" / "nyc_boroughs.geojson", DATA / "components" / "nyc_hydrants.csv"
    if not boroughs.is_file() or not hydrants.is_file():
        pytest.skip("the city's boroughs and hydrants are not beside the repository (../shared/data)")
    features = json.loads(boroughs.read_text(encoding="utf-8"))["features"]
    names = [feature["properties"]["boro"] for feature in features]
    with hydrants.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lon, lat = np.array([[float(row["lon"]), float(row["lat"])] for row in rows]).T
    drawn = [shape(feature["geometry"]) for feature in features]
    point, zone = Locator([area for area in drawn if isinstance(area, Polygon | MultiPolygon)]).locate(
        lon, lat
    )
    assert point.tolist() == list(range(len(rows)))
    assert [names[j] for j in zone] == [row["borough"] for row in rows]
