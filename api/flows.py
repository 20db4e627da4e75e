"""Where people come from, where they go and how long they stay: of groups alone, by whole hours, without identities."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import shapely
from fastapi import APIRouter, Query
from numpy.typing import NDArray
from psycopg.rows import DictRow
from pydantic import BaseModel

from api.access import SignedIn
from api.database import Pool
from api.inside import Minimum
from api.problems import Problem
from api.survey import SurveyOf
from api.values import Instant, Key, Moment
from geo.datum import Datum, from_wgs84
from geo.origin import Visits, dwell, flow_map, origin_destination
from geo.zones import LAYER
from governance import audit

router = APIRouter(tags=["places"])

HOUR = timedelta(hours=1)
LATE = timedelta(minutes=10)
"""An hour is told of so long after its end, with what was known then: the same for ever after."""
GAP = timedelta(minutes=30)
"""Whoever is seen nowhere for longer is no longer on the way."""
EDGES_S = (0.0, 60.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14_400.0, 86_400.0)
MOST_CROSSINGS, MOST_ZONES = 500_000, 1_000

# Named tracks are devices, responders among them: they are no crowd.
CROSSINGS = """
select c.track_id, c.zone_id, c.kind = 'exit' as left_it, (extract(epoch from c.time) * 1e6)::bigint as at_us,
       coalesce(c.stayed_s, 0) as stayed_s
from crossing c join track t on t.id = c.track_id join device d on d.id = t.device_id join zone z on z.id = c.zone_id
where t.anonymous and c.kind in ('enter', 'exit') and z.kind = %(kind)s and z.layer = %(layer)s
  and c.time >= %(begin)s - %(gap)s and c.time < %(end)s and c.told_at < %(end)s + %(late)s
  and (%(reach)s::integer is null or d.department_id = %(reach)s)
limit %(limit)s"""


class Way(BaseModel):
    """So many people came from one zone to another as their next."""

    from_zone: str
    to_zone: str
    persons: int


class Stay(BaseModel):
    """How long people stayed whose stay ended in the hour; bins are merged until each holds the minimum.

    The last bin always reaches a day: that nobody stayed so long is not told either.
    """

    zone: str
    persons: int
    edges_s: list[float]
    counts: list[int]


class FlowMap(BaseModel):
    """The ways as lines between points of their zones, RFC 7946."""

    type: Literal["FeatureCollection"]
    features: list[dict[str, Any]]


class Flows(BaseModel):
    """An hour between the zones of one kind and layer. What is not shown may be nobody, or fewer than `minimum`."""

    kind: str
    layer: str
    begin: Instant
    end: Instant
    minimum: int
    ways: list[Way]
    stays: list[Stay]
    map: FlowMap


class Found(NamedTuple):
    """Finished stays of the hour, and all visits with those that go on."""

    zones: NDArray[np.int64]  # ids; the visits count into it
    stays: Visits
    visits: Visits


@router.get("/api/v1/flows")
async def flows(
    caller: SignedIn,
    pool: Pool,
    survey: SurveyOf,
    minimum: Minimum,
    *,
    kind: Key,
    layer: Key = LAYER,
    hour: Annotated[
        Moment | None, Query(description="Any moment of it; default: the last that is told of.")
    ] = None,
    datum: Annotated[Datum, Query(description="Of the map.")] = "WGS84",
) -> Flows:
    """Tell of people whom cameras saw: between which zones they went, and how long they stayed.

    Whole hours of UTC only, each finished and of ten minutes ago: two answers that overlap could be subtracted.
    """
    newest = (datetime.now(UTC) - LATE).replace(minute=0, second=0, microsecond=0) - HOUR
    begin = newest if hour is None else hour.replace(minute=0, second=0, microsecond=0)
    if begin > newest:
        raise Problem(
            422, f"The newest hour that is told of begins at {newest:%Y-%m-%dT%H:%M:%SZ}.", kind="hour"
        )
    asked = {
        "kind": kind, "layer": layer, "begin": begin, "end": begin + HOUR, "gap": GAP, "late": LATE,
        "reach": caller.reach, "limit": MOST_CROSSINGS + 1,
    }  # fmt: skip
    async with pool.connection() as connection:
        rows = await (await connection.execute(CROSSINGS, asked)).fetchall()
    if len(rows) > MOST_CROSSINGS:
        raise Problem(422, "That is too much for one answer: ask for a kind with fewer zones.", kind="hour")
    found = await survey.ask(partial(gathered, rows, begin))
    if len(found.zones) > MOST_ZONES:
        raise Problem(422, f"People were in more than {MOST_ZONES} of these zones.", kind="hour")
    async with pool.connection() as connection, connection.transaction(), connection.cursor() as cursor:
        await cursor.execute(
            "select id, key, geometry::text as geometry from zone where id = any (%s)",
            (found.zones.tolist(),),
        )
        named = {row["id"]: row for row in await cursor.fetchall()}
        detail = {"kind": kind, "layer": layer, "hour": begin.isoformat()}
        await audit.record(cursor, caller.name, "flows.look", "flows", "done", detail)
    zones = [named[number] for number in found.zones.tolist()]
    ways, stays, drawn = await survey.ask(partial(_shown, found, zones, minimum, begin, datum))
    return Flows(
        kind=kind,
        layer=layer,
        begin=begin,
        end=begin + HOUR,
        minimum=minimum,
        ways=ways,
        stays=stays,
        map=drawn,
    )


def gathered(rows: list[DictRow], begin: datetime) -> Found:
    """Visits out of crossings: an exit ends the entry before it, an entry without one goes on."""
    columns = [
        np.array([row[name] for row in rows], np.int64)
        for name in ("track_id", "zone_id", "left_it", "at_us")
    ]
    stayed_us = (np.array([row["stayed_s"] for row in rows], np.float64) * 1e6).astype(np.int64)
    order = np.lexsort((columns[2], columns[3], columns[1], columns[0]))
    track, zone, left_it, at_us = (column[order] for column in columns)
    stayed_us = stayed_us[order]
    begin_us = _us(begin)
    # The entry before an exit is the row before it, of the same track and zone.
    paired = np.zeros(len(track), np.bool_)
    paired[1:] = (
        (track[1:] == track[:-1]) & (zone[1:] == zone[:-1]) & (left_it[1:] == 1) & (left_it[:-1] == 0)
    )
    entered_us = np.where(paired, np.roll(at_us, 1), at_us - stayed_us)
    ended = left_it == 1
    goes_on = (left_it == 0) & ~np.append(paired[1:], np.zeros(min(len(track), 1), np.bool_))
    zones, place = np.unique(zone, return_inverse=True)
    # Its time without the gaps: as the fences counted it.
    done = ended & (at_us >= begin_us)
    stays = Visits(track[done], place[done], at_us[done] - stayed_us[done], at_us[done])
    told = ended | goes_on
    exit_us = np.where(ended, at_us, begin_us + _US_AN_HOUR)
    visits = Visits(track[told], place[told], np.where(ended, entered_us, at_us)[told], exit_us[told])
    return Found(zones, stays, visits)


def _shown(
    found: Found, zones: list[DictRow], minimum: int, begin: datetime, datum: Datum
) -> tuple[list[Way], list[Stay], FlowMap]:
    window = _us(begin), _us(begin) + _US_AN_HOUR
    persons = origin_destination(found.visits, len(zones), minimum, GAP.total_seconds(), window)
    keys = [row["key"] for row in zones]
    ways = [
        Way(from_zone=keys[a], to_zone=keys[b], persons=int(persons[a, b]))
        for a, b in np.argwhere(np.nan_to_num(persons) > 0).tolist()
    ]
    stays = [
        Stay(
            zone=key,
            persons=int(each.persons),
            edges_s=each.edges_s.tolist(),
            counts=each.counts.astype(int).tolist(),
        )
        for key, each in zip(keys, dwell(found.stays, len(zones), minimum, EDGES_S), strict=True)
        if len(each.counts)
    ]
    middle = shapely.point_on_surface(shapely.from_geojson([row["geometry"] for row in zones]))
    lon, lat = from_wgs84(datum, shapely.get_x(middle), shapely.get_y(middle))
    return ways, stays, FlowMap(**flow_map(persons, np.round(lon, 7), np.round(lat, 7), keys))


_US_AN_HOUR = 3_600_000_000


def _us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
