"""`cityhub device`: the registry of devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from cityhub.commands import order
from cityhub.commands.options import Config, connect, settings
from cityhub.placing import place_devices
from cityhub.settings import OperatorError
from ingest import enrolment, neighbours

app = typer.Typer(help="Devices: import, neighbours, list, show, retire, command.", no_args_is_help=True)
out = Console(highlight=False)

app.command("command")(order.command)
app.command("key")(order.key)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help=f"CSV with the columns {', '.join(enrolment.COLUMNS)}.")],
    config: Config = None,
) -> None:
    """Enrol the devices of a list: all of them, or none with every fault named."""
    given = settings(config)
    with connect(given) as connection:
        fresh, known, placed = import_devices(connection, file)
    out.print(f"{fresh} new, {known} known; {placed} devices stand in a zone")


def import_devices(connection: psycopg.Connection, file: Path) -> tuple[int, int, int]:
    """Enrol a list and place it; returns new, known, and devices that stand in a zone."""
    with connection.transaction(), connection.cursor() as cursor:
        fresh, known = enrolment.enrol(connection, enrolment.read_csv(_text(file)))
        return fresh, known, place_devices(cursor)


@app.command("neighbours")
def neighbours_(
    file: Annotated[Path, typer.Argument(help=f"CSV with the columns {', '.join(neighbours.COLUMNS)}.")],
    config: Config = None,
) -> None:
    """Say which devices should follow which, metric by metric; the list replaces the one before.

    A reading is suspect when it lies more than the tolerance away from what its neighbour said last, `offset` taken
    off; with a lag, from everything that it said during the lag. The neighbour may be registered later.
    """
    found = neighbours.read_csv(_text(file))
    with connect(settings(config)) as connection:
        neighbours.replace(connection, found)
    out.print(f"{len(found)} series have a neighbour")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"cannot read {file}: {error}", "give a CSV file in UTF-8") from error


@app.command("list")
def list_(config: Config = None) -> None:
    """List the devices with their newest reading."""
    table = Table("device", "name", "department", "profile", "gateway", "newest reading", box=None)
    with connect(settings(config)) as connection:
        for row in connection.execute(
            """select device.key, device.name, department.key, device.profile, coalesce(gateway.key, ''),
                      coalesce(to_char(max(latest.time) at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS"Z"'), 'never')
               from device join department on department.id = device.department_id
                    left join device gateway on gateway.id = device.gateway_id
                    left join series on series.device_id = device.id left join latest on latest.series_id = series.id
               where device.retired_at is null
               group by device.id, department.id, gateway.id order by device.key"""
        ):
            table.add_row(*row)
    out.print(table)


@app.command()
def show(device: Annotated[str, typer.Argument()], config: Config = None) -> None:
    """Show one device with its series."""
    with connect(settings(config)) as connection:
        found = connection.execute(
            "select id, name, profile, lon, lat, retired_at from device where key = %s", (device,)
        ).fetchone()
        if found is None:
            raise OperatorError(f"no device {device}", "`cityhub device list` shows those there are")
        out.print(
            f"{device}: {found[1]}, {found[2]}, at {found[3]}, {found[4]}{', retired' if found[5] else ''}"
        )
        for metric, value, unit, flag, at in connection.execute(
            """select metric, value, unit, flag, latest.time from series left join latest on series_id = series.id
               where device_id = %s order by metric""",
            (found[0],),
        ):
            out.print(
                f"  {metric:<16}"
                + (f"{value:g} {unit}  flag {flag}  {at:%Y-%m-%d %H:%M:%S}Z" if at else "nothing yet")
            )


@app.command()
def retire(device: Annotated[str, typer.Argument()], config: Config = None) -> None:
    """Take a device out of service: its readings stay, no more are accepted."""
    with connect(settings(config)) as connection:
        gone = connection.execute(
            "update device set retired_at = now() where key = %s and retired_at is null", (device,)
        )
        connection.execute("select pg_notify('cityhub_registry', '')")
    if gone.rowcount == 0:
        raise OperatorError(f"no device {device} in service", "`cityhub device list` shows those there are")
    out.print(f"{device} is retired")
