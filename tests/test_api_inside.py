"""Everyone and everything inside an area: the same rows that shapely finds, of the caller's own, and people in groups alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
import shapely
from fix_places import MINUTE, SIDE, SOUTH, WEST, Places
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import inside
from geo.zones import VIEW

share = st.floats(0, 1).map(lambda part: round(part * SIDE, 6))
PEOPLE_SEEN = (MINUTE + timedelta(minutes=1, seconds=10)).isoformat()


def square(west: float, south: float, side: float) -> dict[str, Any]:
    drawn: dict[str, Any] = shapely.geometry.mapping(
        shapely.box(WEST + west, SOUTH + south, WEST + west + side, SOUTH + south + side)
    )
    return drawn


@given(
    st.lists(st.tuples(share, share), min_size=3, max_size=8, unique=True), st.sampled_from(["olga", "wang"])
)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_devices_and_zones_inside_are_those_that_shapely_finds(
    places: Places, heard: datetime, corners: list[tuple[float, float]], who: str
) -> None:
    del heard
    area = shapely.convex_hull(shapely.MultiPoint(corners)).buffer(0.0005)
    area = shapely.transform(area, lambda place: np.round(place + np.array((WEST, SOUTH)), 7))
    asked = {"area": shapely.geometry.mapping(area), "limit": 5000}
    answer = places.signed_in(who).post("/api/v1/inside", json=asked)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    rows = places.ask(
        """select d.key, component is not null, profile, coalesce(f.lon, d.lon), coalesce(f.lat, d.lat) from device d
           left join track t on t.device_id = d.id and not t.anonymous
           left join lateral (select lon, lat from fix where track_id = t.id order by time desc limit 1) f on true
           where d.lon is not null and (%s::text = 'olga' or d.department_id = (select id from department where key = 'water')) order by d.key""",
        who,
    )
    inside = [row for row in rows if area.covers(shapely.Point(row[3], row[4]))]
    told = {
        kind: [each["id"] for each in found[kind]["items"]]
        for kind in ("devices", "components", "responders")
    }
    assert told["devices"] == [row[0] for row in inside]
    assert told["components"] == [row[0] for row in inside if row[1]]
    assert told["responders"] == [row[0] for row in inside if row[2] == "responder"]
    assert found["devices"]["count"] == len(inside)
    zones = {
        key for key, zone in places.zones.items() if zone.kind != VIEW and zone.geometry.intersects(area)
    }
    assert {each["id"] for each in found["zones"]["items"]} == zones
    views = {
        zone.camera for zone in places.zones.values() if zone.kind == VIEW and zone.geometry.intersects(area)
    }
    own = {"olga": {"thing-21", "thing-22"}, "wang": {"thing-22"}}[who]
    assert {each["id"] for each in found["cameras"]} == views & own


def test_people_are_counted_by_fixed_squares_and_no_small_group_is_shown(places: Places) -> None:
    olga = places.signed_in()

    def people(
        west: float, south: float, side: float, who: str = "olga", at: str = PEOPLE_SEEN
    ) -> tuple[int, int]:
        asked = {"area": square(west, south, side), "at": at}
        found = places.signed_in(who).post("/api/v1/inside", json=asked).json()["people"]
        assert found["minimum"] == 5
        return found["inside"], found["meeting"]

    # Nine, and one who came to them within the minute; where five were before, one of them has left: four are nobody.
    assert people(0, 0, SIDE) == (10, 10)
    assert people(0.019, 0.019, 0.003) == (10, 10)
    # The half of a square is no other group than the whole of it: nothing is to be found by the difference.
    assert people(0.0204, 0.0204, 0.0002) == (0, 10)
    assert people(0.0201, 0.0201, 0.0001) == (0, 10)
    assert people(0.039, 0.019, 0.003) == (0, 0)
    # The camera is the police's.
    assert people(0, 0, SIDE, "wang") == (0, 0)
    assert people(0, 0, SIDE, "pete") == (10, 10)
    assert people(0, 0, SIDE, at=(MINUTE - timedelta(minutes=5)).isoformat()) == (0, 0)
    [(tracks,)] = places.ask("select count(*) from track where anonymous and first_at = %s", MINUTE)
    assert tracks == 14
    text = olga.post("/api/v1/inside", json={"area": square(0, 0, SIDE)}).text
    assert "~" not in text


def test_the_past_is_told_of_devices_as_they_stood_and_responders_where_they_were_heard(
    places: Places, heard: datetime
) -> None:
    olga = places.signed_in()
    places.ask(
        "insert into device (key, name, department_id, profile, lon, lat) select 'mover', 'Mover', id, 'lamp', 121.5, 31.3 from department where key = 'water'"
    )
    [[before]] = places.ask('select to_char(clock_timestamp(), \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')')
    places.ask("update device set lon = 121.6 where key = 'mover'")

    def there(west: float, **more: str) -> list[str]:
        asked = {"area": square(west - WEST - 0.001, 0, 0.002) | {}, **more}
        answer = olga.post("/api/v1/inside", json=asked)
        return [each["id"] for each in answer.json()["devices"]["items"]]

    assert (there(121.5), there(121.6)) == ([], ["mover"])
    assert (there(121.5, at=before), there(121.6, at=before)) == (["mover"], [])
    places.ask("update device set state = 'retired' where key = 'mover'")
    assert there(121.6) == []

    def told(at: str | None) -> set[float]:
        asked = {"area": square(0.009, 0.0295, 0.01)} | ({} if at is None else {"at": at})
        items = olga.post("/api/v1/inside", json=asked).json()["responders"]["items"]
        return {round(each["lon"] - WEST, 4) for each in items if each["fixed_at"]}

    assert told(None) == {0.012}
    # Of the time before the devices were registered nobody knows anything.
    assert told((heard - timedelta(days=1)).isoformat()) == set()


def test_areas_that_are_none_are_refused_and_looking_is_in_the_audit(places: Places) -> None:
    olga = places.signed_in()
    [[before]] = places.ask("select count(*) from audit_entry where action = 'area.look' and actor = 'olga'")
    assert (
        olga.post("/api/v1/inside", json={"area": square(0, 0, 0.01), "limit": 0}).json()["devices"]["items"]
        == []
    )
    assert places.ask("select count(*) from audit_entry where action = 'area.look' and actor = 'olga'") == [
        (before + 1,)
    ]
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    ring = [[0.0, 0.0]] * 10_002
    for area in (
        {}, {"type": "Point", "coordinates": [120, 31]}, {"type": "LineString", "coordinates": [[120, 31], [120, 32]]},
        {"type": "Polygon", "coordinates": deep}, {"type": "Polygon", "coordinates": [ring]}, {"type": "Polygon"},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]}, {"type": "Polygon", "coordinates": "x"},
        square(0, 0, 4), {"type": ["Polygon"], "coordinates": []}, {"type": "GeometryCollection", "geometries": []},
        {"type": "Polygon", "coordinates": [[[31, 120], [31, 121], [32, 121], [31, 120]]]},
    ):  # fmt: skip
        answer = olga.post("/api/v1/inside", json={"area": area})
        assert answer.status_code == 422, (str(area)[:80], answer.text)
    for more in ({"at": "2199-01-01T00:00:00Z"}, {"limit": -1}, {"datum": "x"}, {"colour": 1}, {"at": 5}):
        assert olga.post("/api/v1/inside", json={"area": square(0, 0, 0.01), **more}).status_code == 422


def test_an_area_of_a_thousand_rays_over_all_zones_is_refused_and_a_round_one_is_not(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside, "MOST_WORK", 100_000)
    turn = np.linspace(0, 2 * np.pi, 2001)[:, None]
    for ray, status in ((0.06, 422), (2.0, 200)):
        length = np.where(np.arange(2001) % 2, ray, 2.0)[:, None] * 0.05
        ring = np.array((WEST, SOUTH)) + 0.05 + length * np.hstack((np.cos(turn), np.sin(turn)))
        ring[-1] = ring[0]
        answer = places.signed_in().post(
            "/api/v1/inside", json={"area": {"type": "Polygon", "coordinates": [ring.tolist()]}, "limit": 0}
        )
        assert answer.status_code == status, answer.text
