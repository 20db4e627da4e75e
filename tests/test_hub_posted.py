"""Telemetry over HTTP: what was answered is stored exactly once, also where the hub was away or killed meanwhile."""

from __future__ import annotations

import time

import cbor2
import pytest
from fix_hub import House, wait_for

from ingest import posted

ADDRESS = "/api/v1/telemetry"


def test_a_reading_posted_while_the_hub_is_away_is_stored_once_when_it_is_back(house: House) -> None:
    house.city()
    house.start_api()
    client = house.sign_in()
    begin = round(time.time() * 1000) - 60_000
    for place in range(20):
        answer = client.post(
            ADDRESS,
            params={"device": "river-01"},
            json={"ts": begin + place, "values": {"level": place / 100}},
        )
        assert (answer.status_code, answer.json()["readings"]) == (202, 1)
    assert house.ask("select count(*) from reading") == [(0,)]
    house.start_hub()
    wait_for(lambda: house.ask("select count(*) from posted_message") == [(0,)], "the hub to take them up")
    assert house.ask("select count(*), count(distinct time) from reading") == [(20, 20)]
    house.kill_hub()
    client.post(ADDRESS, params={"device": "river-01"}, json={"ts": begin, "values": {"level": 0}})
    house.start_hub()
    wait_for(lambda: house.ask("select sum(duplicate) from ledger_minute") == [(1,)], "the repetition")
    assert house.ask("select count(*) from reading") == [(20,)]


def test_what_is_taken_up_at_once_is_bounded_by_its_bytes_and_is_one_at_least(house: House) -> None:
    with house.connect() as connection:
        connection.execute(
            "insert into posted_message (topic, payload) select 'x', repeat('a', 100)::bytea from generate_series(1, 5)"
        )
        everything, _ = posted.oldest(connection, 9, 10_000)
        assert len(everything) == 5
        for most, most_bytes, count in ((9, 250, 3), (9, 200, 2), (9, 1, 1), (2, 10_000, 2)):
            ids, messages = posted.oldest(connection, most, most_bytes)
            assert (ids, len(messages)) == (everything[:count], count)


@pytest.fixture
def api(house: House) -> House:
    house.city()
    house.start_api()
    return house


def test_every_telemetry_format_is_taken(api: House) -> None:
    client = api.sign_in()
    began = time.time()
    for body in (b'{"level":1}', b'[{"n":"level","u":"m","v":1}]', cbor2.dumps([{0: "level", 2: 1}])):
        answer = client.post(ADDRESS, params={"device": "river-01"}, content=body)
        assert (answer.status_code, answer.json()["readings"]) == (202, 1)
    kept = api.ask("select topic, payload from posted_message order by id")
    assert {topic for topic, _ in kept} == {"city/v1/water/river-01/telemetry"}
    assert kept[0][1] == b'{"level":1}'
    entries = api.ask(
        "select at, actor, object, outcome, detail from audit_entry where action = 'telemetry.post'"
    )
    assert 1 <= len(entries) <= 1 + int(time.time() // 60 - began // 60)  # one a minute, of three messages
    assert entries[0][1:4] == ("admin", "telemetry", "done")
    assert entries[0][4]["first"] == "river-01"


def test_what_cannot_be_taken_is_refused_with_its_reason_and_not_kept(api: House) -> None:
    client = api.sign_in()
    refused = [
        ("river-01", b"{", 422, "not JSON"),
        ("river-01", b"", 422, "empty payload"),
        ("river-01", b"[" * 1000, 422, "nested deeper"),
        ("river-01", b"[" + b"1," * 200_000 + b"1]", 413, "at most"),
        ("river-99", b'{"level":1}', 404, "no such device"),
        ("hub", b'{"level":1}', 404, "no such device"),
    ]
    for device, body, status, reason in refused:
        answer = client.post(ADDRESS, params={"device": device}, content=body)
        assert (answer.status_code, reason in answer.json()["detail"]) == (status, True), answer.text
    api.ask("update device set retired_at = now() where key = 'river-02' returning 1")
    answer = client.post(ADDRESS, params={"device": "river-02"}, content=b'{"level":1}')
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:cityhub:problem:retired")
    assert api.ask("select count(*) from posted_message") == [(0,)]


def test_where_too_much_waits_for_the_hub_the_sender_is_told_to_come_back(api: House) -> None:
    api.ask(
        "insert into posted_message (topic, payload) select 'x', '' from generate_series(1, 20000) returning 1"
    )
    answer = api.sign_in().post(ADDRESS, params={"device": "river-01"}, content=b'{"level":1}')
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
