"""Zones out of GeoJSON: what is read, what is repaired, and what each refusal says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st
from shapely import MultiPolygon, Point, Polygon
from shapely.geometry import mapping

from geo import document, zones
from geo.area import area_m2
from geo.datum import wgs84_to_gcj02
from geo.plane import apart, scale
from geo.zones import ZoneError, parse

SQUARE = [[120.60, 31.30], [120.61, 31.30], [120.61, 31.31], [120.60, 31.31], [120.60, 31.30]]
BOWTIE = [[120.60, 31.30], [120.61, 31.31], [120.61, 31.30], [120.60, 31.31], [120.60, 31.30]]


def feature(ring: Any = SQUARE, key: Any = "old-town", **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": key,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"kind": "district", **properties},
    }


def shaped(form: str, coordinates: object, /, **properties: object) -> dict[str, Any]:
    return {**feature(**properties), "geometry": {"type": form, "coordinates": coordinates}}


def collection(*features: object, **members: object) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features, **members})


def refusal(document: bytes | str) -> ZoneError:
    with pytest.raises(ZoneError) as caught:
        parse(document)
    assert str(caught.value)
    assert caught.value.hint.endswith(".")
    return caught.value


def test_a_collection_becomes_zones_in_its_order() -> None:
    square = feature(name=" Old Town ", kind="crowd", usable_m2=1200, capacity=4000.0)
    hole = [[120.602, 31.302], [120.604, 31.302], [120.604, 31.304], [120.602, 31.302]]
    holed = feature(key=None, id="north-bank")
    holed["geometry"]["coordinates"].append(hole)
    parsed = parse(collection(square, holed))
    assert parsed.notes == []
    first, second = parsed.zones
    assert (first.key, first.name, first.kind) == ("old-town", "Old Town", "crowd")
    assert (first.usable_m2, first.capacity) == (1200.0, 4000)
    assert (second.key, second.name, second.usable_m2, second.capacity) == (
        "north-bank",
        "north-bank",
        None,
        None,
    )
    assert isinstance(second.geometry, Polygon)
    assert len(second.geometry.interiors) == 1


def test_one_feature_alone_heights_a_byte_order_mark_and_numbered_ids_are_read() -> None:
    document = json.dumps(feature(ring=[[*corner, 4.5] for corner in SQUARE], key=17), ensure_ascii=False)
    (zone,) = parse(b"\xef\xbb\xbf" + document.encode()).zones
    assert zone.key == "17"
    assert not zone.geometry.has_z


def test_the_last_digit_of_an_export_may_lie_over_the_antimeridian() -> None:
    ring = [[179, 1], [180.00000000000014, 1], [180, 2], [179, 2], [179, 1]]
    (zone,) = parse(collection(feature(ring=ring))).zones
    assert zone.geometry.bounds == (179, 1, 180, 2)


def test_a_point_with_a_radius_becomes_a_circle() -> None:
    (zone,) = parse(collection(shaped("Point", [120.6, 31.3], radius_m=150))).zones
    assert area_m2(zone.geometry) == pytest.approx(np.pi * 150**2, rel=1e-5)


@given(
    st.floats(-0.05, 0.05), st.floats(-0.2, 0.2), st.floats(2, 400), st.sampled_from([-33.9, 0.0, 31.3, 60.2])
)
def test_a_line_with_a_width_becomes_the_ground_on_its_two_sides(
    lon: float, lat: float, width_m: float, south: float
) -> None:
    """At right angles to it, in the plane of each place: half the width is inside, and half a per cent more is not."""
    assume(abs(lon) + abs(lat) > 1e-3)
    course = [[120.6, south], [120.6 + lon, south + lat]]
    (zone,) = parse(collection(shaped("LineString", course, width_m=width_m))).zones
    for part in (0.02, 0.3, 0.5, 0.98):
        here = np.array((120.6 + part * lon, south + part * lat))
        metres = np.array(scale(here[1]))
        along = np.array((lon, lat)) * metres
        aside = np.array((along[1], -along[0])) / np.hypot(*along) / metres
        for side in (-width_m / 2, width_m / 2):
            assert zone.geometry.covers(Point(here + 0.999 * side * aside))
            assert not zone.geometry.covers(Point(here + 1.005 * side * aside))


def test_a_corridor_may_have_several_lines_and_says_what_it_lacks() -> None:
    lines = [[[120.6, 31.3], [120.61, 31.3]], [[120.62, 31.3], [120.63, 31.3]]]
    (zone,) = parse(collection(shaped("MultiLineString", lines, width_m=10))).zones
    assert isinstance(zone.geometry, MultiPolygon)
    metres = apart(120.6, 31.3, 120.61, 31.3)
    assert area_m2(zone.geometry) == pytest.approx(2 * (metres * 10 + np.pi * 25), rel=2e-3)


def test_every_fault_of_a_document_is_told_with_its_feature_and_its_place() -> None:
    bad: list[Any] = [
        feature(key="sound"),
        feature(key="open", ring=SQUARE[:-1]),
        feature(key="NOT A KEY"),
        feature(key="sound"),
        feature(key="several", capacity=0, exit_m=-1, floor="", valid_from="2026-02-01T00:00:00Z", valid_to="2026-01-01T00:00:00Z"),
        feature(key="holed", ring=SQUARE),
        feature(key="nan", ring=[SQUARE[0], SQUARE[1], [120.61, float("nan")], *SQUARE[3:]]),
        feature(key="over", ring=[[179, 1], [-179, 1], [-179, 2], [179, 2], [179, 1]]),
        7,
    ]  # fmt: skip
    bad[5]["geometry"]["coordinates"].append(SQUARE[:3])
    error = refusal(json.dumps({"type": "FeatureCollection", "features": bad}))
    assert [(fault.feature, fault.key, fault.place) for fault in error.faults] == [
        (1, "open", (120.60, 31.30)),
        (2, None, None),
        (3, "sound", None),
        *[(4, "several", None)] * 4,
        (5, "holed", (120.60, 31.30)),
        (6, "nan", (120.61, 31.30)),
        (7, "over", (179.0, 1.0)),
        (8, None, None),
    ]
    assert "(hole 1)" in error.faults[7].sentence
    assert "(number 2)" in error.faults[8].sentence
    assert str(error).startswith(
        "11 faults, nothing was imported:\n  feature 1 'open': its ring is open, at [120.6, 31.3]."
    )


def test_no_more_faults_are_told_than_a_person_reads() -> None:
    error = refusal(collection(*(feature(key=f"z{n}", ring=SQUARE[:-1]) for n in range(250))))
    assert len(error.faults) == 100
    assert error.more == 150
    assert str(error).endswith("\n  and 150 more")


def test_positions_that_repeat_the_one_before_are_left_out_and_noted() -> None:
    (zone,), (note,) = parse(collection(feature(ring=[SQUARE[0], *SQUARE, SQUARE[-1]])))[:2]
    assert (
        note
        == "feature 0 'old-town': its outline was repaired (2 positions twice in a row); look at it on the map."
    )
    assert list(map(list, zone.geometry.exterior.coords)) == SQUARE  # type: ignore[union-attr]


def test_what_a_zone_says_of_its_fence_its_time_and_its_people_is_read() -> None:
    said: dict[str, Any] = {
        "exit_m": 0,
        "enter_s": 0,
        "exit_s": 12.5,
        "dwell_s": 60,
        "floor": 3,
        "expected": ["a", "b", "a"],
    }
    (zone,) = parse(
        collection(feature(**said, valid_from="2026-10-01T08:00:00.123456789+08:00")), layer="parks"
    ).zones
    assert (zone.exit_m, zone.enter_s, zone.exit_s, zone.dwell_s, zone.layer) == (0, 0, 12.5, 60, "parks")
    assert (zone.floor, zone.expected) == ("3", ("a", "b"))
    assert zone.valid_from == datetime(2026, 10, 1, 0, 0, 0, 123456, UTC)
    assert [zone.holds(datetime(2026, 10, 1, hour, tzinfo=UTC)) for hour in (0, 1)] == [False, True]
    assert zone.ground_m2 == zone.area_m2 == pytest.approx(area_m2(zone.geometry))


def test_lines_are_read_beside_the_zones() -> None:
    door = shaped("LineString", SQUARE[:2], kind="counting-line", into_zone="hall", counter="c-1", width_m=2)
    river = {**shaped("MultiLineString", [SQUARE[:3]], kind="waterway", speed_m_s=2), "id": "river"}
    zones_, notes, lines, place = parse(collection(door, river))
    assert (zones_, notes, place) == ([], [], {"old-town": 0, "river": 1})
    assert [(line.key, line.kind, line.into_zone, line.counter, line.speed_m_s) for line in lines] == [
        ("old-town", "counting-line", "hall", "c-1", None),
        ("river", "waterway", None, None, 2),
    ]
    assert lines[0].length_m == pytest.approx(apart(120.60, 31.30, 120.61, 31.30))
    lon, lat = shapely.get_coordinates(parse(collection(door), "GCJ02").lines[0].geometry)[0].tolist()
    assert 300 < apart(lon, lat, 120.60, 31.30) < 700


def test_a_bow_tie_is_repaired_and_noted() -> None:
    parsed = parse(collection(feature(ring=BOWTIE)))
    (zone,), (note,) = parsed.zones, parsed.notes
    assert isinstance(zone.geometry, MultiPolygon)
    assert zone.geometry.is_valid
    assert area_m2(zone.geometry) == pytest.approx(area_m2(Polygon(SQUARE)) / 2, rel=1e-3)
    assert "old-town" in note
    assert "Self-intersection" in note


def test_a_ball_of_wool_is_refused_and_not_disentangled_for_minutes() -> None:
    corners = np.random.default_rng(1).uniform((120, 31), (120.1, 31.1), (2000, 2)).tolist()
    assert "too often" in str(refusal(collection(feature(ring=[*corners, corners[0]]))))


def test_a_long_outline_that_crosses_itself_once_is_repaired() -> None:
    """A survey of 20,000 corners whose end was drawn past its beginning."""
    turn = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    radius = 0.05 + 0.01 * np.sin(40 * turn) + 0.0001 * np.random.default_rng(1).uniform(-1, 1, len(turn))
    ring = np.column_stack((120.6 + radius * np.cos(turn), 31.3 + radius * np.sin(turn))).tolist()
    ring.insert(len(ring) // 2, [120.6 + 0.2, 31.3])
    ring.insert(len(ring) // 3, [120.6, 31.3 - 0.2])
    (zone,), (note,) = parse(collection(feature(ring=[*ring, ring[0]])))[:2]
    assert "Self-intersection" in note
    assert zone.geometry.is_valid


def test_overlapping_parts_are_merged_not_cut_out() -> None:
    moved = [[lon + 0.005, lat] for lon, lat in SQUARE]
    (zone,) = parse(collection(shaped("MultiPolygon", [[SQUARE], [moved]]))).zones
    assert area_m2(zone.geometry) == pytest.approx(1.5 * area_m2(Polygon(SQUARE)), rel=1e-9)


def test_what_is_assumed_is_noted() -> None:
    parsed = parse(collection({**feature(), "properties": None}, feature(key="plaza", usable_m2=9e9)))
    assert parsed.zones[0].kind == zones.DEFAULT_KIND
    assert ["kind" in parsed.notes[0], "usable_m2" in parsed.notes[1]] == [True, True]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        (b"\xff\xfe{}", "UTF-8"),
        ("[]", "list"),
        ('{"type": "Topology"}', "Topology"),
        ('{"type": ["FeatureCollection"]}', "not a FeatureCollection"),
        (json.dumps({"type": "Polygon", "coordinates": [SQUARE]}), "Polygon"),
        (collection(), "no features"),
        ('{"type": "FeatureCollection", "features": {}}', "no features"),
        ("[" * 100_000, "deep"),
        ('{"type": "Feature", "id": ' + "9" * 5000 + "}", "not JSON"),
        (
            collection(feature(), crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}),
            "3857",
        ),
        (collection(feature(), crs=7), "coordinate system"),
    ],
)
def test_a_document_at_fault_is_refused_with_a_hint(document: bytes | str, words: str) -> None:
    error = refusal(document)
    assert words in str(error)
    assert error.feature is None


@pytest.mark.parametrize(
    "name",
    [
        "urn:ogc:def:crs:OGC:1.3:CRS84",
        "EPSG:4326",
        "urn:ogc:def:crs:EPSG::4490",
        "urn:ogc:def:crs:EPSG::4326",
    ],
)
def test_the_old_names_of_the_same_datum_are_accepted(name: str) -> None:
    assert parse(collection(feature(), crs={"type": "name", "properties": {"name": name}})).zones


def test_a_document_too_large_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_BYTES", 100)
    assert "bytes" in str(refusal("x" * 101))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (feature(ring=SQUARE[:-1]), "open"),
        (feature(ring=[*SQUARE[:2], SQUARE[0]]), "3 positions"),
        (feature(ring=[]), "empty"),
        (shaped("Polygon", []), "empty"),
        (shaped("MultiPolygon", [[]]), "empty"),
        (shaped("Polygon", None), "empty"),
        (shaped("Polygon", {"a": 1}), "empty"),
        (shaped("Polygon", [7]), "empty ring"),
        (shaped("LineString", SQUARE), "LineString"),
        (shaped("LineString", SQUARE[:2], width_m=0), "width_m"),
        (shaped("LineString", SQUARE[:2], width_m=1e6), "width_m"),
        (shaped("LineString", [SQUARE[0], SQUARE[0]], width_m=5), "no length"),
        (shaped("LineString", [], width_m=5), "empty"),
        (shaped("LineString", [[179, 1], [-179, 1]], width_m=5), "antimeridian"),
        (shaped("LineString", [[179.99999, 1], [180, 1]], width_m=50), "antimeridian"),
        (shaped("MultiLineString", [SQUARE[:2], SQUARE[2:4]], kind="waterway"), "2 lines"),
        (feature(kind="waterway"), "Polygon"),
        (shaped("LineString", SQUARE[:2], kind="waterway", speed_m_s=0), "speed_m_s"),
        (shaped("LineString", SQUARE[:2], kind="counting-line", into_zone="Hall"), "into_zone"),
        (shaped("LineString", SQUARE[:2], kind="counting-line", forward="in", backward="in"), "both 'in'"),
        (
            shaped("LineString", SQUARE[:2], kind="counting-line", into_zone="a", from_zone="a"),
            "into the same",
        ),
        (feature(layer="A Layer"), "layer"),
        (feature(department=7), "department"),
        (feature(camera="no key"), "camera"),
        (feature(expected="truck"), "expected"),
        (feature(expected=["truck", None]), "expected"),
        (feature(dwell_s=0), "dwell_s"),
        (feature(exit_m=1e9), "exit_m"),
        (feature(valid_from="2026-10-01"), "RFC 3339"),
        (feature(valid_from="2026-13-01T00:00:00Z"), "RFC 3339"),
        (feature(valid_from="2026-10-01T00:00:00"), "RFC 3339"),
        (feature(valid_to="9999-12-31T23:59:59-23:59"), "RFC 3339"),
        (feature(valid_to=1_790_000_000), "RFC 3339"),
        (shaped("GeometryCollection", []), "GeometryCollection"),
        ({**feature(), "geometry": None}, "no geometry"),
        (feature(ring=[SQUARE[0]] * 4), "no area"),
        (feature(ring=[SQUARE[0], SQUARE[1], SQUARE[0], SQUARE[0]]), "no area"),
        (feature(ring=[SQUARE[0], [120.61, float("nan")], *SQUARE[2:]]), "finite"),
        (feature(ring=[SQUARE[0], [float("inf"), 31.3], *SQUARE[2:]]), "finite"),
        (feature(ring=[SQUARE[0], [10**400, 31.3], *SQUARE[2:]]), "off the earth"),
        (feature(ring=[[lat, lon] for lon, lat in SQUARE]), "swapped"),
        (feature(ring=[[lon + 100, lat] for lon, lat in SQUARE]), "off the earth"),
        (feature(ring=[[lon * 1e5, lat * 1e5] for lon, lat in SQUARE]), "projection"),
        (feature(ring=[[179, 1], [-179, 1], [-179, 2], [179, 2], [179, 1]]), "antimeridian"),
        (feature(ring=["here", *SQUARE]), "position"),
        (feature(ring=[["120.6", "31.3"], *SQUARE]), "position"),
        (feature(ring=[[True, 31.3], *SQUARE]), "position"),
        (feature(ring=[[120.6], *SQUARE]), "position"),
        (feature(ring=[[[120.6], 31.3], *SQUARE]), "position"),
        (shaped("Point", [120.6, 31.3]), "without a radius"),
        (shaped("Point", [120.6, 31.3], radius_m=-1), "radius"),
        (shaped("Point", [120.6, 31.3], radius_m="150"), "radius_m"),
        (shaped("Point", [120.6, 31.3], radius_m=10**400), "radius"),
        (shaped("Point", [31.3, 120.6], radius_m=150), "swapped"),
        (shaped("Point", [120.6, 89.9999], radius_m=150), "pole"),
        (shaped("Point", None, radius_m=150), "position"),
        (feature(kind="A Kind"), "kind"),
        (feature(kind=3), "kind"),
        (feature(name=""), "name"),
        (feature(name="a\u0000b"), "name"),
        (feature(name="\ud800"), "name"),
        (feature(name=["a"]), "name"),
        (feature(name="x" * 500), "name"),
        (feature(usable_m2=0), "usable_m2"),
        (feature(usable_m2=float("inf")), "usable_m2"),
        (feature(usable_m2="1200"), "usable_m2"),
        (feature(usable_m2=10**400), "usable_m2"),
        (feature(capacity=-1), "capacity"),
        (feature(capacity=4.5), "capacity"),
        (feature(capacity=True), "capacity"),
        (feature(capacity=1e30), "capacity"),
    ],
)
def test_a_feature_at_fault_is_named_in_the_refusal(bad: dict[str, Any], words: str) -> None:
    error = refusal(collection(feature(key="harbour"), bad))
    assert words in str(error)
    assert error.feature == "old-town"
    assert "old-town" in str(error)


def test_the_key_of_a_watched_zone_leaves_room_for_its_device() -> None:
    long = "a" * 60
    assert refusal(collection(feature(key=long, kind="crowd"))).feature == long
    assert len(parse(collection(feature(key=long), feature(key="a" * 59, kind="crowd"))).zones) == 2


@pytest.mark.parametrize("key", [None, "Old Town", "-old", "", "a" * 65, "old-town\n", True, 1.5, ["a"]])
def test_a_feature_without_a_sound_key_is_named_by_its_index(key: object) -> None:
    error = refusal(collection(feature(key="harbour"), feature(key=key)))
    assert error.feature == 1
    assert "feature 1" in str(error)


def test_the_hint_for_a_key_offers_a_sound_one() -> None:
    assert "'old-town'" in refusal(collection(feature(key="Old Town"))).hint


def test_a_member_that_is_no_feature_is_named_by_its_index() -> None:
    assert refusal(collection(feature(), 7)).feature == 1


def moved(lon: float, lat: float) -> list[list[float]]:
    return [[x - 120.6 + lon, y - 31.3 + lat] for x, y in SQUARE]


def test_a_zone_with_swapped_axes_is_refused_where_it_would_lie_among_the_others() -> None:
    """Western China: its longitudes are latitudes, too, so that nothing is off the earth."""
    west = [feature(key=f"z{n}", ring=moved(87.6 + n / 50, 43.8)) for n in range(4)]
    assert len(parse(collection(*west)).zones) == 4
    swapped = feature(key="swapped", ring=[[lat, lon] for lon, lat in moved(87.6, 43.8)])
    error = refusal(collection(*west, swapped))
    assert error.feature == "swapped"
    assert "swapped" in str(error)
    assert error.hint.startswith("GeoJSON writes longitude first: [87.6")
    elsewhere = feature(key="elsewhere", ring=moved(43.8, 12.6))
    assert len(parse(collection(*west, elsewhere)).zones) == 5


def test_a_document_that_lies_where_nobody_lives_is_noted_for_its_axes() -> None:
    arctic = parse(collection(*(feature(key=f"z{n}", ring=moved(43.8 + n, 87.6)) for n in range(3))))
    assert any("axes are swapped" in note for note in arctic.notes)
    assert parse(collection(feature(ring=moved(18.9, 69.6)))).notes == []


def test_a_datum_is_declared_and_its_zones_come_out_in_wgs84() -> None:
    (there,) = parse(collection(feature()), "GCJ02").zones
    (same,) = parse(collection(feature()), "CGCS2000").zones
    (plain,) = parse(collection(feature())).zones
    assert same.geometry.equals(plain.geometry)
    back = wgs84_to_gcj02(*shapely.get_coordinates(there.geometry).T)
    assert np.allclose(np.column_stack(back), SQUARE, atol=1e-8)
    assert 300 < apart(*there.geometry.centroid.coords[0], *plain.geometry.centroid.coords[0]) < 700
    assert there.key == plain.key


def test_a_key_used_twice_is_refused() -> None:
    assert "twice" in str(refusal(collection(feature(), feature())))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "id",
                    "geometry",
                    "properties",
                    "coordinates",
                    "radius_m",
                    "width_m",
                    "name",
                    "kind",
                    "expected",
                    "valid_from",
                    "crs",
                ]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@given(json_values, st.sampled_from(["geometry", "properties", "id", "coordinates", "ring", "all"]))
def test_no_document_makes_anything_but_zones_or_a_zone_error(value: object, place: str) -> None:
    made = feature()
    if place == "coordinates":
        made["geometry"]["coordinates"] = value
    elif place == "ring":
        made["geometry"]["coordinates"][0] = [*SQUARE[:2], value, *SQUARE[2:]]
    else:
        made[place] = value
    try:
        parsed = parse(
            json.dumps(value if place == "all" else {"type": "FeatureCollection", "features": [made]})
        )
    except ZoneError:
        return
    assert all(zone.geometry.is_valid and area_m2(zone.geometry) > 0 for zone in parsed.zones)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=3, max_size=12))
def test_any_ring_becomes_a_valid_zone_or_is_refused_for_its_area(corners: list[tuple[int, int]]) -> None:
    ring = [[120 + x / 100, 31 + y / 100] for x, y in corners]
    try:
        (zone,) = parse(collection(feature(ring=[*ring, ring[0]]))).zones
    except ZoneError as error:
        assert "no area" in str(error)  # noqa: PT017 - the other outcome is as good
        return
    assert zone.geometry.is_valid
    assert json.dumps(mapping(zone.geometry))
