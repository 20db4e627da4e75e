"""`cityhub sim`: simulated devices, a program of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from cityhub.settings import OperatorError

app = typer.Typer(help="Simulated devices.", no_args_is_help=True)


@app.callback()
def sim_group() -> None:
    """Simulated devices."""


@app.command("run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run_sim(
    context: typer.Context,
    scenario: Annotated[str, typer.Argument(help="A scenario's name or file, e.g. demo.")],
    to: Annotated[str, typer.Option(help="HOST:PORT of an edge agent.")] = "127.0.0.1:8471",
) -> None:
    """Run simulated devices: a stranger on the wire with its own encoders (see firmware-sim/)."""
    raise typer.Exit(subprocess.run(simulator(scenario, to, *context.args), check=False).returncode)


def simulator(scenario: str, to: str, *more: str) -> list[str]:
    """The command line of the simulator, which is a program of its own."""
    beside = Path(sys.executable).with_name("firmware-sim")
    program = str(beside) if beside.exists() else shutil.which("firmware-sim")
    if program is None:
        raise OperatorError("firmware-sim is not installed", "pip install -e ./firmware-sim")
    return [program, "run", scenario, "--to", to, *more]
