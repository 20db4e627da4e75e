"""The tally on its way into `quality_tally`: counts are committed with their readings, and added up once a minute.

A batch leaves its counts in `tally_pending`, in its own transaction: one COPY of a few rows. `fold` takes them out and
adds them in one transaction of its own. So a crash at any moment loses and doubles nothing, and nothing is repaired
at a start. Days in doubt get their slots counted from the readings, in the very snapshot from which the counts came.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from alerts import checks
from alerts.checks import tally
from alerts.checks.tally import Tally
from alerts.days import Days, as_date, number_of
from edge.reading import Rows

LOCK = 1_667_855_485
MOST_DAYS = 400
"""Days opened at most after a long stop."""

COUNTED = {
    "received": tally.STORED | tally.DUPLICATE | tally.REFUSED,
    "stored": tally.STORED,
    "duplicate": tally.DUPLICATE,
    "on_time": tally.ON_TIME,
    "out_of_order": tally.OUT_OF_ORDER,
    "tested": tally.TESTED,
    "suspect": tally.SUSPECTED,
    "failed": tally.FAILED,
    "compared": tally.COMPARED,
    "agreeing": tally.AGREED,
}
"""The columns that are sums, and the bits of which a reading must have one."""

HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
# PostgreSQL, "COPY", binary format: a row with its lengths, and an array of int4 up to its elements.
ROW, ARRAY = struct.Struct(">hiiiqiiih"), struct.Struct(">iiiiii")
ELEMENT = np.dtype([("length", ">i4"), ("value", ">i4")])
INT4 = 23
POSTGRES_DAY = number_of(date(2000, 1, 1))


@cache
def kernels() -> str:
    """The hash of everything that judges: another one, and a flag may come out otherwise."""
    sources = sorted(Path(checks.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()


class Tallies:
    """Which checks judge each series, and how its counts reach the database."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._judge: NDArray[np.int32] = np.zeros(1, np.int32)

    @staticmethod
    def register(connection: psycopg.Connection, bodies: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
        """Keep the checks of profiles, with the kernels; returns the version of each profile."""
        by = kernels()
        versions = {}
        for profile, checked in bodies.items():
            body = {"checks": checked, "kernels": by}
            sha256 = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
            row = connection.execute(
                """insert into check_version (profile, sha256, body) values (%s, %s, %s)
                   on conflict (profile, sha256) do update set profile = excluded.profile returning id""",
                (profile, sha256, Jsonb(body)),
            ).fetchone()
            if row is None:
                raise RuntimeError("insert returned no row")
            versions[profile] = row[0]
        return versions

    def add(self, series: int, interval_s: float, judged_by: int) -> None:
        """Count a series from now on."""
        self.tally.configure(series, interval_s)
        if len(self._judge) <= series:
            self._judge = np.pad(self._judge, (0, max(series + 1, 2 * len(self._judge)) - len(self._judge)))
        self._judge[series] = judged_by

    def write(
        self, cursor: psycopg.Cursor, rows: Rows, marks: NDArray[Any], *unstored: tuple[Rows, int]
    ) -> None:
        """Write the counts of these rows, in the transaction that stores them; and of others with their outcome."""
        marks = np.concatenate([marks, *(self.tally.place(others, outcome) for others, outcome in unstored)])
        rows = np.concatenate([rows, *(others for others, _ in unstored)])
        entries = self.tally.gather(rows, marks)
        if not len(entries):
            return
        series = entries["series"]
        kinds = [
            self.tally.state["interval"][series], self._judge[series], entries["day"], entries["outcome"]
        ]  # fmt: skip
        # Equal kinds have to lie together, in whatever order: 16 bits are enough, and sorted ten times as fast.
        order = np.lexsort([column.astype(np.uint16) for column in kinds])
        entries, kinds = entries[order], [column[order] for column in kinds]
        changes = np.logical_or.reduce([column[1:] != column[:-1] for column in kinds])
        starts = np.flatnonzero(np.r_[True, changes])
        parts = [HEADER]
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(entries)], strict=True):
            interval, judged_by, day, outcome = (int(column[start]) for column in kinds)
            times = entries["times"][start:end]
            parts += (
                ROW.pack(6, 4, day - POSTGRES_DAY, 8, interval, 4, judged_by, 2, outcome),
                _array(entries["series"][start:end]),
                _array(times) if (times > 1).any() else b"\xff\xff\xff\xff",  # null
            )
        parts.append(TRAILER)
        with cursor.copy(
            """copy tally_pending (day, interval_us, judged_by, outcome, series, times)
               from stdin (format binary)"""
        ) as copy:
            copy.write(b"".join(parts))


def fold(connection: psycopg.Connection, days: Days, now_us: int) -> int:
    """Add what is pending to the tally, and open the days that have begun; returns how many rows have changed.

    On a connection that commits by itself. Does nothing where another does it.
    """
    row = connection.execute("select pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
    if row is None or not row[0]:
        return 0
    try:
        with connection.transaction(), connection.cursor() as cursor:
            # One snapshot: the readings that are counted anew are those whose counts are taken, no more, no fewer.
            cursor.execute("set transaction isolation level repeatable read")
            _open(cursor, days, days.number(now_us))
            return _add(cursor, days)
    finally:
        connection.execute("select pg_advisory_unlock(%s)", (LOCK,))


def _open(cursor: psycopg.Cursor, days: Days, today: int) -> None:
    """Give every series in service its row of each day that has begun since the last time."""
    row = cursor.execute("select opened from tally_state").fetchone()
    opened = number_of(row[0]) if row and row[0] else today - 1
    if opened >= today:
        return
    cursor.execute(
        """create temp table counted on commit drop as
           select series.id as series_id, device.created_at,
                  (coalesce(body #> array['metrics', metric], body #> array['derived', metric])
                      ->> 'interval_s')::float8 * 1000000 as interval_us
           from series join device on device.id = device_id join profile on profile.key = device.profile
           where retired_at is null and not recorded"""
    )
    intervals = [
        round(interval)
        for (interval,) in cursor.execute("select distinct interval_us from counted where interval_us > 0")
    ]
    for day in range(max(opened, today - MOST_DAYS) + 1, today + 1):
        cursor.execute(
            """insert into quality_tally (series_id, day, interval_us, due)
               select series_id, %s, slots.interval_us, due
               from counted join unnest(%s::bigint[], %s::int[]) as slots (interval_us, due)
                    on slots.interval_us = round(counted.interval_us)
               where due > 0 and created_at < to_timestamp(%s::float8)
               order by series_id on conflict do nothing""",
            (
                as_date(day),
                intervals,
                [days.slots(day, interval)[2] for interval in intervals],
                int(days.starts[day + 1]) / 1e6,
            ),
        )
    cursor.execute("drop table counted")
    cursor.execute("update tally_state set opened = %s", (as_date(today),))


def _add(cursor: psycopg.Cursor, days: Days) -> int:
    pairs = cursor.execute("select distinct day, interval_us from tally_pending").fetchall()
    if not pairs:
        return 0
    slots = [days.slots(number_of(day), interval) for day, interval in pairs]
    names = ", ".join(COUNTED)
    sums = ", ".join(
        f"coalesce(sum(times) filter (where outcome & {bits} <> 0), 0) as {name}"
        for name, bits in {**COUNTED, "filled": tally.FILLS}.items()
    )
    cursor.execute(
        f"""with taken as (
                delete from tally_pending returning id, day, interval_us, judged_by, outcome, series, times),
            -- Twice, because there are many elements, and few series with more than one version.
            each as (
                select series_id, day, interval_us, judged_by, max(id) as id,
                       bool_or(outcome & {tally.DOUBTFUL} <> 0) as doubtful, {sums}
                from (select id, day, interval_us, judged_by, outcome, unnest(series) as series_id,
                             unnest(coalesce(times, array_fill(1, array[cardinality(series)]))) as times
                      from taken) as element
                group by series_id, day, interval_us, judged_by),
            counted as (
                select series_id, day,
                       (array_agg(interval_us order by id desc))[1] as interval_us,
                       bool_or(doubtful) or min(interval_us) <> max(interval_us) as doubtful,
                       array_agg(distinct judged_by) as judged_by,
                       {", ".join(f"sum({name}) as {name}" for name in (*COUNTED, "filled"))}
                from each group by series_id, day),
            slots as (
                select * from unnest(%(days)s::date[], %(intervals)s::bigint[], %(begins)s::bigint[],
                                     %(ends)s::bigint[], %(due)s::int[])
                         as slots (day, interval_us, begins, ends, due))
            insert into quality_tally (series_id, day, interval_us, due, filled, judged_by, {names})
            select new.series_id, new.day, new.interval_us, slots.due,
                   case when doubtful or old.interval_us <> new.interval_us then (
                       select count(distinct date_bin(new.interval_us * interval '1 microsecond', time,
                                                      {_moment("%(origin)s::bigint")}))
                       from reading
                       where reading.series_id = new.series_id and flag not in (4, 9)
                         and time >= {_moment("slots.begins")} and time < {_moment("slots.ends")})
                   else coalesce(old.filled, 0) + new.filled end,
                   case when old.judged_by @> new.judged_by then old.judged_by
                   else array(select distinct version from unnest(old.judged_by || new.judged_by) as version
                              order by version) end,
                   {", ".join(f"coalesce(old.{name}, 0) + new.{name}" for name in COUNTED)}
            from counted as new join slots using (day, interval_us)
                 left join quality_tally as old on old.series_id = new.series_id and old.day = new.day
            order by new.series_id, new.day
            on conflict (series_id, day) do update
               set (interval_us, due, filled, judged_by, {names})
                   = (excluded.interval_us, excluded.due, excluded.filled, excluded.judged_by,
                      {", ".join(f"excluded.{name}" for name in COUNTED)})""",  # noqa: S608 -- our own names
        {
            "days": [day for day, _ in pairs],
            "intervals": [interval for _, interval in pairs],
            "begins": [begins for begins, _, _ in slots],
            "ends": [ends for _, ends, _ in slots],
            "due": [due for _, _, due in slots],
            "origin": days.origin,
        },
    )
    return cursor.rowcount


def _moment(us: str) -> str:
    """Microseconds since 1970 as SQL's time, exact."""
    return f"(to_timestamp(0) + {us} * interval '1 microsecond')"


def _array(numbers: NDArray[np.int32]) -> bytes:
    """Numbers as int4[] in binary COPY, with its length."""
    elements = np.empty(len(numbers), ELEMENT)
    elements["length"], elements["value"] = 4, numbers
    return ARRAY.pack(20 + elements.nbytes, 1, 0, INT4, len(numbers), 1) + elements.tobytes()
