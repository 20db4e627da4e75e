"""Devices that the hub itself speaks for: registered as others wish, so that their series are like any others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import psycopg

from ingest.registry import HUB


class Spoken(NamedTuple):
    """A device as it shall be; `zone_id` is whose people it counts."""

    key: str
    name: str
    department: str
    profile: str
    zone_id: int | None


class SpokenError(ValueError):
    """Devices of the field have names that the hub's own need."""

    def __init__(self, keys: list[str]) -> None:
        super().__init__(", ".join(keys[:20]))


def keep(cursor: psycopg.Cursor[Any], wanted: Sequence[Spoken], profiles: Collection[str]) -> list[str]:
    """Bring the devices of these profiles to what is wanted; returns those that have no place yet.

    New ones are commissioned, those no longer wanted retired, and one that comes back is commissioned again; a state that
    a person has given is left. Raises SpokenError.
    """
    cursor.execute(
        "create temp table spoken (key text, name text, department text, profile text, zone_id int) on commit drop"
    )
    with cursor.copy("copy spoken from stdin") as copy:
        for device in wanted:
            copy.write_row(device)
    cursor.execute("analyze spoken")
    taken = cursor.execute(
        "select device.key from device join spoken using (key) where device.profile <> spoken.profile order by 1"
    ).fetchall()
    if taken:
        raise SpokenError([key for (key,) in taken])
    cursor.execute(
        """insert into department (key, name)
           select distinct department, case department when %(hub)s then 'CityHub' else department end from spoken
           on conflict (key) do nothing""",
        {"hub": HUB},
    )
    cursor.execute(
        """insert into device (key, name, department_id, profile, zone_id)
           select spoken.key, spoken.name, department.id, profile, zone_id
           from spoken join department on department.key = department
           where spoken.key not in (select key from device)"""
    )
    cursor.execute(
        """update device set name = spoken.name, department_id = department.id, zone_id = spoken.zone_id,
                  state = case device.state when 'retired' then 'commissioned' else device.state end
           from spoken join department on department.key = department
           where device.key = spoken.key
             and (device.name, device.department_id, device.zone_id, device.state = 'retired')
                 is distinct from (spoken.name, department.id, spoken.zone_id, false)"""
    )
    cursor.execute(
        """update device set state = 'retired'
           where profile = any(%s) and retired_at is null and key not in (select key from spoken)""",
        (list(profiles),),
    )
    unplaced = cursor.execute(
        "select key from device join spoken using (key) where lon is null or lat is null"
    ).fetchall()
    cursor.execute("drop table spoken")
    return [key for (key,) in unplaced]


def place(
    cursor: psycopg.Cursor[Any], keys: Sequence[str], lon: Sequence[float], lat: Sequence[float]
) -> None:
    """Put devices onto their ground, in degrees of WGS 84."""
    cursor.execute(
        """update device set lon = placed.lon, lat = placed.lat
           from unnest(%s::text[], %s::float8[], %s::float8[]) as placed (key, lon, lat)
           where device.key = placed.key and (device.lon, device.lat) is distinct from (placed.lon, placed.lat)""",
        (list(keys), list(lon), list(lat)),
    )
