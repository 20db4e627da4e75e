"""How long what is kept: old chunks and rows go, never what an edge may still send again or nobody has aggregated.

The readings of a recorded device lie in the past from their first day: they stay while the device is in service.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import structlog

log = structlog.get_logger("ingest.lifecycle")

KEEP_LOCK = 1_667_855_484
REPLAY = timedelta(days=31)
"""The hub takes readings of the last 30 days: the rows that recognise a repetition must be there as long."""
TOKENS = timedelta(days=2)
"""A token lives one day: a track without a name that is older does not go on."""
PATIENCE = "5s"
"""How long a chunk's drop waits for its readers; those who come after it wait as long."""
ROWS_A_PORTION = 10_000
SERIES_A_PORTION = 500


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each is kept, counted from its own time: readings, aggregates and positions from theirs, the others from arrival.

    None is for ever. Readings and `fixes`, those of devices that tell their own place, are kept 31 days at least, those
    of people whom nobody names (`anonymous`) two, for their tokens live one: raises ValueError. Crossings go with them.
    """

    readings: timedelta | None = timedelta(days=2 * 366)
    messages: timedelta | None = timedelta(days=31)
    dead_letters: timedelta | None = timedelta(days=92)
    ledger: timedelta | None = timedelta(days=2 * 366)
    minutes: timedelta | None = timedelta(days=2 * 366)
    hours: timedelta | None = timedelta(days=10 * 366)
    fixes: timedelta | None = timedelta(days=31)
    anonymous: timedelta | None = timedelta(days=7)

    def __post_init__(self) -> None:
        for each in fields(self):
            keep = getattr(self, each.name)
            if keep is not None and keep <= timedelta():
                raise ValueError(f"{each.name}: kept for {keep}")
        for name, kept in (("readings", self.readings), ("fixes", self.fixes)):
            if kept is not None and kept < REPLAY:
                raise ValueError(f"{name}: edges may send again what is younger than {REPLAY.days} days")
        if self.anonymous is not None and self.anonymous < TOKENS:
            raise ValueError(f"anonymous: tracks of the last {TOKENS.days} days may still go on")


def keep(
    connection: psycopg.Connection,
    retention: Retention,
    *,
    now: datetime | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, int]:
    """Drop what is older than it is to be kept, on a connection that commits by itself; says what went.

    Counts chunks where a table has them ("reading chunks"), else rows. Does nothing where another does it.
    """
    row = connection.execute("select pg_try_advisory_lock(%s)", (KEEP_LOCK,)).fetchone()
    if row is None or not row[0]:
        return {}
    gone: dict[str, int] = {}
    try:
        keeper = _Keeper(connection, now or datetime.now(UTC), stop, gone)
        keeper.readings(retention.readings)
        keeper.series_rows("reading_minute", retention.minutes)
        keeper.series_rows("reading_hour", retention.hours)
        keeper.rows("message", "arrived_at", retention.messages)
        keeper.rows("event", "arrived_at", retention.dead_letters)
        keeper.rows("dead_letter", "last_at", retention.dead_letters)
        keeper.rows("ledger_minute", "minute", retention.ledger)
        keeper.positions(retention.fixes, retention.anonymous)
    finally:
        connection.execute("select pg_advisory_unlock(%s)", (KEEP_LOCK,))
    if gone:
        log.info(
            "dropped what is past its time", **{name.replace(" ", "_"): count for name, count in gone.items()}
        )
    return gone


class _Keeper:
    """One pass over the tables."""

    def __init__(
        self, connection: psycopg.Connection, now: datetime, stop: Callable[[], bool], gone: dict[str, int]
    ) -> None:
        self._connection, self._now, self._stop, self._gone = connection, now, stop, gone
        self._in_use: set[str] = set()
        found = connection.execute("select 1 from pg_extension where extname = 'timescaledb'").fetchone()
        self._extension = found is not None
        self._recorded = [
            number
            for (number,) in connection.execute(
                """select series.id from series join device on device.id = device_id
                   where recorded and retired_at is null"""
            )
        ]

    def readings(self, keep: timedelta | None) -> None:
        """Raw readings, as far as the aggregates know them."""
        if keep is None:
            return
        row = self._connection.execute(
            """update aggregate_state set raw_from = greatest(raw_from, date_bin('1 hour', least(%s, done, (
                   select min(hour) from reading_dirty where series_id <> all (%s::int[]))), 'epoch'))
               returning case when isfinite(raw_from) then raw_from end""",
            (self._now - keep, self._recorded),
        ).fetchone()
        if row is not None and row[0] is not None:
            self._before("reading", row[0])

    def series_rows(self, table: str, keep: timedelta | None) -> None:
        """A table by series and time."""
        if keep is not None:
            self._before(table, self._now - keep)

    def rows(self, table: str, column: str, keep: timedelta | None) -> None:
        """A table in order of arrival."""
        if keep is None:
            return
        before = self._now - keep
        if chunks := self._chunks(table, before):
            for start, end in chunks:
                self._drop(table, start, end)
        elif not self._has_chunks(table):
            self._delete(
                table,
                f"""delete from {table} where ctid = any (array(
                        select ctid from {table} where {column} < %s limit %s))""",  # noqa: S608 -- our own names
                (before, ROWS_A_PORTION),
            )

    def positions(self, named: timedelta | None, anonymous: timedelta | None) -> None:
        """Fixes and crossings: whole chunks past both times, then by track. A track without a name goes with its fixes."""
        if named is not None and anonymous is not None:
            for table in ("fix", "crossing"):
                for start, end in self._chunks(table, self._now - max(named, anonymous)):
                    self._drop(table, start, end)
        if anonymous is not None:
            self._forget(self._now - anonymous)
            self._messages(self._now - anonymous)
        if named is not None:
            self._past("fix", self._now - named)
            self._past("crossing", self._now - named)

    def _forget(self, before: datetime) -> None:
        while not self._stop():
            tracks = [
                number
                for (number,) in self._connection.execute(
                    "select id from track where anonymous and last_at < %s order by last_at limit %s",
                    (before, SERIES_A_PORTION),
                )
            ]
            if not tracks:
                return
            with self._connection.transaction():
                for table, column in (("crossing", "track_id"), ("fix", "track_id"), ("track", "id")):
                    count = self._connection.execute(
                        f"delete from {table} where {column} = any (%s)",  # noqa: S608 -- our own names
                        (tracks,),
                    ).rowcount
                    if count:
                        self._gone[table] = self._gone.get(table, 0) + count

    def _messages(self, before: datetime) -> None:
        """Position messages as they came: they say of people no less than their fixes do."""
        self._delete(
            "dead_letter",
            "delete from dead_letter where last_at < %s and topic like '%%/position'",
            (before,),
        )
        while not self._stop():
            row = self._connection.execute(
                "select min(arrived_at) from message where parser like 'position-%%' and arrived_at < %s",
                (before,),
            ).fetchone()
            if row is None or row[0] is None:
                return
            count = self._connection.execute(
                """delete from message where parser like 'position-%%' and arrived_at >= %s and arrived_at < %s""",
                (row[0], min(row[0] + timedelta(hours=1), before)),
            ).rowcount
            self._gone["message"] = self._gone.get("message", 0) + count

    def _past(self, table: str, before: datetime) -> None:
        """Of the tracks of devices: the index leads to their oldest rows."""
        self._delete(
            table,
            f"""with old as materialized (
                    select id, old.time from track, lateral (
                        select time from {table} where track_id = track.id and time < %s order by time limit %s) as old
                    where not anonymous limit %s)
                delete from {table} as kept using old
                where kept.track_id = old.id and kept.time = old.time and kept.time < %s""",  # noqa: S608 -- our own names
            (before, ROWS_A_PORTION, ROWS_A_PORTION, before),
        )

    def _before(self, table: str, before: datetime) -> None:
        for start, end in self._chunks(table, before):
            mixed = self._connection.execute(
                f"select 1 from {table} where series_id = any (%s) and time >= %s and time < %s limit 1",  # noqa: S608 -- our own names
                (self._recorded, start, end),
            ).fetchone()
            if mixed is None:
                self._drop(table, start, end)
            elif not self._is_view(table):
                self._delete_by_series(table, end)
        if not self._has_chunks(table):
            self._delete_by_series(table, before)

    def _delete_by_series(self, table: str, before: datetime) -> None:
        """Of every series but the recorded ones: the index leads to its oldest rows."""
        series = [
            number
            for (number,) in self._connection.execute(
                "select id from series where id <> all (%s::int[]) order by id", (self._recorded,)
            )
        ]
        for first in range(0, len(series), SERIES_A_PORTION):
            self._delete(
                table,
                f"""with old as materialized (
                        select number, old.time from unnest(%s::int[]) as number, lateral (
                            select time from {table} where series_id = number and time < %s
                            order by time limit %s) as old)
                    delete from {table} as kept using old
                    where kept.series_id = old.number and kept.time = old.time and kept.time < %s""",  # noqa: S608 -- our own names
                (
                    series[first : first + SERIES_A_PORTION],
                    before,
                    ROWS_A_PORTION // SERIES_A_PORTION * 50,
                    before,
                ),
            )

    def _delete(self, table: str, query: str, values: tuple[Any, ...]) -> None:
        while not self._stop() and (count := self._connection.execute(query, values).rowcount):
            self._gone[table] = self._gone.get(table, 0) + count

    def _chunks(self, table: str, before: datetime) -> list[tuple[datetime, datetime]]:
        """The spans of the chunks of a table that lie wholly before a moment, oldest first."""
        if not self._extension:
            return []
        return (
            self._connection.execute(
                """select range_start, range_end from timescaledb_information.chunks
               where format('%%I.%%I', chunk_schema, chunk_name)::regclass
                     in (select show_chunks(%s::regclass, older_than => %s::timestamptz))
               order by range_start""",
                (table, before),
            ).fetchall()
            if self._has_chunks(table)
            else []
        )

    def _has_chunks(self, table: str) -> bool:
        return (
            self._extension
            and self._connection.execute(
                """select from timescaledb_information.hypertables where hypertable_name = %(table)s
               union all
               select from timescaledb_information.continuous_aggregates where view_name = %(table)s""",
                {"table": table},
            ).fetchone()
            is not None
        )

    def _is_view(self, table: str) -> bool:
        row = self._connection.execute(
            "select relkind = 'v' from pg_class where oid = %s::regclass", (table,)
        ).fetchone()
        return bool(row and row[0])

    def _drop(self, table: str, start: datetime, end: datetime) -> None:
        """Drop the chunk of this span; a table that is in use is left to the next pass."""
        if self._stop() or table in self._in_use:
            return
        try:
            with self._connection.transaction():
                self._connection.execute("select set_config('lock_timeout', %s, true)", (PATIENCE,))
                count = self._connection.execute(
                    "select drop_chunks(%s::regclass, older_than => %s::timestamptz, newer_than => %s::timestamptz)",
                    (table, end, start),
                ).rowcount
        except psycopg.errors.LockNotAvailable:
            self._in_use.add(table)
            log.warning("a chunk is in use, it is dropped later", table=table, before=end.isoformat())
            return
        self._gone[f"{table} chunks"] = self._gone.get(f"{table} chunks", 0) + count
