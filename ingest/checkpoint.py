"""Checkpoints: what the kernels remember, saved at a commit; a start loads it and feeds what was stored after it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from edge.reading import READING, Rows
from ingest.batch import CALENDAR_FROM_US
from ingest.records import array, from_us

DEEPEST = 10_000
"""Readings of one series that a start feeds at most, newest kept: enough for minutes at any real rate."""
PORTION = 5_000
"""Series that are asked about in one query."""


def save(connection: psycopg.Connection, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Save named arrays together."""
    with connection.transaction(), connection.cursor() as cursor:
        for name, array in arrays.items():
            body = io.BytesIO()
            np.save(body, array, allow_pickle=False)
            cursor.execute(
                """insert into checkpoint (name, body) values (%s, %s)
                   on conflict (name) do update set body = excluded.body, saved_at = now()""",
                (name, body.getvalue()),
            )


def load(connection: psycopg.Connection) -> dict[str, NDArray[Any]]:
    """The arrays of the last checkpoint; empty at the first start."""
    return {
        name: np.load(io.BytesIO(body), allow_pickle=False)
        for name, body in connection.execute("select name, body from checkpoint", binary=True)
    }


def stored_since(
    connection: psycopg.Connection, newest: NDArray[np.int64], series: list[int]
) -> Iterator[Rows]:
    """The rows of each series that are newer than its `newest` time, by series and time, in pieces.

    Series that fell silent at about the same time are asked together: no chunk before that time is looked into.
    """
    asked = np.array(series, np.int32)
    base = np.full(len(asked), CALENDAR_FROM_US)
    known = asked < len(newest)
    base[known] = np.maximum(newest[asked[known]], CALENDAR_FROM_US)
    order = np.argsort(base, kind="stable")
    for start in range(0, len(order), PORTION):
        portion = order[start : start + PORTION]
        rows = connection.execute(
            """select (extract(epoch from later.time) * 1000000)::bigint, asked.series_id, later.value, later.flag
               from unnest(%s::int[], %s::bigint[]) as asked (series_id, us),
                    lateral (select time, value, flag from reading
                             where series_id = asked.series_id
                               and time > to_timestamp(0) + asked.us * interval '1 microsecond'
                               and time > %s
                             order by time desc limit %s) as later
               order by asked.series_id, later.time""",
            (
                array(asked[portion].tolist()),
                array(base[portion].tolist()),
                from_us(int(base[portion[0]])),
                DEEPEST,
            ),
            binary=True,
        ).fetchall()
        if rows:
            yield np.array(rows, READING)
