"""Zones and lines as GeoJSON for map clients, each zone with the level of what stands in it."""

from functools import partial
from typing import Annotated, Any, Literal

import anyio.to_thread
import orjson
import shapely
from fastapi import APIRouter, Query, Request, Response
from psycopg.rows import DictRow
from pydantic import BaseModel

from api.access import SignedIn
from api.database import Pool
from api.paging import Cursor, cursor, cut, place
from api.polled import UNCHANGED, polled
from api.problems import Problem
from api.values import Instant, Key, Line, Moment
from geo.lines import LineKind

router = APIRouter(tags=["zones"])

METRES_A_DEGREE = 111_320.0
"""Of latitude, and of longitude at the equator: a tolerance in degrees that is drawn from it is never more metres."""


class ZoneProperties(BaseModel):
    """What is known of a zone beside its shape; `department` only where it is the caller's, or the caller sees all."""

    name: str
    kind: str
    layer: str
    floor: str | None
    area_m2: float
    usable_m2: float | None
    capacity: int | None
    department: str | None
    valid_from: Instant | None
    valid_to: Instant | None
    version: int
    level: int | None


class ZoneFeature(BaseModel):
    """One zone, RFC 7946."""

    type: Literal["Feature"]
    id: str
    properties: ZoneProperties
    geometry: dict[str, Any]


class ZoneCollection(BaseModel):
    """Zones, RFC 7946; `next` where there are more."""

    type: Literal["FeatureCollection"]
    features: list[ZoneFeature]
    next: str | None


class LineProperties(BaseModel):
    """What is known of a line beside its shape."""

    name: str
    kind: LineKind
    layer: str
    speed_m_s: float | None
    width_m: float | None
    into_zone: str | None
    from_zone: str | None
    version: int


class LineFeature(BaseModel):
    """One line, RFC 7946."""

    type: Literal["Feature"]
    id: str
    properties: LineProperties
    geometry: dict[str, Any]


class LineCollection(BaseModel):
    """Lines, RFC 7946; `next` where there are more."""

    type: Literal["FeatureCollection"]
    features: list[LineFeature]
    next: str | None


Most = Annotated[int, Query(ge=1, le=5000)]
Within = Annotated[
    str | None,
    Query(max_length=100, description="west,south,east,north in degrees; what touches it is listed."),
]
Coarser = Annotated[
    float | None,
    Query(
        gt=0, le=10_000, description="Outlines may be off by so many metres; for drawing, not for deciding."
    ),
]

ZONES = """
with standing as (
    select a.level, a.zone_id, a.device_id from alarm a join device d on d.id = a.device_id
    where %(at)s::timestamptz is null and a.returned_at is null
      and (%(reach)s::integer is null or d.department_id = %(reach)s)
), struck as (
    select zone_id, max(level) as level from (
        select zone_id, level from standing where zone_id is not null
        union all
        select dz.zone_id, s.level from standing s join device_zone dz using (device_id)
    ) as each group by zone_id
)
select z.key as id, z.name, z.kind, z.layer, z.floor, z.area_m2, z.usable_m2, z.capacity,
       case when %(reach)s::integer is null or z.department = %(own)s then z.department end as department,
       z.valid_from, z.valid_to, z.version,
       case when %(at)s::timestamptz is null then coalesce(struck.level, 0) end as level, z.geometry::text as geometry
from {source} z left join struck on struck.zone_id = z.id
where (%(after)s::text is null or z.key > %(after)s)
  and (%(kind)s::text is null or z.kind = %(kind)s)
  and (%(layer)s::text is null or z.layer = %(layer)s)
  and (%(floor)s::text is null or z.floor = %(floor)s)
  and (%(box)s::box is null or z.extent && %(box)s::box)
order by z.key limit %(limit)s"""

LINES = """
select key as id, name, kind, layer, speed_m_s, width_m, into_zone, from_zone, version, geometry::text as geometry
from line where retired_at is null
  and (%(after)s::text is null or key > %(after)s) and (%(kind)s::text is null or kind = %(kind)s)
  and (%(layer)s::text is null or layer = %(layer)s) and (%(box)s::box is null or extent && %(box)s::box)
order by key limit %(limit)s"""


@router.get("/api/v1/zones", response_model=ZoneCollection, responses=UNCHANGED)
async def zones(
    request: Request,
    caller: SignedIn,
    pool: Pool,
    *,
    kind: Key | None = None,
    layer: Key | None = None,
    floor: Line | None = None,
    bbox: Within = None,
    at: Moment | None = None,
    simplify_m: Coarser = None,
    limit: Most = 5000,
    start: Cursor = None,
) -> Response:
    """List the zones that hold, which all departments share, with the level of the caller's own alarms there.

    `at` lists those that held at a moment, as they were then; `level` is null.
    """
    (after,) = place(start, str)
    asked = {
        "reach": caller.reach, "own": caller.department, "kind": kind, "layer": layer, "floor": floor,
        "box": box(bbox), "at": at, "after": after, "limit": limit + 1,
    }  # fmt: skip
    source = "zone_in_force" if at is None else "zone_on(%(at)s)"
    async with pool.connection() as connection:
        found = await connection.execute(ZONES.format(source=source), asked)
        rows, last = cut(await found.fetchall(), limit)
    return await anyio.to_thread.run_sync(partial(collection, request, rows, last, simplify_m))


@router.get("/api/v1/lines", response_model=LineCollection, responses=UNCHANGED)
async def lines(
    request: Request,
    pool: Pool,
    *,
    kind: LineKind | None = None,
    layer: Key | None = None,
    bbox: Within = None,
    simplify_m: Coarser = None,
    limit: Most = 5000,
    start: Cursor = None,
) -> Response:
    """List the waterways and counting lines, which all departments share."""
    (after,) = place(start, str)
    asked = {"kind": kind, "layer": layer, "box": box(bbox), "after": after, "limit": limit + 1}
    async with pool.connection() as connection:
        found = await connection.execute(LINES, asked)
        rows, last = cut(await found.fetchall(), limit)
    return await anyio.to_thread.run_sync(partial(collection, request, rows, last, simplify_m))


def collection(
    request: Request, rows: list[DictRow], last: DictRow | None, simplify_m: float | None
) -> Response:
    """Rows with `id` and `geometry`, a page of features; many megabytes, so not on the event loop."""
    if simplify_m is not None:
        _simplify(rows, simplify_m / METRES_A_DEGREE)
    features = [
        {
            "type": "Feature",
            "id": row.pop("id"),
            # Rings are the bulk of it: they pass as the database wrote them.
            "geometry": orjson.Fragment(row.pop("geometry")),
            "properties": row,
        }
        for row in rows
    ]
    following = cursor(features[-1]["id"]) if last else None
    body = {"type": "FeatureCollection", "features": features, "next": following}
    # For clients that read nothing but features: where there are more, says so, too.
    more = request.url.include_query_params(cursor=following) if following else None
    linked = {"Link": f'<{more.path}?{more.query}>; rel="next"'} if more else {}
    return polled(request, orjson.dumps(body, option=orjson.OPT_UTC_Z), "application/json", linked)


def box(text: str | None) -> str | None:
    """The box of a query as the database reads one; raises Problem."""
    if text is None:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
        sound = -180 <= west < east <= 180 and -90 <= south < north <= 90  # noqa: PLR2004 -- degrees
    except ValueError:
        sound = False
    if not sound:
        raise Problem(
            422, "bbox is west,south,east,north in degrees, west of east and south of north.", kind="bbox"
        )
    return f"({east!r},{north!r}),({west!r},{south!r})"


def _simplify(rows: list[DictRow], degrees: float) -> None:
    drawn = shapely.from_geojson([row["geometry"] for row in rows])
    for row, written in zip(rows, shapely.to_geojson(shapely.simplify(drawn, degrees)).tolist(), strict=True):
        row["geometry"] = written
