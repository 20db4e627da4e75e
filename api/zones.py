"""Zones as GeoJSON, each with the level of what stands in it."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from api.access import SignedIn
from api.database import Pool
from api.paging import Cursor, cursor, cut, place

router = APIRouter(tags=["zones"])


class ZoneProperties(BaseModel):
    """What is known of a zone beside its shape."""

    name: str
    kind: str
    area_m2: float
    usable_m2: float | None
    capacity: int | None
    level: int


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


@router.get("/api/v1/zones", response_model=ZoneCollection)
async def zones(
    caller: SignedIn,
    pool: Pool,
    limit: Annotated[int, Query(ge=1, le=5000)] = 5000,
    start: Cursor = None,
) -> Response:
    """List the zones, which all departments share, with the level of the caller's own alarms there."""
    (after,) = place(start, str)
    async with pool.connection() as connection:
        found = await connection.execute(
            """
            with standing as (
                select a.level, a.zone_id, a.device_id from alarm a join device d on d.id = a.device_id
                where a.returned_at is null and (%(reach)s::integer is null or d.department_id = %(reach)s)
            ), struck as (
                select zone_id, max(level) as level from (
                    select zone_id, level from standing where zone_id is not null
                    union all
                    select dz.zone_id, s.level from standing s join device_zone dz using (device_id)
                ) as each group by zone_id
            )
            select z.key as id, z.name, z.kind, z.area_m2, z.usable_m2, z.capacity,
                   coalesce(struck.level, 0) as level, z.geometry::text as geometry
            from zone z left join struck on struck.zone_id = z.id
            where %(after)s::text is null or z.key > %(after)s
            order by z.key limit %(limit)s
            """,
            {"reach": caller.reach, "after": after, "limit": limit + 1},
        )
        rows, last = cut(await found.fetchall(), limit)
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
    return Response(orjson.dumps(body), media_type="application/json")
