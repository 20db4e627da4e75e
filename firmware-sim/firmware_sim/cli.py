"""Simulated field devices that speak to a gateway, deterministic by seed."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer

from firmware_sim import papers, truth
from firmware_sim import scenario as scenarios
from firmware_sim.measure import measure
from firmware_sim.options import each_address, pace, refuse
from firmware_sim.run import Calendar, Stop, calendar
from firmware_sim.run import run as run_scenario
from firmware_sim.town import Town, Ways
from firmware_sim.uplink import Uplink

# Plain text: an operator's mistake reads "Error: ..." on every terminal and in every log.
app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Scenario = Annotated[str, typer.Argument(help="Name of a scenario (see `list`), or path of a YAML file.")]
Seed = Annotated[
    int, typer.Option(help="Seed of all noise, places and fates: the same seed, the same values.")
]


@app.command(name="list")
def list_() -> None:
    """List the scenarios that come with the package."""
    for name in scenarios.names():
        typer.echo(name)


@app.command()
def devices(scenario: Scenario, seed: Seed = 0) -> None:
    """Write the devices of a scenario as the CSV that a hub imports.

    Example: `firmware-sim devices flood-night > devices.csv`.
    """
    papers.devices(_loaded(scenario, seed), sys.stdout)


@app.command()
def zones(scenario: Scenario, seed: Seed = 0) -> None:
    """Write the zones of a scenario as GeoJSON."""
    world = _loaded(scenario, seed).world
    features = world.zones() if world else []
    typer.echo(json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False))


@app.command()
def bench(
    scenario: Annotated[
        str, typer.Argument(help="Name of a scenario, or path of a YAML file.")
    ] = "component-winter",
    for_: Annotated[float, typer.Option("--for", metavar="SECONDS", help="Seconds of the story.")] = 86400,
    seed: Seed = 0,
) -> None:
    """Say how fast a scenario is played: one JSON object. By default 10,000 devices for a day."""
    typer.echo(json.dumps(measure(_loaded(scenario, seed), for_, seed)))


@app.command()
def gateway(
    scenario: Scenario,
    seed: Seed = 0,
    id_: Annotated[
        str, typer.Option("--id", help="The gateway's id; without it, the scenario's first.")
    ] = "",
    broker: Annotated[str, typer.Option(help="The hub's broker.")] = "mqtt://127.0.0.1:1883",
    home: Annotated[str, typer.Option(help="Directory of journal and status.")] = "edge-home",
    port: Annotated[int, typer.Option(help="First of the ports that the drivers take.")] = 8481,
    credential: Annotated[
        str, typer.Option(help="The file that `cityhub edge enrol` wrote; without it, the environment's.")
    ] = "",
) -> None:
    """Write the file with which an edge agent serves the stations of a scenario."""
    try:
        sys.stdout.write(papers.gateway(_loaded(scenario, seed), id_, broker, home, port, credential))
    except ValueError as error:
        refuse(str(error), "--id with one of the gateways that `firmware-sim devices` lists")


@app.command()
def run(  # noqa: PLR0917 - options of a command line
    scenario: Scenario,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="[KIND=]HOST:PORT",
            help="The gateway to connect to; sl651=HOST:PORT for the stations of one protocol.",
        ),
    ] = None,
    mqtt: Annotated[
        str,
        typer.Option(metavar="URL", envvar="FIRMWARE_SIM_MQTT", help="The broker of platforms and cameras."),
    ] = "",
    listen: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=HOST:PORT", help="Where modbus and sdi12 devices are asked."),
    ] = None,
    token: Annotated[str, typer.Option(help="Token for http devices.", envvar="FIRMWARE_SIM_TOKEN")] = "",
    for_: Annotated[
        float,
        typer.Option(
            "--for",
            metavar="SECONDS",
            help="Seconds of the story; without it, to its end, or until stopped.",
            show_default=False,
        ),
    ] = math.inf,
    speed: Annotated[
        str,
        typer.Option(
            metavar="X|max", help="Times faster than the clock; max: the last --for seconds, at once."
        ),
    ] = "1",
    times: Annotated[
        str,
        typer.Option(
            metavar="wall|story",
            help="Whose times samples have: the clock's now, or the story's own, whose end is now.",
            show_default="as the scenario says",
        ),
    ] = "",
    seed: Seed = 0,
    at: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME",
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"],
            help="Begin then, not at once: for simulators that are to tell one story together.",
        ),
    ] = None,
    repeat: Annotated[  # noqa: FBT002 - an option
        bool, typer.Option("--repeat", help="Begin again when it is over, with the next seed.")
    ] = False,
    print_: Annotated[bool, typer.Option("--print", help="Write the lines to stdout instead.")] = False,  # noqa: FBT002 - an option
    truth_: Annotated[
        Path | None,
        typer.Option("--truth", metavar="FILE", help="Write what really happens there, as JSON lines."),
    ] = None,
) -> None:
    """Run a scenario until it is over, or until SIGTERM or Ctrl-C; then say what became of its lines.

    Examples: `firmware-sim run demo --to 127.0.0.1:7400`, `firmware-sim run demo --print --for 90 --speed max`,
    `firmware-sim run flood-night --to sl651=127.0.0.1:8481 --mqtt mqtt://127.0.0.1 --speed 60 --truth truth.jsonl`.
    """
    if bool(to or mqtt or listen) == print_:
        refuse("give either --to or --print", "--to 127.0.0.1:7400")
    fast = pace(speed)
    if not for_ > 0:
        refuse(f"--for is {for_:g}", "seconds above 0, as in --for 90")
    played = _loaded(scenario, seed, to or [], listen or [])
    if times not in ("", "wall", "story"):
        refuse(f"--times is {times!r}", "--times wall or --times story")
    length = min(for_, played.length_s)
    if math.isinf(fast) and (repeat or math.isinf(length)):
        refuse("--speed max has no end without --for", "--speed max --for 3600, without --repeat")
    ways = Ways(
        each_address(to or [], played),
        each_address(listen or [], played),
        mqtt,
        token,
        sys.stdout.buffer if print_ else None,
    )
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop.ask)
    with ExitStack() as stack:
        file = stack.enter_context(truth_.open("w", encoding="utf-8")) if truth_ else None
        while at and (left := at.timestamp() - time.time()) > 0 and not stop.asked:
            time.sleep(min(left, 0.2))
        while True:
            if times:
                played = replace(played, story_time=times == "story")
            _story(played, ways, stop, seed, fast, length, file)
            if stop.asked or not repeat:
                return
            seed += 1
            played = _loaded(scenario, seed)


def _story(
    played: scenarios.Scenario,
    ways: Ways,
    stop: Stop,
    seed: int,
    fast: float,
    length: float,
    file: TextIO | None,
) -> None:
    """Once from its beginning to its end."""
    clock = calendar(played, speed=fast, for_s=length)
    if file:
        truth.write(played, clock, length, file)
        file.flush()
    # Where the story's time is not the wall clock's, nobody can set a station's clock by it.
    real_time = not played.story_time and not math.isinf(fast)
    try:
        town = Town(played, ways, seed, settable=real_time)
    except (OSError, ValueError) as error:
        refuse(str(error), "another port, or mqtt://HOST:1883")
    _play(played, town, stop, clock, seed, fast, length)
    if file:
        for second, device in town.reboots:
            truth.reboot(device, second, clock, file)
        file.flush()
    _conclude(town)


def _play(
    played: scenarios.Scenario, town: Town, stop: Stop, times: Calendar, seed: int, fast: float, length: float
) -> None:
    try:
        run_scenario(played, town, stop, times, seed=seed, speed=fast, for_s=length)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The reader has seen enough (`| head`). Python's own flush at exit must not find the pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        town.close()


def _conclude(town: Town) -> None:
    for line in town.conclusion():
        typer.echo(line, err=True)
    if town.uplink is not None:
        _conclude_lines(town.uplink)
    elif town.on_paper:
        typer.echo(f"wrote {town.printed} lines", err=True)


def _conclude_lines(uplink: Uplink) -> None:
    lines = uplink.backlog
    for reason in uplink.refusals:
        typer.echo(f"refused: {reason}", err=True)
    typer.echo(
        f"sent {lines.sent} lines ({lines.resent} of them again), acknowledged {lines.acknowledged}, "
        f"refused {lines.refused}, dropped {lines.dropped}, without an answer {lines.waiting}",
        err=True,
    )


def _loaded(scenario: str, seed: int, *addresses: list[str]) -> scenarios.Scenario:
    # An address that is none is said before a long story is worked out.
    for given in addresses:
        each_address(given, None)
    try:
        return scenarios.load(scenario, seed)
    except scenarios.ScenarioError as error:
        refuse(str(error), error.hint)


def main() -> None:
    """Entry point of the console script."""
    app()
