"""Everyone and everything inside an area, now or at a moment of the past."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, NamedTuple

import numpy as np
import shapely
from fastapi import APIRouter, Depends, Request
from psycopg.rows import DictRow
from pydantic import BaseModel, ConfigDict, Field
from shapely import MultiPolygon, Polygon

from api import ground, present
from api.access import Caller, SignedIn
from api.atlas import Atlas
from api.database import Connections, Pool
from api.locate import held
from api.problems import Problem
from api.survey import Survey, SurveyOf
from api.values import Instant, Moment
from geo.area import area_m2
from geo.datum import Datum
from geo.locate import within
from geo.zones import VIEW
from governance import audit

router = APIRouter(tags=["places"])

Shown = Annotated[int, Field(ge=0, le=5000)]
MOST_WORK = 2_000_000
"""Corners of an area times zones on its border: each of these is cut, and that is what takes the time (some 8 s)."""


class Asked(BaseModel):
    """An area, and the moment; without `at` it is now. `limit`: so many of each kind are listed, all are counted."""

    model_config = ConfigDict(extra="forbid")

    area: dict[str, Any]
    datum: Datum = "WGS84"
    at: Moment | None = None
    limit: Shown = 1000


class Thing(BaseModel):
    """A device: where it was last heard if that is not long ago (`fixed_at`), else where the registry has it."""

    id: str
    name: str
    department: str
    profile: str
    component: str | None
    state: str
    lon: float
    lat: float
    fixed_at: Instant | None
    accuracy_m: float | None


class Things(BaseModel):
    """So many, of which these are listed."""

    count: int
    items: list[Thing]


class People(BaseModel):
    """Tracks of people whom cameras see, in squares that hold `minimum` or more of them, from `begin` on for a minute.

    `inside`: in squares that lie in the area; `meeting`: in those that it meets. A square with fewer counts as none.
    """

    begin: Instant
    minimum: int
    inside: int
    meeting: int


class Camera(BaseModel):
    """A camera, the zone that is its view on the ground, and the share of the area that it sees."""

    id: str
    zone: str
    share: float


class Met(BaseModel):
    """A zone that the area meets, and the share of it that lies in the area."""

    id: str
    name: str
    kind: str
    layer: str
    share: float


class Mets(BaseModel):
    """So many, of which these are listed, by layer, kind and id."""

    count: int
    items: list[Met]


class Inside(BaseModel):
    """What an area holds; nobody and nothing is told of that is out of the caller's reach."""

    at: Instant
    area_m2: float
    devices: Things
    components: Things
    responders: Things
    people: People
    cameras: list[Camera]
    zones: Mets
    notes: list[str]


class Place(NamedTuple):
    """An area at a moment, as it is asked for."""

    area: Polygon | MultiPolygon
    at: datetime | None
    limit: int


def _minimum(request: Request) -> int:
    found: int = request.app.state.minimum_group
    return found


Minimum = Annotated[int, Depends(_minimum)]


@router.post("/api/v1/inside")
async def inside(asked: Asked, caller: SignedIn, pool: Pool, survey: SurveyOf, minimum: Minimum) -> Inside:
    """Say who and what is inside a polygon."""
    area = await survey.ask(partial(ground.area, asked.area, asked.datum))
    return await contents(Place(area, asked.at, asked.limit), caller, pool, survey, minimum)


async def contents(place: Place, caller: Caller, pool: Connections, survey: Survey, minimum: int) -> Inside:
    """Gather what an area holds; who asked for it is in the audit."""
    atlas, at, notes = await held(survey, place.at)
    bounds = place.area.bounds
    async with pool.connection() as connection, connection.transaction(), connection.cursor() as cursor:
        rows = await present.devices(connection, caller, at, bounds, past=place.at is not None)
        crowd = await present.people(connection, caller, at, bounds, minimum)
        await cursor.execute(
            """select key from device where key = any (%(keys)s)
               and (%(reach)s::integer is null or department_id = %(reach)s)""",
            {"reach": caller.reach, "keys": atlas.cameras},
        )
        seen = {row["key"] for row in await cursor.fetchall()}
        box = ",".join(f"{each:.5f}" for each in bounds)
        await audit.record(
            cursor, caller.name, "area.look", "area", "done", {"box": box, "at": at.isoformat()}
        )
    told = await survey.ask(partial(_told, place, at, atlas, rows, crowd, seen))
    if len(rows) == present.MOST:
        notes = [*notes, f"More than {present.MOST} devices stand around here: some were not looked at."]
    told.notes = notes
    told.people.minimum = minimum
    return told


def _told(
    place: Place, at: datetime, atlas: Atlas, rows: list[DictRow], crowd: present.People, seen: set[str]
) -> Inside:
    area = place.area
    lon, lat = (np.array([row[axis] for row in rows], np.float64) for axis in ("lon", "lat"))
    things = [rows[nth] for nth in within(area, lon, lat).tolist()]
    lying, meeting = present.counted(crowd, area)

    def listed(chosen: list[DictRow]) -> Things:
        return Things(count=len(chosen), items=[Thing(**row) for row in chosen[: place.limit]])

    zones, cameras = meets(area, atlas, atlas.in_force(at))
    return Inside(
        at=at,
        area_m2=round(area_m2(area), 1),
        devices=listed(things),
        components=listed([row for row in things if row["component"]]),
        responders=listed([row for row in things if row["profile"] == present.RESPONDER]),
        people=People(begin=crowd.begin, minimum=0, inside=lying, meeting=meeting),
        cameras=[each for each in cameras if each.id in seen][: place.limit],
        zones=Mets(count=len(zones), items=zones[: place.limit]),
        notes=[],
    )


def meets(area: Polygon | MultiPolygon, atlas: Atlas, in_force: Any) -> tuple[list[Met], list[Camera]]:
    """The zones that an area meets, and the cameras that see any of it, those first that see most. Raises Problem."""
    west, south, east, north = area.bounds
    left, low, right, high = atlas.bounds.T
    near = np.flatnonzero(in_force & (left <= east) & (right >= west) & (low <= north) & (high >= south))
    shapely.prepare(area)
    near = near[shapely.intersects(area, atlas.polygon[near])]
    whole = shapely.area(atlas.polygon[near])
    common = whole.copy()
    border = ~shapely.covers(area, atlas.polygon[near])
    if int(border.sum()) * shapely.get_num_coordinates(area) > MOST_WORK:
        raise Problem(422, "The area has too many corners for so many zones on its border.", kind="geometry")
    common[border] = shapely.area(shapely.intersection(atlas.polygon[near[border]], area))
    zones, cameras = [], []
    for at, shared, of in zip(near.tolist(), common.tolist(), whole.tolist(), strict=True):
        zone = atlas.zones[at]
        if zone.kind != VIEW:
            share = round(min(shared / of, 1.0), 6)
            zones.append(Met(id=zone.key, name=zone.name, kind=zone.kind, layer=zone.layer, share=share))
        elif zone.camera:
            share = round(min(shared / area.area, 1.0), 6)
            cameras.append(Camera(id=zone.camera, zone=zone.key, share=share))
    zones.sort(key=lambda each: (each.layer, each.kind, each.id))
    cameras.sort(key=lambda each: (-each.share, each.id))
    return zones, cameras
