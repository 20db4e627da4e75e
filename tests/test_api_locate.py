"""Where points lie, asked over the API: the same as shapely says of the same zones, whatever is sent."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import psycopg
import pytest
import shapely
from fix_places import SIDE, SOUTH, WEST, Places
from typer.testing import CliRunner

from api.database import pool_of
from api.placing import place_devices
from api.survey import Survey
from cityhub.commands.zone import app
from geo.datum import from_wgs84
from geo.jurisdiction import CHAIN
from geo.table import keep
from geo.zones import VIEW, Zone


def test_many_points_lie_where_shapely_says_and_one_answers_like_many(places: Places) -> None:
    olga = places.signed_in()
    lon, lat = places.points(5000)
    # A corner of four districts, and of the city.
    lon[:2], lat[:2] = (WEST + SIDE / 2, WEST), (SOUTH + SIDE / 2, SOUTH)
    found = olga.post("/api/v1/locate", json={"lon": lon.tolist(), "lat": lat.tolist()}).json()
    keys, shapes = zip(
        *((key, zone.geometry) for key, zone in sorted(places.zones.items()) if zone.kind != VIEW),
        strict=True,
    )
    tree = shapely.STRtree(shapes)
    expected: list[list[str]] = [[] for _ in lon]
    for point, zone in zip(*tree.query(shapely.points(lon, lat), predicate="intersects"), strict=True):
        expected[point].append(keys[zone])
    assert found["count"] == len(lon)
    assert [sorted(each) for each in found["zones"]] == [sorted(each) for each in expected]
    for kind in CHAIN:
        for told, several, of in zip(found[kind], found["several"], expected, strict=True):
            claims = [key for key in of if places.zones[key].kind == kind]
            assert (told in claims) if claims else (told is None)
            assert (kind in several) == (len(claims) > 1)
    assert found["several"][0] == list(CHAIN)
    assert sum(map(bool, found["several"])) == 1
    one = olga.get("/api/v1/locate", params={"lon": lon[7], "lat": lat[7]}).json()
    assert one["zones"] == found["zones"][7:8]
    rows = olga.post("/api/v1/locate", json={"points": np.column_stack((lon, lat)).tolist()})
    assert {**rows.json(), "at": found["at"]} == found


def test_kinds_choose_what_is_told_and_the_nearest_zone_is_told_with_its_metres(places: Places) -> None:
    olga = places.signed_in()
    lon, lat = places.points(300, seed=2)
    asked = {"lon": lon.tolist(), "lat": lat.tolist(), "kinds": ["crowd"], "nearest_m": 500}
    found = olga.post("/api/v1/locate", json=asked).json()
    assert {key.partition("-")[0] for each in found["zones"] for key in each} == {"star"}
    assert any(found["district"])
    stars = {key: zone.geometry for key, zone in places.zones.items() if zone.kind == "crowd"}
    # As geodesics run: a degree is so many metres at this latitude, to a thousandth over 500 m.
    scale = np.array((95_000.0, 110_880.0))
    metric = {key: shapely.transform(star, lambda place: place * scale) for key, star in stars.items()}
    for at, (zone, metres) in enumerate(
        zip(found["nearest"]["zone"], found["nearest"]["metres"], strict=True)
    ):
        here = shapely.Point(lon[at], lat[at])
        around = shapely.Point(here.x * scale[0], here.y * scale[1])
        off = {key: star.distance(around) for key, star in metric.items()}
        best = min(off.values())
        if zone is None:
            assert metres is None
            assert best > 495
        else:
            assert (metres == 0) == stars[zone].covers(here)
            assert off[zone] <= best * 1.01
            assert metres == pytest.approx(best, rel=0.01, abs=0.01)


def test_a_zone_is_found_as_soon_as_its_import_is_committed_and_not_a_moment_longer(places: Places) -> None:
    olga = places.signed_in()
    pond = Zone("pond", "Pond", "flood", shapely.box(121, 31, 121.001, 31.001))

    def there() -> list[str]:
        [keys] = olga.get("/api/v1/locate", params={"lon": 121.0005, "lat": 31.0005}).json()["zones"]
        return list(keys)

    assert there() == []
    places.keep(pond)
    with ThreadPoolExecutor(4) as many:  # who ask at one time wait for one and the same
        assert [each.result() for each in [many.submit(there) for _ in range(8)]] == [["pond"]] * 8
    places.ask("update zone set retired_at = now() where key = 'pond'")
    assert there() == []


def test_who_asks_while_changed_zones_are_read_is_answered_by_those_before_and_told_so(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    olga = places.signed_in()

    def there() -> tuple[list[str], int]:
        found = olga.get("/api/v1/locate", params={"lon": 124.0005, "lat": 31.0005}).json()
        [keys] = found["zones"]
        return keys, len(found["notes"])

    assert there() == ([], 0)
    with monkeypatch.context() as hasty, psycopg.connect(places.database) as other:
        hasty.setattr("api.survey.PATIENCE_S", 0.3)
        with other.cursor() as cursor:
            keep(cursor, [Zone("mere", "Mere", "flood", shapely.box(124, 31, 124.001, 31.001), area_m2=1e4)])
            # Whoever reads the zones waits for us; that they have changed is known to all.
            cursor.execute("lock table zone in access exclusive mode")
            places.ask("insert into zone_change default values")
            assert there() == ([], 1)
            assert there() == ([], 1)
    assert there() == (["mere"], 0)


def test_the_zones_are_read_before_anybody_asks(places: Places) -> None:
    async def unasked() -> int:
        async with pool_of(places.database) as pool:
            survey = Survey(pool)
            running = asyncio.create_task(survey.run())
            while survey._newest is None:  # noqa: ASYNC110 -- nobody is told
                await asyncio.sleep(0.02)
            running.cancel()
            return len(survey._newest.atlas.zones)

    assert asyncio.run(unasked()) >= len(places.zones)


def test_the_zones_of_a_past_day_are_those_that_held_then(places: Places) -> None:
    olga = places.signed_in()

    def there(at: str | None = None) -> list[list[str]]:
        asked = {"points": [[122.0005, 31.0005], [122.0015, 31.0005]]} | ({} if at is None else {"at": at})
        found: list[list[str]] = olga.post("/api/v1/locate", json=asked).json()["zones"]
        return found

    def now() -> str:
        [[at]] = places.ask('select to_char(clock_timestamp(), \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')')
        return str(at)

    before = now()
    places.keep(Zone("moor", "Moor", "flood", shapely.box(122, 31, 122.001, 31.001)))
    narrow = now()
    places.keep(Zone("moor", "Moor", "flood", shapely.box(122, 31, 122.002, 31.001)))
    wide = now()
    places.ask("update zone set retired_at = now() where key = 'moor'")
    assert [there(before), there(narrow), there(wide), there()] == [
        [[], []], [["moor"], []], [["moor"], ["moor"]], [[], []],
    ]  # fmt: skip
    assert there(narrow) == [["moor"], []]
    long_ago = olga.get("/api/v1/locate?lon=122&lat=31&at=2001-01-01T00:00:00Z").json()
    assert (long_ago["zones"], len(long_ago["notes"])) == ([[]], 1)
    assert olga.get("/api/v1/locate?lon=122&lat=31&at=2199-01-01T00:00:00Z").status_code == 422
    # One that has not begun to hold, and one that holds no longer: nothing is written when their times come.
    hour = timedelta(hours=1)
    today = datetime.now(UTC)
    ground = shapely.box(123, 31, 123.001, 31.001)
    places.keep(
        Zone("fair", "Fair", "crowd", ground, valid_from=today - hour, valid_to=today + hour),
        Zone("soon", "Soon", "crowd", ground, valid_from=today + hour),
        Zone("over", "Over", "crowd", ground, valid_to=today - hour),
    )
    assert olga.get("/api/v1/locate?lon=123.0005&lat=31.0005").json()["zones"] == [["fair"]]


def test_points_are_taken_in_the_datum_that_is_declared(places: Places) -> None:
    lon, lat = places.points(200, seed=3)
    for datum in ("GCJ02", "BD09"):
        moved = from_wgs84(datum, lon, lat)
        asked = {"lon": moved[0].tolist(), "lat": moved[1].tolist(), "datum": datum, "kinds": ["grid"]}
        plain = {"lon": lon.tolist(), "lat": lat.tolist(), "kinds": ["grid"]}
        olga = places.signed_in()
        found = [olga.post("/api/v1/locate", json=each).json() for each in (asked, plain)]
        assert {**found[0], "at": ""} == {**found[1], "at": ""}
        wrong = olga.post("/api/v1/locate", json={**asked, "datum": "WGS84"}).json()
        assert wrong["grid"] != found[1]["grid"]


def test_a_device_tells_its_chain_and_the_command_line_tells_that_of_a_place(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    corner = WEST + SIDE / 2, SOUTH + SIDE / 2
    with psycopg.connect(places.database) as connection, connection.cursor() as cursor:
        cursor.execute("update device set lon = %s, lat = %s where key = 'thing-30'", corner)
        place_devices(cursor)
    chain = places.signed_in().get("/api/v1/devices/thing-30").json()["jurisdiction"]
    [found] = (
        places.signed_in().post("/api/v1/locate", json={"points": [corner]}).json()[kind]
        for kind in ("grid",)
    )
    assert [(each["kind"], each["several"]) for each in chain] == [(kind, True) for kind in CHAIN]
    assert chain[-1]["zone"] == found[0]
    monkeypatch.setenv("CITYHUB_DATABASE_URL", places.database)
    monkeypatch.setenv("CITYHUB_MQTT_URL", "mqtt://127.0.0.1:9")
    told = CliRunner().invoke(app, ["locate", str(corner[0]), str(corner[1])])
    assert told.exit_code == 0, told.output
    marked = [line.split()[0] for line in told.output.splitlines() if line.endswith("its jurisdiction")]
    assert marked == [each["zone"] for each in reversed(chain)]


def test_what_is_no_place_is_in_no_zone_and_what_is_no_question_is_refused(places: Places) -> None:
    olga = places.signed_in()
    odd = {"lon": [None, WEST + 0.01, 31.3, 120.6], "lat": [SOUTH, None, 120.6, 31.3]}
    found = olga.post("/api/v1/locate", json=odd).json()
    assert [len(each) for each in found["zones"]] == [0, 0, 0, 4]
    assert found["notes"] == [
        "1 of the points are off the earth, the first at place 2. Their axes look swapped: longitude comes first."
    ]
    assert olga.post("/api/v1/locate", json={"lon": [], "lat": [], "nearest_m": 5}).json()["count"] == 0
    for body in (
        b"", b"{", b"[]", b"{}", b'{"lon": [1]}', b'{"lon": [1], "lat": [1, 2]}', b'{"lon": [true], "lat": [1]}',
        b'{"lon": [NaN], "lat": [1]}', b'{"lon": [1e999], "lat": [1]}', b'{"lon": ["1"], "lat": [1]}',
        b'{"points": [[1]]}', b'{"points": [[1, 2]], "lon": [1], "lat": [2]}', b"[" * 200_000, b"\xff",
        b'{"lon": [1], "lat": [1], "datum": "Beijing54"}', b'{"lon": [1], "lat": [1], "nearest_m": 1e9}',
        b'{"lon": [1], "lat": [1], "kinds": ["\\u0000"]}', b'{"lon": [1], "lat": [1], "colour": 1}',
        b'{"points": [' + b"[1,1]," * 100_000 + b"[1,1]]}",
        b'{"nearest_m": 5, "points": [' + b"[1,1]," * 10_000 + b"[1,1]]}",
    ):  # fmt: skip
        answer = olga.post("/api/v1/locate", content=body)
        assert answer.status_code == 422, body[:60]
        assert answer.headers["content-type"] == "application/problem+json"
    large = olga.post("/api/v1/locate", content=b" " * (6 * 2**20 + 1))
    assert large.status_code == 413
    for query in ("lon=1", "lon=x&lat=1", "lon=NaN&lat=1", "lon=1&lat=1&nearest_m=-1", "lon=1&lat=1&kind=A"):
        assert olga.get(f"/api/v1/locate?{query}").status_code == 422


def test_a_reading_token_may_ask_and_others_keep_being_answered_while_the_zones_are_built(
    places: Places,
) -> None:
    olga = places.signed_in()
    secret = olga.post("/api/v1/tokens", json={"name": "map", "scopes": ["read"]}).json()["token"]
    reader = httpx.Client(base_url=places.url, headers={"Authorization": f"Bearer {secret}"}, timeout=60)
    with reader:
        asked = {"points": [[WEST + 0.01, SOUTH + 0.01]]}
        assert reader.post("/api/v1/locate", json=asked).json()["count"] == 1
        assert reader.post("/api/v1/tokens", json={"name": "x", "scopes": ["read"]}).status_code == 403
        # Many zones take a while to build: whoever asks something else does not wait for them.
        side = np.arange(0, 0.3, 0.01)
        west, south = (each.ravel() for each in np.meshgrid(WEST + 3 + side, SOUTH + side))
        boxes = shapely.segmentize(shapely.box(west, south, west + 0.01, south + 0.01), 0.0004)
        places.keep(*(Zone(f"tile-{n}", "Tile", "area", ground) for n, ground in enumerate(boxes)))
        built, waited = threading.Event(), 0

        def build() -> None:
            try:
                assert reader.post("/api/v1/locate", json=asked).json()["count"] == 1
            finally:
                built.set()

        thread = threading.Thread(target=build)
        thread.start()
        while not built.is_set():
            assert olga.get("/healthz").status_code == 200
            waited += 1
        thread.join()
        assert waited > 1
        places.ask("update zone set retired_at = now() where left(key, 5) = 'tile-'")
