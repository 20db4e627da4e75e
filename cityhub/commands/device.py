"""`cityhub device`: the registry of devices."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from cityhub.commands import enrol, life, onboarding, order
from cityhub.commands.enrol import import_devices
from cityhub.commands.options import Config, connect, moment, settings
from cityhub.settings import OperatorError
from ingest import history, neighbours
from ingest.history import Span
from ingest.ucum import quantity

__all__ = ["app", "import_devices"]

app = typer.Typer(
    help="Devices: import and undo, neighbours, list, show, the steps of their life, commands to them.",
    no_args_is_help=True,
)
out = Console(highlight=False, markup=False)

for command in (onboarding.new, onboarding.token, onboarding.watch, onboarding.accept, onboarding.revoke):
    app.command()(command)
app.command("import")(enrol.import_)
app.command("imports")(enrol.imports)
app.command("undo")(enrol.undo)
app.command("step")(life.step)
app.command("retire")(life.retire)
app.command("swap")(life.swap)
app.command("command")(order.command)
app.command("key")(order.key)

On = Annotated[
    str | None,
    typer.Option("--on", metavar="DAY", help="As it was at the end of this day or moment (UTC): 2026-05-01."),
]


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
def list_(config: Config = None, on: On = None) -> None:
    """List the devices in service with their newest reading; or, with --on, those of a day of the past."""
    with connect(settings(config)) as connection:
        if on is not None:
            _list_on(connection, moment(on))
            return
        table = Table(
            "device", "name", "department", "profile", "state", "gateway", "newest reading", box=None
        )
        for row in connection.execute(
            """select device.key, device.name, department.key, device.profile, device.state, coalesce(gateway.key, ''),
                      coalesce(to_char(max(latest.time) at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS"Z"'), 'never')
               from device join department on department.id = device.department_id
                    left join device gateway on gateway.id = device.gateway_id
                    left join series on series.device_id = device.id left join latest on latest.series_id = series.id
               where device.retired_at is null
               group by device.id, department.id, gateway.id order by device.key"""
        ):
            table.add_row(*row)
    out.print(table)


def _list_on(connection: psycopg.Connection, at: datetime) -> None:
    table = Table("device", "name", "department", "profile", "state", "gateway", "since", box=None)
    spans = history.on(connection, at)
    if not spans:
        _say_when_it_begins(connection, at)
    for span in spans:
        record = span.record
        table.add_row(
            span.key,
            *(str(record[name] or "") for name in ("name", "department", "profile", "state", "gateway")),
            f"{span.valid_from.astimezone(UTC):%Y-%m-%d %H:%MZ}",
        )
    out.print(table)


@app.command()
def show(device: Annotated[str, typer.Argument()], config: Config = None, on: On = None) -> None:
    """Show one device with its series and its history; or, with --on, as it was on a day of the past."""
    with connect(settings(config)) as connection:
        spans = history.of(connection, device)
        if not spans:
            raise OperatorError(f"no device {device}", "`cityhub device list` shows those there are")
        if on is not None:
            past = history.on(connection, moment(on), device)
            if not past:
                raise OperatorError(
                    f"{device} was not registered on {on}",
                    f"its history begins on {spans[0].valid_from.astimezone(UTC):%Y-%m-%d %H:%MZ}",
                )
            _tell(past[0])
            return
        _tell(spans[-1])
        for metric, value, unit, flag, at in connection.execute(
            """select metric, value, unit, flag, latest.time from series left join latest on series_id = series.id
               where device_id = (select id from device where key = %s) order by metric""",
            (device,),
        ):
            out.print(
                f"  {metric:<23} "
                + (f"{quantity(value, unit)}  flag {flag}  {at:%Y-%m-%d %H:%M:%S}Z" if at else "nothing yet")
            )
        out.print("history")
        for before, span in zip([None, *spans[:-1]], spans, strict=True):
            changes = [
                f"{name} {_said(was)} -> {_said(now)}" for name, (was, now) in span.against(before).items()
            ]
            out.print(
                f"  {span.valid_from.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}  {span.who}"
                + (f", {span.because}" if span.because else "")
                + f": {'; '.join(changes) if before else 'registered'}"
            )


def _tell(span: Span) -> None:
    """One device, as it was in a span."""
    record = span.record
    ended = f" until {span.valid_to.astimezone(UTC):%Y-%m-%d %H:%MZ}" if span.valid_to else ""
    out.print(
        f"{span.key}: {record['name']}, {record['profile']}, {record['state']}{ended}"
        + ("" if record["lon"] is None else f", {record['lon']}° E, {record['lat']}° N")
    )
    for name, value in record.items():
        if value is not None and name not in ("key", "name", "profile", "state", "lon", "lat"):
            out.print(f"  {name:<23} {value}")


def _said(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _say_when_it_begins(connection: psycopg.Connection, at: datetime) -> None:
    begun = history.begins(connection)
    if begun is not None and at < begun:
        out.print(f"The history begins on {begun.astimezone(UTC):%Y-%m-%d %H:%MZ}.")
