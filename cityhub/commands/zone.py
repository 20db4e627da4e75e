"""`cityhub zone`: zones and lines from GeoJSON, as they are and as they were."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psycopg
import shapely
import typer
from rich.console import Console
from rich.table import Table

from api import zoning
from api.zoning import Imported
from cityhub.commands.options import Config, connect, moment, operator, settings
from cityhub.settings import OperatorError
from geo import table
from geo.datum import Datum, to_wgs84
from geo.doors import advice, unstarted
from geo.jurisdiction import Jurisdictions
from geo.lines import Line
from geo.overlap import remarks
from geo.table import Span
from geo.zones import LAYER, Zone, parse

app = typer.Typer(
    help="Zones and lines: import and check GeoJSON, list, show, their versions, retire.",
    no_args_is_help=True,
)
out = Console(highlight=False, markup=False, soft_wrap=True)
File = Annotated[
    Path, typer.Argument(help="GeoJSON (RFC 7946): features with id, name and kind; docs/zones.md.")
]
In = Annotated[
    Datum, typer.Option("--datum", help="What its coordinates are in; nothing in the file tells it.")
]
Layer = Annotated[str, typer.Option("--layer", help="The layer of features that name none.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="Of a zone or a line.")]
SHOWN, NOTES = 200, 50


@app.command("import")
def import_(
    file: File,
    config: Config = None,
    datum: In = "WGS84",
    layer: Layer = LAYER,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Retire what the file's layers have in the hub and not in the file."),
    ] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Say what it would do, and do nothing.")] = False,
) -> None:
    """Import zones and lines, all of a file or nothing, and place every device in them.

    What has a known id gets a new version where it differs. Crowd zones, restricted and evacuation areas and counting lines
    become devices, zone-KEY and line-KEY, for which the hub speaks.
    """
    with connect(settings(config)) as connection:
        done = import_zones(connection, file, datum, layer=layer, replace=replace, dry=dry)
    _tell(done.notes)
    for word, keys in (("new", done.new), ("changed", done.changed), ("retired", done.retired)):
        if keys and (dry or word == "retired"):
            more = f" and {len(keys) - 20} more" if len(keys) > 20 else ""  # noqa: PLR2004 -- two lines
            out.print(f"{word}: {', '.join(keys[:20])}{more}")
    out.print(
        ("It would be: " if dry else "")
        + f"{len(done.new)} new, {len(done.changed)} changed, {done.same} the same, {len(done.retired)} retired;"
        f" {done.placed} devices stand in a zone"
    )


def import_zones(
    connection: psycopg.Connection,
    file: Path,
    datum: Datum = "WGS84",
    *,
    layer: str = LAYER,
    replace: bool = False,
    dry: bool = False,
) -> Imported:
    """Import a file and place the devices."""
    return zoning.take(
        connection,
        _read(file),
        who=operator(),
        file=file.name,
        datum=datum,
        layer=layer,
        replace=replace,
        dry=dry,
    )


@app.command()
def check(file: File, datum: In = "WGS84", layer: Layer = LAYER) -> None:
    """Say what an import would take from a file, without a hub; or every fault of it with its place, and exit with 2."""
    parsed = parse(_read(file), datum, layer)
    _tell(
        [
            *parsed.notes,
            *remarks(parsed.zones, parsed.place),
            *advice(unstarted(parsed.zones, parsed.lines, parsed.place)),
        ]
    )
    for zone in parsed.zones[:SHOWN]:
        out.print(f"{zone.key:<24} {zone.kind:<13} {zone.area_m2:>14,.0f} m2  {zone.name}")
    for line in parsed.lines[:SHOWN]:
        out.print(f"{line.key:<24} {line.kind:<13} {line.length_m:>15,.0f} m  {line.name}")
    out.print(f"{len(parsed.zones)} zones and {len(parsed.lines)} lines can be imported")


@app.command("list")
def list_(
    config: Config = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Of this kind alone.")] = None,
    layer: Annotated[str | None, typer.Option("--layer", help="Of this layer alone.")] = None,
) -> None:
    """List the zones and lines in service, valid today or not."""
    shown = Table("key", "name", "kind", "layer", "floor", "m2 or m", "persons", "valid", "version", box=None)
    with connect(settings(config)) as connection, connection.cursor() as cursor:
        items: list[Zone | Line] = [*table.zones(cursor), *table.lines(cursor)]
    for item in items:
        if kind not in (None, item.kind) or layer not in (None, item.layer):
            continue
        if isinstance(item, Zone):
            more = (
                item.floor or "",
                f"{item.area_m2:,.0f}",
                str(item.capacity or ""),
                _validity(item.valid_from, item.valid_to),
            )
        else:
            more = ("", f"{item.length_m:,.0f}", "", "always")
        shown.add_row(item.key, item.name, item.kind, item.layer, *more, str(item.version))
    out.print(shown)


@app.command()
def show(
    key: Key,
    config: Config = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="DAY", help="As it was at the end of this day or moment (UTC): 2026-05-01."
        ),
    ] = None,
) -> None:
    """Show one zone or line; or, with --at, as it was on a day of the past."""
    spans = _spans(config, key)
    if at is not None:
        then = moment(at, "--at")
        spans = [
            span
            for span in spans
            if span.valid_from <= then and (span.valid_to is None or span.valid_to > then)
        ]
        if not spans:
            raise OperatorError(
                f"{key} was not in the hub on {at}", f"`cityhub zone history {key}` says since when it is"
            )
    span = spans[-1]
    record = span.record
    ended = f" until {_said(span.valid_to)}" if span.valid_to else ""
    out.print(
        f"{record['key']}: {record['name']}, {record['kind']}, version {span.version}"
        f" since {_said(span.valid_from)}{ended}{', RETIRED' if record['retired_at'] else ''}"
    )
    for name, value in record.items():
        if value not in (None, []) and name not in ("key", "name", "kind", "retired_at"):
            out.print(f"  {name:<12}{_said(value)}")


@app.command()
def locate(
    lon: Annotated[float, typer.Argument(metavar="LON", help="Degrees east; western ones after --.")],
    lat: Annotated[float, typer.Argument(metavar="LAT", help="Degrees north.")],
    config: Config = None,
    datum: In = "WGS84",
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="DAY", help="At the end of this day or moment (UTC): 2026-05-01."),
    ] = None,
) -> None:
    """Say in which zones a place lies, the smallest first; those of its jurisdiction are marked."""
    if not (abs(lon) <= 180 and abs(lat) <= 90):  # noqa: PLR2004 -- degrees
        raise OperatorError(f"{lon:g}, {lat:g} is no place on the earth", "write longitude, then latitude")
    with connect(settings(config)) as connection, connection.cursor() as cursor:
        zones = table.fences(cursor) if at is None else table.fences_on(cursor, moment(at, "--at"))
    place = to_wgs84(datum, np.array([lon]), np.array([lat]))
    inside = [
        zones[nth] for nth in np.flatnonzero(shapely.intersects_xy([zone.geometry for zone in zones], *place))
    ]
    none = np.zeros(len(inside), np.int32)
    chain = Jurisdictions([zone.geometry for zone in inside], [zone.kind for zone in inside]).chains(
        none, np.arange(len(inside), dtype=np.int32), 1
    )
    for nth in sorted(range(len(inside)), key=lambda each: inside[each].area_m2):
        zone = inside[nth]
        mark = "its jurisdiction" if nth in chain.zone else ""
        out.print(f"{zone.key:<24} {zone.kind:<13} {zone.area_m2:>14,.0f} m2  {zone.name}  {mark}".rstrip())
    out.print(f"{len(inside)} zones")


@app.command()
def history(key: Key, config: Config = None) -> None:
    """Print the versions of a zone or line: since when, by whom, why, and what they changed."""
    spans = _spans(config, key)
    for before, span in zip([None, *spans[:-1]], spans, strict=True):
        changed = [] if before is None else [
            f"{name} {_said(before.record.get(name))} -> {_said(value)}"
            for name, value in span.record.items()
            if before.record.get(name) != value
        ]  # fmt: skip
        out.print(
            f"{span.version:>4}  {_said(span.valid_from)}  {span.who}"
            + (f", {span.because}" if span.because else "")
            + f": {'; '.join(changed) or 'imported'}"
        )


@app.command()
def retire(
    key: Key,
    because: Annotated[
        str, typer.Option("--because", help="Why; it stays in the history.")
    ] = "out of service",
    config: Config = None,
) -> None:
    """Take a zone or line out of service: nothing is located or counted in it any more; its past stays."""
    with connect(settings(config)) as connection:
        gone = zoning.retire(connection, [key], who=operator(), because=because)
    if not gone.keys:
        raise OperatorError(f"no zone or line {key} in service", "`cityhub zone list` shows those there are")
    _tell(gone.notes)
    out.print(f"{key} is retired")


def _spans(config: Path | None, key: str) -> list[Span]:
    with connect(settings(config)) as connection, connection.cursor() as cursor:
        spans = table.history(cursor, key)
    if not spans:
        raise OperatorError(f"no zone or line {key}", "`cityhub zone list` shows those there are")
    return spans


def _tell(notes: Sequence[str]) -> None:
    for note in notes[:NOTES]:
        out.print(f"Note: {note}")
    if len(notes) > NOTES:
        out.print(f"Note: and {len(notes) - NOTES:,} more notes")


def _validity(begins: datetime | None, ends: datetime | None) -> str:
    if begins is None and ends is None:
        return "always"
    return f"{_said(begins) if begins else ''} to {_said(ends) if ends else ''}".strip()


def _said(value: Any) -> str:
    """A value of a record, short."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    if isinstance(value, dict) and "coordinates" in value:
        return f"{value['type']} of {shapely.get_num_coordinates(shapely.geometry.shape(value)):,} positions"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return "nothing" if value is None else str(value)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise OperatorError(f"cannot read {file}: {error.strerror}", "give a GeoJSON file") from error
