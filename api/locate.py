"""Where points lie: the zones and the chain of jurisdictions of each of many points, and the zone nearest to it."""

from functools import partial
from typing import Annotated, Any

import numpy as np
import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from api.atlas import Atlas, Column
from api.survey import SurveyOf
from api.values import Key
from geo.datum import Datum, to_wgs84
from geo.jurisdiction import CHAIN

router = APIRouter(tags=["zones"])

MOST = 100_000
"""Points of one question."""
MOST_NEAREST = 10_000
"""Of one that asks for the nearest zones as well."""
MOST_M = 20_000.0

Degrees = Annotated[list[float | None], Field(max_length=MOST)]
Kinds = Annotated[list[Key] | None, Field(max_length=100)]
Layers = Annotated[list[str] | None, Field(max_length=100)]
Metres = Annotated[float | None, Field(gt=0, le=MOST_M)]


class Points(BaseModel):
    """Points as columns `lon` and `lat`, or as `points` of [longitude, latitude]; null is a place that is not known.

    `kinds` and `layers` choose the zones that are told of; the chain is told of all jurisdictions.
    """

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    lon: Degrees | None = None
    lat: Degrees | None = None
    points: Annotated[list[tuple[float | None, float | None]] | None, Field(max_length=MOST)] = None
    datum: Datum = "WGS84"
    kinds: Kinds = None
    layers: Layers = None
    nearest_m: Metres = None

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
    layer: Annotated[list[str] | None, Query(max_length=100)] = None,
    nearest_m: Annotated[float | None, Query(gt=0, le=MOST_M)] = None,
) -> Response:
    """Say in which zones one point lies."""
    points = Points(lon=[lon], lat=[lat], datum=datum, kinds=kind, layers=layer, nearest_m=nearest_m)
    return await _answer(survey, points)


async def _answer(survey: SurveyOf, points: Points) -> Response:
    atlas = await survey.now()
    return Response(await survey.ask(partial(_located, atlas, points)), media_type="application/json")


def _located(atlas: Atlas, points: Points) -> bytes:
    given = points.columns()
    notes = _astray(*given)
    lon, lat = to_wgs84(points.datum, *given)
    chosen = atlas.among(points.kinds, points.layers)
    pairs, chains = atlas.locate(lon, lat)
    told = chosen[pairs.zone]
    body: dict[str, Any] = {
        "count": len(lon),
        "zones": _gathered(pairs.point[told], atlas.key[pairs.zone[told]], len(lon)),
        **{kind: _keys(atlas, chains.zone[:, place]) for place, kind in enumerate(CHAIN)},
        "several": _gathered(*_several(chains.several), len(lon)),
        "nearest": None,
        "notes": notes,
    }
    if points.nearest_m is not None:
        zone, metres = atlas.nearest(lon, lat, points.nearest_m, chosen)
        known = np.round(metres, 3).tolist()
        body["nearest"] = {
            "zone": _keys(atlas, zone),
            "metres": [None if none else off for none, off in zip(zone < 0, known, strict=True)],
        }
    return orjson.dumps(body)


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
