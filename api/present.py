"""Who and what is within an area at a moment: devices where they stand or were last heard, and how many people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import shapely
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from shapely import MultiPolygon, Polygon

from api.access import Caller

RESPONDER = "responder"
"""The profile of people and vehicles that are sent somewhere."""
UNPLACED = ("hub", "zone", "counting-line")
"""Profiles of devices that are no things: the hub itself, and what it says of zones and lines."""
RECENT = timedelta(minutes=15)
"""A fix says where a device is for so long; after that it is where the registry has it."""
MOST = 200_000
SQUARE = 1000
"""Squares of people to a degree: 111 m by 95 m at 31 degrees. Fixed, so that two answers have no difference but whole squares."""
WINDOW = timedelta(minutes=1)
LATE = timedelta(seconds=10)

NOW = """
select d.id, d.key, d.name, p.key as department, d.profile, d.component, d.state, d.lon, d.lat
from device d join department p on p.id = d.department_id
where d.retired_at is null and (%(reach)s::integer is null or d.department_id = %(reach)s)"""

# Of the past only what is within reach today: whose a device was then gives nobody a right to it now.
THEN = """
select d.id, h.key, h.record ->> 'name' as name, h.record ->> 'department' as department, h.record ->> 'profile' as profile,
       h.record ->> 'component' as component, h.record ->> 'state' as state,
       (h.record ->> 'lon')::double precision as lon, (h.record ->> 'lat')::double precision as lat
from device_history h join device d on d.id = h.device_id
where h.valid_from <= %(at)s and (h.valid_to is null or h.valid_to > %(at)s) and h.record ->> 'state' <> 'retired'
  and (%(reach)s::integer is null or d.department_id = %(reach)s)"""

STANDING = """
with record as ({record}), moved as (
    select t.device_id, f.time, f.lon, f.lat, nullif(f.accuracy, 'NaN') as accuracy
    from track t cross join lateral (
        select time, lon, lat, accuracy from fix
        where track_id = t.id and outcome = 0 and time > %(at)s - %(recent)s and time <= %(at)s
        order by time desc limit 1) f
    where not t.anonymous and t.last_at > %(at)s - %(recent)s and t.first_at <= %(at)s
)
select r.key as id, r.name, r.department, r.profile, r.component, r.state, coalesce(m.lon, r.lon) as lon,
       coalesce(m.lat, r.lat) as lat, m.time as fixed_at, m.accuracy as accuracy_m
from record r left join moved m on m.device_id = r.id
where r.profile <> all (%(unplaced)s) and (%(profile)s::text is null or r.profile = %(profile)s)
  and coalesce(m.lon, r.lon) between %(west)s and %(east)s and coalesce(m.lat, r.lat) between %(south)s and %(north)s
order by r.key limit %(limit)s"""

# The square of whom is that of the newest fix in the minute, wherever it lies: cut to the area first, somebody who walks
# out of it would be counted at the border, and two areas would differ by one person.
PEOPLE = """
select across, up, count(*) as tracks from (
    select distinct on (f.track_id) floor(f.lon * %(square)s)::integer as across, floor(f.lat * %(square)s)::integer as up
    from fix f join track t on t.id = f.track_id join device d on d.id = t.device_id
    where t.anonymous and f.outcome = 0 and f.time >= %(begin)s and f.time < %(begin)s + %(window)s
      and t.last_at >= %(begin)s and t.first_at < %(begin)s + %(window)s
      and (%(reach)s::integer is null or d.department_id = %(reach)s)
    order by f.track_id, f.time desc
) as newest
where across between %(west)s and %(east)s and up between %(south)s and %(north)s
group by 1, 2 having count(*) >= %(minimum)s"""


class People(NamedTuple):
    """Tracks of people in squares that hold the minimum, by their newest fix of one whole minute."""

    begin: datetime
    squares: Any  # n polygons
    tracks: Any  # int64 (n,)


async def devices(
    connection: AsyncConnection[DictRow],
    caller: Caller,
    at: datetime,
    bounds: tuple[float, float, float, float],
    *,
    past: bool,
    profile: str | None = None,
) -> list[DictRow]:
    """Read the devices in a box, by key: id, name, department, profile, component, state, lon, lat, fixed_at, accuracy_m."""
    west, south, east, north = bounds
    found = await connection.execute(
        STANDING.format(record=THEN if past else NOW),
        {
            "reach": caller.reach, "at": at, "recent": RECENT, "unplaced": list(UNPLACED), "profile": profile,
            "west": west, "south": south, "east": east, "north": north, "limit": MOST,
        },
    )  # fmt: skip
    return await found.fetchall()


async def people(
    connection: AsyncConnection[DictRow],
    caller: Caller,
    at: datetime,
    bounds: tuple[float, float, float, float],
    minimum: int,
) -> People:
    """Count the people whom cameras see near a box, in the last whole minute before a moment."""
    begin = (at - LATE).replace(second=0, microsecond=0) - WINDOW
    west, south, east, north = np.floor(np.array(bounds) * SQUARE).astype(int).tolist()
    found = await connection.execute(
        PEOPLE,
        {
            "reach": caller.reach, "begin": begin, "window": WINDOW, "square": SQUARE, "minimum": minimum,
            "west": west, "south": south, "east": east, "north": north,
        },
    )  # fmt: skip
    rows = await found.fetchall()
    across = np.array([row["across"] for row in rows], np.float64)
    up = np.array([row["up"] for row in rows], np.float64)
    squares = shapely.box(across / SQUARE, up / SQUARE, (across + 1) / SQUARE, (up + 1) / SQUARE)
    return People(begin, squares, np.array([row["tracks"] for row in rows], np.int64))


def counted(found: People, area: Polygon | MultiPolygon) -> tuple[int, int]:
    """Tracks in the shown squares that lie in an area as a whole, and in those that it meets."""
    whole = shapely.covers(area, found.squares)
    met = shapely.intersects(area, found.squares)
    return int(found.tracks[whole].sum()), int(found.tracks[met].sum())
