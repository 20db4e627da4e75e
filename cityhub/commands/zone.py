"""`cityhub zone`: zones from GeoJSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console

from api.placing import place_devices
from cityhub.commands.options import Config, connect, settings
from cityhub.settings import OperatorError
from geo.area import area_m2
from geo.datum import Datum
from geo.table import keep
from geo.zones import Parsed, parse

app = typer.Typer(help="Zones: import and check GeoJSON.", no_args_is_help=True)
out = Console(highlight=False)
File = Annotated[Path, typer.Argument(help="GeoJSON (RFC 7946): polygons with id, name and kind.")]
In = Annotated[
    Datum, typer.Option("--datum", help="What its coordinates are in; nothing in the file tells it.")
]


@app.command("import")
def import_(file: File, config: Config = None, datum: In = "WGS84") -> None:
    """Import zones and place every device in them; one with a known id is replaced."""
    with connect(settings(config)) as connection:
        parsed, placed = import_zones(connection, file, datum)
    _report(parsed)
    out.print(f"{len(parsed.zones)} zones imported; {placed} devices stand in a zone")


def import_zones(connection: psycopg.Connection, file: Path, datum: Datum = "WGS84") -> tuple[Parsed, int]:
    """Import a file and place the devices; returns what was read and how many devices stand in a zone."""
    parsed = parse(_read(file), datum)
    with connection.transaction(), connection.cursor() as cursor:
        keep(cursor, parsed.zones)
        placed = place_devices(cursor)
        cursor.execute("select pg_notify('cityhub_registry', '')")
    return parsed, placed


@app.command()
def check(file: File, datum: In = "WGS84") -> None:
    """Say what an import would take from a file, without a hub."""
    parsed = parse(_read(file), datum)
    _report(parsed)
    for zone in parsed.zones:
        out.print(f"{zone.key:<24} {zone.kind:<12} {area_m2(zone.geometry):>14,.0f} m2  {zone.name}")


def _report(parsed: Parsed) -> None:
    for note in parsed.notes:
        out.print(f"Note: {note}")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise OperatorError(f"cannot read {file}: {error.strerror}", "give a GeoJSON file") from error
