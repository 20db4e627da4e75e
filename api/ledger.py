"""The book that must balance, and the letters that could not be delivered."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import BaseModel

from api.access import SignedIn
from api.database import Pool
from api.paging import Cursor, Limit, Page, cursor, cut, place
from api.problems import Problem
from api.values import Instant, Moment

router = APIRouter(tags=["ledger"])

HOUR = timedelta(hours=1)
LONGEST = timedelta(days=31)
SHOWN = 4096


class Counts(BaseModel):
    """What became of the readings; the balance is zero where none was lost."""

    messages: int
    received: int
    stored: int
    duplicate: int
    quarantined: int
    rejected: int
    late: int
    flagged: int
    derived: int
    balance: int


class Minute(Counts):
    """The counts of one device in one minute of arrival; without a device: sender unknown."""

    minute: Instant
    device: str | None


class Ledger(Page[Minute]):
    """Totals of the whole span and one page of its minutes, newest first."""

    totals: Counts


class DeadLetter(BaseModel):
    """What could not be taken; the first 4 KiB of its bytes, base64."""

    id: int
    reason: str
    detail: str
    device: str | None
    topic: str
    payload: str
    size: int
    readings: int
    times: int
    first_at: Instant
    last_at: Instant


_NAMES = (
    "messages",
    "received",
    "stored",
    "duplicate",
    "quarantined",
    "rejected",
    "late",
    "flagged",
    "derived",
)
_BALANCE = "m.received - m.stored - m.duplicate - m.quarantined - m.rejected"
# Who is held to a department does not see unknown senders: they may be anyone's.
_FROM = """
    from ledger_minute m
    left join device d on d.id = m.device_id
    where m.minute >= %(begin)s and m.minute < %(end)s
      and (%(reach)s::integer is null or d.department_id = %(reach)s)
"""


async def _totals(connection: AsyncConnection[DictRow], asked: dict[str, Any]) -> Counts:
    sums = ", ".join(f"coalesce(sum(m.{name}), 0)::bigint as {name}" for name in _NAMES)
    found = await connection.execute(
        f"select {sums}, coalesce(sum({_BALANCE}), 0)::bigint as balance {_FROM}", asked
    )
    row = await found.fetchone()
    if row is None:
        raise RuntimeError("an aggregate that returned nothing")
    return Counts(**row)


@router.get("/api/v1/ledger")
async def ledger(
    caller: SignedIn,
    pool: Pool,
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    to: Moment | None = None,
    limit: Limit = 100,
    start: Cursor = None,
) -> Ledger:
    """Show the ledger from `from` until before `to`, without them the last hour."""
    minute, device = place(start, datetime, int)
    end = to or datetime.now(UTC) + timedelta(minutes=1)
    begin = from_ or end - HOUR - timedelta(minutes=1)
    if not timedelta() < end - begin <= LONGEST:
        raise Problem(422, f"`from` lies before `to`, by at most {LONGEST.days} days.", kind="invalid")
    asked = {
        "reach": caller.reach,
        "begin": begin,
        "end": end,
        "minute": minute,
        "device": device,
        "limit": limit + 1,
    }
    async with pool.connection() as connection:
        totals = await _totals(connection, asked)
        found = await connection.execute(
            f"""
            select m.minute, d.key as device, m.device_id, {", ".join("m." + name for name in _NAMES)},
                   {_BALANCE} as balance
            {_FROM}
              and (%(minute)s::timestamptz is null or m.minute < %(minute)s
                   or m.minute = %(minute)s and m.device_id > %(device)s::bigint)
            order by m.minute desc, m.device_id limit %(limit)s
            """,
            asked,
        )
        rows, last = cut(await found.fetchall(), limit)
    following = cursor(last["minute"], last["device_id"]) if last else None
    return Ledger(totals=totals, items=[Minute(**row) for row in rows], next=following)


@router.get("/api/v1/dead-letters")
async def dead_letters(
    caller: SignedIn, pool: Pool, limit: Limit = 100, start: Cursor = None
) -> Page[DeadLetter]:
    """List what could not be taken, the last seen first."""
    before, beyond = place(start, datetime, int)
    async with pool.connection() as connection:
        found = await connection.execute(
            """
            select l.id, l.reason, l.detail, d.key as device, l.topic,
                   substring(l.payload for %(shown)s) as payload, octet_length(l.payload) as size,
                   l.readings, l.times, l.first_at, l.last_at
            from dead_letter l left join device d on d.id = l.device_id
            where (%(reach)s::integer is null or d.department_id = %(reach)s)
              and (%(before)s::timestamptz is null
                   or (l.last_at, l.id) < (%(before)s::timestamptz, %(beyond)s::bigint))
            order by l.last_at desc, l.id desc limit %(limit)s
            """,
            {"reach": caller.reach, "shown": SHOWN, "before": before, "beyond": beyond, "limit": limit + 1},
        )
        rows, last = cut(await found.fetchall(), limit)
    items = [DeadLetter(**{**row, "payload": base64.b64encode(row["payload"]).decode()}) for row in rows]
    return Page[DeadLetter](items=items, next=cursor(last["last_at"], last["id"]) if last else None)
