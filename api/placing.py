"""Placing: where devices stand, by the zones: their coordinates in WGS 84, their grid, the district of their code.

Here because both the command line and the API enrol devices, and neither `ingest` knows polygons nor `geo` devices.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, get_args

import numpy as np
import psycopg
import shapely
from numpy.typing import NDArray

from geo.datum import Datum, to_wgs84
from geo.locate import Locator
from geo.table import polygons
from ingest import stands
from ingest.component import parse
from ingest.entry import Entry, Read
from ingest.sheet import Fault

ADMIN = "admin"
"""The kind of zone whose id is the six digits of an administrative division."""
GRID = {"district": "district", "street": "street", "community": "community", "grid_cell": "grid"}
"""By field of the grid chain, the kind of zone that it is taken from."""
NEAR_DEG = 1.0
"""Further than this from every zone a place is doubted: a sensor of the city stands in or near it."""


def place_devices(cursor: psycopg.Cursor[Any]) -> int:
    """Rewrite device_zone from positions and the zones that hold; returns how many devices of the field stand in some."""
    devices = cursor.execute(
        """select id, lon, lat, profile in ('zone', 'counting-line') from device
           where lon is not null and retired_at is null"""
    ).fetchall()
    stands.clear(cursor)
    columns: Any = np.array(devices, np.float64).reshape(-1, 4).T
    zone_ids, shapes = polygons(cursor, columns[1].tolist(), columns[2].tolist())
    if not shapes:
        return 0
    point, zone = Locator(shapes).locate(columns[1], columns[2])  # type: ignore[arg-type]  # what the zone table holds was polygons
    stands.put(cursor, columns[0][point].astype(int).tolist(), [zone_ids[place] for place in zone])
    return len(np.unique(point[columns[3][point] == 0]))


class _Zones(NamedTuple):
    keys: list[str]
    names: list[str]
    kinds: list[str]
    shapes: list[Any]


def settle(connection: psycopg.Connection[Any], read: Read) -> None:
    """Bring the entries of a list to WGS 84 and into their grid, and find those that cannot stand where they say."""
    zones = _zones(connection)
    lon, lat = _converted(read.entries)
    doubted = _doubts(read.entries, lon, lat, zones)
    chains, admins = _inside(lon, lat, zones)
    known = {key for key, kind in zip(zones.keys, zones.kinds, strict=True) if kind == ADMIN}
    settled: list[Entry] = []
    for place, entry in enumerate(read.entries):
        fault = doubted.get(place) or _astray(entry, admins.get(place, set()), known)
        if fault is not None:
            read.faults.append(fault)
            continue
        chain = {name: value for name, value in chains.get(place, {}).items() if getattr(entry, name) is None}
        if entry.lon is not None or chain:
            at = {} if entry.lon is None else {"lon": float(lon[place]), "lat": float(lat[place])}
            entry = replace(entry, **at, **chain)  # type: ignore[arg-type]  # noqa: PLW2901
        settled.append(entry)
    read.entries = settled


def _zones(connection: psycopg.Connection[Any]) -> _Zones:
    rows = connection.execute("select key, name, kind, geometry from zone_in_force order by id").fetchall()
    return _Zones(
        [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows],
        [shapely.geometry.shape(row[3]) for row in rows],
    )  # fmt: skip


def _converted(entries: list[Entry]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The columns in WGS 84, each once; NaN where an entry has no place. To 1e-8 of a degree: a millimetre."""
    lon = np.array([np.nan if entry.lon is None else entry.lon for entry in entries], np.float64)
    lat = np.array([np.nan if entry.lat is None else entry.lat for entry in entries], np.float64)
    given = np.array([entry.datum for entry in entries], "U8")
    for datum in get_args(Datum):
        where = given == datum
        if datum in ("GCJ02", "BD09") and where.any():
            east, north = to_wgs84(datum, lon[where], lat[where])
            lon[where], lat[where] = np.round(east, 8), np.round(north, 8)
    return lon, lat


def _doubts(
    entries: list[Entry], lon: NDArray[np.float64], lat: NDArray[np.float64], zones: _Zones
) -> dict[int, Fault]:
    """Places far from every zone that would lie among them with lon and lat the other way about."""
    if not zones.shapes:
        return {}
    west, south, east, north = shapely.total_bounds(np.array(zones.shapes, object))

    def near(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = (x >= west - NEAR_DEG) & (x <= east + NEAR_DEG)
        inside &= (y >= south - NEAR_DEG) & (y <= north + NEAR_DEG)
        return inside

    swapped = ~near(lon, lat) & near(lat, lon)
    return {
        place: Fault(
            entries[place].row,
            "lon",
            f"lon {entries[place].given_lon:g}, lat {entries[place].given_lat:g} look swapped:"
            " the other way about they lie in the city",
            "put the longitude into lon",
        )
        for place in np.flatnonzero(swapped).tolist()
    }


def _inside(
    lon: NDArray[np.float64], lat: NDArray[np.float64], zones: _Zones
) -> tuple[dict[int, dict[str, str]], dict[int, set[str]]]:
    """By entry: its grid, as the zones name it, and the administrative divisions that it stands in."""
    fields = {kind: field for field, kind in GRID.items()}
    asked = [place for place, kind in enumerate(zones.kinds) if kind in fields or kind == ADMIN]
    chains: dict[int, dict[str, str]] = {}
    admins: dict[int, set[str]] = {}
    if asked and len(lon):
        point, zone = Locator([zones.shapes[place] for place in asked]).locate(lon, lat)
        for each, found in zip(point.tolist(), zone.tolist(), strict=True):
            place = asked[found]
            if zones.kinds[place] == ADMIN:
                admins.setdefault(each, set()).add(zones.keys[place])
            else:
                chains.setdefault(each, {})[fields[zones.kinds[place]]] = zones.names[place]
    return chains, admins


def _astray(entry: Entry, inside: set[str], known: set[str]) -> Fault | None:
    """Why a component cannot stand where it does: the district of its code is another one."""
    if entry.component is None or not known:
        return None
    admin = parse(entry.component).admin
    if admin not in known:
        return Fault(
            entry.row,
            "component",
            f"no zone of kind admin has the id {admin}",
            "import it, or correct the code",
        )
    if entry.lon is not None and admin not in inside:
        stands = f"in {', '.join(sorted(inside))}" if inside else "in no district that is known"
        return Fault(
            entry.row, "component", f"{entry.component} is of {admin}, its place lies {stands}",
            "correct the code or the place, or name the datum of the coordinates",
        )  # fmt: skip
    return None
