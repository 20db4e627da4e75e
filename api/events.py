"""What devices report of themselves: their events, newest first, and whether they say that they are there."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.access import SignedIn
from api.database import Pool
from api.paging import Cursor, Limit, Page, cursor, cut, place
from api.problems import Problem
from api.values import Instant, Key

router = APIRouter(tags=["devices"])


class Event(BaseModel):
    """One event of a device."""

    id: int
    time: Instant
    type: str
    data: dict[str, Any]
    arrived_at: Instant


class Status(BaseModel):
    """What a device said of itself last, or the broker in its name."""

    state: Literal["online", "offline", "unknown"]
    since: Instant | None
    body: dict[str, Any]


FOUND = """select device.id from device where key = %(device)s
           and (%(reach)s::integer is null or department_id = %(reach)s)"""


@router.get("/api/v1/devices/{device}/events")
async def events(
    device: Key,
    caller: SignedIn,
    pool: Pool,
    kind: Annotated[str | None, Query(alias="type", min_length=1, max_length=64)] = None,
    limit: Limit = 100,
    start: Cursor = None,
) -> Page[Event]:
    """List the events of a device in the order in which they came, the last first."""
    (before,) = place(start, int)
    async with pool.connection() as connection:
        owner = await (await connection.execute(FOUND, {"device": device, "reach": caller.reach})).fetchone()
        if owner is None:
            raise Problem(404, "There is no such device.")
        found = await connection.execute(
            """select id, time, type, data, arrived_at from event
               where device_id = %(device_id)s and (%(type)s::text is null or type = %(type)s)
                 and (%(before)s::bigint is null or id < %(before)s)
               order by id desc limit %(limit)s""",
            {"device_id": owner["id"], "type": kind, "before": before, "limit": limit + 1},
        )
        rows, last = cut(await found.fetchall(), limit)
    return Page[Event](items=[Event(**row) for row in rows], next=cursor(last["id"]) if last else None)


@router.get("/api/v1/devices/{device}/status")
async def status(device: Key, caller: SignedIn, pool: Pool) -> Status:
    """Say whether a device is there, in its own words or its last will's."""
    async with pool.connection() as connection:
        owner = await (await connection.execute(FOUND, {"device": device, "reach": caller.reach})).fetchone()
        if owner is None:
            raise Problem(404, "There is no such device.")
        found = await (
            await connection.execute(
                "select state, since, body from device_status where device_id = %s", (owner["id"],)
            )
        ).fetchone()
    return Status(**found) if found else Status(state="unknown", since=None, body={})
