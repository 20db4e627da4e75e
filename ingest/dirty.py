"""Marks the hours whose aggregates a batch puts out of date, in the batch's own transaction.

Readings after the frontier cost nothing: they are not aggregated yet. Those before it mark their (series, hour),
once between two runs of the job: what this process marked, and committed, in the same generation is remembered.
"""

from __future__ import annotations

import numpy as np
import psycopg
from numpy.typing import NDArray

from ingest.batch import Batch
from ingest.records import array

HOUR_US = 3_600_000_000
MOST_REMEMBERED = 2_000_000
"""Marks remembered at most, 16 MB; beyond them an hour is marked again, which is harmless."""

_SERIES = 2**31


class Marks:
    """One writer's marks: `write` belongs into the transaction that stores the batch's rows, `committed` after it."""

    def __init__(self) -> None:
        self._generation = 0
        self._committed: NDArray[np.int64] = np.empty(0, np.int64)  # sorted
        self._written: NDArray[np.int64] = np.empty(0, np.int64)  # with the batch that is being written
        self._batch: Batch | None = None

    def write(self, cursor: psycopg.Cursor, batch: Batch) -> None:
        """Hold the frontier until the commit and mark what lies before it."""
        self._batch, self._written = batch, np.empty(0, np.int64)
        if not len(batch.rows):
            return
        row = cursor.execute("select frontier_us, generation from hold_frontier()").fetchone()
        if row is None:
            raise RuntimeError("a function that returned nothing")
        frontier_us, generation = row
        if generation != self._generation:
            self._generation, self._committed = generation, np.empty(0, np.int64)
        before = batch.rows["time"] < frontier_us
        if not before.any():
            return
        rows = batch.rows[before]
        keys = np.unique(rows["time"] // HOUR_US * _SERIES + rows["series"])
        place = np.searchsorted(self._committed, keys)
        place[place == len(self._committed)] = 0
        if len(self._committed):
            keys = keys[self._committed[place] != keys]
        if len(keys):
            hours, series = np.divmod(keys, _SERIES)
            cursor.execute(
                """insert into reading_dirty (series_id, hour, generation)
                   select series_id, to_timestamp(0) + hours * interval '1 hour', %s
                   from unnest(%s::int[], %s::int[]) as marked (series_id, hours)""",
                (generation, array(series.tolist()), array(hours.tolist())),
            )
        self._written = keys

    def committed(self, batch: Batch) -> None:
        """The transaction is through: these hours need no mark any more in this generation."""
        if batch is not self._batch or not len(self._written):
            return
        if len(self._committed) + len(self._written) > MOST_REMEMBERED:
            self._committed = np.empty(0, np.int64)
        self._committed = np.union1d(self._committed, self._written)
        self._batch, self._written = None, np.empty(0, np.int64)
