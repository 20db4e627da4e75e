"""The registry over the API: steps, swaps, history and lists, by whom and of whose devices."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import psycopg
import pytest
from fix_services import Cluster

from api import accounts, importing
from api.app import build
from api.server import Server, bound
from ingest import credentials

HEAD = "id,name,department,profile,lon,lat"
LIST = f"{HEAD}\nriver-1,River,water,river-gauge,120.6,31.3\nriver-2,River,water,river-gauge,,\n"


@dataclass
class City:
    """A running API over an empty city of two departments."""

    url: str
    database: str
    passwords: dict[str, str]
    clients: list[httpx.Client] = field(default_factory=list)

    def signed_in(self, name: str) -> httpx.Client:
        client = httpx.Client(base_url=self.url, timeout=30, headers={"Origin": self.url})
        self.clients.append(client)
        answer = client.post("/api/v1/session", json={"name": name, "password": self.passwords[name]})
        assert answer.status_code == 200, answer.text
        return client

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def city(cluster: Cluster) -> Iterator[City]:
    private = cluster.fresh()
    with psycopg.connect(private.url, autocommit=True) as connection:
        connection.execute(
            "insert into department (key, name) values ('water', 'Water'), ('police', 'Police')"
        )
        passwords = {"admin": accounts.first_administrator(connection) or ""}
        passwords["olga"] = accounts.create(connection, "olga", "operator", None)
        passwords["wang"] = accounts.create(connection, "wang", "engineer", "water")
        passwords["pete"] = accounts.create(connection, "pete", "engineer", "police")
    listener = bound("127.0.0.1", 0)
    ready = threading.Event()
    server = Server(build(private.url), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api")
    thread.start()
    assert ready.wait(20)
    made = City(f"http://127.0.0.1:{listener.getsockname()[1]}", private.url, passwords)
    yield made
    for client in made.clients:
        client.close()
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()
    cluster.drop(private)


def test_a_list_is_tried_applied_and_put_back(city: City) -> None:
    wang = city.signed_in("wang")
    tried = wang.post("/api/v1/imports?file=rivers.csv", content=LIST.encode())
    assert tried.status_code == 201, tried.text
    assert tried.json()["summary"] == {"new": 2, "changed": 0, "same": 0, "fault": 0}
    assert [(row["row"], row["id"], row["verdict"]) for row in tried.json()["rows"]] == [
        (2, "river-1", "new"),
        (3, "river-2", "new"),
    ]
    number = tried.json()["id"]
    assert wang.get("/api/v1/devices/river-1").status_code == 404
    applied = wang.post(f"/api/v1/imports/{number}/apply")
    assert applied.json() == {"new": 2, "changed": 0, "same": 0, "fault": 0}
    assert wang.get("/api/v1/devices/river-1").json()["lon"] == 120.6
    again = wang.post(f"/api/v1/imports/{number}/apply")
    assert again.status_code == 409
    assert "applied already" in again.json()["detail"]
    [listed] = wang.get("/api/v1/imports").json()["items"]
    assert (listed["file"], listed["who"], listed["undone_at"]) == ("rivers.csv", "wang", None)
    undone = wang.post(f"/api/v1/imports/{number}/undo")
    assert undone.json() == {"restored": [], "deleted": ["river-1", "river-2"], "retired": []}
    assert wang.get("/api/v1/devices").json()["items"] == []
    assert wang.post("/api/v1/imports/99/undo").status_code == 404
    assert city.ask("select actor, action from audit_entry where action like 'device.%' order by id") == [
        ("wang", "device.import"),
        ("wang", "device.undo"),
    ]


def test_a_list_that_the_registry_has_overtaken_is_looked_at_again(city: City) -> None:
    wang = city.signed_in("wang")
    first = wang.post("/api/v1/imports", content=LIST.encode()).json()["id"]
    second = wang.post("/api/v1/imports", content=LIST.encode()).json()["id"]
    assert wang.post(f"/api/v1/imports/{first}/apply").status_code == 200
    late = wang.post(f"/api/v1/imports/{second}/apply")
    assert late.status_code == 409
    assert "has changed since" in late.json()["detail"]


def test_a_list_does_not_overwrite_what_somebody_changed_after_it_was_tried(city: City) -> None:
    wang = city.signed_in("wang")
    wang.post(f"/api/v1/imports/{wang.post('/api/v1/imports', content=LIST.encode()).json()['id']}/apply")
    other = LIST.replace("River", "Brook").encode()
    tried = wang.post("/api/v1/imports", content=other).json()
    wang.patch("/api/v1/devices/river-2", json={"state": "suspended", "because": "overhaul"})
    late = wang.post(f"/api/v1/imports/{tried['id']}/apply")
    assert late.status_code == 409
    assert "river-2 (by wang)" in late.json()["detail"]
    again = wang.post("/api/v1/imports", content=other).json()
    assert again["summary"] == tried["summary"]
    assert wang.post(f"/api/v1/imports/{again['id']}/apply").status_code == 200


def test_who_comes_back_or_goes_elsewhere_is_to_be_enrolled_again_and_its_engineer_is_told(
    city: City,
) -> None:
    wang = city.signed_in("wang")
    with psycopg.connect(city.database, autocommit=True) as connection:
        importing.take(connection, LIST.encode(), file="rivers.csv", who="wang")
        for device in ("river-1", "river-2"):
            credentials.issue(connection, device, "wang")
        moved = importing.look(connection, LIST.replace("water", "police").encode())
        assert ["river-1, river-2" in note and "cityhub device token" in note for note in moved.notes] == [
            True
        ]
        # Of what keeps its department nothing is told.
        assert importing.look(connection, LIST.replace("River", "Brook").encode()).notes == []
    told = [
        wang.patch("/api/v1/devices/river-1", json={"state": state, "because": "a mistake"}).json()["notes"]
        for state in ("retired", "suspended", "commissioned")
    ]
    assert [len(notes) for notes in told] == [0, 1, 0]
    assert "river-1. `cityhub device token ID`" in told[1][0]
    assert "enrolled again" in wang.get("/api/v1/devices/river-1/onboarding").json()["advice"]
    assert "enrolled again" not in wang.get("/api/v1/devices/river-2/onboarding").json()["advice"]


def test_a_list_with_a_fault_is_kept_for_its_rows_and_is_not_applied(city: City) -> None:
    wang = city.signed_in("wang")
    tried = wang.post("/api/v1/imports", content=f"{LIST}=1+1,x,water,river-gauge,,\n".encode())
    assert tried.json()["summary"]["fault"] == 1
    assert tried.json()["rows"][0]["faults"][0]["column"] == "id"
    refused = wang.post(f"/api/v1/imports/{tried.json()['id']}/apply")
    assert refused.status_code == 409
    assert "reads like a formula" in refused.json()["detail"]
    assert city.ask("select count(*) from device where key like 'river%'") == [(0,)]
    nonsense = wang.post("/api/v1/imports", content=b"PK\x03\x04")
    assert (nonsense.status_code, nonsense.json()["status"]) == (422, 422)


def test_lists_and_steps_are_for_engineers_and_for_their_own_devices(city: City) -> None:
    wang, pete, olga = (city.signed_in(name) for name in ("wang", "pete", "olga"))
    number = wang.post("/api/v1/imports", content=LIST.encode()).json()["id"]
    assert pete.post(f"/api/v1/imports/{number}/apply").status_code == 404
    assert pete.post("/api/v1/imports", content=LIST.encode()).json()["summary"]["fault"] == 2
    assert olga.post("/api/v1/imports", content=LIST.encode()).status_code == 403
    assert wang.post(f"/api/v1/imports/{number}/apply").status_code == 200
    step = {"state": "suspended", "because": "overhaul"}
    assert pete.patch("/api/v1/devices/river-1", json=step).status_code == 404
    assert olga.patch("/api/v1/devices/river-1", json=step).status_code == 403
    assert pete.get("/api/v1/devices/river-1/history").status_code == 404
    assert olga.get("/api/v1/devices/river-1/history").status_code == 200
    assert city.ask("select state from device where key = 'river-1'") == [("commissioned",)]


def test_a_step_and_a_swap_are_taken_with_their_reason_and_stand_in_the_history_and_the_audit(
    city: City,
) -> None:
    wang = city.signed_in("wang")
    number = wang.post("/api/v1/imports", content=LIST.encode()).json()["id"]
    wang.post(f"/api/v1/imports/{number}/apply")
    taken = wang.patch("/api/v1/devices/river-1", json={"state": "suspended", "because": "overhaul"})
    assert (taken.status_code, taken.json()["state"]) == (200, "suspended")
    swapped = wang.patch("/api/v1/devices/river-1", json={"sensor_serial": "V-2", "because": "drifted"})
    assert swapped.json()["sensor_serial"] == "V-2"
    wrong = wang.patch("/api/v1/devices/river-1", json={"state": "planned", "because": "a mistake"})
    assert wrong.status_code == 409
    assert "a suspended device becomes commissioned" in wrong.json()["detail"]
    for body in (
        {"because": "nothing"},
        {"state": "retired", "sensor_serial": "V", "because": "both"},
        {"state": "retired"},
    ):
        assert wang.patch("/api/v1/devices/river-1", json=body).status_code == 422
    items = wang.get("/api/v1/devices/river-1/history").json()["items"]
    assert [(item["who"], item["because"], item["changed"]) for item in items] == [
        ("wang", f"import {number}: list", {}),
        ("wang", "overhaul", {"state": ["commissioned", "suspended"]}),
        ("wang", "drifted", {"sensor_serial": [None, "V-2"]}),
    ]
    assert [one["id"] for one in wang.get("/api/v1/devices?state=suspended").json()["items"]] == ["river-1"]
    actions = city.ask(
        "select action, object, detail ->> 'because' from audit_entry where object = 'river-1' order by id"
    )
    assert actions == [("device.suspended", "river-1", "overhaul"), ("device.swap", "river-1", "drifted")]


def test_a_list_may_be_larger_than_other_bodies_and_has_its_end_too(city: City) -> None:
    wang = city.signed_in("wang")
    rows = "".join(
        f"cover-{number:05d},{'x' * 60},water,manhole-cover,120.6,31.3\n" for number in range(12_000)
    )
    tried = wang.post("/api/v1/imports", content=f"{HEAD}\n{rows}".encode())
    assert tried.status_code == 201
    assert tried.json()["summary"]["new"] == 12_000
    assert len(tried.json()["rows"]) == 1000
    assert wang.post("/api/v1/imports", content=b"x" * (32 * 1024 * 1024 + 1)).status_code == 413
    assert wang.post("/api/v1/tokens", content=b"x" * (1024 * 1024 + 1)).status_code == 413
