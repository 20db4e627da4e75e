"""`cityhub demo`: the whole hub at work, with an edge agent and simulated devices, in one terminal."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.live import Live

from api import accounts
from cityhub.addresses import Addresses, broker_for
from cityhub.commands.device import import_devices
from cityhub.commands.options import Config, settings
from cityhub.commands.sim import simulator
from cityhub.commands.zone import import_zones
from cityhub.keys import key_here
from cityhub.picture import Picture
from cityhub.processes import Child, command
from cityhub.settings import OperatorError, Settings
from cityhub.signals import stop_on_signals
from cityhub.stack import hub_and_api, services
from edge.link import Address

out = Console(highlight=False)

CITY = Path(__file__).parents[2] / "deploy" / "demo"
GATEWAY, DEPARTMENT = "gateway-01", "municipal"
SQUARE = "square-gateway"
"""Speaks for the cameras, counters and stewards of the market square (firmware-sim's scenario `square`)."""
READY_S = 120.0


def demo(
    for_s: Annotated[
        float | None, typer.Option("--for", help="End by itself after this many seconds.", min=5)
    ] = None,
    config: Config = None,
) -> None:
    """Show the whole hub at work: broker, database, hub, API, an edge agent and simulated devices.

    A second start picks up where the last one ended. Ends on Ctrl-C; exits with 1 if anything went wrong.
    """
    begun = time.monotonic()
    given = settings(config)
    stopping = stop_on_signals()
    wrong: list[str] = []
    with ExitStack() as stack:
        _port_is_free(given.api_host, given.api_port)
        with out.status("starting") as status:
            found = stack.enter_context(services(given, status.update))
            with psycopg.connect(found.database_url, autocommit=True) as connection:
                password = accounts.first_administrator(connection)
                import_zones(connection, CITY / "zones.geojson")
                import_devices(connection, CITY / "devices.csv")
                if Address(found.field_mqtt_url).user is None:
                    key_here(connection, given, GATEWAY)
            given = replace(given, rules=given.rules or str(CITY / "rules"))
            children = hub_and_api(given, found, stack)
            port = _free_port()
            agent = command(
                "edge", "run", "--gateway", GATEWAY, "--department", DEPARTMENT, "--port", str(port)
            )
            for name, program in (("edge", agent), ("sim", simulator("demo", [f"--to=127.0.0.1:{port}"]))):
                child = Child(name, program, found.environment(given), given.home)
                stack.callback(child.stop)
                children.append(child)
            picture = Picture(found.database_url, begun)
            status.update("waiting for the first reading")
            _await_first_reading(picture, children, stopping)
            # Afterwards, as thousands of people take a second of a core to work out.
            status.update("people come to the square")
            children.append(_square(given, found, stack))
        header = [
            f"[bold]CityHub demo[/]   console [bold]http://{given.api_host}:{given.api_port}[/]",
            f"[dim]{found.broker or 'configured broker'}; {found.database or 'configured database'}[/]",
            f"[dim]first reading stored {picture.first_stored_s or 0:.1f} s after the start[/]",
        ]
        if password:
            header.insert(1, f"sign in   [bold]admin[/] / [bold]{password}[/]   [dim](shown this once)[/]")
        if found.warning:
            header.append(f"[yellow]Warning:[/] {found.warning}")
        _show(picture, header, children, stopping, None if for_s is None else begun + for_s, wrong)
        wrong += [f"{child.name} died {child.restarts} times" for child in children if child.restarts]
        wrong += _final(picture)
    if wrong:
        for line in wrong:
            out.print(f"[bold red]Wrong:[/] {line}")
        raise typer.Exit(1)
    out.print("Everything ended cleanly.")


def _square(given: Settings, found: Addresses, stack: ExitStack) -> Child:
    """The market square's own simulator, straight to the broker; begins again when everybody has gone home."""
    if Address(found.field_mqtt_url).user is None:
        with psycopg.connect(found.database_url, autocommit=True) as connection:
            key_here(connection, given, SQUARE)
    # In the environment: whoever lists the processes of this machine does not read the secret.
    environment = found.environment(given) | {"FIRMWARE_SIM_MQTT": broker_for(given, SQUARE)}
    child = Child("sim-square", simulator("square", ["--repeat"]), environment, given.home)
    stack.callback(child.stop)
    return child


def _await_first_reading(picture: Picture, children: list[Child], stopping: threading.Event) -> None:
    limit = time.monotonic() + READY_S
    while picture.first_stored_s is None and not stopping.is_set():
        for child in children:
            if child.code is not None:
                raise OperatorError(
                    f"{child.name} ended while it started:\n{child.last_words()}", f"read {child.log}"
                )
        if time.monotonic() > limit:
            raise OperatorError(
                f"no reading was stored within {READY_S:.0f} s", f"read the logs beside {children[0].log}"
            )
        picture.look()
        stopping.wait(0.2)


def _show(
    picture: Picture,
    header: list[str],
    children: list[Child],
    stopping: threading.Event,
    until: float | None,
    wrong: list[str],
) -> None:
    """Draw until told to stop."""
    terminal = out.is_terminal
    if not terminal:
        for line in header:
            out.print(line)
    looks = 0
    with Live(console=out, auto_refresh=False, screen=False) if terminal else ExitStack() as live:
        while not stopping.is_set() and (until is None or time.monotonic() < until):
            for child in children:
                child.tend()
            try:
                found = picture.look()
            except psycopg.Error as error:
                wrong.append(f"the database did not answer: {str(error).strip().splitlines()[0]}")
                return
            if isinstance(live, Live):
                live.update(picture.draw(found, header), refresh=True)
            elif looks % 5 == 0:
                out.print(picture.line(found))
            looks += 1
            stopping.wait(1.0)


def _final(picture: Picture) -> list[str]:
    """The summary; returns what went wrong."""
    found = picture.look()
    with psycopg.connect(picture.database_url, autocommit=True) as connection:
        row = connection.execute(
            """select count(*), coalesce(percentile_disc(0.5) within group (order by delay), 0),
                      coalesce(percentile_disc(0.99) within group (order by delay), 0)
               from (select extract(epoch from recorded_at - reading_time)::float8 as delay
                     from alarm_transition where reading_time is not null and recorded_at > now() - %s * interval '1 second') as steps""",
            (time.monotonic() - picture.begun,),
        ).fetchone()
    steps, median, worst = row or (0, 0.0, 0.0)
    delay = (
        f", sensor to commit {median:.2f} s in the median, {worst:.2f} s at the 99th percentile"
        if steps
        else ""
    )
    out.print(
        f"{found.stored:,} readings stored in all; {steps} alarm steps in this run{delay}; "
        f"ledger {'balanced' if found.balance == 0 else 'OFF'}"
    )
    wrong = []
    if found.balance:
        wrong.append(f"the ledger is off by {found.balance} readings: `cityhub ledger` shows where")
    if not found.status.get("stored"):
        wrong.append("no reading was stored")
    return wrong


def _port_is_free(host: str, port: int) -> None:
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise OperatorError(
            f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}",
            "set CITYHUB_API_PORT to a free port",
        ) from error


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
