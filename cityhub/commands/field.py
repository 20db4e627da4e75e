"""`cityhub edge` and `cityhub sim`: the field agent, and simulated devices that talk to it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from cityhub.commands.enrol import enrol
from cityhub.commands.options import Config, settings
from cityhub.commands.up import stop_on_signals
from cityhub.keys import broker_for
from cityhub.settings import OperatorError
from edge.agent import Agent
from edge.drivers.jsonlines import JsonLines
from edge.health import Health
from edge.journal import WhenFull

log = structlog.get_logger("cityhub.edge")

edge = typer.Typer(help="The edge agent of a gateway.", no_args_is_help=True)
sim = typer.Typer(help="Simulated devices.", no_args_is_help=True)


@edge.callback()
def edge_group() -> None:
    """The edge agent of a gateway."""


@sim.callback()
def sim_group() -> None:
    """Simulated devices."""


edge.command("enrol")(enrol)


@edge.command("run")
def run_edge(
    gateway: Annotated[str, typer.Option(help="The gateway's id in the registry.")],
    department: Annotated[str, typer.Option(help="The department that owns it.")],
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
    """Run an edge agent: sensors send JSON lines, the journal keeps them, the publisher brings them to the hub."""
    given = settings(config)
    stopping = stop_on_signals()
    agent = Agent(
        given.home / "edge" / gateway,
        broker_for(given, gateway),
        department,
        gateway,
        limit_bytes=journal_mb << 20,
        when_full=when_full,
    )
    agent.start()
    try:
        driver = JsonLines(agent, host, port)
    except OSError as error:
        agent.close()
        raise OperatorError(
            f"cannot listen on {host}:{port}: {error.strerror}", "choose another --port"
        ) from error
    driver.start()
    health = Health(agent)
    health.start()
    log.info("edge agent listens", gateway=gateway, host=host, port=driver.port, kept=agent.publisher.waiting)
    while not stopping.wait(0.5) and driver.fault is None:
        pass
    health.close()
    driver.close()
    agent.close()
    log.info("edge agent ends", accepted=agent.accepted, kept=agent.publisher.waiting, refused=driver.refused)
    if driver.fault is not None:
        raise OperatorError(str(driver.fault), "check the disk under the journal")


@sim.command("run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
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
