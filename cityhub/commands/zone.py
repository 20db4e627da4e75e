"""`cityhub zone`: zones from GeoJSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console

from api.zoning import Imported, take
from cityhub.commands.options import Config, connect, operator, settings
from cityhub.settings import OperatorError
from geo.area import area_m2
from geo.datum import Datum
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
        done = import_zones(connection, file, datum)
    for note in done.notes:
        out.print(f"Note: {note}")
    out.print(
        f"{len(done.new)} new, {len(done.changed)} changed, {done.same} the same; {done.placed} devices stand in a zone"
    )


def import_zones(connection: psycopg.Connection, file: Path, datum: Datum = "WGS84") -> Imported:
    """Import a file and place the devices."""
    return take(connection, _read(file), who=operator(), file=file.name, datum=datum)


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
