"""Reports: events and states of devices are kept once, and what cannot be read has a reason."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import psycopg
import pytest
from fix_services import Private
from test_ingest_batch import ALONE, NOW, Hub

from ingest import report
from ingest.batch import Batch
from ingest.message import Message

EVENT, STATUS = "city/v1/water/river-2/event", "city/v1/water/river-2/status"


def said(topic: str, body: object, at: int = NOW) -> Message:
    return Message(topic, body if isinstance(body, bytes) else orjson.dumps(body), 1, 1, at)


@pytest.fixture
def connection(database: Private) -> Iterator[psycopg.Connection]:
    """A database with one device whose id is that of ALONE."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("insert into department (key, name) values ('water', 'Water')")
        connection.execute("insert into profile (key, body, sha256) values ('gauge', '{}', '')")
        connection.execute(
            """insert into device (id, key, name, department_id, profile) overriding system value
               select %s, 'river-2', '', id, 'gauge' from department where key = 'water'""",
            (ALONE.id,),
        )
        yield connection


def write(connection: psycopg.Connection, batch: Batch) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        report.write(cursor, batch)


def test_an_event_is_kept_once_however_often_it_comes(connection: psycopg.Connection) -> None:
    event = said(EVENT, {"type": "door", "ts": NOW // 1000, "data": {"open": True}})
    again = said(EVENT, {"type": "door", "ts": NOW // 1000 + 1, "data": {}})
    for messages in ([event, event], [event, again]):
        write(connection, Hub().take(messages))
    rows = connection.execute("select device_id, type, data from event order by time").fetchall()
    assert rows == [(ALONE.id, "door", {"open": True}), (ALONE.id, "door", {})]


def test_a_state_is_known_since_it_was_first_said(connection: psycopg.Connection) -> None:
    states = [("online", 0), ("online", 1), ("offline", 2), ("offline", 3)]
    for state, second in states:
        write(connection, Hub().take([said(STATUS, {"state": state, "n": second}, NOW + second * 1_000_000)]))
    row = connection.execute(
        "select state, extract(epoch from since)::bigint * 1000000, body from device_status"
    ).fetchone()
    assert row == ("offline", NOW + 2_000_000, {"state": "offline", "n": 3})


def test_of_several_states_in_one_batch_the_last_holds(connection: psycopg.Connection) -> None:
    write(connection, Hub().take([said(STATUS, {"state": state}) for state in ("offline", "online")]))
    assert connection.execute("select state from device_status").fetchall() == [("online",)]


def test_an_emptied_retained_status_says_nothing() -> None:
    batch = Hub().take([said(STATUS, b"")])
    assert (batch.reports, batch.dead) == ([], [])


@pytest.mark.parametrize(
    ("topic", "body", "reason"),
    [
        (STATUS, b"{", "not JSON"),
        (STATUS, {"state": "sleepy"}, "neither online nor offline"),
        (EVENT, [], "one object"),
        (EVENT, {"type": ""}, "1 to 64"),
        (EVENT, {"type": 7}, "1 to 64"),
        (EVENT, {"type": "x", "data": []}, "data must be"),
        (EVENT, {"type": "x", "ts": 2**52}, "out of any range"),
        (EVENT, {"type": "x", "ts": "yesterday"}, "RFC 3339"),
        (EVENT, {"type": "x", "data": {"a": "\0"}}, "NUL"),
        (EVENT, b"[" * 100, "nested deeper"),
        (EVENT, b"", "empty payload"),
    ],
)
def test_a_report_that_cannot_be_read_is_a_dead_letter_with_its_reason(
    topic: str, body: object, reason: str
) -> None:
    hub = Hub()
    hub.take([said(topic, body)])
    assert hub.buried() == {("malformed", ALONE.id): 1}
    assert reason in hub.batches[0].dead[0].detail


def test_a_report_of_another_department_is_refused() -> None:
    hub = Hub()
    hub.take([said("city/v1/order/river-2/status", {"state": "offline"})])
    assert hub.buried() == {("wrong-department", ALONE.id): 1}
