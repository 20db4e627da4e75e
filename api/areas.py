"""Ground of an emergency: drawn around an incident, simplified to what a receiver takes, with what is inside and who is near."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import psycopg
import shapely
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from api import ground, present
from api.access import Caller, SignedIn
from api.database import Connections, Pool, aside
from api.inside import Inside, Minimum, Place, Shown, Thing, contents
from api.problems import Problem
from api.survey import SurveyOf
from geo import buffer, responders, table
from geo.area import area_m2
from geo.buffer import DrawError
from geo.datum import Datum, to_wgs84
from geo.grown import FEWEST, grown
from geo.lines import WATERWAY, Line
from geo.river import Reach, RiverError, Rivers

router = APIRouter(tags=["places"])

Metres = Annotated[float, Field(gt=0, le=50_000)]
SEARCH_DEG = 0.6
"""Responders are looked for so far to each side: some 60 km."""
MAP_DECIMALS = 6
MOST_DRAWN = 40_000
"""Corners of the ground before it is simplified: more take minutes, and only a tangle has them."""


class Wanted(BaseModel):
    """What to draw around an incident (`around`: Point, LineString, MultiLineString, Polygon or MultiPolygon).

    `buffer`: the ground within `metres`. `evacuation`: the same, its holes filled. `cordon`: the belt, `width_m` wide,
    around the ground within `metres`. `downstream`: what water from a Point reaches in `reach_m` metres or `reach_s`
    seconds along the waterways, and the ground within `metres` of it; the point may lie `snap_m` from the river.
    """

    model_config = ConfigDict(extra="forbid")

    shape: Literal["buffer", "evacuation", "cordon", "downstream"]
    around: dict[str, Any]
    datum: Datum = "WGS84"
    metres: Metres
    width_m: Metres = 50.0
    reach_m: Annotated[float | None, Field(gt=0, le=200_000)] = None
    reach_s: Annotated[float | None, Field(gt=0, le=7 * 86_400)] = None
    snap_m: Annotated[float, Field(gt=0, le=5_000)] = 200.0
    corners: Annotated[int, Field(ge=FEWEST, le=2_000)] = 100
    responders: Annotated[int, Field(ge=0, le=100)] = 5
    limit: Shown = 1000

    @model_validator(mode="after")
    def _sound(self) -> Wanted:
        if self.shape == "downstream" and (self.reach_m is None) == (self.reach_s is None):
            raise ValueError("downstream takes reach_m or reach_s")
        if self.shape == "downstream" and self.around.get("type") != "Point":
            raise ValueError("downstream begins at a Point")
        return self


class Near(Thing):
    """A responder and how far away it is, as the crow flies."""

    metres: float


class Piece(BaseModel):
    """A part of a waterway that water reaches: from when or where on, until; seconds or metres from the place."""

    line: str
    begins: float
    ends: float


class AreaProperties(BaseModel):
    """What the area is made of, and what it holds. `added`: the ground that simplifying has added, as a share."""

    shape: str
    datum: Datum
    corners: int
    added: float
    area_m2: float
    downstream: list[Piece] | None
    snapped_m: float | None
    inside: Inside
    responders: list[Near]


class Area(BaseModel):
    """The area, RFC 7946; in the datum that was asked for."""

    type: Literal["Feature"] = "Feature"
    geometry: dict[str, Any]
    properties: AreaProperties


class Drawn(NamedTuple):
    """The ground as it is drawn, and the walk along the rivers that it came from."""

    exact: Polygon | MultiPolygon
    reach: Reach | None
    lines: list[Line]


@router.post("/api/v1/areas")
async def areas(
    wanted: Wanted,
    caller: SignedIn,
    pool: Pool,
    survey: SurveyOf,
    minimum: Minimum,
    datum: Annotated[Datum, Query(description="Of the answer: what the map is drawn in.")] = "WGS84",
) -> Area:
    """Draw ground around an incident and say who and what is there; it is drawn, not kept, and nobody is told."""
    around = await survey.ask(partial(ground.drawn, wanted.around, wanted.datum))
    lines = await aside(pool, _waterways) if wanted.shape == "downstream" else []
    try:
        drawn = await survey.ask(partial(_draw, wanted, around, lines))
        # Simplified in the datum of the map: so no corner that is told there cuts anyone out.
        told = await survey.ask(partial(_simplified, drawn.exact, wanted.corners, datum))
    except (DrawError, RiverError) as error:
        raise Problem(422, f"This cannot be drawn: {error}. Try: {error.hint}", kind="geometry") from error
    held = shapely.transform(told.area, lambda place: np.column_stack(to_wgs84(datum, *place.T)))
    inside = await contents(Place(held, None, wanted.limit), caller, pool, survey, minimum)
    return Area(
        geometry=shapely.geometry.mapping(told.area),
        properties=AreaProperties(
            shape=wanted.shape,
            datum=datum,
            corners=told.corners,
            added=round(told.added, 4),
            area_m2=round(area_m2(held), 1),
            downstream=None if drawn.reach is None else _pieces(drawn.reach, lines),
            snapped_m=None if drawn.reach is None else round(drawn.reach.snapped_m, 1),
            inside=inside,
            responders=await _near(pool, caller, around, wanted.responders),
        ),
    )


def _draw(wanted: Wanted, around: BaseGeometry, lines: list[Line]) -> Drawn:
    reach = None
    match wanted.shape:
        case "buffer":
            exact = buffer.buffer(around, wanted.metres)
        case "evacuation":
            exact = buffer.evacuation([around], wanted.metres)
        case "cordon":
            exact = buffer.cordon(buffer.buffer(around, wanted.metres), wanted.width_m)
        case "downstream":
            reach = _walked(wanted, around, lines)
            exact = buffer.buffer(reach.course, wanted.metres)
    if shapely.get_num_coordinates(exact) > MOST_DRAWN:
        raise DrawError(f"it has more than {MOST_DRAWN:,} corners", "Draw around less, or with more metres.")
    return Drawn(exact, reach, lines)


def _walked(wanted: Wanted, around: BaseGeometry, lines: list[Line]) -> Reach:
    if not lines:
        raise RiverError("there are no waterways", "Import lines of kind waterway.")
    slow = [line.key for line in lines if line.speed_m_s is None]
    if wanted.reach_s is not None and slow:
        raise RiverError(
            f"waterway {slow[0]!r} has no speed_m_s"
            + (f", nor {len(slow) - 1} more" if len(slow) > 1 else ""),
            "Import it with one, or ask for reach_m.",
        )
    speeds = np.array([line.speed_m_s or np.nan for line in lines], np.float64)
    rivers = Rivers([line.geometry for line in lines], speeds if wanted.reach_s is not None else None)
    lon, lat = shapely.get_coordinates(around)[0].tolist()
    if wanted.reach_s is not None:
        return rivers.within(lon, lat, wanted.reach_s, wanted.snap_m)
    return rivers.downstream(lon, lat, wanted.reach_m or 0.0, wanted.snap_m)


def _simplified(exact: Polygon | MultiPolygon, corners: int, datum: Datum) -> Any:
    return grown(ground.outward(exact, datum), corners, MAP_DECIMALS)  # type: ignore[arg-type]  # an area stays one


def _pieces(reach: Reach, lines: list[Line]) -> list[Piece]:
    return [
        Piece(line=lines[line].key, begins=round(begins, 1), ends=round(ends, 1))
        for line, begins, ends in zip(
            reach.line.tolist(), reach.begins.tolist(), reach.ends.tolist(), strict=True
        )
    ]


def _waterways(connection: psycopg.Connection[Any]) -> list[Line]:
    with connection.cursor() as cursor:
        return table.lines(cursor, WATERWAY)


async def _near(pool: Connections, caller: Caller, around: BaseGeometry, count: int) -> list[Near]:
    """The nearest responders of the middle of an incident."""
    if count == 0:
        return []
    place = around.centroid
    bounds = (place.x - SEARCH_DEG, place.y - SEARCH_DEG, place.x + SEARCH_DEG, place.y + SEARCH_DEG)
    async with pool.connection() as connection:
        rows = await present.devices(
            connection, caller, datetime.now(UTC), bounds, past=False, profile=present.RESPONDER
        )
    here = np.array([place.x]), np.array([place.y])
    lon, lat = (np.array([row[axis] for row in rows], np.float64) for axis in ("lon", "lat"))
    found = responders.nearest(*here, lon, lat, count)
    return [
        Near(**rows[at], metres=round(metres, 1))
        for at, metres in zip(found.responder[0].tolist(), found.metres[0].tolist(), strict=True)
        if at >= 0
    ]
