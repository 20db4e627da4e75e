"""The store: one transaction for all that a batch says; what the database answers decides what happens next.

StoreError
|-- Unavailable   connection, resources, serialisation: keep the batch, try again, acknowledge nothing
`-- Refused       the data themselves: a programming error, for every value was checked before
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import numpy as np
import psycopg
from psycopg.types.json import Jsonb

from edge.reading import Rows
from ingest import fix_rows
from ingest.batch import Batch, Seen
from ingest.connection import Line
from ingest.rows import copy_into
from ingest.sift import refused_rows

Write = Callable[[psycopg.Cursor, Batch], None]
"""What another part writes in the same transaction."""

# SQLSTATE classes in which the same batch may succeed later: connection, resources, operator intervention,
# object state and limits, serialisation, system error.
PASSING = ("08", "53", "55", "57", "58", "40", "25", "XX")


class StoreError(Exception):
    """The batch is not committed."""


class Unavailable(StoreError):
    """Not now: the batch must be kept and tried again."""


class Refused(StoreError):
    """Never: the database does not take this batch."""


class Store:
    """Writes batches on a connection of its own, which it opens again when it is lost."""

    def __init__(self, database_url: str, run: UUID, writes: Sequence[Write]) -> None:
        self._run, self._writes = run, writes
        self._line = Line(database_url, "cityhub writer")
        self._connection: psycopg.Connection | None = None
        self._number = 0
        self._in_doubt = False

    def begin(self) -> None:
        """Enter this run of the hub into the database."""
        self._connect().execute("insert into hub_run (id) values (%s)", (self._run,))

    def commit(self, batch: Batch) -> None:
        """Write a batch; when this returns it is durable. Raises Unavailable or Refused, and then nothing is written.

        A commit whose answer was lost is recognised by the batch's number, and not written twice.
        """
        try:
            connection = self._connect()
            if self._in_doubt and self._has_committed(connection):
                self._in_doubt = False
                self._number += 1
                return
            try:
                self._transact(connection, batch, staged=False)
            except psycopg.errors.UniqueViolation:
                self._transact(connection, batch, staged=True)
            except (psycopg.DataError, psycopg.IntegrityError):
                if not self._set_aside(connection, batch):
                    raise  # it is nothing that a reading or a fix says
                self._transact(connection, batch, staged=True)
        except psycopg.OperationalError as error:
            self._hang_up()
            raise Unavailable(_first_line(error)) from error
        except psycopg.Error as error:
            if (error.sqlstate or "08")[:2] in PASSING:
                self._hang_up()
                raise Unavailable(_first_line(error)) from error
            self._in_doubt = False
            raise Refused(f"{error.sqlstate}: {_first_line(error)}") from error

    @staticmethod
    def _set_aside(connection: psycopg.Connection, batch: Batch) -> bool:
        """Take out what the database refuses; False where that is nothing."""
        rows, said = refused_rows(
            connection, batch.rows, lambda cursor, some: copy_into(cursor, "reading", some)
        )
        fixes, found = refused_rows(
            connection, batch.fixes, lambda cursor, some: fix_rows.copy_into(cursor, "fix", some)
        )
        if rows.any():
            batch.set_aside(rows, "database-refused", f"the database says: {said}")
        if fixes.any():
            batch.set_aside_fixes(fixes, "database-refused", f"the database says: {found}")
        return bool(rows.any() or fixes.any())

    def _transact(self, connection: psycopg.Connection, batch: Batch, *, staged: bool) -> None:
        with connection.transaction(), connection.cursor() as cursor:
            self._write(cursor, batch, staged=staged)
            self._in_doubt = True  # from here to the answer nobody knows
        self._in_doubt = False
        self._number += 1

    def close(self) -> None:
        """Close the connection."""
        self._hang_up()

    def _write(self, cursor: psycopg.Cursor, batch: Batch, *, staged: bool) -> None:
        if staged:
            self._write_staged(cursor, batch)
        else:
            if len(batch.rows):
                copy_into(cursor, "reading", batch.rows)
            if len(batch.fixes):
                fix_rows.copy_into(cursor, "fix", batch.fixes)
        for write in self._writes:
            write(cursor, batch)
        cursor.execute("update hub_run set batch = %s where id = %s", (self._number + 1, self._run))

    @staticmethod
    def _write_staged(cursor: psycopg.Cursor, batch: Batch) -> None:
        """Write rows of which somebody else has written some: those are duplicates."""
        cursor.execute("create temp table stage (like reading) on commit drop")
        copy_into(cursor, "stage", batch.rows)
        cursor.execute(
            """with added as (insert into reading select * from stage order by series_id, time
                              on conflict do nothing returning series_id, time)
               select series_id, (extract(epoch from time) * 1000000)::bigint from added"""
        )
        added = set(cursor.fetchall())
        keep = [
            (series, at) in added
            for series, at in zip(batch.rows["series"].tolist(), batch.rows["time"].tolist(), strict=True)
        ]
        batch.drop_duplicates(np.array(keep, np.bool_))
        if len(batch.fixes):
            batch.drop_known_fixes(fix_rows.add(cursor, batch.fixes))

    def _has_committed(self, connection: psycopg.Connection) -> bool:
        row = connection.execute("select batch from hub_run where id = %s", (self._run,)).fetchone()
        return row is not None and bool(row[0] == self._number + 1)

    def _connect(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._line.open()
        return self._connection

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def beat(connection: psycopg.Connection, run: UUID, status: Mapping[str, object]) -> None:
    """Write that a run lives, and how it does."""
    connection.execute("update hub_run set beat_at = now(), status = %s where id = %s", (Jsonb(status), run))


def seconds_since_last_run(connection: psycopg.Connection) -> float:
    """How long ago the last run of the hub was heard of; 0 where there was none."""
    row = connection.execute(
        "select extract(epoch from now() - max(beat_at))::float8 from hub_run"
    ).fetchone()
    return max(row[0], 0.0) if row and row[0] is not None else 0.0


def known(connection: psycopg.Connection, rows: Rows) -> Seen:
    """The stored values at the (series, time) of these rows."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(
            """select reading.series_id, (extract(epoch from reading.time) * 1000000)::bigint, reading.value
               from unnest(%s::int[], %s::bigint[]) as asked (series_id, us)
                    join reading on reading.series_id = asked.series_id
                     and reading.time = to_timestamp(0) + asked.us * interval '1 microsecond'""",
            (rows["series"].tolist(), rows["time"].tolist()),
        )
        return {(series, at): value for series, at, value in cursor}


def _first_line(error: psycopg.Error) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
