"""Watched zones and counting lines as devices: the hub speaks for them, so that their series are like any others.

Here because both the command line and the API import zones, and neither `ingest` knows zones nor `geo` devices.
"""

from __future__ import annotations

from typing import Any

import psycopg
import shapely

from geo.lines import COUNTING
from geo.zones import WATCHED
from ingest.registry import HUB

ZONE, LINE = "zone", "counting-line"
"""The profiles, which are also what tells such a device from one of the field."""
OURS = (HUB, ZONE, LINE)
"""Of these the hub alone speaks, by its own clock."""
PREFIX = {ZONE: "zone-", LINE: "line-"}

WANTED = """
create temp table watched on commit drop as
select 'zone-' || key as key, name, coalesce(department, %(hub)s) as department, 'zone' as profile, id as zone_id,
       geometry, imported_at = now() as fresh
from zone where retired_at is null and kind = any(%(kinds)s)
union all
select 'line-' || key, name, coalesce(department, %(hub)s), 'counting-line', null, geometry,
       imported_at = now()
from line where retired_at is null and kind = %(line)s"""


class WatchedError(ValueError):
    """A device of the field has the name that a watched zone needs; `hint` says what to do."""

    def __init__(self, keys: list[str]) -> None:
        super().__init__(f"{', '.join(keys[:20])}: registered already, and no watched zone or line")
        self.hint = "give the zone another id, or retire and rename the device"


def register(cursor: psycopg.Cursor[Any]) -> None:
    """Bring the devices of watched zones and lines to what the tables of zones and lines say now.

    New ones are commissioned, those of retired zones retired, and one that comes back is commissioned again; a state that
    a person has given is left. Raises WatchedError.
    """
    cursor.execute(WANTED, {"hub": HUB, "kinds": sorted(WATCHED), "line": COUNTING})
    taken = cursor.execute(
        "select device.key from device join watched using (key) where device.profile <> watched.profile order by 1"
    ).fetchall()
    if taken:
        raise WatchedError([key for (key,) in taken])
    cursor.execute(
        """insert into department (key, name)
           select distinct department, case department when %(hub)s then 'CityHub' else department end from watched
           on conflict (key) do nothing""",
        {"hub": HUB},
    )
    cursor.execute(
        """insert into device (key, name, department_id, profile, zone_id)
           select watched.key, watched.name, department.id, profile, zone_id
           from watched join department on department.key = department
           where watched.key not in (select key from device)"""
    )
    cursor.execute(
        """update device set name = watched.name, department_id = department.id, zone_id = watched.zone_id,
                  state = case device.state when 'retired' then 'commissioned' else device.state end
           from watched join department on department.key = department
           where device.key = watched.key
             and (device.name, device.department_id, device.zone_id, device.state = 'retired')
                 is distinct from (watched.name, department.id, watched.zone_id, false)"""
    )
    cursor.execute(
        """update device set state = 'retired'
           where profile in ('zone', 'counting-line') and retired_at is null and key not in (select key from watched)"""
    )
    _place(cursor)
    cursor.execute("drop table watched")


def _place(cursor: psycopg.Cursor[Any]) -> None:
    """Put those that are new or have moved onto their ground: a point inside, the middle of a line."""
    rows = cursor.execute(
        """select device.id, geometry::text from watched join device using (key)
           where fresh or device.lon is null or device.lat is null"""
    ).fetchall()
    if not rows:
        return
    drawn = shapely.from_geojson([geometry for _, geometry in rows])
    lines = shapely.get_dimensions(drawn) == 1
    drawn[lines] = shapely.line_interpolate_point(drawn[lines], 0.5, normalized=True)
    lon, lat = shapely.get_coordinates(shapely.point_on_surface(drawn)).round(8).T.tolist()
    cursor.execute(
        """update device set lon = placed.lon, lat = placed.lat
           from unnest(%s::int[], %s::float8[], %s::float8[]) as placed (id, lon, lat)
           where device.id = placed.id and (device.lon, device.lat) is distinct from (placed.lon, placed.lat)""",
        ([number for number, _ in rows], lon, lat),
    )
