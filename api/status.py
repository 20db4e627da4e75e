"""How the hub is: alive, keeping up, its book balanced; and whether we are ready ourselves."""

from dataclasses import dataclass
from datetime import datetime
from importlib import metadata

import psycopg
from fastapi import APIRouter, Response
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import BaseModel, ConfigDict

from api.access import SignedIn
from api.database import Pool
from api.values import Instant, moment

router = APIRouter(tags=["status"])
public = APIRouter(tags=["status"])

SILENT_S = 15
"""A hub whose last beat is older is taken for dead."""


class Hub(BaseModel):
    """The newest run of the hub, with what it says of itself."""

    model_config = ConfigDict(extra="allow")

    alive: bool
    beat_at: Instant | None
    age_s: float | None
    newest_age_s: float | None = None
    """How old the newest reading is by its own time: without sensors that send, older than the beat."""


class Status(BaseModel):
    """The state of the whole, within the caller's reach."""

    hub: Hub
    alarms: dict[str, int]
    unacknowledged: dict[str, int]
    devices: int
    offline: int
    ledger_balance: int
    version: str


class Ready(BaseModel):
    """Which of the parts that we need are there."""

    database: bool
    hub: bool


class Alive(BaseModel):
    """We answer."""

    status: str = "ok"


@dataclass(frozen=True)
class Census:
    """What costs a walk over every device: counted less often than the rest."""

    devices: int
    offline: int
    ledger_balance: int


def version() -> str:
    """Give the version that is installed."""
    try:
        return metadata.version("cityhub")
    except metadata.PackageNotFoundError:
        return "0.0.0+source"


async def census(connection: AsyncConnection[DictRow], reach: int | None) -> Census:
    """Count devices, those that are silent, and what is missing from the last hour's book.

    Silent is: nothing for three of its profile's intervals. A recording keeps its own time and is
    never silent.
    """
    found = await connection.execute(
        """
        with interval_of as (
            select p.key, max((m.value ->> 'interval_s')::float8) as seconds
            from profile p,
            jsonb_each(case when jsonb_typeof(p.body -> 'metrics') = 'object' then p.body -> 'metrics'
                       else '{}' end) as m
            where jsonb_typeof(m.value -> 'interval_s') = 'number' group by p.key
        ), spoke as (
            select s.device_id, max(l.time) as at from latest l join series s on s.id = l.series_id
            group by s.device_id
        )
        select count(*) as devices,
               count(*) filter (
                   where not d.recorded
                     and extract(epoch from now() - coalesce(spoke.at, d.created_at)) > 3 * i.seconds
               ) as offline,
               (select coalesce(sum(m.received - m.stored - m.duplicate - m.quarantined - m.rejected), 0)::bigint
                from ledger_minute m left join device o on o.id = m.device_id
                where m.minute >= now() - interval '1 hour'
                  and (%(reach)s::integer is null or o.department_id = %(reach)s)) as ledger_balance
        from device d
        left join interval_of i on i.key = d.profile
        left join spoke on spoke.device_id = d.id
        where d.retired_at is null and (%(reach)s::integer is null or d.department_id = %(reach)s)
        """,
        {"reach": reach},
    )
    row = await found.fetchone()
    if row is None:
        raise RuntimeError("an aggregate that returned nothing")
    return Census(**row)


async def hub_of(connection: AsyncConnection[DictRow]) -> Hub:
    """Read the newest beat of the hub."""
    found = await connection.execute(
        """
        select beat_at, now() as read_at, extract(epoch from now() - beat_at)::float8 as age_s, status
        from hub_run order by beat_at desc limit 1
        """
    )
    row = await found.fetchone()
    if row is None:
        return Hub(alive=False, beat_at=None, age_s=None)
    said = row["status"] if isinstance(row["status"], dict) else {}
    known = {
        "alive": row["age_s"] < SILENT_S,
        "beat_at": row["beat_at"],
        "age_s": round(row["age_s"], 3),
        "newest_age_s": _age(said.get("newest_at"), row["read_at"]),
    }
    return Hub(**{**said, **known})


def _age(said: object, read_at: datetime) -> float | None:
    try:
        return round((read_at - moment(said)).total_seconds(), 3)
    except ValueError:
        return None


async def status_of(
    connection: AsyncConnection[DictRow], reach: int | None, counted: Census | None = None
) -> Status:
    """Read the state of the whole; a census that was taken just before need not be taken again."""
    hub = await hub_of(connection)
    found = await connection.execute(
        """
        select a.level, count(*) as standing, count(*) filter (where a.acknowledged_at is null) as untaken
        from alarm a join device d on d.id = a.device_id
        where a.returned_at is null and (%(reach)s::integer is null or d.department_id = %(reach)s)
        group by a.level
        """,
        {"reach": reach},
    )
    rows = {row["level"]: row for row in await found.fetchall()}
    counted = counted or await census(connection, reach)
    return Status(
        hub=hub,
        alarms={str(level): rows[level]["standing"] if level in rows else 0 for level in range(1, 5)},
        unacknowledged={str(level): rows[level]["untaken"] if level in rows else 0 for level in range(1, 5)},
        devices=counted.devices,
        offline=counted.offline,
        ledger_balance=counted.ledger_balance,
        version=version(),
    )


@router.get("/api/v1/status")
async def status(caller: SignedIn, pool: Pool) -> Status:
    """Show the state of the whole."""
    async with pool.connection() as connection:
        return await status_of(connection, caller.reach)


@public.get("/healthz")
async def healthz() -> Alive:
    """Say that this process answers, whatever became of the others."""
    return Alive()


@public.get("/readyz", responses={503: {"model": Ready}})
async def readyz(pool: Pool, response: Response) -> Ready:
    """Say whether the database answers and the hub beats."""
    try:
        async with pool.connection(timeout=2) as connection:
            ready = Ready(database=True, hub=(await hub_of(connection)).alive)
    except psycopg.OperationalError:
        ready = Ready(database=False, hub=False)
    if not (ready.database and ready.hub):
        response.status_code = 503
    return ready
