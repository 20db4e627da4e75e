"""Nearest zones, chains of jurisdictions, everything inside a polygon, and who is near whom."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from plain_crossing import signed_m
from shapely import MultiPolygon, Point, Polygon, box

from geo.company import KINDS, Company
from geo.jurisdiction import CHAIN, Jurisdictions
from geo.locate import Locator, within
from geo.nearest import Nearest
from geo.plane import metres_per_degree

CASES = Path(__file__).parents[2] / "shared" / "data" / "cases" / "tile38_fence_cases.json"
corners = st.floats(120.0, 120.1)


@given(
    st.lists(st.tuples(corners, corners, st.floats(0.001, 0.01), st.floats(0.001, 0.01)), max_size=8),
    st.lists(st.tuples(st.floats(119.95, 120.15), st.floats(119.95, 120.15)), max_size=20),
    st.sampled_from([50.0, 1000.0, 20_000.0]),
)
def test_the_nearest_zone_is_the_one_of_a_plain_loop(
    boxes: list[tuple[float, float, float, float]], points: list[tuple[float, float]], within_m: float
) -> None:
    zones = [box(x, y - 90, x + wide, y - 90 + tall) for x, y, wide, tall in boxes]
    # Of every other box one half, so that some points lie in the box of a zone and not in the zone.
    zones[::2] = [Polygon(each.exterior.coords[:3]) for each in zones[::2]]
    lon, lat = np.array(points).reshape(-1, 2).T - [[0], [90]]
    zone, metres = Nearest(zones).find(lon, lat, within_m)
    assert zone.dtype == np.int32
    for x, y, found, off in zip(lon, lat, zone, metres, strict=True):
        plain = [max(signed_m(each, x, y), 0.0) for each in zones]
        nearest = min(plain, default=np.inf)
        if found < 0:
            assert nearest > within_m - 1e-3
            assert np.isnan(off)
        else:
            assert off == pytest.approx(nearest, abs=1e-3)
            assert plain[found] == pytest.approx(nearest, abs=1e-3)


def test_of_zones_equally_near_the_first_is_named_and_over_the_antimeridian_it_is_near_too() -> None:
    zones = [box(179.99, 0, 179.999, 0.01), box(0, 0, 1, 1), box(0, 0, 2, 2)]
    zone, metres = Nearest(zones).find(
        np.array([-179.999, 0.5, np.nan, 50]), np.array([0.005, 0.5, 0, 0]), 500.0
    )
    assert zone.tolist() == [0, 1, -1, -1]
    assert metres[:2].tolist() == [pytest.approx(0.002 * metres_per_degree(0.005)[0], rel=1e-9), 0.0]
    assert np.isnan(metres[2:]).all()


def test_points_far_from_a_whole_city_are_asked_of_few_of_its_zones() -> None:
    west, south = np.meshgrid(np.arange(120, 120.3, 0.002), np.arange(31, 31.3, 0.002))
    zones = list(shapely.box(west, south, west + 0.002, south + 0.002).ravel())
    nearest = Nearest(zones)
    zone, metres = nearest.find(
        np.array([119.5, 120.1511, 120.7]), np.array([31.1, 31.1511, 30.6]), 100_000.0
    )
    plain = [min(signed_m(zones[at], x, y) for at in range(len(zones)) if at % 150 in (0, 149)) for x, y in ((119.5, 31.1), (120.7, 30.6))]  # fmt: skip
    assert metres[[0, 2]].tolist() == pytest.approx(plain, abs=1e-3)
    assert (metres[1], zones[zone[1]].covers(Point(120.1511, 31.1511))) == (0.0, True)


def test_a_distance_out_of_bounds_and_columns_of_two_lengths_are_refused() -> None:
    for bad in (0.0, -1.0, np.nan, np.inf, 2e5):
        with pytest.raises(ValueError, match="not above 0"):
            Nearest([]).find(np.zeros(1), np.zeros(1), bad)
    with pytest.raises(ValueError, match="one length"):
        Nearest([]).find(np.zeros(1), np.zeros(2), 5.0)
    assert Nearest([]).find(np.zeros(1), np.zeros(1), 5.0)[0].tolist() == [-1]


def test_the_chain_of_a_point_goes_from_its_district_to_its_grid_cell() -> None:
    zones = [
        box(0, 0, 4, 4),
        box(0, 0, 2, 4),
        box(2, 0, 4, 4),
        box(0, 0, 1, 1),
        box(0, 0, 3, 3),
        box(0, 0, 9, 9),
    ]
    kinds = ["district", "street", "street", "grid", "crowd", "district"]
    lon, lat = np.array([0.5, 3, 2, 8, 20, np.nan]), np.array([0.5, 3, 2, 8, 0, 0])
    chains = Jurisdictions(zones, kinds).chains(*Locator(zones).locate(lon, lat), len(lon))
    assert len(CHAIN) == 4
    assert chains.zone.tolist() == [
        [0, 1, -1, 3],
        [0, 2, -1, -1],
        [0, 1, -1, -1],
        [5, -1, -1, -1],
        [-1] * 4,
        [-1] * 4,
    ]
    assert chains.several.tolist() == [
        [True, False, False, False],
        [True, False, False, False],
        [True, True, False, False],
        *[[False] * 4] * 3,
    ]


def test_a_city_without_jurisdictions_claims_nothing() -> None:
    inside = np.zeros(1, np.int32)
    chains = Jurisdictions([box(0, 0, 1, 1)], ["crowd"]).chains(inside, inside, 1)
    assert chains.zone.tolist() == [[-1] * 4]
    with pytest.raises(ValueError, match="2 kinds"):
        Jurisdictions([box(0, 0, 1, 1)], ["crowd", "street"])


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=40))
def test_everything_inside_a_polygon_is_what_it_covers(points: list[tuple[int, int]]) -> None:
    area = MultiPolygon([Polygon(box(1, 1, 6, 6).exterior, [box(2, 2, 4, 4).exterior]), box(6, 7, 8, 8)])
    lon, lat = np.array([*points, (np.nan, 3)], np.float64).reshape(-1, 2).T
    expected = [i for i, point in enumerate(points) if area.covers(Point(point))]
    assert within(area, lon, lat).tolist() == expected
    assert within(Polygon(), lon, lat).tolist() == []


@pytest.mark.skipif(not CASES.is_file(), reason=f"no {CASES}")
def test_two_cars_meet_and_part_as_a_peer_tells_it() -> None:
    """It measures on a sphere, we on the ellipsoid: half a per cent apart."""
    (case,) = (each for each in json.loads(CASES.read_text())["cases"] if "roam_m" in each)
    company = Company(case["roam_m"])
    told = []
    for second, pair in enumerate(zip(*case["moves_lonlat"].values(), strict=True)):
        for track, (lon, lat) in enumerate(pair):
            told += [
                (
                    f"car{event['track'] + 1}",
                    KINDS[event["kind"]],
                    f"car{event['other'] + 1}",
                    event["metres"],
                )
                for event in company.feed([track], [second], [lon], [lat])
            ]
    assert [event[:3] for event in told] == [(e["id"], e["kind"], e["other"]) for e in case["expected"]]
    for event, expected in zip(told, case["expected"], strict=True):
        assert event[3] == pytest.approx(expected["metres"], rel=5e-3)


def test_company_is_the_same_one_by_one_and_at_once_and_old_or_lost_fixes_move_nobody() -> None:
    rng = np.random.default_rng(3)
    track, time = rng.integers(0, 12, 400), np.arange(400)
    lon, lat = np.cumsum(rng.normal(0, 2e-4, (2, 400)), axis=1) + np.array([[179.999], [0.0]])
    lon = (lon + 180) % 360 - 180
    at_once, one_by_one = Company(30.0), Company(30.0)
    together = at_once.feed(track, time, lon, lat)
    told = np.concatenate([one_by_one.feed(track[[i]], time[[i]], lon[[i]], lat[[i]]) for i in range(400)])
    assert len(together) > 64
    told["row"] = together["row"]
    assert told.tolist() == together.tolist()
    assert len(at_once.feed(track[:1], time[:1], lon[:1], lat[:1])) == 0
    assert len(at_once.feed([0, 1], [900, 901], [np.nan, 500], [0, 0])) == 0
    with pytest.raises(ValueError, match="no slot"):
        at_once.feed([-1], [0], [0], [0])
    with pytest.raises(ValueError, match="not above 0"):
        Company(0)


def test_shapely_is_asked_for_the_same_points_however_they_lie() -> None:
    rng = np.random.default_rng(5)
    star = Point(120, 31).buffer(0.1).symmetric_difference(Point(120.05, 31).buffer(0.06))
    assert isinstance(star, Polygon | MultiPolygon)
    lon, lat = rng.uniform((119.8,), (120.2,), (2000,)), rng.uniform(30.8, 31.2, 2000)
    assert (
        within(star, lon, lat).tolist()
        == np.flatnonzero(shapely.covers(star, shapely.points(lon, lat))).tolist()
    )
