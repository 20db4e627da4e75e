"""Zones in the table: versions, layers, what holds when, and the devices that watch them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from fix_services import Cluster, Private

from api import accounts, zoning
from api.app import build
from api.server import Server, bound
from api.watched import WatchedError
from geo import table
from geo.zones import ZoneError

Connection = psycopg.Connection[Any]
BOWTIE = [[120.60, 31.30], [120.61, 31.31], [120.61, 31.30], [120.60, 31.31], [120.60, 31.30]]


def square(lon: float = 120.6, lat: float = 31.3, side: float = 0.01) -> list[list[float]]:
    return [
        [lon, lat],
        [lon + side, lat],
        [lon + side, round(lat + side, 7)],
        [lon, round(lat + side, 7)],
        [lon, lat],
    ]


def feature(key: str, ring: list[list[float]] | None = None, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": key,
        "geometry": {"type": "Polygon", "coordinates": [ring or square()]},
        "properties": {"kind": "crowd", **properties},
    }


def line(key: str, *positions: list[float], **properties: Any) -> dict[str, Any]:
    drawn = {"type": "LineString", "coordinates": list(positions) or [[120.6, 31.3], [120.61, 31.3]]}
    return {**feature(key, **properties), "geometry": drawn}


def collection(*features: dict[str, Any]) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


@pytest.fixture(scope="module")
def shared(cluster: Cluster) -> Iterator[Private]:
    private = cluster.fresh()
    yield private
    cluster.drop(private)


@pytest.fixture
def hub(shared: Private) -> Iterator[Connection]:
    """A database without zones; what a test writes is taken back."""
    with psycopg.connect(shared.url, autocommit=True) as connection:
        yield connection
        connection.execute("truncate zone, line, device restart identity cascade")
        connection.execute("truncate zone_history, line_history, device_history")


def take(hub: Connection, *features: dict[str, Any], **options: Any) -> zoning.Imported:
    return zoning.take(hub, collection(*features), who="tester", file="zones.geojson", **options)


def devices(hub: Connection) -> dict[str, tuple[Any, ...]]:
    rows = hub.execute(
        """select device.key, profile, state, department.key, zone.key, device.name from device
           join department on department.id = department_id left join zone on zone.id = zone_id"""
    ).fetchall()
    return {row[0]: row[1:] for row in rows}


def test_everything_that_a_feature_says_comes_back_from_the_table(hub: Connection) -> None:
    said: dict[str, Any] = {
        "name": "Market square", "kind": "crowd", "usable_m2": 1200.5, "capacity": 4000, "layer": "crowds", "floor": "B1",
        "valid_from": "2026-01-01T00:00:00+08:00", "valid_to": "2126-01-01T00:00:00Z", "department": "police",
        "camera": "camera-1", "exit_m": 0, "enter_s": 2.5, "exit_s": 30, "dwell_s": 600, "expected": ["truck-1", "truck-2"],
    }  # fmt: skip
    take(hub, feature("market", **said))
    (zone,) = table.fences(hub.cursor())
    assert (zone.id > 0, zone.version) == (True, 1)
    told = {name: getattr(zone, name) for name in said}
    assert told == {
        **said,
        "valid_from": datetime(2025, 12, 31, 16, tzinfo=UTC),
        "valid_to": datetime(2126, 1, 1, tzinfo=UTC),
        "expected": ("truck-1", "truck-2"),
    }
    assert zone.area_m2 == pytest.approx(1_055_000, rel=0.01)
    assert zone.ground_m2 == 1200.5
    assert [list(corner) for corner in zone.geometry.exterior.coords] == square()  # type: ignore[union-attr]
    (plain,) = table.zones(hub.cursor(), ["market"])
    assert plain == zone


def test_an_unchanged_zone_gets_no_new_version_and_a_changed_one_does(hub: Connection) -> None:
    first = take(hub, feature("a"), feature("b"))
    assert (first.new, first.changed, first.same) == (["a", "b"], [], 0)
    again = take(hub, feature("a", name="Renamed"), feature("b"))
    assert (again.new, again.changed, again.same) == ([], ["a"], 1)
    assert {zone.key: zone.version for zone in table.fences(hub.cursor())} == {"a": 2, "b": 1}
    spans = table.history(hub.cursor(), "a")
    assert [(span.version, span.record["name"], span.who) for span in spans] == [
        (1, "a", "tester"),
        (2, "Renamed", "tester"),
    ]
    assert spans[0].valid_to == spans[1].valid_from
    assert spans[1].valid_to is None
    assert spans[0].because == "import of zones.geojson"


def test_the_fence_of_a_day_is_the_one_that_held_then(hub: Connection) -> None:
    take(hub, feature("a"))
    time.sleep(0.02)
    moment = datetime.now(UTC)
    before = moment - timedelta(minutes=1)
    take(hub, feature("a", square(121.0)))
    (then,) = table.fences_on(hub.cursor(), moment)
    (now,) = table.fences_on(hub.cursor(), datetime.now(UTC))
    assert (then.version, then.geometry.bounds[0]) == (1, 120.6)
    assert (now.version, now.geometry.bounds[0]) == (2, 121.0)
    assert now == table.fences(hub.cursor())[0]
    assert table.fences_on(hub.cursor(), before) == []


def test_a_zone_outside_its_validity_is_no_fence(hub: Connection) -> None:
    now = datetime.now(UTC)
    hour = timedelta(hours=1)

    def at(moment: datetime) -> str:
        return moment.isoformat()

    take(
        hub,
        feature("over", valid_to=at(now - hour)),
        feature("now", valid_from=at(now - hour), valid_to=at(now + hour)),
        feature("later", valid_from=at(now + 2 * hour)),
    )
    cursor = hub.cursor()
    assert [zone.key for zone in table.fences(cursor)] == ["now"]
    assert len(table.polygons(cursor, [120.605, 0.0], [31.305, 0.0])[0]) == 1
    assert table.polygons(cursor, [120.5], [31.305])[0] == []
    assert [zone.key for zone in table.fences_on(cursor, now + timedelta(seconds=5))] == ["now"]
    assert table.next_turn(cursor) == now + hour
    assert {zone.key for zone in table.zones(cursor)} == {"over", "now", "later"}


def test_devices_stand_in_a_zone_while_it_holds(hub: Connection) -> None:
    """The clock is the database's, so a zone's end is moved instead of waited for; the hub looks once a minute."""
    hub.execute(
        """insert into department (key, name) values ('water', 'Water') on conflict do nothing;
           insert into device (key, name, department_id, profile, lon, lat)
           select 'gauge-1', 'Gauge', id, 'river-gauge', 120.605, 31.305 from department where key = 'water'"""
    )
    assert take(hub, feature("fair", valid_to="2126-01-01T00:00:00Z")).placed == 1

    def stands() -> int:
        return len(
            hub.execute(
                "select from device_zone join device on device.id = device_id where key = 'gauge-1'"
            ).fetchall()
        )

    turns = zoning.Turns()
    turns.look(hub)
    hub.execute("update zone set valid_to = now() - interval '1 second'")
    assert stands() == 1
    turns.look(hub)  # a control: nobody told it that the zone was changed behind its back
    assert stands() == 1
    hub.execute("delete from device where key = 'zone-fair'")
    zoning.Turns().look(hub)  # the hub begins anew
    assert stands() == 0
    assert "zone-fair" in devices(hub)  # as of a zone from before there were such devices
    hub.execute("update zone set valid_to = now() + interval '0.2 seconds'")
    turns.look(hub)
    time.sleep(0.25)
    hub.execute(
        "insert into device_zone select device.id, zone.id from device, zone where device.key = 'gauge-1'"
    )
    turns.look(hub)
    assert stands() == 0


def test_what_a_layer_no_longer_has_is_retired_where_asked_and_comes_back_as_itself(hub: Connection) -> None:
    take(hub, feature("a"), feature("b"), feature("other", layer="parks"), line("w", kind="waterway"))
    kept = take(hub, feature("a"))
    assert kept.retired == []
    hub.execute(
        """insert into department (key, name) values ('police', 'Police') on conflict do nothing;
           insert into device (key, name, department_id, profile, zone_id)
           select 'camera-1', 'Camera', department.id, 'counting-camera', zone.id from department, zone
           where department.key = 'police' and zone.key = 'b'"""
    )
    replaced = take(hub, feature("a"), replace=True)
    assert sorted(replaced.retired) == ["b", "w"]
    assert replaced.notes == ["'b' is retired, and 'camera-1' counts it still."]
    assert {zone.key for zone in table.fences(hub.cursor())} == {"a", "other"}
    assert table.lines(hub.cursor()) == []
    (before,) = table.zones(hub.cursor(), ["b"])
    assert take(hub, feature("b")).changed == ["b"]
    (after,) = [zone for zone in table.fences(hub.cursor()) if zone.key == "b"]
    assert (after.id, after.version) == (before.id, before.version + 1)


def test_lines_are_kept_with_their_versions(hub: Connection) -> None:
    gate = {
        "kind": "counting-line",
        "counter": "camera-1",
        "into_zone": "a",
        "width_m": 3.5,
        "forward": "in-total",
    }
    take(
        hub,
        feature("a"),
        line("gate", **gate),
        line("river", kind="waterway", speed_m_s=1.5, name="Lan River"),
    )
    (counting,) = table.lines(hub.cursor(), "counting-line")
    assert (counting.counter, counting.forward, counting.backward) == ("camera-1", "in-total", "out")
    assert (counting.into_zone, counting.from_zone, counting.width_m, counting.version) == ("a", None, 3.5, 1)
    (river,) = table.lines(hub.cursor(), "waterway")
    assert (river.name, river.speed_m_s, list(river.geometry.coords)) == (
        "Lan River",
        1.5,
        [(120.6, 31.3), (120.61, 31.3)],
    )
    take(hub, line("gate", **gate | {"width_m": 4}))
    assert [span.record["width_m"] for span in table.history(hub.cursor(), "gate")] == [3.5, 4]


def test_a_watched_zone_is_a_device_that_follows_it(hub: Connection) -> None:
    take(
        hub,
        feature("square", name="Square", department="police"),
        feature("depot", kind="restricted"),
        feature("town", kind="district"),
        line("gate", kind="counting-line", into_zone="square"),
        line("river", kind="waterway"),
    )
    assert devices(hub) == {
        "zone-square": ("zone", "commissioned", "police", "square", "Square"),
        "zone-depot": ("zone", "commissioned", "hub", "depot", "depot"),
        "line-gate": ("counting-line", "commissioned", "hub", None, "gate"),
    }
    inside = hub.execute(
        "select zone.key from device_zone join zone on zone.id = zone_id join device on device.id = device_id where device.key = 'zone-square'"
    ).fetchall()
    assert ("square",) in inside
    hub.execute("update device set state = 'suspended' where key = 'zone-depot'")
    take(
        hub,
        feature("square", square(121.0), kind="district"),
        feature("depot", kind="restricted", name="Depot"),
    )
    found = devices(hub)
    assert found["zone-square"][1] == "retired"
    assert found["zone-depot"] == ("zone", "suspended", "hub", "depot", "Depot")
    gone = zoning.retire(hub, ["gate", "river", "nowhere"], who="tester", because="rebuilt")
    assert (gone.keys, gone.notes) == (["gate", "river"], [])
    assert devices(hub)["line-gate"][1] == "retired"
    take(hub, feature("square", square(121.0)))
    assert devices(hub)["zone-square"][1] == "commissioned"
    place = hub.execute("select lon, lat from device where key = 'zone-square'").fetchone()
    assert place is not None
    assert (121.0 < place[0] < 121.01, 31.3 < place[1] < 31.31) == (True, True)


def test_a_device_of_the_field_keeps_its_name(hub: Connection) -> None:
    hub.execute("insert into department (key, name) values ('water', 'Water') on conflict do nothing")
    hub.execute(
        """insert into device (key, name, department_id, profile)
           select 'zone-square', 'An old name', id, 'gateway' from department where key = 'water'"""
    )
    with pytest.raises(WatchedError, match="zone-square"):
        take(hub, feature("square"))
    assert table.zones(hub.cursor()) == []


def test_a_look_writes_nothing(hub: Connection) -> None:
    looked = take(hub, feature("a"), dry=True)
    assert (looked.new, looked.changed, looked.same) == (["a"], [], 0)
    assert table.zones(hub.cursor()) == []
    assert devices(hub) == {}


def test_a_writer_that_knows_nothing_of_versions_makes_them_all_the_same(hub: Connection) -> None:
    hub.execute(
        "insert into zone (key, name, kind, geometry, area_m2) values ('raw', 'Raw', 'area', %s, 1)",
        (json.dumps({"type": "MultiPolygon", "coordinates": [[square()], [square(121.0)]]}),),
    )
    hub.execute("update zone set name = 'Raw' where key = 'raw'")
    hub.execute("update zone set capacity = 5 where key = 'raw'")
    found = hub.execute("select version, extent::text from zone").fetchall()
    assert found == [(2, "(121.01,31.31),(120.6,31.3)")]
    assert [span.version for span in table.history(hub.cursor(), "raw")] == [1, 2]


def reason(caught: pytest.ExceptionInfo[ZoneError]) -> list[tuple[str, str | None]]:
    return [(fault.sentence, fault.key) for fault in caught.value.faults]


def test_what_an_import_points_at_is_looked_for_in_the_hub(hub: Connection) -> None:
    hub.execute("insert into department (key, name) values ('police', 'Police') on conflict do nothing")
    hub.execute(
        """insert into device (key, name, department_id, profile)
           select 'camera-1', 'Camera', id, 'counting-camera' from department where key = 'police'"""
    )
    told = take(
        hub,
        feature("square", department="police", expected=["camera-1", "truck-9"]),
        feature("away", square(121.0), kind="camera-view", camera="camera-1", department="fire"),
        feature("seen", kind="camera-view", camera="camera-2"),
        line("gate", kind="counting-line", counter="camera-1", forward="in", backward="outwards", into_zone="square", width_m=2),
    ).notes  # fmt: skip
    assert told == [
        "department 'fire' is new: nobody belongs to it yet.",
        "'square': its expected 'truck-9' is no device in service yet.",
        "'seen': its camera 'camera-2' is no device in service yet.",
        "'gate': its counter 'camera-1' does not measure outwards.",
        "'away': this camera's view lies in no crowd zone: what camera-1 counts goes nowhere.",
    ]
    with pytest.raises(ZoneError) as caught:
        take(
            hub,
            feature("gate"),
            line("seen", kind="waterway"),
            line("door", kind="counting-line", into_zone="nowhere"),
            feature("loud", department="alarm"),
        )
    assert reason(caught) == [
        ("there is a line with this key", "gate"),
        ("there is a zone with this key", "seen"),
        ("its into_zone 'nowhere' is no zone", "door"),
        ("its department cannot be called alarm", "loud"),
    ]


def test_jurisdictions_that_overlap_those_in_the_hub_are_told_with_their_ground(hub: Connection) -> None:
    take(hub, feature("west", kind="street"), feature("plan", kind="street", valid_to="2020-01-01T00:00:00Z"))
    shifted = feature("east", square(120.609), kind="street")
    beside = feature("south", square(120.6, 31.29), kind="street")
    told = take(hub, shifted, beside, feature("all", kind="community")).notes
    assert len(told) == 1
    assert told[0].startswith("'east' and 'west' are both a street and overlap by 105,5")
    assert take(hub, shifted).notes == []  # it is as it was: nobody is told twice


def test_axes_swapped_against_the_zones_of_the_hub_are_told(hub: Connection) -> None:
    """Western China, where longitudes are latitudes, too; one zone alone, so that its own file says nothing."""
    take(hub, *(feature(f"z{n}", square(87.6 + n / 50, 43.8)) for n in range(3)))
    ring = [[lat, lon] for lon, lat in square(87.6, 43.8)]
    with pytest.raises(ZoneError, match="axes swapped") as caught:
        take(hub, feature("swapped", ring))
    assert caught.value.faults[0].place == pytest.approx((43.805, 87.605))
    take(hub, feature("rome", square(12.6, 41.8)))


@pytest.fixture
def api(hub: Connection, shared: Private) -> Iterator[httpx.Client]:
    """The API over that database; nobody signed in."""
    listener, ready = bound("127.0.0.1", 0), threading.Event()
    server = Server(build(shared.url), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert ready.wait(20)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=20) as client:
        yield client
    server.should_exit = True
    thread.join(20)
    hub.execute("truncate account cascade")


def sign_in(api: httpx.Client, hub: Connection, role: Any, department: str | None = None) -> None:
    name = f"{role}-{department or 'all'}"
    password = accounts.create(hub, name, role, department)
    assert api.post("/api/v1/session", json={"name": name, "password": password}).status_code == 200


def test_map_clients_get_the_zones_of_a_place_a_day_and_a_layer(hub: Connection, api: httpx.Client) -> None:
    wavy = [
        [120.6, 31.3],
        [120.605, 31.30001],
        [120.61, 31.3],
        [120.61, 31.31],
        [120.6, 31.31],
        [120.6, 31.3],
    ]
    take(
        hub,
        feature("market", wavy, department="police", floor="B1", layer="crowds", camera="camera-1"),
        feature("far", square(121.0), kind="district"),
        feature("over", valid_to="2020-01-01T00:00:00Z"),
        line("river", kind="waterway", speed_m_s=1.5),
        line("gate", [121.0, 31.3], [121.0, 31.301], kind="counting-line", into_zone="far"),
    )
    time.sleep(0.02)
    then = datetime.now(UTC).isoformat()
    take(hub, feature("market", square(122.0), department="police"))
    sign_in(api, hub, "operator", "police")

    def keys(path: str, **asked: Any) -> list[str]:
        answer = api.get(f"/api/v1/{path}", params=asked)
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["features"]]

    assert keys("zones") == ["far", "market"]
    assert keys("zones", kind="district") == ["far"]
    assert keys("zones", bbox="121.9,31,122.5,32") == ["market"]
    assert keys("zones", bbox="120,31,120.7,32") == []
    assert keys("zones", bbox="120,31,120.7,32", at=then) == ["market"]
    assert keys("zones", layer="crowds", floor="B1", at=then) == ["market"]
    assert keys("zones", layer="crowds") == []
    assert keys("zones", at="2026-01-01T00:00:00Z") == []
    assert keys("lines") == ["gate", "river"]
    assert keys("lines", kind="waterway", bbox="120,31,120.7,32") == ["river"]
    for wrong in ("1,2,3", "a,b,c,d", "121,31,120,32", "nan,31,121,32", "120,31,999,32"):
        assert api.get("/api/v1/zones", params={"bbox": wrong}).status_code == 422
    page = api.get("/api/v1/zones", params={"limit": 1})
    beyond = api.get(page.links["next"]["url"])
    assert [each["id"] for each in beyond.json()["features"]] == ["market"]
    assert "next" not in beyond.links
    every = api.get("/api/v1/zones")
    assert every.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in api.get("/api/v1/zones", headers={"Accept-Encoding": "identity"}).headers
    polled = api.get("/api/v1/zones", headers={"If-None-Match": f'"other", {every.headers["etag"]}'})
    assert (polled.status_code, polled.content, polled.headers["etag"]) == (304, b"", every.headers["etag"])
    assert api.get("/api/v1/zones", headers={"If-None-Match": page.headers["etag"]}).status_code == 200
    whole, coarse = (
        api.get("/api/v1/zones", params={"at": then, "layer": "crowds", **more}).json()["features"][0]
        for more in ({}, {"simplify_m": 5})
    )
    assert (len(whole["geometry"]["coordinates"][0]), len(coarse["geometry"]["coordinates"][0])) == (6, 5)
    assert whole["properties"] | {"area_m2": 0} == {
        "name": "market", "kind": "crowd", "layer": "crowds", "floor": "B1", "area_m2": 0, "usable_m2": None,
        "capacity": None, "department": "police", "valid_from": None, "valid_to": None, "version": 1, "level": None,
    }  # fmt: skip
    one = api.get("/api/v1/zones/market", params={"at": then}).json()
    assert (one["properties"]["camera"], one["properties"]["version"], one["geometry"]) == (
        "camera-1",
        1,
        whole["geometry"],
    )
    assert api.get("/api/v1/zones/market", params={"at": "2026-01-01T00:00:00Z"}).status_code == 404
    first, second = api.get("/api/v1/zones/market/history").json()["items"]
    assert (first["valid_to"], first["who"]) == (second["valid_from"], "tester")
    assert sorted(second["changed"]) == ["area_m2", "camera", "floor", "geometry", "layer"]
    assert api.get("/api/v1/zones/nowhere").status_code == 404
    api.delete("/api/v1/session")
    sign_in(api, hub, "operator", "hub")
    others = api.get("/api/v1/zones/market").json()["properties"]
    assert {"camera", "department", "expected"} & others.keys() == set()
    assert [each["who"] for each in api.get("/api/v1/zones/market/history").json()["items"]] == [None, None]
    assert [each["properties"]["department"] for each in api.get("/api/v1/zones").json()["features"]] == [
        None,
        None,
    ]


def test_engineers_import_and_retire_zones_each_of_the_own_department(
    hub: Connection, api: httpx.Client
) -> None:
    hub.execute("insert into department (key, name) values ('hub', 'CityHub') on conflict do nothing")
    take(hub, feature("theirs", department="police"))
    sign_in(api, hub, "operator")
    assert api.post("/api/v1/zones", content=collection(feature("a"))).status_code == 403
    assert api.delete("/api/v1/zones/theirs").status_code == 403
    api.delete("/api/v1/session")
    sign_in(api, hub, "engineer", "hub")
    refused = api.post("/api/v1/zones", content=collection(feature("a"), feature("theirs", department="hub")))
    assert refused.status_code == 422
    assert [(fault["feature"], fault["id"], fault["reason"]) for fault in refused.json()["faults"]] == [
        (0, "a", "its department is none, not yours"),
        (1, "theirs", "this key is taken, and not yours"),
    ]
    assert api.delete("/api/v1/zones/theirs").status_code == 404
    hub.execute("insert into profile (key, body, sha256) values ('lent', '{}', '') on conflict do nothing")
    hub.execute(
        """insert into device (key, name, department_id, profile)
           select key || '-device', 'Lent', id, 'lent' from department where key in ('police', 'hub')"""
    )
    for names, status in ((["police-device"], 422), (["hub-device", "not-yet-registered"], 200)):
        spying = feature("a", department="hub", kind="restricted", expected=names)
        told = api.post("/api/v1/zones", params={"dry": True}, content=collection(spying))
        assert told.status_code == status, "its metric `absent` would tell where the police is"
    own = feature("a", department="hub")
    assert api.post("/api/v1/zones", params={"dry": True}, content=collection(own)).json()["new"] == ["a"]
    assert len(table.zones(hub.cursor())) == 1
    done = api.post("/api/v1/zones", params={"replace": True}, content=collection(own)).json()
    assert (done["new"], done["retired"]) == (["a"], [])
    wrong = api.post("/api/v1/zones", content=collection(feature("b", square()[:-1], department="hub")))
    assert wrong.json()["faults"] == [
        {
            "feature": 0, "id": "b", "reason": "its ring is open", "place": [120.6, 31.3],
            "remedy": "Repeat the first position of each ring at its end.",
        }
    ]  # fmt: skip
    assert api.post("/api/v1/zones", content=b"x" * (17 * 1024 * 1024)).status_code == 413
    assert api.delete("/api/v1/zones/a").status_code == 204
    assert [zone.key for zone in table.zones(hub.cursor())] == ["theirs"]
    entries = hub.execute(
        "select actor, action, object from audit_entry where action like 'zone.%' order by id desc limit 2"
    )
    assert entries.fetchall() == [
        ("engineer-hub", "zone.retire", "zone:a"),
        ("engineer-hub", "zone.import", "layer:zones"),
    ]
