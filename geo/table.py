"""The zone table: zones written by their key, and read back as polygons. All else in this part is without I/O."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
import shapely
from psycopg.types.json import Json
from shapely.geometry.base import BaseGeometry

from geo.area import areas_m2
from geo.zones import Zone


def keep(cursor: psycopg.Cursor, zones: Sequence[Zone]) -> None:
    """Write zones; one with a known key replaces it."""
    areas = areas_m2([zone.geometry for zone in zones])
    cursor.executemany(
        """insert into zone (key, name, kind, geometry, area_m2, usable_m2, capacity)
           values (%s, %s, %s, %s, %s, %s, %s)
           on conflict (key) do update set name = excluded.name, kind = excluded.kind, geometry = excluded.geometry,
              area_m2 = excluded.area_m2, usable_m2 = excluded.usable_m2, capacity = excluded.capacity,
              imported_at = now()""",
        [
            (zone.key, zone.name, zone.kind, Json(shapely.geometry.mapping(zone.geometry)), float(area),
             zone.usable_m2, zone.capacity)
            for zone, area in zip(zones, areas, strict=True)
        ],
    )  # fmt: skip


def polygons(cursor: psycopg.Cursor) -> tuple[list[int], list[BaseGeometry]]:
    """The id and geometry of every zone."""
    rows = cursor.execute("select id, geometry from zone order by id").fetchall()
    return [key for key, _ in rows], [shapely.geometry.shape(geometry) for _, geometry in rows]
