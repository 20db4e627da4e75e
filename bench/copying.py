"""A bare COPY: what the database takes when nothing stands before it; every other number is held against this."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
import psycopg

from bench.rig import Rig, rig
from cityhub.migrate import HYPERTABLES
from edge.reading import PASS, READING, Rows, now_us
from ingest.rows import HEADER, TRAILER, copy_rows

TABLE = "bench_reading"
INTO_TABLE = f"copy {TABLE} (time, series_id, value, flag) from stdin (format binary)".encode()
ROWS_A_BATCH = 50_000
SERIES = 2_000
STEP_US = 1_000
OPTIONS: tuple[str, ...] = ()


def make_table(connection: psycopg.Connection, *, index: bool) -> None:
    """An empty table of the same definition as `reading`, a hypertable where that is one."""
    connection.execute(f"drop table if exists {TABLE}")
    connection.execute(f"create table {TABLE} (like reading including {'all' if index else 'defaults'})")
    if connection.execute("select 1 from pg_extension where extname = 'timescaledb'").fetchone():
        connection.execute(
            "select create_hypertable(%s, by_range('time', %s::interval), create_default_indexes => false)",
            (TABLE, HYPERTABLES["reading"][1]),
        )


def copy_in(connection: psycopg.Connection, rows: Rows) -> None:
    """One batch, one transaction."""
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(INTO_TABLE) as copy:
        copy.write(HEADER)
        copy.write(copy_rows(rows).data.cast("B"))
        copy.write(TRAILER)


def steady(series: int = SERIES) -> Iterator[Rows]:
    """Batches of readings without end: every series in turn, each turn a step later, up to now."""
    turn, place = divmod(np.arange(ROWS_A_BATCH), series)
    rows = np.zeros(ROWS_A_BATCH, READING)
    at = now_us()
    rows["series"], rows["value"], rows["flag"] = place + 1, 20.0, PASS
    while True:
        rows["time"] = at + STEP_US * turn
        at += STEP_US * (int(turn[-1]) + 1)
        yield rows


def rate(connection: psycopg.Connection, batches: Iterator[Rows], seconds: float) -> float:
    """Rows a second over as many batches as the seconds hold; at least one."""
    rows, begun = 0, time.perf_counter()
    for batch in batches:
        copy_in(connection, batch)
        rows += len(batch)
        if time.perf_counter() - begun >= seconds:
            break
    return rows / (time.perf_counter() - begun)


def run(seconds: float, runs: int, say: Callable[[str], None]) -> dict[str, object]:
    """The bench `copy`."""
    found: dict[str, list[float]] = {"with": [], "without": []}
    with rig(say) as at:
        return measure(at, seconds, runs, found)


def measure(at: Rig, seconds: float, runs: int, found: dict[str, list[float]]) -> dict[str, object]:
    """Runs with and without the index in turn, each into an empty table, after one that is not counted."""
    for number in range(-1, runs):
        for kind in ("with", "without"):
            at.say(f"COPY {kind} the unique index, run {number + 1} of {runs}")
            make_table(at.connection, index=kind == "with")
            reached = rate(at.connection, steady(), seconds if number >= 0 else min(seconds, 1.0))
            if number >= 0:
                found[kind].append(reached)
    at.connection.execute(f"drop table {TABLE}")
    return {
        "copy_rows_per_s": round(median(found["with"])),
        "copy_rows_per_s_without_index": round(median(found["without"])),
        "machine": at.described(),
        "load": f"COPY of {ROWS_A_BATCH:,} rows a transaction, {SERIES:,} series, {seconds:g} s a run",
        "runs": {kind: [round(each) for each in rates] for kind, rates in found.items()},
    }
