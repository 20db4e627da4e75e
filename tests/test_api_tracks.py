"""Tracks and crossings over HTTP: each caller sees its own department's, by box, zone and moment, in pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from test_api_rest import City, city  # noqa: F401 -- a fixture

NOW = datetime.now(UTC).replace(microsecond=0)
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def followed(city: City) -> City:  # noqa: F811
    """A vehicle of the water office on its way through the plaza, and two people whom the traffic office's camera sees."""
    with psycopg.connect(city.database, autocommit=True) as connection:
        connection.execute(
            """insert into track (device_id, name, first_at, last_at)
               select device.id, coalesce(token, device.key), %s, %s
               from (values ('gauge-1', null), ('camera-1', '~0000000000000001'), ('camera-1', '~0000000000000002'))
                    as made (key, token) join device using (key) order by token nulls first""",
            (NOW - 600 * SECOND, NOW),
        )
        for second in range(600):
            connection.execute(
                "insert into fix values (%s, 1, %s, 30.5, 'NaN', 0)",
                (NOW - (600 - second) * SECOND, 119.9 + second / 1000),
            )
        connection.execute("insert into fix values (%s, 1, 150, 60, 3, 2)", (NOW,))  # a jump is no place
        connection.execute("insert into fix values (%s, 2, 120.1, 30.1, 4, 0)", (NOW - 5 * SECOND,))
        connection.execute("insert into fix values (%s, 3, -179.9, 30.1, 4, 0)", (NOW - 5 * SECOND,))
        for kind, before, stayed in (("enter", 500, None), ("dwell", 300, 200), ("exit", 100, 400)):
            connection.execute(
                """insert into crossing (time, track_id, zone_id, zone_version, kind, stayed_s)
                   select %s, 1, id, version, %s, %s from zone where key = 'plaza'""",
                (NOW - before * SECOND, kind, stayed),
            )
        connection.execute(
            """insert into crossing (time, track_id, zone_id, zone_version, kind)
               select %s, 2, id, version, 'enter' from zone where key = 'plaza'""",
            (NOW - 50 * SECOND,),
        )
    return city


def items(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def ids(answer: httpx.Response) -> list[int]:
    return [each["id"] for each in items(answer)]


def looking(city: City, name: str) -> httpx.Client:  # noqa: F811
    """Somebody who asks for those without names, too."""
    client = city.signed_in(name)
    client.params = httpx.QueryParams(anonymous=True)
    return client


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_the_newest_place_that_was_believed_by_box_zone_and_moment(followed: City) -> None:
    olga = looking(followed, "admin")
    first, second, third = items(olga.get("/api/v1/tracks"))
    assert (first["device"], first["name"], first["token"]) == ("gauge-1", "gauge-1", None)
    assert (first["time"], first["lon"], first["accuracy"]) == (
        stamp(NOW - SECOND),
        pytest.approx(120.499),
        None,
    )
    assert (second["device"], second["name"], second["token"]) == ("camera-1", None, "~0000000000000001")
    assert third["lon"] == -179.9
    assert ids(olga.get("/api/v1/tracks", params={"bbox": "120.05,30,120.2,31"})) == [2]
    assert ids(olga.get("/api/v1/tracks", params={"bbox": "179,30,-179,31"})) == [3]
    assert ids(olga.get("/api/v1/tracks", params={"device": "camera-1"})) == [2, 3]
    assert ids(olga.get("/api/v1/tracks", params={"zone": "plaza"})) == [2]
    past = {"at": stamp(NOW - 200 * SECOND)}
    (then,) = items(olga.get("/api/v1/tracks", params=past))
    assert then["lon"] == pytest.approx(120.3)
    assert ids(olga.get("/api/v1/tracks", params={**past, "zone": "plaza"})) == [1]
    assert ids(olga.get("/api/v1/tracks", params={"at": stamp(NOW), "within": 2})) == [1]
    page = olga.get("/api/v1/tracks", params={"limit": 2}).json()
    assert ids(olga.get("/api/v1/tracks", params={"limit": 2, "cursor": page["next"]})) == [3]
    for bad in ("1,2,3", "a,b,c,d", "0,91,0,92", "0,10,0,5", "nan,0,0,0", "0,0,0,inf"):
        assert olga.get("/api/v1/tracks", params={"bbox": bad}).status_code == 422, bad


def test_the_way_of_a_track_in_pages_and_whoever_looks_at_it_is_in_the_audit(followed: City) -> None:
    olga = followed.signed_in("olga")
    answer = olga.get("/api/v1/tracks/1", params={"limit": 400})
    page = items(answer)
    assert (len(page), page[0]["outcome"], page[0]["accuracy"]) == (400, "believed", None)
    rest = items(olga.get("/api/v1/tracks/1", params={"limit": 400, "cursor": answer.json()["next"]}))
    assert [each["time"] for each in page + rest] == [stamp(NOW - n * SECOND) for n in range(600, -1, -1)]
    assert rest[-1]["outcome"] == "jump"
    span = {"from": stamp(NOW - 10 * SECOND), "to": stamp(NOW - 5 * SECOND)}
    assert len(items(olga.get("/api/v1/tracks/1", params=span))) == 5
    entries = followed.execute("select actor, object from audit_entry where action = 'track.read'")
    assert entries == [("olga", "gauge-1/gauge-1")] * 2
    for wrong in ("0", "99", "99999999999"):
        assert olga.get(f"/api/v1/tracks/{wrong}").status_code == 404
    assert olga.get("/api/v1/tracks/1", params={"from": span["to"], "to": span["from"]}).status_code == 422


def test_crossings_newest_first_by_zone_track_kind_and_span(followed: City) -> None:
    olga = looking(followed, "admin")
    found = items(olga.get("/api/v1/crossings"))
    assert [each["kind"] for each in found] == ["enter", "exit", "dwell", "enter"]
    assert found[1] | {"told_at": ""} == {
        "time": stamp(NOW - 100 * SECOND), "told_at": "", "kind": "exit", "zone": "plaza", "zone_version": 1,
        "track": 1, "device": "gauge-1", "name": "gauge-1", "token": None, "stayed_s": 400,
    }  # fmt: skip
    for params, count in (
        ({"zone": "plaza"}, 4), ({"zone": "river"}, 0), ({"track": 2}, 1), ({"device": "gauge-1"}, 3),
        ({"kind": "enter"}, 2), ({"from": stamp(NOW - 350 * SECOND), "to": stamp(NOW - 60 * SECOND)}, 2),
    ):  # fmt: skip
        assert len(items(olga.get("/api/v1/crossings", params=params))) == count, params
    seen, cursor = [], None
    while True:
        answer = olga.get("/api/v1/crossings", params={"limit": 1, **({"cursor": cursor} if cursor else {})})
        seen += items(answer)
        cursor = answer.json()["next"]
        if cursor is None:
            break
    assert seen == found


def test_each_department_sees_its_own(followed: City) -> None:
    wang, tara = followed.signed_in("wang"), looking(followed, "tara")  # of water; of traffic
    assert ids(wang.get("/api/v1/tracks")) == [1]
    assert ids(tara.get("/api/v1/tracks")) == [2, 3]
    assert wang.get("/api/v1/tracks/2").status_code == 404
    assert tara.get("/api/v1/tracks/1").status_code == 404
    assert {each["track"] for each in items(wang.get("/api/v1/crossings"))} == {1}
    assert {each["track"] for each in items(tara.get("/api/v1/crossings"))} == {2}
    assert items(tara.get("/api/v1/crossings", params={"track": 1})) == []


def test_single_people_without_names_are_shown_to_few_who_ask_and_are_in_the_audit(followed: City) -> None:
    admin, olga, eng = (followed.signed_in(name) for name in ("admin", "olga", "eng"))
    before = len(followed.execute("select id from audit_entry where action = 'track.look'"))
    for anybody in (admin, olga, eng):
        assert ids(anybody.get("/api/v1/tracks")) == [1]
        assert ids(anybody.get("/api/v1/tracks", params={"zone": "plaza"})) == []
        assert items(anybody.get("/api/v1/crossings", params={"track": 2})) == []
        assert "~" not in anybody.get("/api/v1/crossings").text
    paths = ("/api/v1/tracks?anonymous=true", "/api/v1/crossings?anonymous=true", "/api/v1/tracks/2")
    for number, path in enumerate(paths, 1):
        for refused in (olga, eng):
            assert (refused.get(path).status_code, refused.get(path).json()["type"][-4:]) == (403, "role")
        for page in (1, 2):
            assert len(items(admin.get(path))) >= 1
            entries = followed.execute(
                "select actor, outcome, object from audit_entry where action = 'track.look' order by id desc limit 1"
            )
            assert entries[0][:2] == ("admin", "done")
            count = len(followed.execute("select id from audit_entry where action = 'track.look'"))
            assert count == before + 2 * (number - 1) + page
    assert entries[0][2] == "camera-1/~0000000000000001"
    denied = followed.execute(
        "select count(*) from audit_entry where outcome = 'denied' and object like '/api/v1/tracks%' and actor = 'eng'"
    )
    assert denied[0][0] == 4
