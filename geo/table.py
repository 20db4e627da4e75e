"""The tables of zones and lines: written by their keys, a version for each change, read back as they hold or held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Literal, NamedTuple, cast

import psycopg
import shapely
from psycopg.rows import class_row
from shapely import LineString, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from geo.lines import Line, LineKind
from geo.zones import Zone

_ZONE = tuple(field.name for field in fields(Zone) if field.name not in ("id", "version", "geometry"))
_LINE = tuple(field.name for field in fields(Line) if field.name not in ("id", "version", "geometry"))
FENCES = """kind <> 'camera-view' and (kind <> 'grid' or expected <> '{}'
            or coalesce(exit_m, enter_s, exit_s, dwell_s) is not null)"""
"""The zones at whose borders somebody comes and goes. Nothing stands in a camera's view; a cell of the grid says where
things are, and is a fence where it says so: of a bus on its way every cell of a city would have two crossings."""
PORTION = 200
"""So many rows are made zones at one go: other threads of a process that reads fifty thousand have their turn between."""


class Kept(NamedTuple):
    """What a write has done, by key."""

    new: list[str]
    changed: list[str]
    same: int


class Fenced(NamedTuple):
    """What a fence needs of its zone."""

    id: int
    version: int
    geometry: Polygon | MultiPolygon
    area_m2: float
    exit_m: float | None
    enter_s: float | None
    exit_s: float | None
    dwell_s: float | None


class Listed(NamedTuple):
    """A zone or line in service, in a word; `fresh` where this very transaction drew it."""

    id: int
    key: str
    name: str
    department: str | None
    fresh: bool


class Span(NamedTuple):
    """A zone or line as one version had it, from one moment until another (None: it still does)."""

    version: int
    valid_from: datetime
    valid_to: datetime | None
    who: str
    because: str
    record: dict[str, Any]


def keep(cursor: psycopg.Cursor[Any], zones: Sequence[Zone]) -> Kept:
    """Write zones; one with a known key gets a new version where it differs, and comes back where it was retired."""
    return _keep(cursor, "zone", _ZONE, zones)


def keep_lines(cursor: psycopg.Cursor[Any], lines: Sequence[Line]) -> Kept:
    """Write lines, as `keep` does zones."""
    return _keep(cursor, "line", _LINE, lines)


def retire(cursor: psycopg.Cursor[Any], keys: Iterable[str], department: str | None = None) -> list[str]:
    """Take zones and lines out of service, those of one department or any; returns them. Their rows and versions stay."""
    return _retire(cursor, "key = any(%(keys)s)", {"keys": list(keys), "department": department})


def retire_others(
    cursor: psycopg.Cursor[Any], layers: Iterable[str], keys: Iterable[str], department: str | None = None
) -> list[str]:
    """Take out of service what these layers have beside these keys, of one department or any; returns it."""
    return _retire(
        cursor,
        "layer = any(%(layers)s) and not key = any(%(keys)s)",
        {"layers": list(layers), "keys": list(keys), "department": department},
    )


def _retire(cursor: psycopg.Cursor[Any], which: str, values: dict[str, Any]) -> list[str]:
    gone: list[str] = []
    for name in ("zone", "line"):
        found = cursor.execute(
            f"""update {name} set retired_at = now() where {which} and retired_at is null
                and (%(department)s::text is null or department = %(department)s) returning key""",  # noqa: S608 -- our own names
            values,
        )
        gone += [key for (key,) in found.fetchall()]
    return gone


def fences(cursor: psycopg.Cursor[Any]) -> list[Zone]:
    """Every zone that holds now, by id."""
    return _zones(cursor, "zone_in_force")


def fenced(cursor: psycopg.Cursor[Any]) -> list[Fenced]:
    """Those among them at whose borders somebody comes and goes; no more of each than its fence needs."""
    cursor.execute(
        f"""select id, version, geometry::text, area_m2, exit_m, enter_s, exit_s, dwell_s from zone_in_force
            where {FENCES} order by id"""  # noqa: S608 -- our own condition
    )
    found: list[Fenced] = []
    while rows := cursor.fetchmany(PORTION):
        found += [
            Fenced(row[0], row[1], cast("Polygon | MultiPolygon", drawn), *row[3:])
            for row, drawn in zip(rows, _drawn([row[2] for row in rows]), strict=True)
        ]
    return found


def zones(cursor: psycopg.Cursor[Any], keys: Sequence[str] | None = None) -> list[Zone]:
    """The zones in service, valid today or not; or those of these keys, retired ones among them."""
    if keys is None:
        return _zones(cursor, "zone", "retired_at is null")
    return _zones(cursor, "zone", "key = any(%s)", list(keys))


def zones_of(cursor: psycopg.Cursor[Any], kinds: Iterable[str]) -> list[Zone]:
    """The zones in service of some kinds, valid today or not, by id."""
    return _zones(cursor, "zone", "retired_at is null and kind = any(%s)", sorted(kinds))


def listed(cursor: psycopg.Cursor[Any], table: Literal["zone", "line"], kinds: Iterable[str]) -> list[Listed]:
    """The zones or the lines in service of some kinds, valid today or not, by key; without their geometry."""
    cursor.execute(
        f"""select id, key, name, department, imported_at = now() from {table}
            where retired_at is null and kind = any(%s) order by key""",  # noqa: S608 -- our own names
        (sorted(kinds),),
    )
    return [Listed(*row) for row in cursor.fetchall()]


def lines(cursor: psycopg.Cursor[Any], kind: LineKind | None = None) -> list[Line]:
    """The lines in service, of one kind or of all, by id."""
    found = cursor.execute(
        f"""select id, version, geometry::text, {", ".join(_LINE)} from line
            where retired_at is null and (%(kind)s::text is null or kind = %(kind)s) order by id""",  # noqa: S608 -- our own names
        {"kind": kind},
    ).fetchall()
    return [
        Line(
            id=row[0],
            version=row[1],
            geometry=cast("LineString", drawn),
            **dict(zip(_LINE, row[3:], strict=True)),
        )
        for row, drawn in zip(found, _drawn([row[2] for row in found]), strict=True)
    ]


def polygons(
    cursor: psycopg.Cursor[Any], lon: Sequence[float], lat: Sequence[float]
) -> tuple[list[int], list[BaseGeometry]]:
    """The id and geometry of the zones that hold now, a camera's view excepted, whose boxes hold one of these places."""
    rows = cursor.execute(
        """select id, geometry::text from zone_in_force where kind <> 'camera-view' and id in (
               select zone.id from unnest(%s::float8[], %s::float8[]) as place (lon, lat)
               join zone on extent && box(point(place.lon, place.lat), point(place.lon, place.lat)))
           order by id""",
        (list(lon), list(lat)),
    ).fetchall()
    return [row[0] for row in rows], _drawn([row[1] for row in rows])


def fences_on(cursor: psycopg.Cursor[Any], moment: datetime) -> list[Zone]:
    """The zones that held at a moment, as they were then, by id."""
    return _zones(cursor, "zone_on(%s)", "true", moment)


def history(cursor: psycopg.Cursor[Any], key: str) -> list[Span]:
    """The versions of a zone or a line, the oldest first; those that lasted no time are left out."""
    with cursor.connection.cursor(row_factory=class_row(Span)) as spans:
        found: list[Span] = []
        for table in ("zone", "line"):
            found += spans.execute(
                f"""select version, valid_from, valid_to, who, because, record - 'extent' as record
                    from {table}_history
                    where {table}_id = (select id from {table} where key = %s)
                      and (valid_to is null or valid_to > valid_from) order by version""",  # noqa: S608 -- our own names
                (key,),
            ).fetchall()
        return found


def next_turn(cursor: psycopg.Cursor[Any]) -> datetime | None:
    """When the next zone begins or ceases to hold; None where none does."""
    row = cursor.execute(
        """select least(min(valid_from) filter (where valid_from > now()), min(valid_to) filter (where valid_to > now()))
           from zone where retired_at is null"""
    ).fetchone()
    return None if row is None else row[0]


def _keep(
    cursor: psycopg.Cursor[Any], table: str, names: tuple[str, ...], items: Sequence[Zone] | Sequence[Line]
) -> Kept:
    """By COPY and two statements: fifty thousand at once."""
    if not items:
        return Kept([], [], 0)
    cursor.execute(f"create temp table wanted (like {table}) on commit drop")
    cursor.execute(
        "alter table wanted alter id drop not null, alter version drop not null, alter imported_at drop not null"
    )
    columns = ("geometry", "extent", *names)
    shapes = [item.geometry for item in items]
    written = shapely.to_geojson(shapes).tolist()
    boxes = [
        f"({east!r},{north!r}),({west!r},{south!r})"
        for west, south, east, north in shapely.bounds(shapes).tolist()
    ]
    with cursor.copy(f"copy wanted ({', '.join(columns)}) from stdin") as copy:
        for item, drawn, box in zip(items, written, boxes, strict=True):
            copy.write_row((drawn, box, *(_plain(getattr(item, name)) for name in names)))
    cursor.execute("analyze wanted")
    compared = ["geometry", "retired_at", *(name for name in names if name not in ("key", "area_m2"))]
    changed = cursor.execute(
        f"""update {table} as kept set retired_at = null, {", ".join(f"{name} = wanted.{name}" for name in columns if name != "key")}
            from wanted where kept.key = wanted.key
              and ({", ".join(f"kept.{name}" for name in compared)})
                  is distinct from ({", ".join(f"wanted.{name}" for name in compared)})
            returning kept.key"""  # noqa: S608 -- our own names
    ).fetchall()
    new = cursor.execute(
        f"""insert into {table} ({", ".join(columns)}) select {", ".join(columns)} from wanted
            where key not in (select key from {table}) returning key"""  # noqa: S608 -- our own names
    ).fetchall()
    cursor.execute("drop table wanted")
    return Kept([key for (key,) in new], [key for (key,) in changed], len(items) - len(new) - len(changed))


def _zones(cursor: psycopg.Cursor[Any], table: str, where: str = "true", *values: object) -> list[Zone]:
    cursor.execute(
        f"select id, version, geometry::text, {', '.join(_ZONE)} from {table} where {where} order by id",  # noqa: S608 -- our own names
        values or None,
    )
    found: list[Zone] = []
    while rows := cursor.fetchmany(PORTION):
        found += [
            _zone(row[0], row[1], dict(zip(_ZONE, row[3:], strict=True)), drawn)
            for row, drawn in zip(rows, _drawn([row[2] for row in rows]), strict=True)
        ]
    return found


def _zone(number: int, version: int, values: dict[str, Any], drawn: BaseGeometry) -> Zone:
    said = values | {"expected": tuple(values["expected"])}
    return Zone(id=number, version=version, geometry=cast("Polygon | MultiPolygon", drawn), **said)


def _drawn(written: list[str]) -> list[BaseGeometry]:
    return cast("list[BaseGeometry]", shapely.from_geojson(written).tolist()) if written else []


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
