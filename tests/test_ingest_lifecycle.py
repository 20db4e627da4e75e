"""Retention: old chunks and rows go, on both kinds of tables; what may come again or is not aggregated stays."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from fix_services import Cluster

from ingest import aggregates
from ingest.keeper import Keeper
from ingest.lifecycle import Retention, keep

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
FOREVER = Retention(None, None, None, None, None, None)


@pytest.fixture(params=["timescaledb", "plain"])
def connection(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[psycopg.Connection]:
    """A database with 100 days of everything: series 1 and 2 live, series 3 of a recorded device."""
    server: Cluster = cluster if request.param == "timescaledb" else request.getfixturevalue("plain")
    if request.param == "timescaledb" and not server.server.timescaledb:
        pytest.skip("no TimescaleDB: the plain way is tested alone")
    private = server.fresh()
    with psycopg.connect(private.url, autocommit=True) as opened:
        opened.execute("insert into department (key, name) values ('water', 'Water')")
        opened.execute("insert into profile (key, body, sha256) values ('p', '{}', '')")
        for key, recorded, metrics in (("gauge", False, 2), ("tape", True, 1)):
            opened.execute(
                """with made as (insert into device (key, name, department_id, profile, recorded)
                                 values (%s, %s, 1, 'p', %s) returning id)
                   insert into series (device_id, metric, unit)
                   select made.id, 'm' || n, 'm' from made, generate_series(1, %s) as n""",
                (key, key, recorded, metrics),
            )
        sow(opened)
        yield opened
    server.drop(private)


def sow(connection: psycopg.Connection) -> None:
    spread = "generate_series(%(now)s - interval '100 days', %(now)s - interval '30 minutes', interval '6 hours') as t"
    for query in (
        f"insert into reading select t, s, 1, 1 from {spread}, generate_series(1, 2) as s",  # noqa: S608 -- our own names
        f"insert into reading select t - interval '20 years', 3, 1, 1 from {spread}",  # noqa: S608 -- our own names
        f"insert into message select t, 1, 'x', t, t, 1, 'json/1', 'x' from {spread}",  # noqa: S608 -- our own names
        f"""insert into dead_letter (digest, reason, detail, topic, payload, readings, first_at, last_at)
            select t::text::bytea, 'r', '', '', '', 1, t, t from {spread}""",  # noqa: S608 -- our own names
        f"insert into ledger_minute (minute, device_id) select t, 1 from {spread}",  # noqa: S608 -- our own names
    ):
        connection.execute(query, {"now": NOW})
    aggregates.run(connection, now=NOW)


def oldest(connection: psycopg.Connection, table: str, column: str, series: int | None = None) -> timedelta:
    where = "" if series is None else f" where series_id = {series}"
    row = connection.execute(f"select min({column}) from {table}{where}").fetchone()  # noqa: S608 -- our own names
    assert row is not None
    found: datetime = row[0]
    return NOW - found


TABLES = {
    "readings": ("reading", "time"),
    "messages": ("message", "arrived_at"),
    "dead_letters": ("dead_letter", "last_at"),
    "ledger": ("ledger_minute", "minute"),
    "minutes": ("reading_minute", "time"),
    "hours": ("reading_hour", "time"),
}


@pytest.mark.parametrize("name", TABLES)
def test_each_has_its_own_time_and_the_others_stay(connection: psycopg.Connection, name: str) -> None:
    table, column = TABLES[name]
    series = 1 if name in ("readings", "minutes", "hours") else None
    retention = Retention(**{each: 40 * DAY if each == name else None for each in TABLES})
    before = {each: oldest(connection, *TABLES[each]) for each in TABLES if each != name}
    assert keep(connection, retention, now=NOW)
    chunk = timedelta(days=90 if name == "hours" else 7)
    # A chunk goes when all of it is too old; on plain tables nothing older is left at all.
    assert 40 * DAY - timedelta(hours=6) <= oldest(connection, table, column, series) <= 40 * DAY + chunk
    assert {each: oldest(connection, *TABLES[each]) for each in TABLES if each != name} == before
    assert keep(connection, retention, now=NOW) == {}


@pytest.mark.parametrize("connection", ["plain"], indirect=True)
def test_on_plain_tables_not_a_row_more_than_its_time_is_kept(connection: psycopg.Connection) -> None:
    keep(connection, Retention(*[40 * DAY] * 6), now=NOW)
    for name, (table, column) in TABLES.items():
        assert oldest(connection, table, column, 1 if "reading" in table else None) <= 40 * DAY, name


def test_nothing_that_an_edge_may_send_again_is_dropped(connection: psycopg.Connection) -> None:
    with pytest.raises(ValueError, match="31 days"):
        Retention(readings=30 * DAY)
    count = "select count(*) from reading where time >= %s and series_id < 3"
    young = connection.execute(count, (NOW - 31 * DAY,)).fetchone()
    keep(connection, Retention(*[31 * DAY] * 6), now=NOW)
    assert connection.execute(count, (NOW - 31 * DAY,)).fetchone() == young


def test_a_recording_stays_while_its_device_is_in_service(connection: psycopg.Connection) -> None:
    everything = Retention(*[31 * DAY] * 6)
    keep(connection, everything, now=NOW)
    for table in ("reading", "reading_minute", "reading_hour"):
        assert oldest(connection, table, "time", 3) > 7000 * DAY
        row = connection.execute(f"select count(*) from {table} where series_id = 3").fetchone()  # noqa: S608 -- one of three
        assert row is not None
        assert row[0] == 400
    connection.execute("update device set retired_at = now() where key = 'tape'")
    keep(connection, everything, now=NOW)
    assert connection.execute("select count(*) from reading where series_id = 3").fetchone() == (0,)


def test_a_recording_among_old_readings_holds_back_none_of_them(connection: psycopg.Connection) -> None:
    connection.execute("insert into reading values (%s, 3, 5, 1)", (NOW - 80 * DAY,))
    aggregates.forget(connection)
    aggregates.run(connection, now=NOW)
    keep(connection, Retention(*[31 * DAY] * 6), now=NOW)
    assert oldest(connection, "reading", "time", 1) <= 38 * DAY
    left = "select count(*) from reading where time between %s and %s"
    assert connection.execute(left, (NOW - 81 * DAY, NOW - 79 * DAY)).fetchone() == (1,)


def test_readings_that_no_aggregate_knows_stay(connection: psycopg.Connection) -> None:
    dirty = NOW - 90 * DAY
    connection.execute("insert into reading_dirty values (1, %s, 99)", (dirty,))
    keep(connection, Retention(readings=31 * DAY), now=NOW)
    assert oldest(connection, "reading", "time", 1) >= 90 * DAY - timedelta(hours=6)
    connection.execute("delete from reading_dirty")
    connection.execute("update aggregate_state set done = '-infinity'")
    keep(connection, Retention(readings=31 * DAY), now=NOW)
    assert oldest(connection, "reading", "time", 1) >= 90 * DAY - timedelta(hours=6)


def test_aggregates_outlive_their_readings(connection: psycopg.Connection) -> None:
    keep(connection, Retention(readings=31 * DAY, minutes=None, hours=None), now=NOW)
    aggregates.run(connection, now=NOW + DAY)
    assert oldest(connection, "reading", "time", 1) < 40 * DAY
    assert oldest(connection, "readings_by_minute", "time", 1) > 99 * DAY
    assert oldest(connection, "readings_by_hour", "time", 1) > 99 * DAY


@pytest.mark.parametrize("connection", ["timescaledb"], indirect=True)
def test_a_chunk_in_use_is_dropped_at_the_next_pass(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.lifecycle.PATIENCE", "100ms")
    with psycopg.connect(connection.info.dsn, password=connection.info.password) as reader:
        reader.execute("select count(*) from message")
        assert "message chunks" not in keep(connection, Retention(messages=31 * DAY), now=NOW)
    assert keep(connection, Retention(messages=31 * DAY), now=NOW)["message chunks"] > 5


def test_the_keeper_works_beside_the_hub_until_it_is_told_to_end(connection: psycopg.Connection) -> None:
    connection.execute("update aggregate_state set done = '-infinity'")
    url = f"{connection.info.dsn} password={connection.info.password}"
    keeper = Keeper(url, Retention(ledger=31 * DAY), lambda _: None)
    connection.execute("delete from reading_minute")
    keeper.start()
    limit = time.monotonic() + 60
    while connection.execute("select count(*) from readings_by_minute").fetchone() == (0,):
        assert time.monotonic() < limit
        time.sleep(0.05)
    keeper.close()
    assert not keeper._thread.is_alive()
    assert connection.execute("select isfinite(done) from aggregate_state").fetchone() == (True,)


def test_positions_of_people_go_first_and_with_them_all_that_knew_of_them(
    connection: psycopg.Connection,
) -> None:
    with pytest.raises(ValueError, match="fixes: edges may send again"):
        Retention(fixes=30 * DAY)
    with pytest.raises(ValueError, match="anonymous: tracks of the last 2 days"):
        Retention(anonymous=DAY)
    # One device on its way for 100 days, and somebody else each day.
    for query in (
        "insert into track (device_id, name, first_at, last_at) select 1, 'gauge', %(now)s - interval '100 days', %(now)s",
        """insert into track (device_id, name, first_at, last_at)
           select 1, '~' || n, t, t from generate_series(0, 99) as n, lateral (select %(now)s - n * interval '1 day' as t) as day""",
        """insert into fix select last_at - n * interval '1 minute', id, 120, 31, 1, 0
           from track, generate_series(0, 9) as n where anonymous""",
        """insert into fix select t, track.id, 120, 31, 1, 0
           from track, generate_series(%(now)s - interval '100 days', %(now)s, interval '6 hours') as t where not anonymous""",
        """insert into crossing (time, track_id, zone_id, zone_version, kind)
           select time, track_id, 1, 1, 'enter' from fix""",
        """insert into message select last_at, 1, 'x', last_at, last_at, 1, 'position-json/1', 'x'
           from track where anonymous""",
    ):
        connection.execute(query, {"now": NOW})
    count = """select (select count(*) from track), count(*) filter (where anonymous), count(*) filter (where not anonymous),
                      %s - min(time) filter (where anonymous), %s - min(time) filter (where not anonymous)
               from {} as rows join track on track.id = track_id"""
    keep(connection, FOREVER, now=NOW)
    for table in ("fix", "crossing"):
        row = connection.execute(count.format(table), (NOW, NOW)).fetchone()
        assert row is not None
        tracks, people, own, oldest_person, oldest_own = row
        assert (tracks, people) == (1 + 8, 8 * 10)
        assert oldest_person <= 7 * DAY + timedelta(minutes=9)
        assert own >= 31 * 4
        assert oldest_own <= 31 * DAY
    messages = "select count(*), %s - min(arrived_at) from message where parser like 'position-%%'"
    row = connection.execute(messages, (NOW,)).fetchone()
    assert row is not None
    assert row[0] == 8
    assert row[1] <= 7 * DAY
    assert keep(connection, FOREVER, now=NOW) == {}
    keep(connection, Retention(fixes=31 * DAY, anonymous=None), now=NOW + 100 * DAY)
    assert connection.execute("select count(*), count(*) filter (where anonymous) from track").fetchone() == (
        9,
        8,
    )
    assert connection.execute("select count(*) from fix").fetchone() == (80,)
