"""The audit log: written with the deed, by both kinds of cursor, and never changed."""

import asyncio
from typing import Protocol

import psycopg
import pytest

from governance import audit


class Database(Protocol):
    """An empty, migrated database of this test run's own."""

    url: str


def entries(database: Database, actor: str) -> list[tuple[str, str, str, dict[str, object]]]:
    with psycopg.connect(database.url) as connection:
        return connection.execute(
            "select action, object, outcome, detail from audit_entry where actor = %s order by id", (actor,)
        ).fetchall()


def test_an_entry_stands_or_falls_with_its_transaction(database: Database) -> None:
    with psycopg.connect(database.url) as connection:
        with connection.transaction(), connection.cursor() as cursor:
            audit.record(cursor, "ann", "alarm.acknowledge", "alarm:1", "done", {"token": 7})
        with connection.transaction(force_rollback=True), connection.cursor() as cursor:
            audit.record(cursor, "ann", "alarm.acknowledge", "alarm:2", "done")
    assert entries(database, "ann") == [("alarm.acknowledge", "alarm:1", "done", {"token": 7})]


def test_an_asynchronous_cursor_is_awaited(database: Database) -> None:
    async def write() -> None:
        async with (
            await psycopg.AsyncConnection.connect(database.url) as connection,
            connection.cursor() as cursor,
        ):
            await audit.record(cursor, "ben", "session.open", "session", "denied")

    asyncio.run(write())
    assert entries(database, "ben") == [("session.open", "session", "denied", {})]


@pytest.mark.parametrize(
    "change", ["update audit_entry set actor = 'eve'", "delete from audit_entry", "truncate audit_entry"]
)
def test_an_entry_is_never_changed(database: Database, change: str) -> None:
    with (
        psycopg.connect(database.url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.RaiseException, match="never changed"),
    ):
        connection.execute(change)


def test_a_stream_of_like_deeds_has_one_entry_a_minute_for_each_who_does_them(database: Database) -> None:
    async def write() -> None:
        async with (
            await psycopg.AsyncConnection.connect(database.url) as connection,
            connection.cursor() as cursor,  # one transaction: one minute
        ):
            for actor, device in (("cas", "a"), ("cas", "b"), ("dov", "c")):
                await audit.record_once_a_minute(
                    cursor, actor, "telemetry.post", "telemetry", {"first": device}
                )
            await audit.record_once_a_minute(cursor, "cas", "telemetry.other", "telemetry", {})

    asyncio.run(write())
    assert entries(database, "cas") == [
        ("telemetry.post", "telemetry", "done", {"first": "a"}),
        ("telemetry.other", "telemetry", "done", {}),
    ]
    assert entries(database, "dov") == [("telemetry.post", "telemetry", "done", {"first": "c"})]
