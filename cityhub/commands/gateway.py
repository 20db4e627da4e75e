"""`cityhub edge`: the field agent of a gateway."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from cityhub import drivers
from cityhub.addresses import file_of
from cityhub.afield import Asked
from cityhub.commands.options import Config, settings
from cityhub.gateway import read
from cityhub.outpost import STATUS, address
from cityhub.settings import OperatorError
from edge.enrolling import enrol
from edge.journal import WhenFull

out = Console(highlight=False)

app = typer.Typer(help="The edge agent of a gateway.", no_args_is_help=True)
SHOWN = 20  # links in the table of `status`; --json has them all


@app.callback()
def edge_group() -> None:
    """The edge agent of a gateway."""


@app.command("run")
def run(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="The gateway's file, gateway.toml: see docs/edge.md."),
    ] = None,
    gateway_id: Annotated[
        str, typer.Option("--gateway", help="Without a file: the gateway's id in the registry.")
    ] = "",
    department: Annotated[str, typer.Option(help="The department that owns it.")] = "",
    port: Annotated[
        int, typer.Option(help="TCP port for sensors that send JSON lines; 0 takes a free one.")
    ] = 8471,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    journal_mb: Annotated[
        int, typer.Option(min=16, help="Readings wait on disk in this much room while the hub is away.")
    ] = 1024,
    when_full: Annotated[
        WhenFull,
        typer.Option(
            help="refuse: sensors keep their readings and come back; drop-oldest: the oldest are given up, and counted."
        ),
    ] = "refuse",
    config: Config = None,
) -> None:
    """Run an edge agent: drivers hear the field, the journal keeps it, the publisher brings it to the hub.

    With a FILE it does what that says. Without one it takes JSON lines on one port for a hub on this machine.
    """
    if file is None and not (gateway_id and department):
        raise OperatorError(
            "no gateway is named", "cityhub edge run gateway.toml, or --gateway ID --department ID"
        )
    asked = Asked(
        file=str(file.absolute()) if file else "",
        gateway=gateway_id,
        department=department,
        host=host,
        port=port,
        journal_mb=journal_mb,
        when_full=when_full,
        config=str(config.absolute()) if config else "",
    )
    # The command line's own libraries hold more memory than the agent: the process begins anew without them.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "cityhub.lean", asked.as_argument()])  # noqa: S606


@app.command("enrol")
def enrol_(
    link: Annotated[
        str, typer.Argument(help="The line that `cityhub device new` printed, http://.../enrol#...")
    ],
    file: Annotated[
        Path | None,
        typer.Option(
            help="Begin a gateway's file there: its id, the broker, the credential, a home beside it."
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Get the gateway's credential with its token, and keep it where `cityhub edge run` finds it."""
    if file is not None and file.exists():  # before the token is used up
        raise OperatorError(f"{file} is there already", "give another name, or move it away")
    got = enrol(link)
    kept = file_of(settings(config).home, got.device)
    got.save(kept)
    typer.echo(f"{got.device} is enrolled; its credential is in {kept}")
    if file is None:
        typer.echo(f"Next: cityhub edge run --gateway {got.device} --department {got.department}")
        return
    broker = f"mqtt{'s' if got.tls else ''}://{f'[{got.host}]' if ':' in got.host else got.host}:{got.port}"
    begun = {
        "id": got.device,
        "department": got.department,
        "broker": broker,
        "credential": str(kept.absolute()),
        "home": str(file.absolute().with_name(got.device)),
    }
    text = "".join(f"{key} = {orjson.dumps(value).decode()}\n" for key, value in begun.items())
    file.write_text(f"[gateway]\n{text}", encoding="utf-8")
    typer.echo(f"{file} is begun. Add its drivers (docs/edge.md), then: cityhub edge run {file}")


@app.command("check")
def check(file: Annotated[Path, typer.Argument(help="The gateway's file.")]) -> None:
    """Check a gateway's file and say what it would do; nothing is opened."""
    plan = read(file)
    for each in plan.drivers:
        drivers.check(file, each)
    broker = address(plan, os.environ)
    out.print(f"{plan.id} of {plan.department}, to {plan.broker} as {broker.user or plan.user}")
    for each in plan.drivers:
        out.print(
            f"  {each.name:<12} {each.kind:<10} {each.way} {each.where}  {len(each.stations)} stations listed"
        )
    if plan.deadband:
        bands = ", ".join(f"{metric} {band:g}" for metric, band in plan.deadband.items())
        out.print(f"  reported by exception: {bands}; at the latest after {plan.silence_s:g} s")
    if kept := plan.pictures:
        out.print(
            f"  pictures are kept in {kept.folder}: {kept.files} at most, {kept.mb} MB, {kept.days:g} days"
        )
    out.print(f"  commands from the hub: {'signed ones' if plan.hub_key else 'none, there is no hub_key'}")


@app.command("status")
def status(
    place: Annotated[
        Path, typer.Argument(metavar="[FILE|HOME]", help="The gateway's file, or its home directory.")
    ] = Path("/var/lib/cityhub-edge"),
    json: Annotated[bool, typer.Option("--json", help="Print the whole status as one JSON object.")] = False,
) -> None:
    """Say what a running agent's links have come to: bytes, frames, what was refused, who was heard when."""
    home = place if place.is_dir() else read(place).home
    try:
        found = orjson.loads((home / STATUS).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise OperatorError(
            f"no status in {home}", "does an agent run there? It writes its status every ten seconds"
        ) from error
    if json:
        sys.stdout.buffer.write(orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE))
        return
    _show(found)


def _show(found: dict[str, Any]) -> None:
    out.print(
        f"{found['gateway']} ({found['version']}), as of {_time(found['at_us'])}: "
        f"{'connected' if found['connected'] else 'not connected to the broker'}, {found['accepted']} readings taken, "
        f"{found['waiting']} batches wait, {found['dropped']} readings dropped, {found['suppressed']} held back"
    )
    if kept := found.get("pictures"):
        out.print(
            f"{kept['files']} pictures of {kept['bytes'] / 1e6:.1f} MB in {kept['folder']}; since the start "
            f"{kept['taken']} were taken and {kept['let_go']} old ones deleted"
        )
    for driver in found["drivers"]:
        notes = ", ".join(f"{code} {count}" for code, count in driver["notes"].items())
        out.print(
            f"[bold]{driver['name']}[/] {driver.get('port') or driver.get('line')}: {driver['frames']} frames, "
            f"{driver['refused']} refused, {driver['readings']} readings{'; ' + notes if notes else ''}"
        )
        if fault := driver.get("fault"):
            out.print(f"  [bold]does not run[/], tried again: {fault}")
        table = Table("link", "last heard", "in", "out", "frames", "refused", "stations", box=None)
        newest = sorted(driver["links"], key=lambda link: -link["last_heard_us"])
        for link in newest[:SHOWN]:
            table.add_row(
                link["link"], _time(link["last_heard_us"]), str(link["bytes_in"]), str(link["bytes_out"]),
                str(link["frames"]), str(link["refused"]), ", ".join(link["stations"][:5]),
            )  # fmt: skip
        if newest:
            out.print(table)
        if len(newest) > SHOWN:
            out.print(f"  and {len(newest) - SHOWN} more: --json")


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at_us else "never"
