"""Zones held against each other, against every pair looked at one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo import overlap
from geo.area import area_m2
from geo.overlap import blind, overlapping, remarks
from geo.zones import Zone

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KINDS = ("street", "grid", "crowd", "camera-view")


def zone(
    number: int, kind: str, corner: tuple[int, int], side: int, floor: str | None, begins: int | None
) -> Zone:
    west, south = 120.6 + corner[0] / 1000, 31.3 + corner[1] / 1000
    ground = shapely.box(west, south, west + side / 1000, south + side / 1000)
    hours = (
        {}
        if begins is None
        else {"valid_from": NOON.replace(hour=begins), "valid_to": NOON.replace(hour=begins + 6)}
    )
    return Zone(f"z{number}", "", kind, ground, floor=floor, **hours)  # type: ignore[arg-type]


zones = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.tuples(st.integers(0, 9), st.integers(0, 9)),
        st.integers(1, 5),
        st.sampled_from((None, "B1")),
        st.sampled_from((None, 0, 6, 3)),
    ),
    max_size=12,
).map(lambda rows: [zone(number, *row) for number, row in enumerate(rows)])


def together(one: Zone, other: Zone) -> bool:
    return any(
        one.holds(NOON.replace(hour=hour)) and other.holds(NOON.replace(hour=hour)) for hour in range(24)
    )


@given(zones, st.sets(st.integers(0, 11).map("z{}".format)))
def test_pairs_that_claim_the_same_ground_at_the_same_time_are_found(
    city: list[Zone], fresh: set[str]
) -> None:
    expected = {
        (one.key, other.key): round(area_m2(shared))  # type: ignore[arg-type]  # boxes meet in boxes
        for one, other in combinations(city, 2)
        if one.kind == other.kind
        and one.kind in ("street", "grid")
        and {one.key, other.key} & fresh
        and one.floor == other.floor
        and together(one, other)
        and (shared := shapely.intersection(one.geometry, other.geometry)).area > 1e-12
    }
    found, unseen = overlapping(city, fresh)
    assert unseen == 0
    told = {
        tuple(sorted((one.key, other.key), key=lambda key: int(key[1:]))): round(m2)
        for one, other, m2 in found
    }
    assert told == expected
    assert [pair.m2 for pair in found] == sorted((pair.m2 for pair in found), reverse=True)


@given(zones)
def test_views_that_touch_no_crowd_zone_are_found(city: list[Zone]) -> None:
    expected = [
        view.key
        for view in city
        if view.kind == "camera-view"
        and not any(
            crowd.kind == "crowd"
            and view.geometry.intersects(crowd.geometry)
            and (view.floor is None or crowd.floor is None or view.floor == crowd.floor)
            and together(view, crowd)
            for crowd in city
        )
    ]
    assert [view.key for view in blind(city, {each.key for each in city})] == expected


def test_a_layer_drawn_over_itself_again_and_again_is_not_looked_at_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overlap, "MOST_PAIRS", 1000)
    monkeypatch.setattr(overlap, "AT_ONCE", 10)
    city = [zone(number, "grid", (0, 0), 1, None, None) for number in range(100)]
    found, unseen = overlapping(city, {each.key for each in city})
    assert (len(found), unseen) == (1000, 80)
    assert "80 jurisdictions were not held" in remarks(city, {each.key for each in city})[-1]


def test_of_many_overlaps_the_widest_are_told_and_the_others_counted() -> None:
    city = [zone(number, "grid", (0, 0), 1, None, None) for number in range(8)]
    told = remarks(city, {each.key for each in city})
    assert len(told) == 21
    assert told[-1].startswith("8 more pairs of jurisdictions overlap, by ")
