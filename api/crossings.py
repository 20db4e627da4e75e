"""Crossings: who came into which zone and who left it, newest first."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from api.access import SignedIn
from api.database import Pool
from api.paging import Cursor, Limit, Page, cursor, cut, place
from api.problems import Problem
from api.tracks import DAY, LONGEST, NAMED, Anonymous, look
from api.values import INT4, Instant, Key, Moment, Number

router = APIRouter(tags=["tracks"])

Kind = Literal["enter", "exit", "cross", "dwell", "absent"]


class Crossing(BaseModel):
    """What was told of one track and one zone: `time` is when the evidence began, `told_at` when the hub knew.

    `stayed_s`, of `exit` and `dwell`: seconds inside, gaps not counted.
    """

    time: Instant
    told_at: Instant
    kind: Kind
    zone: str
    zone_version: int
    track: int
    device: str
    name: str | None
    token: str | None
    stayed_s: Number


@router.get("/api/v1/crossings")
async def crossings(
    request: Request,
    caller: SignedIn,
    pool: Pool,
    *,
    anonymous: Anonymous = False,
    zone: Key | None = None,
    track: Annotated[int | None, Query(ge=1, le=INT4)] = None,
    device: Key | None = None,
    kind: Kind | None = None,
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    to: Moment | None = None,
    limit: Limit = 100,
    start: Cursor = None,
) -> Page[Crossing]:
    """List crossings from `from` (a day before `to`) until before `to` (now), newest first.

    Those of people whom cameras see are left out unless asked for (`anonymous`).
    """
    at, last_track, last_zone, last_kind = place(start, datetime, int, int, str)
    end = to or datetime.now(UTC) + timedelta(minutes=5)
    begin = from_ or end - DAY
    if begin >= end:
        raise Problem(422, "`from` lies before `to`.", kind="invalid")
    if end - begin > LONGEST:
        raise Problem(422, f"A span is at most {LONGEST.days} days long.", kind="invalid")
    if anonymous:
        asked = {"zone": zone, "track": track, "device": device, "kind": kind, "from": begin, "to": end}
        await look(request, pool, caller, "crossings", asked)
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            select c.time, c.told_at, c.kind, z.key as zone, c.zone_id, c.zone_version, t.id as track,
                   d.key as device, {NAMED}, c.stayed_s
            from crossing c
            join zone z on z.id = c.zone_id
            join track t on t.id = c.track_id
            join device d on d.id = t.device_id
            where c.time >= %(begin)s and c.time < %(end)s
              and (%(reach)s::integer is null or d.department_id = %(reach)s)
              and (%(anonymous)s or not t.anonymous)
              and (%(zone)s::text is null or z.key = %(zone)s)
              and (%(track)s::integer is null or c.track_id = %(track)s)
              and (%(device)s::text is null or d.key = %(device)s)
              and (%(kind)s::text is null or c.kind = %(kind)s)
              and (%(at)s::timestamptz is null
                   or (c.time, c.track_id, c.zone_id, c.kind)
                      < (%(at)s, %(last_track)s::integer, %(last_zone)s::integer, %(last_kind)s::text))
            order by c.time desc, c.track_id desc, c.zone_id desc, c.kind desc limit %(limit)s
            """,  # noqa: S608 -- our own columns
            {
                "reach": caller.reach, "anonymous": anonymous, "zone": zone, "track": track, "device": device,
                "kind": kind, "begin": begin, "end": end, "limit": limit + 1,
                "at": at, "last_track": last_track, "last_zone": last_zone, "last_kind": last_kind,
            },
        )  # fmt: skip
        rows, last = cut(await found.fetchall(), limit)
    following = cursor(last["time"], last["track"], last["zone_id"], last["kind"]) if last else None
    return Page[Crossing](items=[Crossing(**row) for row in rows], next=following)
