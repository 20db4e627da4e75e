"""The job that keeps the aggregates by minute and hour exact, whatever comes late, twice or after a crash.

A run moves the frontier behind the clock, aggregates what lies before it and is not aggregated yet, then does the
marked hours of single series again from their raw readings. Each portion is one short transaction and may be
repeated; a run that was killed is continued by the next. On the community edition of TimescaleDB the same run
refreshes continuous aggregates instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

FRONTIER_LOCK = 1_667_855_482
JOB_LOCK = 1_667_855_483

LAG = timedelta(minutes=10)
"""How far the frontier stays behind the clock: what is later than this is late by the hub's own word."""
HOUR = timedelta(hours=1)
LONG_GAP = 6 * HOUR
SERIES_A_PORTION = 2_000
HOURS_A_PORTION = 500

# A reading that failed or is missing says nothing of the quantity; nor does a number that would swallow its bucket.
_COLUMNS = "min, max, sum, count, failed, missing, worst"
_OF_READINGS = """
    min(value) filter (where good) as min, max(value) filter (where good) as max,
    coalesce(sum(value) filter (where good), 0) as sum, count(*) filter (where good) as count,
    count(*) filter (where flag = 4) as failed, count(*) filter (where not good and flag <> 4) as missing,
    max(case flag when 1 then 1 when 2 then 2 when 9 then 3 when 3 then 4 else 5 end) as worst"""
_JUDGED = "select time, value, flag, abs(value) < 1e300 and flag not in (4, 9) as good from reading"
_OF_MINUTES = """
    min(min) as min, max(max) as max, sum(sum) as sum, sum(count) as count, sum(failed) as failed,
    sum(missing) as missing, max(worst) as worst"""
_REPLACE = f"on conflict (series_id, time) do update set ({_COLUMNS}) = ({', '.join('excluded.' + name for name in _COLUMNS.split(', '))})"


@dataclass(slots=True)
class Done:
    """What a run has done: how far the aggregates stand, and how many hours of single series it repaired."""

    up_to: datetime | None = None
    repaired: int = 0


def run(
    connection: psycopg.Connection,
    *,
    lag: timedelta = LAG,
    now: datetime | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Done:
    """Bring the aggregates up to date, on a connection that commits by itself; does nothing where another does it."""
    done = Done()
    if not _one(connection, "select pg_try_advisory_lock(%s)", JOB_LOCK):
        return done
    try:
        generation, frontier = _advance(connection, (now or datetime.now(UTC)) - lag)
        community = bool(
            _one(connection, "select relkind = 'v' from pg_class where oid = 'reading_minute'::regclass")
        )
        _leap(connection, frontier)
        forward, repair = (_refresh, _refresh_marked) if community else (_aggregate, _repair)
        while not stop():
            start = _one(connection, "select done from aggregate_state")
            if start >= frontier:
                done.up_to = start
                break
            end = min(frontier, _hour(start) + HOUR)
            forward(connection, start, end)
            connection.execute("update aggregate_state set done = %s", (end,))
        while done.up_to is not None and not stop() and (count := repair(connection, generation, frontier)):
            done.repaired += count
    finally:
        connection.execute("select pg_advisory_unlock(%s)", (JOB_LOCK,))
    return done


def forget(connection: psycopg.Connection) -> None:
    """Have the next run aggregate everything anew: after readings were written by another way than the store's."""
    connection.execute("update aggregate_state set done = '-infinity'")


def _advance(connection: psycopg.Connection, to: datetime) -> tuple[int, datetime]:
    """Move the frontier and begin a generation of marks, while no batch is between its marks and its commit."""
    with connection.transaction():
        connection.execute("set local lock_timeout = '10s'")
        connection.execute("select pg_advisory_xact_lock(%s)", (FRONTIER_LOCK,))
        row = connection.execute(
            """update aggregate_state set generation = generation + 1,
                      frontier = greatest(frontier, date_bin('1 minute', %s, 'epoch'))
               returning generation, frontier""",
            (to,),
        ).fetchone()
    if row is None:
        raise RuntimeError("the state of the aggregates is missing")
    return row[0], row[1]


def _leap(connection: psycopg.Connection, frontier: datetime) -> None:
    """Where much is not aggregated, at the first run and after a long stop: mark what is stored there instead.

    Most of a long gap is empty, and hour by hour would ask every series for each of its hours.
    """
    with connection.transaction():
        connection.execute(
            """insert into reading_dirty (series_id, hour, generation)
               select series.id, stored.hour, 0
               from aggregate_state as state, series, lateral (
                   select distinct date_bin('1 hour', time, 'epoch') as hour from reading
                   where series_id = series.id and time < %(frontier)s
                     and time >= date_bin('1 hour', state.done, 'epoch')) as stored
               where state.done < %(frontier)s - %(gap)s""",
            {"frontier": frontier, "gap": LONG_GAP},
        )
        connection.execute(
            "update aggregate_state set done = %(frontier)s where done < %(frontier)s - %(gap)s",
            {"frontier": frontier, "gap": LONG_GAP},
        )


def _aggregate(connection: psycopg.Connection, start: datetime, end: datetime) -> None:
    """Aggregate the minutes from `start` until before `end`, and the hour that they complete."""
    after: int | None = 0
    while after is not None:
        with connection.transaction():
            last = _one(
                connection,
                f"""with portion as (select id from series where id > %(after)s order by id limit %(most)s),
                         minutes as (
                             insert into reading_minute (series_id, time, {_COLUMNS})
                             select portion.id, made.* from portion, lateral (
                                 select date_bin('1 minute', time, 'epoch'), {_OF_READINGS}
                                 from ({_JUDGED} where series_id = portion.id
                                       and time >= %(start)s and time < %(end)s) as judged
                                 group by 1) as made
                             {_REPLACE})
                    select max(id) from portion having count(*) = %(most)s""",  # noqa: S608 -- our own names
                {"after": after, "most": SERIES_A_PORTION, "start": start, "end": end},
            )
            if end == _hour(end):
                connection.execute(
                    f"""insert into reading_hour (series_id, time, {_COLUMNS})
                        select id, %(hour)s, made.*
                        from (select id from series where id > %(after)s order by id limit %(most)s) as portion,
                             lateral (select {_OF_MINUTES} from reading_minute
                                      where series_id = portion.id and time >= %(hour)s and time < %(end)s
                                      having count(*) > 0) as made
                        {_REPLACE}""",  # noqa: S608 -- our own names
                    {"after": after, "most": SERIES_A_PORTION, "hour": end - HOUR, "end": end},
                )
        after = last


def _repair(connection: psycopg.Connection, generation: int, up_to: datetime) -> int:
    """Do some of the marked hours again from the raw readings; how many, 0 when there are none left."""
    return int(
        _one(
            connection,
            f"""with taken as (
                    delete from reading_dirty where ctid = any (array(
                        select ctid from reading_dirty where generation < %(generation)s
                        order by series_id, hour limit %(most)s))
                    returning series_id, hour),
                made as materialized (
                    select marked.series_id, marked.hour, made.*
                    from (select distinct series_id, hour from taken) as marked, lateral (
                        select date_bin('1 minute', time, 'epoch') as time, {_OF_READINGS}
                        from ({_JUDGED} where series_id = marked.series_id and time >= marked.hour
                              and time < least(marked.hour + interval '1 hour', %(up_to)s)) as judged
                        group by 1) as made),
                minutes as (
                    insert into reading_minute (series_id, time, {_COLUMNS})
                    select series_id, time, {_COLUMNS} from made {_REPLACE}),
                hours as (
                    insert into reading_hour (series_id, time, {_COLUMNS})
                    select series_id, hour, {_OF_MINUTES} from made
                    where hour + interval '1 hour' <= %(up_to)s group by series_id, hour {_REPLACE})
                select count(*) from taken""",  # noqa: S608 -- our own names
            {"generation": generation, "most": HOURS_A_PORTION, "up_to": up_to},
        )
    )


def _refresh(connection: psycopg.Connection, start: datetime, end: datetime) -> None:
    """The community edition's way of `_aggregate`; its own log says what there is to do."""
    connection.execute("call refresh_continuous_aggregate('reading_minute', %s, %s)", (start, end))
    if end == _hour(end):
        connection.execute("call refresh_continuous_aggregate('reading_hour', %s, %s)", (end - HOUR, end))


def _refresh_marked(connection: psycopg.Connection, generation: int, up_to: datetime) -> int:
    """The community edition's way of `_repair`: one hour of all series at a time.

    Hours before `raw_from` stay marked, which has them read raw: a refresh would remove what other series had there.
    """
    row = connection.execute(
        """select min(hour) from reading_dirty, aggregate_state as state
           where reading_dirty.generation < %s and hour >= raw_from""",
        (generation,),
    ).fetchone()
    if row is None or row[0] is None:
        return 0
    hour: datetime = row[0]
    _refresh(connection, hour, min(hour + HOUR, up_to))
    return connection.execute(
        "delete from reading_dirty where hour = %s and generation < %s", (hour, generation)
    ).rowcount


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _one(connection: psycopg.Connection, query: str, *values: object) -> Any:
    """The first column of the first row, None without a row."""
    arguments = values[0] if values and isinstance(values[0], dict) else values
    row = connection.execute(query, arguments).fetchone()
    return None if row is None else row[0]
