"""Ground of an emergency over the API: never less than asked for, few corners, with who is inside and who is near."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import psycopg
import pytest
import shapely
from fix_places import SOUTH, WEST, Places
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from geo import table
from geo.buffer import buffer
from geo.circle import circle
from geo.datum import from_wgs84, to_wgs84
from geo.lines import Line

HERE: dict[str, Any] = {"type": "Point", "coordinates": [WEST + 0.05, SOUTH + 0.05]}
STREET: dict[str, Any] = {
    "type": "LineString",
    "coordinates": [[WEST + 0.02, SOUTH + 0.02], [WEST + 0.06, SOUTH + 0.05]],
}


def ask(places: Places, query: str = "", **wanted: Any) -> dict[str, Any]:
    answer = places.signed_in().post(f"/api/v1/areas{query}", json=wanted)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def corners(area: BaseGeometry) -> int:
    rings = shapely.get_rings(shapely.get_parts(area))
    return int(shapely.get_num_coordinates(rings).sum()) - len(rings)


@pytest.mark.parametrize("limit", [4, 12, 100])
def test_an_area_holds_what_was_asked_for_in_so_many_corners_and_tells_who_is_in_it(
    places: Places, limit: int
) -> None:
    for around in (HERE, STREET):
        found = ask(places, shape="evacuation", around=around, metres=800, corners=limit, limit=5000)
        area, told = shape(found["geometry"]), found["properties"]
        assert corners(area) <= limit
        assert told["corners"] == corners(area)
        asked = buffer(shape(around), 800)
        assert area.covers(asked)
        if around is HERE:
            assert area.covers(circle(WEST + 0.05, SOUTH + 0.05, 799))
        again = (
            places.signed_in().post("/api/v1/inside", json={"area": found["geometry"], "limit": 5000}).json()
        )
        for kind in ("devices", "responders", "zones", "cameras"):
            assert told["inside"][kind] == again[kind]
        assert told["inside"]["devices"]["count"] > 0


def test_the_nearest_responders_are_told_where_they_were_heard(places: Places, heard: datetime) -> None:
    del heard
    place = shapely.Point(WEST + 0.0125, SOUTH + 0.0305)
    found = ask(places, shape="buffer", around=shapely.geometry.mapping(place), metres=100, responders=12)
    near = found["properties"]["responders"]
    assert len(near) == 12
    assert [each["metres"] for each in near] == sorted(each["metres"] for each in near)
    # Ten have told their place, at one spot some 70 m away; the others stand where the registry has them.
    assert [each["fixed_at"] is not None for each in near[:10]] == [True] * 10
    assert near[0]["metres"] == pytest.approx(np.hypot(0.0005 * 95_200, 0.0005 * 110_880), rel=0.01)
    own = places.signed_in("wang").post(
        "/api/v1/areas",
        json={"shape": "buffer", "around": HERE, "metres": 100, "responders": 100},
    )
    assert {each["department"] for each in own.json()["properties"]["responders"]} == {"water"}


def test_a_cordon_lies_around_what_it_closes_off(places: Places) -> None:
    found = ask(places, shape="cordon", around=HERE, metres=300, width_m=100, corners=200)
    belt = shape(found["geometry"])
    assert not belt.covers(shapely.Point(HERE["coordinates"]))
    assert belt.covers(buffer(shape(HERE), 390).difference(buffer(shape(HERE), 310)))


def test_downstream_leads_along_the_waterways_in_metres_and_in_seconds(places: Places) -> None:
    wanted: dict[str, Any] = {"shape": "downstream", "around": HERE, "metres": 50, "reach_m": 2000}
    nothing = places.signed_in().post("/api/v1/areas", json=wanted)
    assert (nothing.status_code, "no waterways" in nothing.json()["detail"]) == (422, True)
    upper = shapely.LineString([(WEST + 0.04, SOUTH + 0.0505), (WEST + 0.06, SOUTH + 0.0505)])
    lower = shapely.LineString([(WEST + 0.06, SOUTH + 0.0505), (WEST + 0.06, SOUTH)])
    with psycopg.connect(places.database) as connection, connection.cursor() as cursor:
        table.keep_lines(cursor, [Line("upper", "Upper", "waterway", upper, speed_m_s=1.0), Line("lower", "Lower", "waterway", lower, speed_m_s=2.0)])  # fmt: skip
    found = ask(places, **wanted)
    area, told = shape(found["geometry"]), found["properties"]
    assert [each["line"] for each in told["downstream"]] == ["upper", "lower"]
    assert told["downstream"][-1]["ends"] == 2000
    assert told["snapped_m"] == pytest.approx(55, abs=1)
    assert area.covers(shapely.LineString([(WEST + 0.051, SOUTH + 0.0505), (WEST + 0.06, SOUTH + 0.0505), (WEST + 0.06, SOUTH + 0.043)]))  # fmt: skip
    assert not area.covers(shapely.Point(WEST + 0.049, SOUTH + 0.0505))
    [first, second] = ask(places, shape="downstream", around=HERE, metres=50, reach_s=1500)["properties"][
        "downstream"
    ]
    assert second["ends"] == 1500
    assert (first["ends"], second["begins"]) == (pytest.approx(952, rel=0.01), first["ends"])
    far = places.signed_in().post(
        "/api/v1/areas", json={**wanted, "around": {"type": "Point", "coordinates": [WEST, SOUTH]}}
    )
    assert (far.status_code, "no river lies within" in far.json()["detail"]) == (422, True)


def test_a_map_in_another_datum_is_told_in_it_and_still_nobody_is_cut_out(places: Places) -> None:
    moved = [
        axis.tolist()[0] for axis in from_wgs84("GCJ02", *(np.array([each]) for each in HERE["coordinates"]))
    ]
    around = {"type": "Point", "coordinates": moved}
    found = ask(places, "?datum=GCJ02", shape="buffer", around=around, datum="GCJ02", metres=500, corners=8)
    area = shape(found["geometry"])
    back = shapely.transform(area, lambda place: np.column_stack(to_wgs84("GCJ02", *place.T)))
    asked = buffer(shape(HERE), 500)
    assert back.covers(asked.buffer(-1e-7))
    assert not area.covers(asked)
    assert found["properties"]["datum"] == "GCJ02"


def test_what_cannot_be_drawn_is_refused(places: Places) -> None:
    sound = {"shape": "buffer", "around": HERE, "metres": 100}
    for wrong in (
        {"shape": "star"}, {"metres": 0}, {"metres": 1e9}, {"metres": None}, {"corners": 3}, {"around": {"type": "Point"}},
        {"around": {"type": "Point", "coordinates": [0, 90]}}, {"around": {"type": "Point", "coordinates": [180, 0]}},
        {"shape": "downstream"}, {"shape": "downstream", "reach_m": 1, "reach_s": 1}, {"responders": 101},
        {"shape": "downstream", "reach_m": 1, "around": STREET}, {"around": {"type": "LineString", "coordinates": [[1, 1]]}},
    ):  # fmt: skip
        answer = places.signed_in().post("/api/v1/areas", json=sound | wrong)
        assert answer.status_code == 422, (wrong, answer.text)
    assert places.signed_in().post("/api/v1/areas?datum=Beijing54", json=sound).status_code == 422


def test_a_tangle_of_lines_is_refused_at_once_and_a_net_of_streets_is_drawn(places: Places) -> None:
    tangle = np.random.default_rng(1).uniform((WEST, SOUTH), (WEST + 1, SOUTH + 1), (2000, 2)).tolist()
    net = [[[WEST + x / 100, SOUTH], [WEST + x / 100, SOUTH + 0.1]] for x in range(10)]
    for around, status in (
        ({"type": "LineString", "coordinates": tangle}, 422),
        ({"type": "LineString", "coordinates": tangle[:300]}, 422),
        ({"type": "MultiLineString", "coordinates": net}, 200),
    ):
        asked = {"shape": "buffer", "around": around, "metres": 5, "limit": 0, "responders": 0}
        assert places.signed_in().post("/api/v1/areas", json=asked).status_code == status
