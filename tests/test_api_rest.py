"""The REST interface against a real server and a real database: what each role sees, and what it refuses."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Protocol

import httpx
import psycopg
import pytest
from fastapi.routing import iter_route_contexts
from psycopg.types.json import Jsonb

from api import accounts
from api.app import build
from api.server import Server, bound

NOW = datetime.now(UTC).replace(microsecond=123456)
SQUARE = {"type": "Polygon", "coordinates": [[[120, 30], [121, 30], [121, 31], [120, 31], [120, 30]]]}


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Private(Protocol):
    """A migrated, empty database."""

    url: str


class Cluster(Protocol):
    """The run's database server."""

    def fresh(self) -> Private:
        """Make a database."""

    def drop(self, private: Private) -> None:
        """Drop it again."""


@dataclass
class City:
    """A running API over a small city of two departments."""

    url: str
    database: str
    series: dict[str, int]
    alarms: dict[str, str]
    passwords: dict[str, str]
    clients: list[httpx.Client] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)

    def client(self, headers: dict[str, str] | None = None) -> httpx.Client:
        """Give a client that is nobody yet."""
        made = httpx.Client(base_url=self.url, timeout=20, headers=headers)
        self.clients.append(made)
        return made

    def signed_in(self, name: str) -> httpx.Client:
        """Give a client with the session of this account, as a page of ours would use it."""
        client = self.client(headers={"Origin": self.url})
        if name not in self.keys:
            answer = client.post("/api/v1/session", json={"name": name, "password": self.passwords[name]})
            assert answer.status_code == 200, answer.text
            self.keys[name] = answer.cookies["cityhub_session"]
        client.cookies.set("cityhub_session", self.keys[name])
        return client

    def execute(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run SQL behind the API's back."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []


def sow(connection: psycopg.Connection[Any]) -> tuple[dict[str, int], dict[str, str]]:
    """Fill the tables: a river gauge of the water office, a camera and a lamp of the traffic office."""

    def one(query: str, *values: object) -> int:
        row = connection.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])

    water = one("insert into department (key, name) values ('water', 'Water office') returning id")
    traffic = one("insert into department (key, name) values ('traffic', 'Traffic office') returning id")
    body = {"name": "Gauge", "metrics": {"level": {"unit": "m", "interval_s": 60}, "flow": {"unit": "m3/s"}}}
    for key in ("gauge", "camera", "odd"):
        connection.execute(
            "insert into profile (key, body, sha256) values (%s, %s, '')",
            (key, Jsonb(body if key != "odd" else {"metrics": [1]})),
        )
    zone = "insert into zone (key, name, kind, geometry, area_m2) values (%s, %s, 'square', %s, 100) returning id"
    plaza = one(zone, "plaza", "Plaza", Jsonb(SQUARE))
    river = one(zone, "river", "River", Jsonb(SQUARE))
    device = """insert into device (key, name, department_id, profile, zone_id, lon, lat, gateway_id, created_at)
                values (%s, %s, %s, %s, %s, %s, %s, %s, %s) returning id"""
    long_ago = NOW - timedelta(days=30)
    gauge = one(device, "gauge-1", "Gauge one", water, "gauge", None, 120.5, 30.5, None, long_ago)
    camera = one(device, "camera-1", "Camera one", traffic, "camera", plaza, 120.6, 30.6, gauge, long_ago)
    one(device, "lamp-1", "Lamp one", traffic, "odd", None, None, None, None, long_ago)
    connection.execute("insert into device_zone values (%s, %s)", (gauge, river))
    series = "insert into series (device_id, metric, unit, zone_id) values (%s, %s, %s, %s) returning id"
    ids = {
        "level": one(series, gauge, "level", "m", None),
        "count": one(series, camera, "count", "1", plaza),
    }
    connection.execute(
        """insert into reading select %s - n * interval '1 minute', %s, 100 - n, case n when 3 then 4 else 1 end
           from generate_series(0, 99) n""",
        (NOW, ids["level"]),
    )
    connection.execute("insert into latest values (%s, %s, 100, 1)", (ids["level"], NOW))
    old = NOW - timedelta(hours=1)
    connection.execute(
        "insert into reading values (%s, %s, 'NaN', 9), (%s, %s, 7, 1)",
        (old, ids["count"], old + timedelta(seconds=1), ids["count"]),
    )
    connection.execute("insert into latest values (%s, %s, 'NaN', 9)", (ids["count"], old))
    alarm = """insert into alarm (rule, series_id, device_id, zone_id, exercise, level, peak_level, value,
                                  threshold, raised_at, changed_at, returned_at, acknowledged_at)
               values (%s, %s, %s, %s, false, %s, %s, %s, 90, %s, %s, %s, %s) returning id"""
    alarms = {}
    rows = [
        ("high-water", ids["level"], gauge, None, 4, 4, 100.0, NOW, NOW, None, None),
        ("rise", ids["level"], gauge, None, 2, 3, 99.0, old, NOW, None, None),
        ("crowd", ids["count"], camera, plaza, 3, 3, 7.0, old, old, None, None),
        ("over", ids["level"], gauge, None, 0, 3, 80.0, old, NOW, NOW, NOW),
    ]
    for row in rows:
        alarms[row[0]] = str(one(alarm, *row))
    version = one(
        "insert into rule_version (rule, sha256, kernel, body) values ('high-water', 'abc', 'threshold/2', '{}') returning id"
    )
    connection.execute(
        "insert into rule_version (rule, sha256, kernel, body) values ('high-water', 'abd', 'threshold/2', '{\"title\": \"High water\"}')"
    )
    connection.execute(
        """insert into alarm_transition (alarm_id, kind, from_level, to_level, at, value, reading_time, rule_version_id)
           values (%s, 'raised', 0, 4, %s, 100, %s, %s)""",
        (alarms["high-water"], NOW, NOW, version),
    )
    ledger = """insert into ledger_minute (minute, device_id, messages, received, stored, duplicate)
                values (date_trunc('minute', now()), %s, 1, 10, %s, 2)"""
    for number, stored in ((gauge, 8), (camera, 7), (0, 8)):
        connection.execute(ledger, (number, stored))
    letter = """insert into dead_letter (digest, reason, detail, device_id, topic, payload, readings, first_at, last_at)
                values (%s, 'malformed', 'no', %s, 'city/v1/x', %s, 1, now(), now())"""
    for number, owner in ((1, gauge), (2, camera), (3, None)):
        connection.execute(letter, (bytes([number]), owner, b"\0" * 5000))
    status = Jsonb({"readings_per_s": 12.5, "queue": 0, "connected": True, "alive": "ignored"})
    connection.execute("insert into hub_run (id, status) values (gen_random_uuid(), %s)", (status,))
    return ids, alarms


@pytest.fixture(scope="module")
def city(cluster: Cluster) -> Iterator[City]:
    private = cluster.fresh()
    with psycopg.connect(private.url, autocommit=True) as connection:
        series, alarms = sow(connection)
        first = accounts.first_administrator(connection)
        assert first is not None
        passwords = {"admin": first}
        for name, role, department in (
            ("olga", "operator", None),
            ("wang", "operator", "water"),
            ("tara", "duty-officer", "traffic"),
            ("eng", "engineer", None),
        ):
            passwords[name] = accounts.create(connection, name, role, department)  # type: ignore[arg-type]
    listener = bound("127.0.0.1", 0)
    ready = threading.Event()
    server = Server(build(private.url), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api")
    thread.start()
    assert ready.wait(20)
    made = City(f"http://127.0.0.1:{listener.getsockname()[1]}", private.url, series, alarms, passwords)
    yield made
    for client in made.clients:
        client.close()
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()
    cluster.drop(private)


PUBLIC = {
    ("POST", "/api/v1/session"),
    ("POST", "/api/v1/enrol"),  # the token in it speaks
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),  # from loopback; test_metrics_from_elsewhere_need_sign_in
    ("GET", "/openapi.json"),
    ("HEAD", "/openapi.json"),
    ("", ""),  # the console's files
}


def test_every_route_but_the_public_ones_answers_401_without_credentials(city: City) -> None:
    app = build(city.database)
    fill = {
        "{alarm}": "1",
        "{device}": "gauge-1",
        "{token}": "1",
        "{number}": "1",
        "{zone}": "plaza",
        "{track}": "1",
    }
    asked = set()
    client = city.client()
    for route in iter_route_contexts(app.routes):
        for method in route.methods or {""}:
            path = route.path or ""
            if (method, path) in PUBLIC:
                continue
            for name, value in fill.items():
                path = path.replace(name, value)
            assert "{" not in path
            answer = client.request(method, path)
            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == 401
            asked.add((method, path))
    assert len(asked) >= 18


@pytest.mark.parametrize("header", ["Bearer ch_wrong", "Bearer", "Basic YTpi", "", "Bearer \xff", "x" * 5000])
def test_a_credential_that_is_none_opens_nothing(city: City, header: str) -> None:
    answer = city.client().get("/api/v1/devices", headers={b"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    cookie = {b"Cookie": b"cityhub_session=" + header.encode("latin-1")}
    assert city.client().get("/api/v1/devices", headers=cookie).status_code == 401


def test_signing_in_and_out(city: City) -> None:
    client = city.client(headers={"Origin": city.url})
    answer = client.post("/api/v1/session", json={"name": "wang", "password": city.passwords["wang"]})
    assert answer.json() == {"name": "wang", "role": "operator", "department": "water"}
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("cityhub_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/;" in cookie
    assert "Secure" not in cookie
    assert client.get("/api/v1/session").json()["name"] == "wang"
    secret = client.cookies["cityhub_session"]
    assert client.delete("/api/v1/session").status_code == 204
    assert "cityhub_session" not in client.cookies
    client.cookies.set("cityhub_session", secret)
    assert client.get("/api/v1/session").status_code == 401
    by_tls = city.client(headers={"X-Forwarded-Proto": "https"})
    again = by_tls.post("/api/v1/session", json={"name": "wang", "password": city.passwords["wang"]})
    assert "Secure" in again.headers["set-cookie"]
    kept = city.execute("select digest from session")
    assert all(secret.encode() not in bytes(row[0]) for row in kept)


def test_an_unknown_name_is_answered_like_a_wrong_password(city: City) -> None:
    client = city.client()
    unknown = client.post("/api/v1/session", json={"name": "s3cret-typed-here", "password": "wrong"})
    wrong = client.post("/api/v1/session", json={"name": "eng", "password": "wrong"})
    assert unknown.status_code == wrong.status_code == 401
    assert unknown.json() == wrong.json()
    entries = city.execute("select actor, outcome, detail::text from audit_entry order by id desc limit 2")
    assert [each[:2] for each in entries] == [("eng", "denied"), ("unknown", "denied")]
    assert not city.execute("select 1 from audit_entry where audit_entry::text like '%s3cret%'")


def test_after_five_failures_even_the_right_password_has_to_wait(city: City) -> None:
    with psycopg.connect(city.database, autocommit=True) as connection:
        password = accounts.create(connection, "locked", "auditor")
    client = city.client()

    def attempt(given: str) -> int:
        return client.post("/api/v1/session", json={"name": "locked", "password": given}).status_code

    assert [attempt("wrong") for _ in range(4)] == [401] * 4
    assert attempt(password) == 200
    assert [attempt("wrong") for _ in range(5)] == [401] * 5
    city.execute("update account set locked_until = now() + interval '1 minute' where name = 'locked'")
    assert attempt(password) == 401
    city.execute("update account set locked_until = now() where name = 'locked'")
    assert attempt("wrong") == 401
    ((failed, pause),) = city.execute(
        "select failed, extract(epoch from locked_until - now()) from account where name = 'locked'"
    )
    assert failed == 6
    assert 1 < pause <= 2
    with psycopg.connect(city.database, autocommit=True) as connection:
        again = accounts.reset_password(connection, "locked")
    assert attempt(again) == 200


def test_a_session_ends_when_its_password_is_reset_or_its_time_is_over(city: City) -> None:
    with psycopg.connect(city.database, autocommit=True) as connection:
        city.passwords["brief"] = accounts.create(connection, "brief", "auditor")
    client = city.signed_in("brief")
    assert client.get("/api/v1/session").status_code == 200
    city.execute(
        "update session set used_at = now() - interval '13 hours' where account_id = (select id from account where name = 'brief')"
    )
    assert client.get("/api/v1/session").status_code == 401
    city.execute(
        "update session set used_at = now() where account_id = (select id from account where name = 'brief')"
    )
    assert client.get("/api/v1/session").status_code == 200
    with psycopg.connect(city.database, autocommit=True) as connection:
        accounts.reset_password(connection, "brief")
    assert client.get("/api/v1/session").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_change_by_cookie_from_another_site_is_refused(city: City, headers: dict[str, str]) -> None:
    client = city.signed_in("olga")
    del client.headers["Origin"]
    answer = client.post(f"/api/v1/alarms/{city.alarms['rise']}/acknowledge", headers=headers)
    assert answer.status_code == 403
    if headers:
        sign_in = client.post("/api/v1/session", json={"name": "x", "password": "x"}, headers=headers)
        assert sign_in.status_code == 403


def test_tokens_do_what_their_scopes_say_and_no_more(city: City) -> None:
    person = city.signed_in("wang")
    made = person.post("/api/v1/tokens", json={"name": "dashboard", "scopes": ["read"], "days": 1})
    assert made.status_code == 201
    token = made.json()
    assert token["token"].startswith("ch_")
    program = city.client(headers={"Authorization": f"Bearer {token['token']}"})
    assert program.get("/api/v1/session").json() == {
        "name": "wang",
        "role": "operator",
        "department": "water",
    }
    assert [each["id"] for each in program.get("/api/v1/devices").json()["items"]] == ["gauge-1"]
    assert program.post(f"/api/v1/alarms/{city.alarms['rise']}/acknowledge").status_code == 403
    writer = person.post("/api/v1/tokens", json={"name": "w", "scopes": ["write"]}).json()
    bearer = {"Authorization": f"Bearer {writer['token']}"}
    assert city.client(headers=bearer).get("/api/v1/devices").status_code == 403
    renewal = city.client(headers=bearer).post("/api/v1/tokens", json={"name": "x", "scopes": ["read"]})
    assert renewal.status_code == 403
    listed = person.get("/api/v1/tokens").json()["items"]
    assert {each["name"] for each in listed} == {"dashboard", "w"}
    assert token["token"] not in json.dumps(listed)
    stranger = city.signed_in("tara")
    assert stranger.get("/api/v1/tokens").json()["items"] == []
    assert stranger.delete(f"/api/v1/tokens/{token['id']}").status_code == 404
    assert person.delete(f"/api/v1/tokens/{token['id']}").status_code == 204
    assert person.delete(f"/api/v1/tokens/{token['id']}").status_code == 404
    assert program.get("/api/v1/devices").status_code == 401
    assert city.signed_in("admin").delete(f"/api/v1/tokens/{writer['id']}").status_code == 204
    deeds = city.execute(
        "select action from audit_entry where object = %s order by id", (f"token:{token['id']}",)
    )
    assert [each for (each,) in deeds] == ["token.make", "token.revoke"]


def test_an_expired_token_opens_nothing(city: City) -> None:
    made = city.signed_in("eng").post("/api/v1/tokens", json={"name": "old", "scopes": ["read"]}).json()
    city.execute("update token set expires_at = now() where id = %s", (made["id"],))
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert city.client(headers=bearer).get("/api/v1/devices").status_code == 401


def test_whole_city_sees_all_and_a_department_sees_its_own(city: City) -> None:
    def seen(name: str, path: str, key: str) -> set[Any]:
        return {each[key] for each in city.signed_in(name).get(path).json()["items"]}

    everything = {"gauge-1", "camera-1", "lamp-1"}
    assert seen("olga", "/api/v1/devices", "id") == everything
    assert seen("wang", "/api/v1/devices", "id") == {"gauge-1"}
    assert seen("tara", "/api/v1/devices", "id") == {"camera-1", "lamp-1"}
    assert seen("wang", "/api/v1/devices?department=traffic", "id") == set()
    assert seen("olga", "/api/v1/departments", "id") == {"water", "traffic"}
    assert seen("wang", "/api/v1/departments", "id") == {"water"}
    assert seen("wang", "/api/v1/series", "device") == {"gauge-1"}
    assert seen("wang", "/api/v1/series?device=camera-1", "device") == set()
    assert seen("tara", "/api/v1/latest", "device") == {"camera-1"}
    assert seen("wang", "/api/v1/alarms?state=all", "department") == {"water"}
    assert seen("tara", "/api/v1/alarms?state=all", "rule") == {"crowd"}
    assert seen("olga", "/api/v1/ledger", "device") == {"gauge-1", "camera-1", None}
    assert seen("wang", "/api/v1/ledger", "device") == {"gauge-1"}
    assert seen("olga", "/api/v1/dead-letters", "device") == {"gauge-1", "camera-1", None}
    assert seen("wang", "/api/v1/dead-letters", "device") == {"gauge-1"}


def test_what_another_department_owns_does_not_exist(city: City) -> None:
    tara = city.signed_in("tara")
    for path in (
        "/api/v1/devices/gauge-1",
        f"/api/v1/readings?series={city.series['level']}",
        f"/api/v1/alarms/{city.alarms['high-water']}",
    ):
        assert tara.get(path).status_code == 404
    assert tara.post(f"/api/v1/alarms/{city.alarms['high-water']}/acknowledge").status_code == 404
    status = tara.get("/api/v1/status").json()
    assert (status["devices"], status["ledger_balance"]) == (2, 1)
    assert status["alarms"] == {"1": 0, "2": 0, "3": 1, "4": 0}
    assert city.signed_in("wang").get("/api/v1/status").json()["ledger_balance"] == 0
    zones = {each["id"]: each["properties"]["level"] for each in tara.get("/api/v1/zones").json()["features"]}
    assert zones == {"plaza": 3, "river": 0}


def test_a_device_in_full(city: City) -> None:
    got = city.signed_in("olga").get("/api/v1/devices/gauge-1").json()
    assert got.pop("series") == [
        {
            "id": city.series["level"],
            "device": "gauge-1",
            "metric": "level",
            "unit": "m",
            "zone": None,
            "derived_from": None,
        }
    ]
    assert got == {
        "id": "gauge-1",
        "name": "Gauge one",
        "department": "water",
        "profile": "gauge",
        "gateway": None,
        "lon": 120.5,
        "lat": 30.5,
        "zones": ["river"],
        "counts_zone": None,
        "recorded": False,
        "clock_offset_s": None,
        "level": 4,
        "last_at": stamp(NOW),
        "retired_at": None,
        "state": "commissioned",
        "maintainer": None,
        "component": None,
        "district": None,
        "street": None,
        "community": None,
        "grid_cell": None,
        "datum": "WGS84",
        "given_lon": None,
        "given_lat": None,
        "vertical_datum": None,
        "vertical_offset_m": None,
        "sensor_serial": None,
        "addresses": [],
        "jurisdiction": [],
    }


def test_devices_by_zone_and_profile(city: City) -> None:
    olga = city.signed_in("olga")

    def ids(query: str) -> list[str]:
        return [each["id"] for each in olga.get(f"/api/v1/devices?{query}").json()["items"]]

    assert ids("zone=plaza") == ["camera-1"]
    assert ids("zone=river") == ["gauge-1"]
    assert ids("profile=odd") == ["lamp-1"]
    assert ids("zone=nowhere") == []


@pytest.mark.parametrize(
    "path",
    [
        "devices",
        "departments",
        "profiles",
        "series",
        "latest",
        "alarms?state=all",
        "dead-letters",
        "ledger",
        "readings?series=LEVEL",
        "readings?series=LEVEL&bucket=60",
        "zones",
    ],
)
def test_small_pages_put_together_are_the_whole_list(city: City, path: str) -> None:
    olga = city.signed_in("olga")
    path = "/api/v1/" + path.replace("LEVEL", str(city.series["level"]))
    items = "features" if path.endswith("zones") else "items"
    whole = olga.get(httpx.URL(path).copy_merge_params({"limit": 1000})).json()
    assert whole["next"] is None
    size = 17 if len(whole[items]) > 20 else 1
    gathered: list[Any] = []
    following = None
    while True:
        params = {"limit": size} | ({"cursor": following} if following else {})
        page = olga.get(httpx.URL(path).copy_merge_params(params)).json()
        assert len(page[items]) <= size
        gathered += page[items]
        following = page["next"]
        if following is None:
            break
    assert gathered == whole[items]
    assert len(gathered) >= 2


def test_raw_readings_run_oldest_first_within_a_half_open_span(city: City) -> None:
    olga = city.signed_in("olga")
    series = city.series["level"]
    got = olga.get("/api/v1/readings", params={"series": series, "limit": 1000}).json()["items"]
    assert len(got) == 100
    assert got[-1] == {"time": stamp(NOW), "value": 100.0, "flag": 1}
    span = {
        "series": str(series),
        "from": stamp(NOW - timedelta(minutes=5)),
        "to": stamp(NOW - timedelta(minutes=2)),
    }
    values = [each["value"] for each in olga.get("/api/v1/readings", params=span).json()["items"]]
    assert values == [95.0, 96.0, 97.0]
    milliseconds = {**span, "to": str(int(NOW.timestamp() * 1000) + 1)}
    assert len(olga.get("/api/v1/readings", params=milliseconds).json()["items"]) == 6


def test_buckets_carry_the_worst_flag_and_leave_out_what_is_no_number(city: City) -> None:
    olga = city.signed_in("olga")
    asked = {"series": str(city.series["level"]), "bucket": str(86400 * 366), "limit": "10"}
    (bucket,) = olga.get("/api/v1/readings", params=asked).json()["items"][-1:]
    assert (bucket["max"], bucket["flag"]) == (100.0, 4)
    asked = {**asked, "series": str(city.series["count"]), "to": stamp(NOW)}
    (bucket,) = olga.get("/api/v1/readings", params=asked).json()["items"][-1:]
    assert bucket == {"time": bucket["time"], "min": 7.0, "max": 7.0, "mean": 7.0, "count": 2, "flag": 9}


def test_a_number_that_json_lacks_is_null(city: City) -> None:
    olga = city.signed_in("olga")
    (latest,) = olga.get("/api/v1/latest?device=camera-1").json()["items"]
    assert latest["value"] is None
    assert latest["flag"] == 9
    asked = {"series": str(city.series["count"]), "to": stamp(NOW)}
    assert None in [each["value"] for each in olga.get("/api/v1/readings", params=asked).json()["items"]]


def test_the_newest_of_all_series_in_columns_are_those_of_the_list(city: City) -> None:
    for name in ("olga", "tara"):
        client = city.signed_in(name)
        items = client.get("/api/v1/latest").json()["items"]
        columns = client.get("/api/v1/latest/columns").json()
        assert columns.keys() == {"series", "time", "value", "flag"}
        assert columns["series"] == [item["series"] for item in items]
        assert columns["value"] == [item["value"] for item in items]
        assert columns["flag"] == [item["flag"] for item in items]
        at = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us) for us in columns["time"]]
        assert [stamp(each) for each in at] == [item["time"] for item in items]


def test_columns_of_nothing_are_empty_and_retired_devices_have_none(city: City) -> None:
    city.execute("update device set retired_at = now() where key = 'camera-1'")
    try:
        columns = city.signed_in("tara").get("/api/v1/latest/columns").json()
    finally:
        city.execute("update device set retired_at = null where key = 'camera-1'")
    assert columns == {"series": [], "time": [], "value": [], "flag": []}


def test_a_day_of_a_reading_each_minute_is_one_page(city: City) -> None:
    olga = city.signed_in("olga")
    asked = {"series": str(city.series["level"])}
    assert olga.get("/api/v1/readings", params={**asked, "limit": "10000"}).status_code == 200
    assert olga.get("/api/v1/readings", params={**asked, "limit": "10001"}).status_code == 422


def test_alarms_the_worst_first_and_with_what_they_are_about(city: City) -> None:
    olga = city.signed_in("olga")

    def rules(query: str) -> list[str]:
        return [each["rule"] for each in olga.get(f"/api/v1/alarms?{query}").json()["items"]]

    assert rules("") == ["high-water", "crowd", "rise"]
    assert rules("state=all") == ["high-water", "crowd", "rise", "over"]
    assert rules("state=standing&level=3") == ["crowd"]
    assert rules("department=traffic") == ["crowd"]
    first = olga.get("/api/v1/alarms").json()["items"][0]
    assert first == {
        "id": city.alarms["high-water"],
        "rule": "high-water",
        "title": "High water",
        "level": 4,
        "peak_level": 4,
        "state": "standing",
        "acknowledged_at": None,
        "acknowledged_by": None,
        "device": "gauge-1",
        "device_name": "Gauge one",
        "department": "water",
        "series": city.series["level"],
        "metric": "level",
        "unit": "m",
        "zone": None,
        "zone_name": None,
        "value": 100.0,
        "threshold": 90.0,
        "now": {"value": 100.0, "time": stamp(NOW), "flag": 1},
        "interval_s": 60.0,
        "raised_at": stamp(NOW),
        "changed_at": stamp(NOW),
        "returned_at": None,
        "exercise": False,
        "lon": 120.5,
        "lat": 30.5,
        "trend": 1,
        "reason": None,
        "because": None,
    }


def test_an_alarm_says_what_its_series_measures_now(city: City) -> None:
    items = city.signed_in("olga").get("/api/v1/alarms?state=all").json()["items"]
    alarms = {each["rule"]: each for each in items}
    old = stamp(NOW - timedelta(hours=1))
    # The value is that of the transition, and NaN is no number; its metric has no planned interval.
    assert (alarms["crowd"]["value"], alarms["crowd"]["now"]) == (
        7.0,
        {"value": None, "time": old, "flag": 9},
    )
    assert alarms["crowd"]["interval_s"] is None
    assert (alarms["rise"]["value"], alarms["rise"]["now"]["value"]) == (99.0, 100.0)
    # What has returned is over, whatever its series does since.
    assert alarms["over"]["now"] is None
    # A rule of which nothing is known has no title.
    assert alarms["rise"]["title"] is None
    detail = city.signed_in("olga").get(f"/api/v1/alarms/{city.alarms['rise']}").json()
    del detail["transitions"]
    assert detail == alarms["rise"]


def test_the_load_counts_who_was_given_how_much_when(city: City) -> None:
    def load(name: str, hours: int = 4) -> list[tuple[int, int]]:
        got = city.signed_in(name).get(f"/api/v1/alarms/load?hours={hours}").json()
        begins = [datetime.fromisoformat(each["time"]) for each in got["items"]]
        steps = {later - earlier for earlier, later in pairwise(begins)}
        assert steps == {timedelta(minutes=10)}
        assert begins[-1] + timedelta(minutes=10) == datetime.fromisoformat(got["to"])
        return [(each["raised"], each["exercise"]) for each in got["items"]]

    with psycopg.connect(city.database, autocommit=True) as connection:
        again = """insert into alarm (rule, series_id, device_id, exercise, level, peak_level, value, raised_at,
                                      changed_at, returned_at, acknowledged_at, recorded_at)
                   select rule, series_id, device_id, %s, 0, 1, value, '2018-06-03', '2018-06-03', '2018-06-03', now(),
                          now() - %s * interval '1 minute' from alarm where rule = 'over' order by id limit 1
                   returning id"""
        before = load("wang"), load("tara"), load("olga")
        for exercise, minutes in ((False, 241), (False, 239), (False, 15), (False, 15), (True, 15)):
            connection.execute(again, (exercise, minutes))
        after = load("wang"), load("tara"), load("olga")
        longer = load("olga", 5)
        connection.execute("delete from alarm where raised_at = '2018-06-03'")
    assert [len(each) for each in before] == [24] * 3
    # Counted by when they were recorded: the recording of 2018 is this hour's work.
    assert [each[-2] for each in before] == [(0, 0)] * 3
    assert [each[-2] for each in after] == [(2, 1), (0, 0), (2, 1)]
    assert [each[0] for each in after] == [(1, 0), (0, 0), (1, 0)]
    assert [len(longer), sum(raised for raised, _ in longer)] == [30, 4 + len(city.alarms)]


@pytest.mark.parametrize("hours", ["0", "-1", "169", "x", "1e9", ""])
def test_a_load_of_hours_that_are_none_is_refused(city: City, hours: str) -> None:
    assert city.signed_in("olga").get(f"/api/v1/alarms/load?hours={hours}").status_code == 422


def test_acknowledging_says_who_has_it_and_only_once(city: City) -> None:
    alarm = city.alarms["high-water"]
    wang = city.signed_in("wang")
    with psycopg.connect(city.database, autocommit=True) as listening:
        listening.execute("listen cityhub_alarm")
        got = wang.post(f"/api/v1/alarms/{alarm}/acknowledge", json={"comment": "On my way"})
        (heard,) = list(listening.notifies(timeout=5, stop_after=1))
    assert got.status_code == 200
    body = got.json()
    assert body["acknowledged_by"] == "wang"
    assert body["acknowledged_at"] is not None
    raised, taken = body["transitions"]
    assert raised["rule_sha256"] == "abc"
    assert (taken["kind"], taken["actor"], taken["comment"]) == ("acknowledged", "wang", "On my way")
    assert (taken["from_level"], taken["to_level"]) == (4, 4)
    assert heard.payload == taken["id"]
    again = city.signed_in("olga").post(f"/api/v1/alarms/{alarm}/acknowledge")
    assert again.status_code == 409
    assert "wang" in again.json()["detail"]
    assert body["acknowledged_at"] in again.json()["detail"]
    (entry,) = city.execute(
        "select actor, action, outcome from audit_entry where object = %s", (f"alarm:{alarm}",)
    )
    assert entry == ("wang", "alarm.acknowledge", "done")


def test_twenty_people_acknowledge_at_once_and_one_has_it(city: City) -> None:
    alarm = city.alarms["crowd"]
    client = city.signed_in("olga")
    statuses = []

    def take() -> None:
        statuses.append(client.post(f"/api/v1/alarms/{alarm}/acknowledge").status_code)

    threads = [threading.Thread(target=take) for _ in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(statuses) == [200] + [409] * 19
    assert len(city.execute("select 1 from alarm_transition where alarm_id = %s", (alarm,))) == 1


def test_who_acknowledges_a_moment_later_is_told_who_was_first(city: City) -> None:
    alarm = city.alarms["rise"]
    client = city.signed_in("olga")
    statuses = []

    def take() -> None:
        statuses.append(client.post(f"/api/v1/alarms/{alarm}/acknowledge").status_code)

    waiting = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    late = threading.Thread(target=take)
    with psycopg.connect(city.database) as first:
        first.execute(
            "update alarm set acknowledged_at = now(), acknowledged_by = 'ann' where id = %s", (alarm,)
        )
        late.start()
        deadline = time.monotonic() + 4
        while not city.execute(waiting) and time.monotonic() < deadline:
            time.sleep(0.01)
    late.join()
    assert statuses == [409]
    city.execute("update alarm set acknowledged_at = null, acknowledged_by = null where id = %s", (alarm,))


def test_an_engineer_may_look_but_not_acknowledge(city: City) -> None:
    eng = city.signed_in("eng")
    alarm = city.alarms["rise"]
    assert eng.get(f"/api/v1/alarms/{alarm}").status_code == 200
    answer = eng.post(f"/api/v1/alarms/{alarm}/acknowledge")
    assert answer.status_code == 403
    (entry,) = city.execute("select actor, outcome from audit_entry order by id desc limit 1")
    assert entry == ("eng", "denied")


def test_the_ledger_shows_what_is_missing(city: City) -> None:
    olga = city.signed_in("olga")
    got = olga.get("/api/v1/ledger").json()
    assert (got["totals"]["received"], got["totals"]["stored"], got["totals"]["balance"]) == (30, 23, 1)
    balances = {each["device"]: each["balance"] for each in got["items"]}
    assert balances == {"gauge-1": 0, "camera-1": 1, None: 0}
    assert olga.get("/api/v1/ledger?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z").json()["items"] == []


def test_a_dead_letter_shows_at_most_its_first_4_kib(city: City) -> None:
    letter = city.signed_in("wang").get("/api/v1/dead-letters").json()["items"][0]
    assert letter["size"] == 5000
    assert len(letter["payload"]) == 5464


def test_status_counts_silent_devices_and_passes_on_what_the_hub_says(city: City) -> None:
    city.execute("update hub_run set beat_at = now()")
    city.execute("update latest set time = now() where time > now() - interval '30 minutes'")
    got = city.signed_in("olga").get("/api/v1/status").json()
    assert got["hub"]["alive"] is True
    assert got["hub"]["age_s"] < 15
    assert (got["hub"]["readings_per_s"], got["hub"]["connected"]) == (12.5, True)
    assert got["hub"]["newest_age_s"] is None
    assert set(got["alarms"]) == {"1", "2", "3", "4"}
    assert sum(got["alarms"].values()) == 3
    # The camera has been silent for an hour; the lamp's profile promises no interval.
    assert (got["devices"], got["offline"], got["ledger_balance"]) == (3, 1, 1)


@pytest.mark.parametrize("said", [None, 5, "", "yesterday", "99999999999999999999 us", ["x"]])
def test_status_stands_whatever_the_hub_says_of_its_newest_reading(city: City, said: object) -> None:
    olga = city.signed_in("olga")
    body = Jsonb({"readings_per_s": 12.5, "queue": 0, "connected": True, "newest_at": said})
    city.execute("update hub_run set status = %s", (body,))
    assert olga.get("/api/v1/status").json()["hub"]["newest_age_s"] is None
    minute_ago = Jsonb(
        {"newest_at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds")}
    )
    city.execute("update hub_run set status = status || %s, beat_at = now()", (minute_ago,))
    hub = olga.get("/api/v1/status").json()["hub"]
    # The hub beats, and its sensors are silent: two ages.
    assert hub["age_s"] < 10
    assert 60 <= hub["newest_age_s"] < 70


def test_readiness_needs_a_hub_that_beats(city: City) -> None:
    client = city.client()
    city.execute("update hub_run set beat_at = now()")
    assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (
        200,
        {"database": True, "hub": True},
    )
    city.execute("update hub_run set beat_at = now() - interval '16 s'")
    got = client.get("/readyz")
    assert (got.status_code, got.json()) == (503, {"database": True, "hub": False})
    assert client.get("/healthz").json() == {"status": "ok"}


def test_metrics_from_elsewhere_need_sign_in(city: City) -> None:
    client = city.client()
    client.get("/api/v1/devices/nobody")
    near = client.get("/metrics")
    assert near.status_code == 200
    assert 'route="/api/v1/devices/{device}"' in near.text
    assert "cityhub_hub{" in near.text
    assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 401


def test_every_answer_carries_the_security_headers(city: City) -> None:
    client = city.client()
    for path in ("/", "/healthz", "/api/v1/devices", "/nothing.js", "/openapi.json"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert client.get("/api/v1/devices").headers["cache-control"] == "no-store"


def test_openapi_names_the_answers_and_the_problems(city: City) -> None:
    document = city.client().get("/openapi.json").json()
    operation = document["paths"]["/api/v1/alarms/{alarm}/acknowledge"]["post"]
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith(
        "/AlarmDetail"
    )
    assert "application/problem+json" in operation["responses"]["409"]["content"]
    assert operation["security"]
    assert "ProblemDetails" in document["components"]["schemas"]


EVIL = ["\0", "a\0b", "'", '"', "%", "../../etc/passwd", "\ud7ff", "9" * 400, "-1", "1e999", "NaN", "Infinity", "null", "[]", "", " ", "x" * 3000, "\u202e", "0x10", "1.5", "１"]  # fmt: skip  # noqa: RUF001 -- a full-width digit is the point


def test_no_value_makes_it_fail(city: City) -> None:
    olga = city.signed_in("olga")
    paths = {
        "devices": ("department", "profile", "zone", "limit", "cursor"),
        "series": ("device", "metric", "limit", "cursor"),
        "latest": ("device", "limit", "cursor"),
        "readings": ("series", "from", "to", "bucket", "limit", "cursor"),
        "zones": ("kind", "layer", "floor", "bbox", "at", "simplify_m", "limit", "cursor"),
        "lines": ("kind", "bbox", "cursor"),
        "alarms": ("state", "level", "department", "limit", "cursor"),
        "ledger": ("from", "to", "limit", "cursor"),
        "dead-letters": ("limit", "cursor"),
        "tokens": ("limit", "cursor"),
        "departments": ("cursor",),
        "profiles": ("cursor",),
    }
    for path, names in paths.items():
        for name in names:
            for value in EVIL:
                params = ({"series": city.series["level"]} if path == "readings" else {}) | {name: value}
                answer = olga.get(f"/api/v1/{path}", params=params)
                assert answer.status_code in (200, 404, 422), (path, name, value, answer.text)
                assert answer.status_code == 200 or answer.json()["status"] == answer.status_code
    for value in EVIL:
        quoted = "".join(f"%{byte:02x}" for byte in value.encode())
        for path in (f"devices/{quoted}", f"zones/{quoted}", f"alarms/{quoted}", f"tokens/{quoted}"):
            method = "DELETE" if path.startswith("tokens") else "GET"
            answer = olga.request(method, f"/api/v1/{path}")
            assert answer.status_code < 500, (path, answer.text)


def test_cursors_of_other_lists_and_forged_ones_are_refused(city: City) -> None:
    from base64 import urlsafe_b64encode  # noqa: PLC0415 -- forging is this test's own business

    olga = city.signed_in("olga")
    forged = ["[1]", "[true, 1]", '["x", "y"]', "{}", "[" * 300, '["2026-01-01T00:00:00Z"]', "[1e400]", "[12345678901234567890]", '["\\u0000"]', '["\\ud800"]', "[null]", '[1, "infinity", 1]', '[1, "2026-02-30T00:00:00Z", 1]', "[1, 2, 3]", '[9999999999, "2026-01-01T00:00:00Z", 1]']  # fmt: skip
    for text in forged:
        cursor = urlsafe_b64encode(text.encode()).decode().rstrip("=")
        for path in ("devices", "series", f"readings?series={city.series['level']}", "alarms", "ledger", "dead-letters", "zones"):  # fmt: skip
            answer = olga.get(
                f"/api/v1/{path}", params={"cursor": cursor} | dict(httpx.QueryParams(path.partition("?")[2]))
            )
            assert answer.status_code in (200, 422), (path, text, answer.text)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"name": 1, "scopes": ["read"]}',
        b'{"name": "a\\u0000b", "scopes": ["read"]}',
        b'{"name": "\\ud800", "scopes": ["read"]}',
        b'{"name": "a", "scopes": []}',
        b'{"name": "a", "scopes": ["root"]}',
        b'{"name": "a", "scopes": ["read"], "days": NaN}',
        b'{"name": "a", "scopes": ["read"], "days": 1e400}',
        b'{"name": "a", "scopes": ["read"], "days": 100000}',
        b'{"name": "a", "scopes": ["read"], "days": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_body_that_is_none_is_refused(city: City, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = city.signed_in("olga").post("/api/v1/tokens", content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_refused_password_is_not_repeated(city: City) -> None:
    for password in ("hunter2" * 100, "hunter2\0", ["hunter2"], {"hunter2": 1}):
        answer = city.client().post("/api/v1/session", json={"name": "x", "password": password})
        assert answer.status_code == 422
        assert "hunter2" not in answer.text
    lone = city.client().post(
        "/api/v1/session",
        content=b'{"name": "admin", "password": "\\ud800"}',
        headers={"Content-Type": "application/json"},
    )
    assert lone.status_code == 422


def test_a_body_beyond_a_mebibyte_is_refused_announced_or_not(city: City) -> None:
    client = city.signed_in("olga")
    headers = {"Content-Type": "application/json"}
    announced = client.post("/api/v1/tokens", content=b" " * (2**20 + 1), headers=headers)
    assert announced.status_code == 413
    chunked = client.post("/api/v1/tokens", content=(b" " * 65536 for _ in range(17)), headers=headers)
    assert chunked.status_code == 413
    assert chunked.json()["status"] == 413


def test_spans_that_are_too_long_or_backwards_are_refused(city: City) -> None:
    olga = city.signed_in("olga")
    series = city.series["level"]
    for query in (
        f"readings?series={series}&from=1970-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        f"readings?series={series}&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        f"readings?series={series}&from=2025-01-01T00:00:00Z&to=2026-01-01T00:00:00Z&bucket=1",
        "ledger?from=2025-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        "ledger?to=1900-01-01T00:00:00Z",
        "ledger?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
    ):
        assert olga.get(f"/api/v1/{query}").status_code in (200, 422), query


def test_accounts_are_made_once_and_by_known_names_only(city: City) -> None:
    with psycopg.connect(city.database) as connection:
        assert accounts.first_administrator(connection) is None
        with pytest.raises(accounts.AccountError, match="taken"):
            accounts.create(connection, "olga", "operator")
        with pytest.raises(accounts.AccountError, match="no role"):
            accounts.create(connection, "new", "king")  # type: ignore[arg-type]
        with pytest.raises(accounts.AccountError, match="no department"):
            accounts.create(connection, "new", "operator", "nowhere")
        with pytest.raises(accounts.AccountError, match="no account") as raised:
            accounts.reset_password(connection, "nobody")
        assert "olga" in raised.value.hint
