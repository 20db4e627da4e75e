"""Series and the newest reading of each."""

from typing import Any

from fastapi import APIRouter
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import BaseModel

from api.access import SignedIn
from api.database import Pool
from api.paging import Cursor, Limit, Page, cursor, cut, place
from api.values import Instant, Key, Line, Number

router = APIRouter(tags=["readings"])


class Series(BaseModel):
    """One metric of one device; derived where it is computed from another."""

    id: int
    device: str
    metric: str
    unit: str
    zone: str | None
    derived_from: int | None


class Latest(BaseModel):
    """The newest reading of a series, by the reading's own time."""

    series: int
    device: str
    metric: str
    unit: str
    time: Instant
    value: Number
    flag: int


async def series_of(
    connection: AsyncConnection[DictRow], reach: int | None, sought: dict[str, Any]
) -> list[DictRow]:
    """Read the series within reach; `sought` holds device, metric, after, limit."""
    found = await connection.execute(
        """
        select s.id, d.key as device, s.metric, s.unit, z.key as zone, s.derived_from
        from series s
        join device d on d.id = s.device_id
        left join zone z on z.id = s.zone_id
        where (%(reach)s::integer is null or d.department_id = %(reach)s)
          and (d.key = %(device)s or %(device)s::text is null and d.retired_at is null)
          and (%(metric)s::text is null or s.metric = %(metric)s)
          and (%(after)s::bigint is null or s.id > %(after)s)
        order by s.id limit %(limit)s
        """,
        {"reach": reach, **sought},
    )
    return await found.fetchall()


@router.get("/api/v1/series")
async def series(
    caller: SignedIn,
    pool: Pool,
    device: Key | None = None,
    metric: Line | None = None,
    limit: Limit = 100,
    start: Cursor = None,
) -> Page[Series]:
    """List series of devices in service, or of the one device that is named."""
    (after,) = place(start, int)
    sought = {"device": device, "metric": metric, "after": after, "limit": limit + 1}
    async with pool.connection() as connection:
        rows, last = cut(await series_of(connection, caller.reach, sought), limit)
    return Page[Series](items=[Series(**row) for row in rows], next=cursor(last["id"]) if last else None)


@router.get("/api/v1/latest")
async def latest(
    caller: SignedIn, pool: Pool, device: Key | None = None, limit: Limit = 100, start: Cursor = None
) -> Page[Latest]:
    """List the newest reading of every series that has one."""
    (after,) = place(start, int)
    async with pool.connection() as connection:
        found = await connection.execute(
            """
            select l.series_id as series, d.key as device, s.metric, s.unit, l.time, l.value, l.flag
            from latest l
            join series s on s.id = l.series_id
            join device d on d.id = s.device_id
            where (%(reach)s::integer is null or d.department_id = %(reach)s)
              and (d.key = %(device)s or %(device)s::text is null and d.retired_at is null)
              and (%(after)s::bigint is null or l.series_id > %(after)s)
            order by l.series_id limit %(limit)s
            """,
            {"reach": caller.reach, "device": device, "after": after, "limit": limit + 1},
        )
        rows, last = cut(await found.fetchall(), limit)
    return Page[Latest](items=[Latest(**row) for row in rows], next=cursor(last["series"]) if last else None)
