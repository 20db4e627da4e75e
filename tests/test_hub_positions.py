"""Positions through a whole hub: what is stored and what is not, through kill -9; who comes is told once."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import cbor2
import orjson
import pytest
from fix_hub import House, wait_for

from cityhub.commands.device import import_devices
from cityhub.commands.zone import import_zones
from edge import positions
from edge.agent import Agent
from edge.reading import now_us
from edge.wire import Envelope
from geo.plane import metres_per_degree

FAULTY = [sys.executable, "-P", str(Path(__file__).with_name("forgetful_hub.py"))]
RESPONDERS = """id,name,department,profile,gateway,lon,lat,counts_zone
medic-01,Medic one,emergency,responder,,,,
gateway-02,Gateway of the cameras,police,gateway,,,,
camera-09,Behind the gateway,police,counting-camera,gateway-02,,,
"""
# The middle of the station forecourt, a crowd zone of the demo some 30 m wide.
LON, LAT = 120.6130, 31.2800
EAST = float(metres_per_degree(LAT)[0])
MEDIC, CAMERA = "city/v1/emergency/medic-01/position", "city/v1/police/camera-01/position"
SECRET = "Zhang-San"


def city(house: House) -> None:
    house.city()
    responders = house.home / "responders.csv"
    responders.write_text(RESPONDERS)
    with house.connect() as connection:
        import_devices(connection, responders)


def fix(at_us: int, east_m: float, **more: Any) -> dict[str, Any]:
    return {"ts": at_us // 1000, "lon": LON + east_m / EAST, "lat": LAT, "accuracy": 2, **more}


def walk(house: House, device: Any, begun_us: int, seconds: range, east_m: float) -> None:
    """A fix a second of the medic, standing so far from the middle."""
    for second in seconds:
        house.send(device, MEDIC, fix(begun_us + second * 1_000_000, east_m))


def told(house: House) -> list[tuple[str, int]]:
    """What was told of the forecourt, by kind and second since 1970."""
    return house.ask(
        """select kind, extract(epoch from time)::int from crossing
           where zone_id = (select id from zone where key = 'station-forecourt') order by told_at, time"""
    )


def stored(house: House, count: int) -> None:
    wait_for(lambda: house.ask("select count(*) from fix") == [(count,)], f"{count} fixes")


def send_batches(house: House, device: Any, begun: int) -> None:
    """Of a gateway: one batch twice and one that cannot be read, until it is told that both are done with."""
    batch = positions.gather(
        [("", begun, LON, LAT, 3.0), (SECRET, begun, LON, LAT, 3.0), ("camera-09/7", begun, LON, LAT, 3.0)]
    )
    sealed = positions.seal(Envelope("b00t", 1, 1), positions.body(batch))
    heard: list[dict[str, Any]] = []
    device.message_callback_add(
        "city/v1/police/gateway-02/committed", lambda *m: heard.append(orjson.loads(m[2].payload))
    )
    device.subscribe("city/v1/police/gateway-02/committed", 1)
    unreadable = cbor2.dumps({"v": 1, "boot": "b00t", "seq": 2, "base": 1, "names": [SECRET]})
    for payload in (sealed, sealed, unreadable):
        house.send(device, "city/v1/police/gateway-02/position", payload)
    wait_for(lambda: {"boot": "b00t", "seq": 2} in heard, "the gateway to be told what is committed")


def draw(house: House, key: str) -> None:
    """Import a zone around the place 300 m east of the middle, and wait until the hub has read it."""
    read = (house.home / "hub.log").read_text().count("zones read")
    west, east, south, north = LON + 250 / EAST, LON + 350 / EAST, LAT - 0.0005, LAT + 0.0005
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    zone = {
        "type": "Feature",
        "id": key,
        "properties": {"kind": "area"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    file = house.home / f"{key}.geojson"
    file.write_bytes(orjson.dumps({"type": "FeatureCollection", "features": [zone]}))
    with house.connect() as connection:
        import_zones(connection, file)
    wait_for(lambda: (house.home / "hub.log").read_text().count("zones read") > read, "the zone to be read")


def carry(house: House, begun_us: int) -> None:
    """Readings and positions of one gateway, through one journal."""
    agent = Agent(house.home / "edge", house.broker.field_url, "municipal", "gateway-01")
    agent.start()
    try:
        agent.accept([("river-01/level", begun_us, 1.5)])
        agent.accept(
            (),
            [("", begun_us + at, LON, LAT, 4.0) for at in range(2)]
            + [(SECRET, begun_us, LON, LAT, math.nan)],
        )
        agent.accept([("river-01/level", begun_us + 1, 1.6)])
        assert agent.publisher.wait_committed(30)
    finally:
        agent.close()


def secrets_kept(house: House) -> list[str]:
    """The tables in which the name of whom a camera saw can be found."""
    tables = [name for (name,) in house.ask("select tablename from pg_tables where schemaname = 'public'")]
    assert {"message", "dead_letter", "held_message", "track"} <= set(tables)
    found = {table: house.ask(f'select t::text from "{table}" as t') for table in tables}  # noqa: S608 -- our own names
    coded = SECRET.encode().hex()
    return [table for table, rows in found.items() if SECRET in str(rows) or coded in str(rows)]


@pytest.mark.timeout(240)
def test_positions_are_stored_once_without_names_and_who_comes_is_told_once_through_kill_9(
    house: House,
) -> None:
    city(house)
    house.start_hub()
    device = house.publisher()
    begun = now_us() // 1_000_000 * 1_000_000 - 120_000_000
    walk(house, device, begun, range(5), 300)
    walk(house, device, begun, range(20, 30), 0)
    stored(house, 15)
    assert told(house) == [("enter", begun // 1_000_000 + 20)]
    # A crowd of one camera: two people, one bad fix among them, whose neighbours are stored.
    seen = [
        fix(begun, 0, track=SECRET),
        {"ts": begun // 1000, "track": SECRET + "-2", "lon": SECRET, "lat": LAT},
        fix(begun, 5, track=SECRET + "-3", face=SECRET),
    ]
    house.send(device, CAMERA, orjson.dumps(seen))
    house.send(device, CAMERA, f'[{{"track": "{SECRET}"'.encode())
    house.send(device, "city/v1/police/camera-99/position", {"track": SECRET, "lon": 1, "lat": 2})
    stored(house, 17)
    wait_for(lambda: house.ask("select count(*) from dead_letter") == [(3,)], "three dead letters")
    tokens = house.ask("select name from track where anonymous order by id")
    house.kill_hub()

    # Committed, and then killed before the broker heard of it: what comes again is known.
    house.start_hub(FAULTY, FAULT="dies")
    house.send(device, CAMERA, fix(begun + 1_000_000, 0, track=SECRET))
    assert house.hub is not None
    house.hub.wait(30)
    stored(house, 18)
    house.start_hub()
    wait_for(
        lambda: house.ask("select sum(duplicate) >= 1 from ledger_minute") == [(True,)], "the redelivery"
    )
    assert house.ask("select name from track where anonymous order by id") == tokens  # the salt was kept

    walk(house, device, begun, range(30, 35), 0)
    send_batches(house, device, begun)
    walk(house, device, begun, range(60, 75), 300)
    stored(house, 18 + 5 + 3 + 15)
    carry(house, begun)
    stored(house, 41 + 3)
    # A zone that is drawn while the hub runs is a fence a moment later.
    draw(house, "pitch")
    walk(house, device, begun, range(75, 85), 300)
    stored(house, 44 + 10)
    pitch = house.ask(
        "select crossing.kind, zone_version from crossing join zone on zone.id = zone_id where key = 'pitch'"
    )
    assert pitch == [("enter", 1)]
    assert told(house) == [("enter", begun // 1_000_000 + 20), ("exit", begun // 1_000_000 + 60)]
    assert house.ask(
        "select device.key, track.name from track join device on device.id = device_id where not anonymous order by 1"
    ) == [("gateway-01", "gateway-01"), ("gateway-02", "gateway-02"), ("medic-01", "medic-01")]
    assert house.ask(
        "select count(*) from track join device on device.id = device_id where device.key = 'camera-09'"
    ) == [(1,)]
    assert house.ask("select distinct parser from message order by 1") == [
        ("columnar/1",),
        ("position-columnar/1",),
        ("position-json/1",),
    ]
    balance = "select sum(received - stored - duplicate - quarantined - rejected), sum(stored), sum(duplicate) from ledger_minute"
    unbalanced, kept, duplicate = house.ask(balance)[0]
    assert (unbalanced, kept) == (0, 54 + 2)
    assert duplicate >= 4  # the batch that was sent twice, and what the killed hub had committed
    assert house.stop_hub() == 0
    assert secrets_kept(house) == []
    assert SECRET not in (house.home / "hub.log").read_text()


@pytest.mark.timeout(120)
def test_control_a_hub_that_remembers_nobody_tells_twice(house: House) -> None:
    city(house)
    house.start_hub()
    device = house.publisher()
    begun = now_us() // 1_000_000 * 1_000_000 - 120_000_000
    walk(house, device, begun, range(10), 0)
    stored(house, 10)
    house.kill_hub()
    house.start_hub(FAULTY, FAULT="forgets")
    walk(house, device, begun, range(10, 20), 0)
    stored(house, 20)
    assert [kind for kind, _ in told(house)] == ["enter", "enter"], (
        "the control told once: the test proves nothing"
    )
