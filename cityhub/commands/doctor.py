"""`cityhub doctor`: what the hub stands on, and what to do about what is not well."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

import orjson
import psycopg
import typer
from rich.console import Console
from rich.table import Table

from cityhub.addresses import reach
from cityhub.commands.options import Config, settings
from cityhub.doctor import Finding, devices, machine, services
from cityhub.settings import OperatorError, Settings
from edge.link import Address

out = Console(highlight=False)

SIGNS = {"ok": "[green]ok[/]", "attention": "[yellow]attention[/]", "fail": "[bold red]fail[/]"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a finding.")] = False,
    config: Config = None,
) -> None:
    """Look at broker, database, hub, API, clock, disk, certificates and devices; say the next step for each.

    Exits with 1 where something fails.
    """
    failed = False
    table = Table("", "part", "finding", box=None, pad_edge=False)
    for finding in _look(settings(config)):
        failed = failed or finding.verdict == "fail"
        if as_json:
            sys.stdout.buffer.write(orjson.dumps(finding.document(), option=orjson.OPT_APPEND_NEWLINE))
        else:
            step = f"\n[bold]Next:[/] {finding.step}" if finding.step else ""
            table.add_row(SIGNS[finding.verdict], finding.part, finding.said + step)
    if not as_json:
        out.print(table)
    if failed:
        raise typer.Exit(1)


def _look(given: Settings) -> Iterator[Finding]:
    yield from machine.disk(given.home)
    yield from machine.secrets(given.home)
    try:
        found = reach(given)
    except OperatorError as error:
        yield Finding("hub", "fail", str(error), error.hint)
        return
    yield from services.broker(found.mqtt_url)
    for part, url in (
        ("certificate of the broker", found.mqtt_url),
        ("the field's certificate", found.field_mqtt_url),
    ):
        address = Address(url)
        if address.tls:
            yield from services.certificate(part, address.host, address.port)
    yield from services.api(given.api_host, given.api_port)
    try:
        with psycopg.connect(found.database_url, autocommit=True, connect_timeout=5) as connection:
            connection.execute("set statement_timeout = '20s'")
            yield from machine.clock(connection)
            yield from services.database(connection)
            yield from services.hub(connection)
            for look in (
                devices.silent, devices.skewed, devices.set_back, devices.noisy, devices.uncounted, devices.refused,
            ):  # fmt: skip
                yield from look(connection)
    except psycopg.OperationalError as error:
        yield Finding(
            "database",
            "fail",
            f"does not answer: {str(error).strip().splitlines()[0]}",
            "is it running, and is CITYHUB_DATABASE_URL right?",
        )
    except psycopg.errors.UndefinedTable:
        yield Finding("schema", "fail", "is not that of a hub", "run `cityhub migrate`")
