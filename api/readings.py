"""Readings of one series: as they were stored, or gathered into buckets for a chart."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import BaseModel

from api.access import SignedIn
from api.database import Pool
from api.paging import Cursor, Page, cursor, cut, place
from api.problems import Problem
from api.values import INT4, Instant, Moment, Number
from ingest.buckets import GATHERED, STANDS, View

router = APIRouter(tags=["readings"])

DAY = timedelta(days=1)
LONGEST = timedelta(days=5 * 366)
MOST_BUCKETS = 20_000
# More than other lists have: a day of a reading each minute is one page.
Limit = Annotated[int, Query(ge=1, le=10_000, description="Items on one page.")]


class Reading(BaseModel):
    """One reading with its flag: 1 pass, 2 not evaluated, 3 suspect, 4 fail, 9 missing."""

    time: Instant
    value: Number
    flag: int


class Bucket(BaseModel):
    """The readings of one span; `time` is its start, `flag` the worst inside."""

    time: Instant
    min: Number
    max: Number
    mean: Number
    count: int
    flag: int


async def _newest(connection: AsyncConnection[DictRow], reach: int | None, series: int) -> datetime | None:
    """Give the time of a series' newest reading; a series out of reach is one that does not exist."""
    found = await connection.execute(
        """
        select l.time from series s
        join device d on d.id = s.device_id
        left join latest l on l.series_id = s.id
        where s.id = %(series)s and (%(reach)s::integer is null or d.department_id = %(reach)s)
        """,
        {"series": series, "reach": reach},
    )
    row = await found.fetchone()
    if row is None:
        raise Problem(404, "There is no such series.")
    newest: datetime | None = row["time"]
    return newest


@router.get("/api/v1/readings", response_model=Page[Reading] | Page[Bucket])
async def readings(
    caller: SignedIn,
    pool: Pool,
    series: Annotated[int, Query(ge=1, le=INT4)],
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    to: Moment | None = None,
    bucket: Annotated[int | None, Query(ge=1, le=366 * 86_400, description="Seconds.")] = None,
    limit: Limit = 100,
    start: Cursor = None,
) -> Page[Bucket] | Response:
    """List a series' readings from `from` until before `to`, oldest first; with `bucket`, gathered.

    Without `to` the span ends with the newest reading, which for a recording lies in its own
    past; without `from` it is a day long.
    """
    (after,) = place(start, datetime)
    async with pool.connection() as connection:
        newest = await _newest(connection, caller.reach, series)
        end = to or (newest or datetime.now(UTC)) + timedelta(microseconds=1)
        begin = from_ or end - DAY
        if begin >= end:
            raise Problem(422, "`from` lies before `to`.", kind="invalid")
        if end - begin > LONGEST:
            raise Problem(422, f"A span is at most {LONGEST.days} days long.", kind="invalid")
        asked = {"series": series, "begin": begin, "end": end, "after": after, "limit": limit + 1}
        if bucket is None:
            return await _raw(connection, asked, limit)
        if (end - begin).total_seconds() / bucket > MOST_BUCKETS:
            raise Problem(422, f"That makes more than {MOST_BUCKETS} buckets.", kind="invalid")
        return await _gathered(connection, {**asked, "bucket": bucket}, limit)


async def _raw(connection: AsyncConnection[DictRow], asked: dict[str, Any], limit: int) -> Response:
    # As the database wrote them: a model for each of a day's readings took ten times as long as the query.
    found = await connection.execute(
        """
        select to_char(time, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time, value, flag from reading
        where series_id = %(series)s and reading.time >= %(begin)s and reading.time < %(end)s
          and (%(after)s::timestamptz is null or reading.time > %(after)s)
        order by reading.time limit %(limit)s
        """,
        asked,
    )
    rows, last = cut(await found.fetchall(), limit)
    body = {"items": rows, "next": cursor(last["time"]) if last else None}
    return Response(orjson.dumps(body), media_type="application/json")


async def _gathered(connection: AsyncConnection[DictRow], asked: dict[str, Any], limit: int) -> Page[Bucket]:
    if asked["after"] is not None:
        asked["begin"] = max(asked["begin"], asked["after"] + timedelta(seconds=asked["bucket"]))
    view, low, high = await _aggregated(connection, asked)
    found = await connection.execute(GATHERED[view], {**asked, "low": low, "high": high})
    rows, last = cut(await found.fetchall(), limit)
    return Page[Bucket](items=[Bucket(**row) for row in rows], next=cursor(last["time"]) if last else None)


async def _aggregated(
    connection: AsyncConnection[DictRow], asked: dict[str, Any]
) -> tuple[View, datetime, datetime]:
    """Choose the aggregates that make up whole buckets, and the part of the span for which they stand.

    They never stand for less later on, so that this may be asked before and apart.
    """
    unit = next((unit for unit in (3600, 60) if asked["bucket"] % unit == 0), None)
    if unit is None:
        return "readings_by_minute", asked["begin"], asked["begin"]
    found = await connection.execute(STANDS, {**asked, "unit": timedelta(seconds=unit)})
    row = await found.fetchone()
    if row is None or row["low"] >= asked["end"]:
        return "readings_by_minute", asked["begin"], asked["begin"]
    return ("readings_by_hour" if unit == 3600 else "readings_by_minute"), row["low"], row["high"]  # noqa: PLR2004
