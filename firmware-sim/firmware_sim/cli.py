"""Simulated field devices that speak to a gateway, deterministic by seed."""

from __future__ import annotations

import math
import os
import signal
import sys
from typing import Annotated, NoReturn

import typer

from firmware_sim import scenario as scenarios
from firmware_sim.backlog import Backlog
from firmware_sim.paper import Paper
from firmware_sim.run import Stop
from firmware_sim.run import run as run_scenario
from firmware_sim.uplink import Uplink

# Plain text: an operator's mistake reads "Error: ..." on every terminal and in every log.
app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command(name="list")
def list_() -> None:
    """List the scenarios that come with the package."""
    for name in scenarios.names():
        typer.echo(name)


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="Name of a scenario (see `list`), or path of a YAML file.")],
    to: Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="The gateway to connect to.")] = "",
    for_: Annotated[
        float,
        typer.Option(
            "--for",
            metavar="SECONDS",
            help="Seconds of the story; without it, until stopped.",
            show_default=False,
        ),
    ] = math.inf,
    speed: Annotated[
        str,
        typer.Option(
            metavar="X|max", help="Times faster than the clock; max: the last --for seconds, at once."
        ),
    ] = "1",
    seed: Annotated[int, typer.Option(help="Seed of all noise: the same seed, the same values.")] = 0,
    print_: Annotated[bool, typer.Option("--print", help="Write the lines to stdout instead.")] = False,  # noqa: FBT002 - an option
) -> None:
    """Run a scenario until it is over, or until SIGTERM or Ctrl-C; then say what became of its lines.

    Examples: `firmware-sim run demo --to 127.0.0.1:7400`, `firmware-sim run demo --print --for 90 --speed max`.
    """
    if bool(to) == print_:
        _refuse("give either --to or --print", "--to 127.0.0.1:7400")
    address = ("", 0) if print_ else _address(to)
    pace = _pace(speed)
    if not for_ > 0:
        _refuse(f"--for is {for_:g}", "seconds above 0, as in --for 90")
    if math.isinf(pace) and math.isinf(for_):
        _refuse("--speed max has no end without --for", "--speed max --for 3600")
    try:
        played = scenarios.load(scenario)
    except scenarios.ScenarioError as error:
        _refuse(str(error), error.hint)
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop.ask)
    if print_:
        paper = Paper(sys.stdout.buffer)
        try:
            run_scenario(played, paper, stop, seed=seed, speed=pace, for_s=for_)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # The reader has seen enough (`| head`). Python's own flush at exit must not find the pipe again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        typer.echo(f"wrote {paper.written} lines", err=True)
        return
    uplink = Uplink(*address, Backlog(), seed)
    try:
        run_scenario(played, uplink, stop, seed=seed, speed=pace, for_s=for_)
    finally:
        uplink.close()
    _conclude(uplink)


def _conclude(uplink: Uplink) -> None:
    lines = uplink.backlog
    for reason in uplink.refusals:
        typer.echo(f"refused: {reason}", err=True)
    typer.echo(
        f"sent {lines.sent} lines ({lines.resent} of them again), acknowledged {lines.acknowledged}, "
        f"refused {lines.refused}, dropped {lines.dropped}, without an answer {lines.waiting}",
        err=True,
    )


def _pace(speed: str) -> float:
    if speed == "max":
        return math.inf
    try:
        pace = float(speed)
    except ValueError:
        pace = math.nan
    if not 0 < pace < math.inf:
        _refuse(f"--speed is {speed!r}", "a number above 0, as in --speed 10, or --speed max")
    return pace


def _address(to: str) -> tuple[str, int]:
    host, _, port = to.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:  # noqa: PLR2004 - ports
        _refuse(f"--to is {to!r}", "a host and a port, as in --to 127.0.0.1:7400")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _refuse(sentence: str, hint: str) -> NoReturn:
    """An operator's mistake: what is wrong, what to do, exit 2."""
    typer.echo(f"Error: {sentence}", err=True)
    typer.echo(f"Try: {hint}", err=True)
    raise typer.Exit(2)


def main() -> None:
    """Entry point of the console script."""
    app()
