"""`cityhub sim`: simulated devices, a program of their own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cityhub.settings import OperatorError

app = typer.Typer(help="Simulated devices.", no_args_is_help=True)
EDGE = "127.0.0.1:8471"
"""Where an edge agent of this machine takes JSON lines, if nobody says otherwise."""


@app.callback()
def sim_group() -> None:
    """Simulated devices."""


@app.command("run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run_sim(
    context: typer.Context,
    scenario: Annotated[str, typer.Argument(help="A scenario's name or file, e.g. demo.")],
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="[KIND=]HOST:PORT",
            help="An edge agent; sl651=HOST:PORT for the stations of one protocol. May be repeated.",
            show_default=f"{EDGE}, where neither --mqtt nor --listen is given",
        ),
    ] = None,
    mqtt: Annotated[str, typer.Option(metavar="URL", help="The broker of platforms and cameras.")] = "",
    listen: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=HOST:PORT", help="Where modbus and sdi12 devices are asked."),
    ] = None,
) -> None:
    """Run simulated devices: a stranger on the wire with its own encoders (see firmware-sim/).

    Its other options are passed on: --for, --speed, --times, --at, --repeat, --seed, --truth, --token, --print.
    """
    ways = [f"--to={one}" for one in to or []] + [f"--listen={one}" for one in listen or []]
    if mqtt:
        ways.append(f"--mqtt={mqtt}")
    if not ways and "--print" not in context.args:
        ways = [f"--to={EDGE}"]
    program = simulator(scenario, ways, *context.args)
    os.execv(program[0], program)  # noqa: S606 -- in our place, so that a signal to us ends it


def simulator(scenario: str, ways: Sequence[str], *more: str) -> list[str]:
    """The command line of the simulator, which is a program of its own; `ways` say where its devices speak to."""
    beside = Path(sys.executable).with_name("firmware-sim")
    program = str(beside) if beside.exists() else shutil.which("firmware-sim")
    if program is None:
        raise OperatorError("firmware-sim is not installed", "pip install -e ./firmware-sim")
    return [program, "run", scenario, *ways, *more]
