"""Lineage: a thousand readings of every format, each led back to its bytes; nobody sees bytes that speak of others."""

from __future__ import annotations

import base64
import math
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import cbor2
import httpx
import numpy as np
import orjson
import psycopg
import pytest
from fix_services import Cluster

from api import accounts
from api.app import build
from api.server import Server, bound
from cityhub.commands.device import import_devices
from cityhub.commands.zone import import_zones
from edge.reading import gather
from edge.wire import body, seal
from geo.datum import to_wgs84
from geo.tokens import Tokens
from ingest import fix_rows, store
from ingest.assemble import Assembler
from ingest.batch import Batch
from ingest.clock import Clocks
from ingest.counters import Counters
from ingest.dirty import Marks
from ingest.fix_judge import FixJudge
from ingest.foreign import Foreign
from ingest.identity import Identity
from ingest.message import Message
from ingest.order import Newest
from ingest.quota import Quotas
from ingest.records import write_archive, write_dead_letters, write_ledger, write_progress
from ingest.registry import Device, Registry
from ingest.slots import Slots
from ingest.tracks import Tracks, meet

DEMO = Path(__file__).parents[1] / "deploy" / "demo"
NOW_US = time.time_ns() // 1_000_000 * 1000 - 3_600_000_000
SECOND = 1_000_000


class Ingest:
    """The hub's own way from message to table, without broker and checks."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.registry, newest = Registry(), Newest()
        newest.reach(1000)
        self.registry.refresh(self.connection)
        slots = Slots(self.registry, self._create)
        clocks = Clocks()
        tracks = Tracks(lambda wanted: meet(self.connection, wanted))
        self.assembler = Assembler(
            self.registry,
            slots,
            Quotas(),
            newest,
            clocks,
            lambda rows: store.known(self.connection, rows),
            Foreign(self.registry, []),
            Counters(),
            identity=Identity(self.registry, Tokens(0).token, to_wgs84),
            fix_judge=FixJudge(tracks, clocks, lambda fixes: fix_rows.known(self.connection, fixes)),
        )
        writes = [write_archive, write_dead_letters, write_ledger, write_progress, Marks().write]
        self.store = store.Store(url, uuid4(), writes)
        self.store.begin()

    def _create(self, wanted: set[tuple[Device, str]]) -> None:
        self.registry.create(self.connection, wanted)

    def take(self, *messages: tuple[str, bytes, int]) -> Batch:
        """Store messages: device, payload, time of arrival."""
        batch = self.assembler.assemble(
            [
                Message(
                    f"city/v1/{self.registry.devices[device].department}/{device}/telemetry",
                    payload,
                    0,
                    0,
                    at,
                )
                for device, payload, at in messages
            ]
        )
        self.store.commit(batch)
        return batch

    def close(self) -> None:
        self.store.close()
        self.connection.close()


def day(random: np.random.Generator) -> list[tuple[str, bytes, int]]:
    """Messages of every format: some thousand readings of gauges and cameras, out of order, some sent twice."""
    messages: list[tuple[str, bytes, int]] = []

    def value() -> float:
        return round(float(random.uniform(0.2, 3)), 3)

    for step in range(60):
        at = NOW_US + step * 20 * SECOND
        late = int(random.integers(0, 5)) * 3600 * SECOND
        messages += [
            ("camera-01", orjson.dumps({"ts": at // 1000, "values": {"people": step}}), at + SECOND),
            ("camera-02", orjson.dumps({"people": step + 100}), at + 2 * SECOND),  # no time: the hub's
            (
                "river-01",
                orjson.dumps([
                    {"bn": "river-01:", "bt": at / SECOND, "n": "level", "u": "m", "v": value(), "t": -4},
                    {"n": "level", "u": "m", "v": value(), "t": -3},
                ]),
                at + SECOND,
            ),
            (
                "river-02",
                cbor2.dumps([{-2: "river-02:", 0: "level", 1: "m", 2: value(), 6: -7}]),  # relative to now
                at + 3 * SECOND,
            ),
            (
                "gateway-01",
                seal(
                    "b1", step + 1, 1,
                    body(gather([
                        *(("river-01/level", at - late + n * 1000, value()) for n in range(1, 5)),
                        *(("camera-01/people", at - late + n * 1000, float(n)) for n in range(1, 4)),
                        *(("river-02/level", at - late + n * 1000, math.nan if n == 2 else value()) for n in range(1, 4)),
                    ])),
                ),
                at + 4 * SECOND,
            ),
        ]  # fmt: skip
    again = [messages[place] for place in random.integers(0, len(messages), 20)]
    return messages + [
        (device, payload, NOW_US + 2000 * SECOND) for device, payload, _ in again if b"ts" in payload
    ]


@pytest.fixture(scope="module")
def walk(cluster: Cluster) -> Iterator[tuple[Ingest, dict[str, httpx.Client]]]:
    """A filled database, and signed-in callers of its API."""
    private = cluster.fresh()
    with psycopg.connect(private.url, autocommit=True) as connection:
        import_zones(connection, DEMO / "zones.geojson")
        import_devices(connection, DEMO / "devices.csv")
        passwords = {"admin": accounts.first_administrator(connection) or ""}
        for name, department in (("pol", "police"), ("wat", "water"), ("mun", "municipal")):
            passwords[name] = accounts.create(connection, name, "operator", department)
    ingest = Ingest(private.url)
    messages = day(np.random.default_rng(11))
    for start in range(0, len(messages), 37):
        ingest.take(*messages[start : start + 37])
    listener, ready = bound("127.0.0.1", 0), threading.Event()
    server = Server(build(private.url), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert ready.wait(20)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    clients = {}
    for name, password in passwords.items():
        clients[name] = httpx.Client(base_url=url, headers={"origin": url}, timeout=30)
        assert clients[name].post("/api/v1/session", json={"name": name, "password": password}).is_success
    yield ingest, clients
    for client in clients.values():
        client.close()
    server.should_exit = True
    thread.join(20)
    ingest.close()
    cluster.drop(private)


def stored(ingest: Ingest, where: str = "true") -> list[tuple[int, datetime, float, str, str]]:
    return ingest.connection.execute(
        f"""select series_id, time, value, device.key, metric from reading
            join series on series.id = series_id join device on device.id = device_id
            where {where} order by time, series_id"""  # noqa: S608 -- the test's own words
    ).fetchall()


def ask(client: httpx.Client, series: int, at: datetime) -> dict[str, Any]:
    answer = client.get(
        "/api/v1/readings/lineage", params={"series": series, "time": at.astimezone(UTC).isoformat()}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_every_reading_leads_back_to_the_bytes_that_brought_it(
    walk: tuple[Ingest, dict[str, httpx.Client]],
) -> None:
    ingest, clients = walk
    readings = stored(ingest)
    assert len(readings) >= 1000
    archive = {
        bytes(payload): (topic, parser)
        for topic, parser, payload in ingest.connection.execute("select topic, parser, payload from message")
    }
    parsers = set()
    for series, at, value, device, metric in readings:
        found = ask(clients["admin"], series, at)
        assert found["complete"]
        carrier = found["messages"][0]
        parsers.add(carrier["parser"])
        payload = base64.b64decode(carrier["payload"])
        assert archive[payload] == (carrier["topic"], carrier["parser"])
        assert carrier["same"]
        assert carrier["size"] == len(payload)
        assert (found["device"], found["metric"]) == (device, metric)
        assert found["value"] == (None if math.isnan(value) else value)
        if metric == "density":
            source = found["source"]
            assert source["metric"] == "people"
            assert source["over"] == "zone-area"
            assert source["value"] * source["gain"] == pytest.approx(value)
            assert carrier["value"] == source["value"]
        else:
            assert found["source"] is None
            assert carrier["value"] == found["value"]
    assert parsers == {"json/1", "senml+json/1", "senml+cbor/1", "columnar/1"}


def test_what_was_sent_twice_names_both_messages_the_storing_one_first(
    walk: tuple[Ingest, dict[str, httpx.Client]],
) -> None:
    ingest, clients = walk
    at = NOW_US + 5000 * SECOND
    first = ("river-01", orjson.dumps({"ts": at // 1000, "values": {"level": 1.25}}), at)
    other = ("river-01", orjson.dumps({"ts": at // 1000, "values": {"level": 9.5}}), at + SECOND)
    third = ("river-01", first[1], at + 2 * SECOND)
    ingest.take(first)
    ingest.take(other, third)
    ((series, moment, *_),) = stored(
        ingest, f"time = to_timestamp(0) + {at} * interval '1 microsecond' and device.key = 'river-01'"
    )
    found = ask(clients["admin"], series, moment)
    assert [(each["value"], each["same"]) for each in found["messages"]] == [
        (1.25, True), (9.5, False), (1.25, True),
    ]  # fmt: skip


def test_bytes_that_speak_of_another_department_are_withheld(
    walk: tuple[Ingest, dict[str, httpx.Client]],
) -> None:
    ingest, clients = walk
    (river, *_) = stored(ingest, "device.key = 'river-02' and value <> 'NaN'")
    seen: dict[str, list[dict[str, Any]]] = {"senml+cbor/1": [], "columnar/1": []}
    for series, at, *_ in stored(ingest, "device.key = 'river-02'"):
        carrier = ask(clients["wat"], series, at)["messages"][0]
        seen[carrier["parser"]].append(carrier)
    assert all(carrier["payload"] for carrier in seen["senml+cbor/1"])
    assert seen["columnar/1"]
    assert all(carrier["payload"] is None and carrier["same"] for carrier in seen["columnar/1"])
    for name in ("pol", "mun"):
        refused = clients[name].get(
            "/api/v1/readings/lineage", params={"series": river[0], "time": river[1].isoformat()}
        )
        assert refused.status_code == 404


def test_nobody_who_has_not_signed_in_is_told_anything(walk: tuple[Ingest, dict[str, httpx.Client]]) -> None:
    url = str(walk[1]["admin"].base_url).rstrip("/")
    answer = httpx.get(f"{url}/api/v1/readings/lineage", params={"series": 1, "time": "2026-01-01T00:00:00Z"})
    assert answer.status_code == 401


def test_a_time_without_a_reading_and_an_archive_that_is_over(
    walk: tuple[Ingest, dict[str, httpx.Client]],
) -> None:
    ingest, clients = walk
    (river, *_) = stored(ingest, "device.key = 'river-01'")
    beside = (river[1] + timedelta(microseconds=1)).isoformat()
    none = clients["admin"].get("/api/v1/readings/lineage", params={"series": river[0], "time": beside})
    assert none.status_code == 404
    with ingest.connection.transaction(force_rollback=False):
        kept = ingest.connection.execute(
            "delete from message where first_time <= %s and last_time >= %s returning *", (river[1], river[1])
        ).fetchall()
    assert kept
    assert ask(clients["admin"], river[0], river[1])["messages"] == []
