"""Where points lie: the zones and the chain of jurisdictions of each of many points, and the zone nearest to it."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import numpy as np
import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from api.atlas import Atlas, Column
from api.problems import Problem
from api.survey import Survey, SurveyOf
from api.values import Instant, Key, Moment
from geo.datum import Datum, to_wgs84
from geo.jurisdiction import CHAIN

router = APIRouter(tags=["zones"])

MOST = 100_000
"""Points of one question."""
MOST_PAIRS = 2_000_000
"""Of points and zones in one answer: a hundred megabytes of keys."""
MOST_NEAREST = 10_000
"""Of one that asks for the nearest zones as well."""
MOST_M = 20_000.0

Degrees = Annotated[list[float | None], Field(max_length=MOST)]
Kinds = Annotated[list[Key] | None, Field(max_length=100)]
Layers = Annotated[list[Key] | None, Field(max_length=100)]
Metres = Annotated[float | None, Field(gt=0, le=MOST_M)]


class Points(BaseModel):
    """Points as columns `lon` and `lat`, or as `points` of [longitude, latitude]; null is a place that is not known.

    `kinds` and `layers` choose the zones that are told of, by default all but the views of cameras; the chain is told of
    all jurisdictions. `at` asks for the zones as they held at a moment of the past.
    """

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    lon: Degrees | None = None
    lat: Degrees | None = None
    points: Annotated[list[tuple[float | None, float | None]] | None, Field(max_length=MOST)] = None
    datum: Datum = "WGS84"
    kinds: Kinds = None
    layers: Layers = None
    nearest_m: Metres = None
    at: Moment | None = None

    @model_validator(mode="after")
    def _one(self) -> "Points":
        if (self.points is None) == (self.lon is None) or (self.lon is None) != (self.lat is None):
            raise ValueError("give lon and lat, or points")
        if self.lon is not None and self.lat is not None and len(self.lon) != len(self.lat):
            raise ValueError("lon and lat have one length")
        if self.nearest_m is not None and len(self.points or self.lon or ()) > MOST_NEAREST:
            raise ValueError(f"nearest zones are told of {MOST_NEAREST} points at most")
        return self

    def columns(self) -> tuple[Column, Column]:
        """Give the points as degrees in their own datum; NaN where one is not known."""
        if self.points is not None:
            lon, lat = np.array(self.points, np.float64).reshape(-1, 2).T
            return lon, lat
        return np.array(self.lon, np.float64), np.array(self.lat, np.float64)


class NearestZones(BaseModel):
    """The nearest of the chosen zones of each point; null where none is near enough, 0 m inside and on its border."""

    zone: list[str | None]
    metres: list[float | None]


class Located(BaseModel):
    """Where points lie, a place in each list for each point.

    `several` names the kinds of jurisdiction of which more than one claims the point: the smallest is told.
    """

    count: int
    at: Instant
    zones: list[list[str]]
    district: list[str | None]
    street: list[str | None]
    community: list[str | None]
    grid: list[str | None]
    several: list[list[str]]
    nearest: NearestZones | None
    notes: list[str]


@router.post(
    "/api/v1/locate",
    response_model=Located,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": Points.model_json_schema()}},
        }
    },
)
async def locate(request: Request, survey: SurveyOf) -> Response:
    """Say in which zones points lie, which all departments share; up to 100,000 points at once."""
    # Read here and not by the framework: it would parse megabytes before it asks who sends them, on the event loop.
    body = b"".join([piece async for piece in request.stream()])
    try:
        points = await survey.ask(partial(Points.model_validate_json, body))
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from None
    return await _answer(survey, points)


@router.get("/api/v1/locate", response_model=Located)
async def locate_one(
    survey: SurveyOf,
    lon: Annotated[float, Query(allow_inf_nan=False)],
    lat: Annotated[float, Query(allow_inf_nan=False)],
    datum: Datum = "WGS84",
    kind: Annotated[list[Key] | None, Query(max_length=100)] = None,
    layer: Annotated[list[Key] | None, Query(max_length=100)] = None,
    nearest_m: Annotated[float | None, Query(gt=0, le=MOST_M)] = None,
    at: Moment | None = None,
) -> Response:
    """Say in which zones one point lies."""
    points = Points.model_construct(
        lon=[lon], lat=[lat], datum=datum, kinds=kind, layers=layer, nearest_m=nearest_m, at=at
    )
    return await _answer(survey, points)


async def _answer(survey: Survey, points: Points) -> Response:
    atlas, at, notes = await held(survey, points.at)
    body = await survey.ask(partial(_located, atlas, at, points, notes))
    return Response(body, media_type="application/json")


async def held(survey: Survey, at: datetime | None) -> tuple[Atlas, datetime, list[str]]:
    """Give the zones of a moment, the moment (now, where none is asked for), and what is to be noted of them."""
    now = datetime.now(UTC)
    if at is None:
        atlas, of = await survey.now()
        return (
            atlas,
            now,
            []
            if of is None
            else [f"The zones are those of {of:%Y-%m-%dT%H:%M:%SZ}: what has changed since is being read."],
        )
    if at > now:
        raise Problem(422, "`at` lies in the future.", kind="invalid")
    atlas, begins = await survey.on(at)
    known = begins is not None and begins <= at
    since = "is empty" if begins is None else f"begins at {begins:%Y-%m-%dT%H:%M:%SZ}"
    return atlas, at, [] if known else [f"The history of zones {since}: what held before it is not known."]


def _located(atlas: Atlas, at: datetime, points: Points, notes: list[str]) -> bytes:
    given = points.columns()
    lon, lat = to_wgs84(points.datum, *given)
    in_force = atlas.in_force(at)
    chosen = atlas.among(points.kinds, points.layers) & in_force
    pairs, chains = atlas.locate(lon, lat, in_force)
    told = chosen[pairs.zone]
    if int(told.sum()) > MOST_PAIRS:
        raise Problem(
            422,
            f"The points lie in more than {MOST_PAIRS:,} zones together: name kinds or layers.",
            kind="invalid",
        )
    body: dict[str, Any] = {
        "count": len(lon),
        "at": at,
        "zones": _gathered(pairs.point[told], atlas.key[pairs.zone[told]], len(lon)),
        **{kind: _keys(atlas, chains.zone[:, place]) for place, kind in enumerate(CHAIN)},
        "several": _gathered(*_several(chains.several), len(lon)),
        "nearest": None,
        "notes": notes + _astray(*given),
    }
    if points.nearest_m is not None:
        zone, metres = atlas.nearest(lon, lat, points.nearest_m, chosen)
        known = np.round(metres, 3).tolist()
        body["nearest"] = {
            "zone": _keys(atlas, zone),
            "metres": [None if none else off for none, off in zip(zone < 0, known, strict=True)],
        }
    return orjson.dumps(body, option=orjson.OPT_UTC_Z)


def _astray(lon: Column, lat: Column) -> list[str]:
    """A note where points are off the earth; the first of them is named, for most often all have one fault."""
    off = np.flatnonzero((np.abs(lon) > 180) | (np.abs(lat) > 90))  # noqa: PLR2004 - degrees
    if len(off) == 0:
        return []
    swapped = " Their axes look swapped: longitude comes first." if (np.abs(lon[off]) <= 90).all() else ""  # noqa: PLR2004
    return [f"{len(off)} of the points are off the earth, the first at place {off[0]}.{swapped}"]


def _keys(atlas: Atlas, zone: Any) -> list[str | None]:
    keys: list[str | None] = np.append(atlas.key, np.array([None], object))[zone].tolist()
    return keys


def _several(claimed: Any) -> tuple[Any, Any]:
    point, level = np.nonzero(claimed)
    return point, np.array(CHAIN, object)[level]


def _gathered(point: Any, what: Any, points: int) -> list[list[str]]:
    """Lists by point, of pairs that are ordered by point."""
    ends = np.searchsorted(point, np.arange(1, points + 1)).tolist()
    every, gathered, begin = what.tolist(), [], 0
    for end in ends:
        gathered.append(every[begin:end])
        begin = end
    return gathered
