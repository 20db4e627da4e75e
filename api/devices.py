"""Departments, profiles and devices: what stands where, whose it is, and when it last spoke."""

from typing import Any

from fastapi import APIRouter
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import BaseModel

from api.access import Caller, SignedIn
from api.database import Connections, Pool
from api.paging import Cursor, Limit, Page, cursor, cut, place
from api.problems import Problem
from api.series import Series, series_of
from api.values import Instant, Key, Number
from geo.jurisdiction import CHAIN
from ingest.life import State

router = APIRouter(tags=["devices"])


class Department(BaseModel):
    """Who owns devices."""

    id: str
    name: str


class Profile(BaseModel):
    """What a kind of device measures."""

    id: str
    body: dict[str, Any]


class Device(BaseModel):
    """A device, where it stands and how it is."""

    id: str
    name: str
    department: str
    profile: str
    gateway: str | None
    lon: Number
    lat: Number
    zones: list[str]
    counts_zone: str | None
    recorded: bool
    clock_offset_s: Number
    level: int
    last_at: Instant | None
    state: State
    maintainer: str | None
    component: str | None
    district: str | None
    street: str | None
    community: str | None
    grid_cell: str | None


class Jurisdiction(BaseModel):
    """Whose ground a device stands on; of several zones of one kind that claim it, the smallest."""

    kind: str
    zone: str
    name: str
    several: bool


class DeviceDetail(Device):
    """A device with its series; `jurisdiction` by the zones as they are now, the widest first."""

    retired_at: Instant | None
    datum: str
    given_lon: Number
    given_lat: Number
    vertical_datum: str | None
    vertical_offset_m: Number
    sensor_serial: str | None
    addresses: list[str]
    jurisdiction: list[Jurisdiction]
    series: list[Series]


async def devices_of(
    connection: AsyncConnection[DictRow], reach: int | None, sought: dict[str, Any]
) -> list[DictRow]:
    """Read the devices within reach; `sought` holds one, department, profile, zone, state, after, limit."""
    found = await connection.execute(
        """
        with standing as (
            select device_id, max(level) as level from alarm where returned_at is null group by device_id
        )
        select d.key as id, d.name, p.key as department, d.profile, g.key as gateway, d.lon, d.lat,
               array(select z.key from device_zone dz join zone z on z.id = dz.zone_id
                     where dz.device_id = d.id order by z.key) as zones,
               c.key as counts_zone, d.recorded, d.clock_offset_s, d.retired_at,
               d.state, m.key as maintainer, d.component, d.district, d.street, d.community, d.grid_cell,
               d.datum, d.given_lon, d.given_lat, d.vertical_datum, d.vertical_offset_m, d.sensor_serial,
               array(select scheme || ':' || address from device_address where device_id = d.id
                     order by 1) as addresses,
               coalesce(standing.level, 0) as level,
               (select max(l.time) from series s join latest l on l.series_id = s.id
                where s.device_id = d.id) as last_at
        from device d
        join department p on p.id = d.department_id
        left join department m on m.id = d.maintainer_id
        left join device g on g.id = d.gateway_id
        left join zone c on c.id = d.zone_id
        left join standing on standing.device_id = d.id
        where (%(reach)s::integer is null or d.department_id = %(reach)s)
          and (d.key = %(one)s or %(one)s::text is null and d.retired_at is null)
          and (%(department)s::text is null or p.key = %(department)s)
          and (%(profile)s::text is null or d.profile = %(profile)s)
          and (%(state)s::text is null or d.state = %(state)s)
          and (%(zone)s::text is null or c.key = %(zone)s or exists (
               select from device_zone dz join zone z on z.id = dz.zone_id
               where dz.device_id = d.id and z.key = %(zone)s))
          and (%(after)s::text is null or d.key > %(after)s)
        order by d.key limit %(limit)s
        """,
        {"reach": reach, **sought},
    )
    return await found.fetchall()


@router.get("/api/v1/departments")
async def departments(
    caller: SignedIn, pool: Pool, limit: Limit = 100, start: Cursor = None
) -> Page[Department]:
    """List the departments that the caller may see."""
    (after,) = place(start, str)
    async with pool.connection() as connection:
        found = await connection.execute(
            """
            select key as id, name from department
            where (%(reach)s::integer is null or id = %(reach)s)
              and (%(after)s::text is null or key > %(after)s)
            order by key limit %(limit)s
            """,
            {"reach": caller.reach, "after": after, "limit": limit + 1},
        )
        rows, last = cut(await found.fetchall(), limit)
    return Page[Department](
        items=[Department(**row) for row in rows], next=cursor(last["id"]) if last else None
    )


@router.get("/api/v1/profiles")
async def profiles(pool: Pool, limit: Limit = 100, start: Cursor = None) -> Page[Profile]:
    """List the profiles; they speak of kinds, not of anyone's devices."""
    (after,) = place(start, str)
    async with pool.connection() as connection:
        found = await connection.execute(
            """
            select key as id, body from profile where %(after)s::text is null or key > %(after)s
            order by key limit %(limit)s
            """,
            {"after": after, "limit": limit + 1},
        )
        rows, last = cut(await found.fetchall(), limit)
    return Page[Profile](items=[Profile(**row) for row in rows], next=cursor(last["id"]) if last else None)


@router.get("/api/v1/devices")
async def devices(
    caller: SignedIn,
    pool: Pool,
    department: Key | None = None,
    profile: Key | None = None,
    zone: Key | None = None,
    state: State | None = None,
    limit: Limit = 100,
    start: Cursor = None,
) -> Page[Device]:
    """List devices in service; `zone` finds those that stand in it or count it."""
    (after,) = place(start, str)
    sought = {"one": None, "department": department, "profile": profile, "zone": zone, "state": state}
    async with pool.connection() as connection:
        found = await devices_of(connection, caller.reach, {**sought, "after": after, "limit": limit + 1})
    rows, last = cut(found, limit)
    return Page[Device](items=[Device(**row) for row in rows], next=cursor(last["id"]) if last else None)


@router.get("/api/v1/devices/{device}")
async def device(device: Key, caller: SignedIn, pool: Pool) -> DeviceDetail:
    """Show one device with its series, retired or not."""
    return await detail_of(pool, caller, device)


async def detail_of(pool: Connections, caller: Caller, device: str) -> DeviceDetail:
    """One device as its page shows it; raises Problem where there is none within reach."""
    sought = dict.fromkeys(("department", "profile", "zone", "state", "after"))
    async with pool.connection() as connection:
        found = await devices_of(connection, caller.reach, {**sought, "one": device, "limit": 1})
        if not found:
            raise Problem(404, "There is no such device.")
        series = await series_of(
            connection, caller.reach, {"device": device, "metric": None, "after": None, "limit": 1000}
        )
        chain = await _chain(connection, device)
    return DeviceDetail(**found[0], jurisdiction=chain, series=[Series(**row) for row in series])


async def _chain(connection: AsyncConnection[DictRow], device: str) -> list[Jurisdiction]:
    """The district, street, community and grid cell that a device stands in."""
    found = await connection.execute(
        """
        select distinct on (z.kind) z.kind, z.key as zone, z.name, count(*) over (partition by z.kind) > 1 as several
        from device d join device_zone dz on dz.device_id = d.id join zone_in_force z on z.id = dz.zone_id
        where d.key = %(device)s and z.kind = any (%(chain)s)
        order by z.kind, z.area_m2, z.id
        """,
        {"device": device, "chain": list(CHAIN)},
    )
    claims = {row["kind"]: Jurisdiction(**row) for row in await found.fetchall()}
    return [claims[kind] for kind in CHAIN if kind in claims]
