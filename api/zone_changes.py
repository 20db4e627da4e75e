"""One zone over the API: what it is and was; and the changes that engineers make: an import, its retirement."""

from functools import partial
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from api import zoning
from api.access import Caller, SignedIn, only
from api.database import Pool, aside
from api.deeds import Deeds, DeedsOf
from api.problems import CONFLICT, Problem, answer
from api.values import Instant, Key, Line, Moment
from api.watched import WatchedError
from geo import table
from geo.datum import Datum
from geo.refusal import Fault, ZoneError
from geo.table import Span
from geo.zones import LAYER

router = APIRouter(tags=["zones"])

Engineer = Annotated[Caller, Depends(only("engineer", "administrator"))]
UNSAID = frozenset(("geometry",))
THEIRS = ("department", "camera", "counter", "expected")
"""Keys of devices and departments: told to those whose zone it is, and to who sees the whole city."""


class Version(BaseModel):
    """A zone or line as one version had it; `record` is without its geometry, `who` is told of the caller's own."""

    version: int
    valid_from: Instant
    valid_to: Instant | None
    who: str | None
    because: str
    record: dict[str, Any]
    changed: list[str]


class Versions(BaseModel):
    """All versions, the oldest first."""

    items: list[Version]


class ZoneImport(BaseModel):
    """What an import has done, or would do: ids of zones and lines, and how many are as they were."""

    new: list[str]
    changed: list[str]
    same: int
    retired: list[str]
    notes: list[str]


@router.get("/api/v1/zones/{zone}")
async def zone(zone: Key, caller: SignedIn, deeds: DeedsOf, at: Moment | None = None) -> dict[str, Any]:
    """Show a zone or a line in full, retired or not, as a Feature; `at`: as it was at a moment."""
    spans = await _spans(deeds, zone)
    if at is not None:
        spans = [
            each for each in spans if each.valid_from <= at and (each.valid_to is None or at < each.valid_to)
        ]
        if not spans:
            raise Problem(404, "It was not there then.")
    span = spans[-1]
    record = dict(_told(span.record, caller))
    geometry = record.pop("geometry")
    return {
        "type": "Feature",
        "id": record.pop("key"),
        "geometry": geometry,
        "properties": {**record, "version": span.version, "since": span.valid_from},
    }


@router.get("/api/v1/zones/{zone}/history")
async def history(zone: Key, caller: SignedIn, deeds: DeedsOf) -> Versions:
    """Show what a zone or a line has been, who changed it, when, why, and what of it."""
    spans = await _spans(deeds, zone)
    items = []
    for before, span in zip([None, *spans[:-1]], spans, strict=True):
        changed = [] if before is None else [n for n in span.record if span.record[n] != before.record.get(n)]
        record = {n: value for n, value in _told(span.record, caller).items() if n not in UNSAID}
        who = span.who if _theirs(span.record, caller) else None
        items.append(Version(**{**span._asdict(), "record": record, "who": who}, changed=changed))
    return Versions(items=items)


@router.post("/api/v1/zones", response_model=ZoneImport, responses=CONFLICT)
async def import_zones(
    request: Request,
    caller: Engineer,
    pool: Pool,
    *,
    datum: Datum = "WGS84",
    layer: Key = LAYER,
    replace: Annotated[
        bool, Query(description="Retire what these layers have in the hub and not in the file.")
    ] = False,
    dry: Annotated[bool, Query(description="Say what it would do, and do nothing.")] = False,
    file: Annotated[Line, Query()] = "zones.geojson",
) -> ZoneImport | Response:
    """Import GeoJSON, the body, all of it or nothing; every fault is told in `faults`, with its feature and place.

    An account of one department writes the zones of its own department alone.
    """
    content = b"".join([piece async for piece in request.stream()])
    try:
        done = await aside(
            pool,
            partial(
                zoning.take, content=content, who=caller.name, file=file, datum=datum, layer=layer,
                replace=replace, dry=dry, reach=caller.department,
            ),
        )  # fmt: skip
    except ZoneError as error:
        return answer(
            422,
            f"{len(error.faults) + error.more} faults, nothing was imported.",
            kind="zones",
            faults=[_fault(fault) for fault in error.faults],
        )
    except WatchedError as error:
        raise Problem(409, f"{error}. Try: {error.hint}", kind="zones") from error
    return ZoneImport(**{name: getattr(done, name) for name in ZoneImport.model_fields})


@router.delete("/api/v1/zones/{zone}", status_code=204)
async def retire(
    zone: Key, caller: Engineer, pool: Pool, because: Annotated[Line, Query()] = "out of service"
) -> None:
    """Take a zone or a line out of service; its past stays."""
    gone = await aside(
        pool, partial(zoning.retire, keys=[zone], who=caller.name, because=because, reach=caller.department)
    )
    if not gone.keys:
        raise Problem(404, "There is no such zone or line of yours in service.")


async def _spans(deeds: Deeds, key: str) -> list[Span]:
    def look(connection: psycopg.Connection[Any]) -> list[Span]:
        with connection.cursor() as cursor:
            return table.history(cursor, key)

    spans = await deeds.do(look)  # not aside, where an import takes its time
    if not spans:
        raise Problem(404, "There is no such zone or line.")
    return spans


def _theirs(record: dict[str, Any], caller: Caller) -> bool:
    return caller.reach is None or record["department"] == caller.department


def _told(record: dict[str, Any], caller: Caller) -> dict[str, Any]:
    if _theirs(record, caller):
        return record
    return {name: value for name, value in record.items() if name not in THEIRS}


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "feature": fault.feature,
        "id": fault.key,
        "reason": fault.sentence,
        "place": fault.place,
        "remedy": fault.hint,
    }
