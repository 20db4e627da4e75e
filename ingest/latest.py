"""The newest reading of every series, for those who ask what is now; written with a commit, once a second."""

from __future__ import annotations

import time

import numpy as np
import psycopg

from edge.reading import READING, Rows
from ingest.batch import Batch
from ingest.records import array

EVERY_S = 1.0


class Latest:
    """Gathers the newest rows of committed batches; what a crash keeps from being written, a start repairs."""

    def __init__(self) -> None:
        self._waiting: list[Rows] = []
        self._due = 0.0
        self._written = False

    @property
    def behind(self) -> bool:
        """Whether something waits to be written and it is time."""
        return bool(self._waiting) and time.monotonic() >= self._due

    def write(self, cursor: psycopg.Cursor, batch: Batch) -> None:
        """Write in the batch's transaction, if it is time. Remembers nothing: the transaction may fail."""
        self._written = time.monotonic() >= self._due
        if self._written:
            upsert(cursor, np.concatenate([*self._waiting, batch.rows[batch.newer]]))

    def committed(self, batch: Batch) -> None:
        """The transaction is through."""
        if self._written:
            self._waiting.clear()
            self._due = time.monotonic() + EVERY_S
        else:
            self._waiting.append(batch.rows[batch.newer])


def upsert(cursor: psycopg.Cursor, rows: Rows) -> None:
    """Write the last row of each series, in the order of series; an older one never replaces a newer one, but for one of the future."""
    if not len(rows):
        return
    backwards = rows[::-1]
    _, first = np.unique(backwards["series"], return_index=True)
    last: Rows = backwards[first].astype(READING)
    cursor.execute(
        """insert into latest (series_id, time, value, flag)
           select series, to_timestamp(0) + us * interval '1 microsecond', value, flag
           from unnest(%s::int[], %s::bigint[], %s::float8[], %s::smallint[]) as row (series, us, value, flag)
           on conflict (series_id) do update set time = excluded.time, value = excluded.value, flag = excluded.flag
              where latest.time < excluded.time
                 or latest.time > now() + interval '10 seconds'  -- the clock that gave it was ahead, and was set back""",
        (
            array(last["series"].tolist()),
            array(last["time"].tolist()),
            array(last["value"].tolist()),
            array(last["flag"].tolist()),
        ),
    )
