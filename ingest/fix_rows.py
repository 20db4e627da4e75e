"""The table of fixes: written by binary COPY, asked for what it holds, read again at a start."""

from __future__ import annotations

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from ingest.fixes import FIX, Fixes, Places
from ingest.records import array
from ingest.rows import HEADER, POSTGRES_EPOCH_US, TRAILER

LATE = 1
"""The outcome of a fix that moved nothing, for a newer one had come (geo.track.LATE)."""
DEEPEST = 2_000
"""Fixes of one track that a start feeds at most, newest kept."""

# As ingest.rows.COPY_ROW: a binary COPY row without nulls.
COPY_FIX = np.dtype(
    [
        ("fields", ">i2"),
        ("time_len", ">i4"), ("time", ">i8"),
        ("track_len", ">i4"), ("track", ">i4"),
        ("lon_len", ">i4"), ("lon", ">f8"),
        ("lat_len", ">i4"), ("lat", ">f8"),
        ("accuracy_len", ">i4"), ("accuracy", ">f4"),
        ("outcome_len", ">i4"), ("outcome", ">i2"),
    ]
)  # fmt: skip
COLUMNS = ("time", "track", "lon", "lat", "accuracy", "outcome")
TEMPLATE = np.zeros((), COPY_FIX)
TEMPLATE["fields"] = len(COLUMNS)
for _name in COLUMNS:
    TEMPLATE[f"{_name}_len"] = COPY_FIX[_name].itemsize


def copy_into(cursor: psycopg.Cursor, table: str, fixes: Fixes) -> None:
    """COPY fixes into a table of their columns."""
    out = np.full(len(fixes), TEMPLATE, COPY_FIX)
    for name in COLUMNS:
        out[name] = fixes[name]
    out["time"] -= POSTGRES_EPOCH_US
    columns = sql.SQL("copy {} (time, track_id, lon, lat, accuracy, outcome) from stdin (format binary)")
    with cursor.copy(columns.format(sql.Identifier(table))) as copy:
        copy.write(HEADER)
        copy.write(out.data.cast("B"))
        copy.write(TRAILER)


def add(cursor: psycopg.Cursor, fixes: Fixes) -> NDArray[np.bool_]:
    """Write fixes of which somebody else has written some; marks those that are new."""
    cursor.execute("create temp table fix_stage (like fix) on commit drop")
    copy_into(cursor, "fix_stage", fixes)
    cursor.execute(
        """with added as (insert into fix select * from fix_stage order by track_id, time
                          on conflict do nothing returning track_id, time)
           select track_id, (extract(epoch from time) * 1000000)::bigint from added"""
    )
    added = set(cursor.fetchall())
    return np.array(
        [key in added for key in zip(fixes["track"].tolist(), fixes["time"].tolist(), strict=True)], np.bool_
    )


def known(connection: psycopg.Connection, fixes: Fixes) -> Places:
    """The stored places at the (track, time) of these fixes."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(
            """select fix.track_id, (extract(epoch from fix.time) * 1000000)::bigint, lon, lat
               from unnest(%s::int[], %s::bigint[]) as asked (track_id, us)
                    join fix on fix.track_id = asked.track_id
                     and fix.time = to_timestamp(0) + asked.us * interval '1 microsecond'""",
            (fixes["track"].tolist(), fixes["time"].tolist()),
        )
        return {(track, at): (lon, lat) for track, at, lon, lat in cursor}


def stored_since(
    connection: psycopg.Connection, saved: str, track: list[int], newest: list[int]
) -> tuple[Fixes, NDArray[np.int32]]:
    """The fixes that came after a checkpoint, by track and time, and the device of each.

    `track` are the tracks that it knows, with the newest time of each that was believed; `saved` names an array of the checkpoint. Of a track that it does not know, the last fixes that there are.
    """
    rows = connection.execute(
        """select (extract(epoch from later.time) * 1000000)::bigint, track.id, later.lon, later.lat,
                  later.accuracy, later.outcome, not track.anonymous, track.device_id
           from track left join unnest(%s::int[], %s::bigint[]) as known (id, us) on known.id = track.id,
                lateral (select * from fix
                         where track_id = track.id and outcome <> %s
                           and time > to_timestamp(0) + coalesce(known.us, %s) * interval '1 microsecond'
                         order by time desc limit %s) as later
           where known.id is not null  -- it may have spoken after long, and been killed before `seen_at` was written
              or track.seen_at > coalesce((select saved_at from checkpoint where name = %s) - interval '1 minute',
                                             now() - interval '1 day')
           order by track.id, later.time""",
        (array(track), array(newest), LATE, 0, DEEPEST, saved),
        binary=True,
    ).fetchall()
    return np.array([row[:-1] for row in rows], FIX), np.array([row[-1] for row in rows], np.int32)
