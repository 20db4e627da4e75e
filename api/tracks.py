"""Tracks: where who is followed is, or was at a moment, and the way of one of them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from api.access import Caller, Role, SignedIn, insist
from api.database import Connections, Pool
from api.paging import Cursor, Limit, Page, cursor, cut, place
from api.problems import Problem
from api.values import INT4, Instant, Key, Moment, Number
from geo.track import OUTCOMES
from governance import audit

router = APIRouter(tags=["tracks"])

DAY = timedelta(days=1)
LONGEST = timedelta(days=31)
WEST, EAST, SOUTH, NORTH = -180.0, 180.0, -90.0, 90.0
Outcome = Literal["believed", "late", "jump", "vague", "nowhere"]
# Said once for all that names a track: who has no name is called by the token of the day.
NAMED = (
    "case when t.anonymous then null else t.name end as name, case when t.anonymous then t.name end as token"
)

LOOKERS: tuple[Role, ...] = ("duty-officer", "data-steward", "administrator")
"""Who may look at single people whom cameras see; the others have groups (/inside, /flows)."""
Anonymous = Annotated[
    bool,
    Query(
        description=f"Those without a name, too; takes one of the roles {', '.join(LOOKERS)}, and is in the audit."
    ),
]


class Track(BaseModel):
    """One who is followed, at the newest place that was believed; `name` is a device's key, `token` that of a day."""

    id: int
    device: str
    department: str
    name: str | None
    token: str | None
    time: Instant
    lon: float
    lat: float
    accuracy: Number
    first_at: Instant
    last_at: Instant


class Fix(BaseModel):
    """One position, WGS 84; `accuracy` in metres, null where its source said nothing."""

    time: Instant
    lon: float
    lat: float
    accuracy: Number
    outcome: Outcome


@router.get("/api/v1/tracks")
async def tracks(
    request: Request,
    caller: SignedIn,
    pool: Pool,
    *,
    anonymous: Anonymous = False,
    device: Key | None = None,
    zone: Key | None = None,
    bbox: Annotated[
        str | None,
        Query(max_length=100, description="west,south,east,north in degrees; over 180 where west > east."),
    ] = None,
    at: Moment | None = None,
    within: Annotated[int, Query(ge=1, le=31 * 86_400, description="Seconds.")] = 900,
    limit: Limit = 100,
    start: Cursor = None,
) -> Page[Track]:
    """List tracks by their newest place at a moment (now), of those that were heard `within` so long before it.

    Whom cameras see is left out unless asked for (`anonymous`).
    `device` finds what one device tells or sees, `zone` who is inside by the fences, `bbox` who lies in a box.
    """
    (after,) = place(start, int)
    west, south, east, north = _box(bbox)
    moment = at or datetime.now(UTC) + timedelta(minutes=5)  # a clock that is ahead is let in by so much
    begin = (at or datetime.now(UTC)) - timedelta(seconds=within)
    if anonymous:
        asked = {"device": device, "zone": zone, "bbox": bbox, "at": at, "within": within}
        await look(request, pool, caller, "tracks", asked)
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            select t.id, d.key as device, p.key as department, {NAMED},
                   f.time, f.lon, f.lat, f.accuracy, t.first_at, greatest(t.last_at, f.time) as last_at
            from track t
            join device d on d.id = t.device_id
            join department p on p.id = d.department_id,
            lateral (select time, lon, lat, accuracy from fix
                     where track_id = t.id and fix.time <= %(moment)s and fix.time > %(begin)s and outcome = 0
                     order by fix.time desc limit 1) as f
            where (%(reach)s::integer is null or d.department_id = %(reach)s)
              and (%(anonymous)s or not t.anonymous)
              and (%(device)s::text is null or d.key = %(device)s)
              and t.last_at > %(begin)s - interval '1 minute' and t.first_at <= %(moment)s
              and (%(after)s::bigint is null or t.id > %(after)s)
              and f.lat between %(south)s and %(north)s
              and case when %(west)s <= %(east)s then f.lon between %(west)s and %(east)s
                       else f.lon >= %(west)s or f.lon <= %(east)s end
              and (%(zone)s::text is null or (
                   select kind from crossing
                   where track_id = t.id and zone_id = (select id from zone where key = %(zone)s)
                     and crossing.time <= %(moment)s and kind in ('enter', 'exit')
                   order by crossing.time desc limit 1) = 'enter')
            order by t.id limit %(limit)s
            """,  # noqa: S608 -- our own columns
            {
                "reach": caller.reach, "anonymous": anonymous, "device": device, "zone": zone, "after": after, "limit": limit + 1,
                "moment": moment, "begin": begin, "west": west, "south": south, "east": east, "north": north,
            },
        )  # fmt: skip
        rows, last = cut(await found.fetchall(), limit)
    return Page[Track](items=[Track(**row) for row in rows], next=cursor(last["id"]) if last else None)


@router.get("/api/v1/tracks/{track}")
async def way(
    request: Request,
    caller: SignedIn,
    pool: Pool,
    track: int,
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    to: Moment | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Items on one page.")] = 1000,
    start: Cursor = None,
) -> Page[Fix]:
    """List the fixes of a track from `from` (a day before `to`) until before `to` (its newest), oldest first.

    That of somebody without a name takes one of the roles duty-officer, data-steward, administrator.
    """
    (after,) = place(start, datetime)
    async with pool.connection() as connection:
        found = await connection.execute(
            """select t.name, t.anonymous, d.key as device, t.last_at from track t join device d on d.id = t.device_id
               where t.id = %(track)s and (%(reach)s::integer is null or d.department_id = %(reach)s)""",
            {"track": track if 0 < track <= INT4 else 0, "reach": caller.reach},
        )
        owner = await found.fetchone()
    if owner is None:
        raise Problem(404, "There is no such track.")
    # What was written last may lie some seconds behind.
    end = to or owner["last_at"] + timedelta(minutes=1)
    begin = from_ or end - DAY
    if begin >= end:
        raise Problem(422, "`from` lies before `to`.", kind="invalid")
    if end - begin > LONGEST:
        raise Problem(422, f"A span is at most {LONGEST.days} days long.", kind="invalid")
    whose, span = f"{owner['device']}/{owner['name']}", {"from": begin.isoformat(), "to": end.isoformat()}
    if owner["anonymous"]:
        await look(request, pool, caller, whose, span)
    async with pool.connection() as connection, connection.transaction(), connection.cursor() as rows_of:
        if after is None and not owner["anonymous"]:  # once for all its pages
            await audit.record(rows_of, caller.name, "track.read", whose, "done", span)
        await rows_of.execute(
            """select time, lon, lat, accuracy, outcome from fix
               where track_id = %(track)s and fix.time >= %(begin)s and fix.time < %(end)s
                 and (%(after)s::timestamptz is null or fix.time > %(after)s)
               order by fix.time limit %(limit)s""",
            {"track": track, "begin": begin, "end": end, "after": after, "limit": limit + 1},
        )
        rows, last = cut(await rows_of.fetchall(), limit)
    items = [Fix(**{**row, "outcome": OUTCOMES[row["outcome"]]}) for row in rows]
    return Page[Fix](items=items, next=cursor(last["time"]) if last else None)


async def look(
    request: Request, pool: Connections, caller: Caller, what: str, asked: Mapping[str, object]
) -> None:
    """Let a caller look at single people without names, and put into the audit what was asked; each page of it."""
    await insist(request, pool, caller, *LOOKERS)
    detail = {name: str(value) for name, value in asked.items() if value is not None}
    async with pool.connection() as connection, connection.cursor() as cursor:
        await audit.record(cursor, caller.name, "track.look", what, "done", detail)


def _box(text: str | None) -> tuple[float, float, float, float]:
    if text is None:
        return WEST, SOUTH, EAST, NORTH
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise Problem(422, "`bbox` is west,south,east,north in degrees.", kind="invalid") from None
    if not (abs(west) <= EAST and abs(east) <= EAST and SOUTH <= south <= north <= NORTH):
        raise Problem(422, "`bbox` is west,south,east,north in degrees, longitude first.", kind="invalid")
    return west, south, east, north
