"""`cityhub device step`, `retire` and `swap`: the life of a device, step by step, with its reason."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from cityhub.commands.options import Config, connect, operator, settings
from cityhub.settings import OperatorError
from governance import audit
from ingest import life
from ingest.life import MEANING, STATES, STEPS

out = Console(highlight=False, markup=False)

Because = Annotated[str, typer.Option("--because", help="Why; it stays in the history.")]


def step(
    devices: Annotated[
        list[str], typer.Argument(metavar="DEVICE... STATE", help=f"{', '.join(STATES)} comes last.")
    ],
    because: Because,
    config: Config = None,
) -> None:
    """Bring devices one step on in their life: planned, installed, commissioned, suspended, retired.

    Readings are stored in every state but retired; only of a commissioned device they alarm people. All devices take
    the step, or none.
    """
    *keys, wanted = devices
    to = next((state for state in STATES if state == wanted), None)
    if to is None or not keys:
        raise OperatorError(
            f"{wanted} is no state of a device" if keys or to is None else "no device is named",
            f"cityhub device step DEVICE {'|'.join(STATES)} --because REASON",
        )
    with connect(settings(config)) as connection, connection.transaction(), connection.cursor() as cursor:
        before = life.step(connection, keys, to, who=operator(), because=because)
        for key in keys:
            audit.record(
                cursor, operator(), f"device.{to}", key, "done", {"before": before[key], "because": because}
            )
        again = life.enrol_again(connection, before, to)
    for key in keys:
        out.print(f"{key}: {before[key]} -> {to}: {MEANING[to]}")
    for note in again:
        out.print(f"Note: {note}")


def retire(
    device: Annotated[str, typer.Argument()],
    because: Annotated[
        str, typer.Option("--because", help="Why; it stays in the history.")
    ] = "out of service",
    config: Config = None,
) -> None:
    """Take a device out of service, from whatever state: its readings stay, no more are accepted."""
    with connect(settings(config)) as connection, connection.transaction(), connection.cursor() as cursor:
        found = cursor.execute("select state from device where key = %s", (device,)).fetchone()
        if found is None or "retired" not in STEPS[found[0]]:
            raise OperatorError(
                f"no device {device} in service", "`cityhub device list` shows those there are"
            )
        life.step(connection, [device], "retired", who=operator(), because=because)
        audit.record(cursor, operator(), "device.retired", device, "done", {"because": because})
    out.print(f"{device} is retired")


def swap(
    device: Annotated[str, typer.Argument()],
    serial: Annotated[str, typer.Argument(help="The serial number of the new sensor.")],
    because: Because,
    config: Config = None,
) -> None:
    """Put another sensor in a device's place: its series go on, and the history tells where.

    What the checks have learned stays, for they judge the place. A span that the new sensor does not reach, or a datum
    whose zero has moved with it, is a change of the list: import it.
    """
    with connect(settings(config)) as connection, connection.transaction(), connection.cursor() as cursor:
        before = life.swap(connection, device, serial, who=operator(), because=because)
        audit.record(
            cursor,
            operator(),
            "device.swap",
            device,
            "done",
            {"before": before, "after": serial, "because": because},
        )
    out.print(f"{device}: {before or 'no sensor'} -> {serial}; its series go on")
