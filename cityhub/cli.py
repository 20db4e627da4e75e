"""The command line: `cityhub COMMAND`; an operator's mistake prints `Error:` and `Try:` and exits with 2."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NamedTuple

import typer

from cityhub.terminal import log_to_stderr, mistakes_told


class Command(NamedTuple):
    """A command and its module, loaded when it is asked for, so that a gateway can do without the rest."""

    name: str
    place: str  # module:function, or module:typer of a group
    line: str  # as its own help begins; tests hold the two together


COMMANDS = (
    Command(
        "demo",
        "demo:demo",
        "Show the whole hub at work: broker, database, hub, API, an edge agent and simulated devices.",
    ),
    Command(
        "up",
        "up:up",
        "Run the hub: private broker and database where none are configured, the hub and its API.",
    ),
    Command("hub", "hub:hub", "Run only the hub's own process: MQTT in, checks, database, alarms."),
    Command("api", "serve:api", "Run only the API and the console."),
    Command(
        "migrate",
        "migrate:migrate",
        "Bring the database's schema and the shipped profiles up to this version.",
    ),
    Command("edge", "gateway:app", "The edge agent of a gateway."),
    Command("sim", "sim:app", "Simulated devices."),
    Command(
        "replay",
        "replay:replay",
        "Send a recording through journal, broker, checks, rules and database.",
    ),
    Command(
        "backtest",
        "backtest:backtest",
        "Let the hub's own checks and rules judge a recording, and say what they would have done.",
    ),
    Command(
        "decode",
        "decode:decode",
        "Decode what came over the wire and print what was understood, what was not, and why.",
    ),
    Command(
        "device",
        "device:app",
        "Devices: import and undo, neighbours, list, show, the steps of their life, commands to them.",
    ),
    Command(
        "source",
        "onboarding:source",
        "Platforms with topics of their own (ChirpStack, cameras): their credentials.",
    ),
    Command(
        "broker", "broker:app", "A broker of the city's own: export, and keep up to date, who may enter."
    ),
    Command(
        "zone", "zone:app", "Zones and lines: import and check GeoJSON, list, show, their versions, retire."
    ),
    Command("rule", "rule:app", "Rules: check them, try them on the past, prove what they did."),
    Command(
        "doctor",
        "doctor:doctor",
        "Look at broker, database, hub, API, clock, disk, certificates and devices; say the next step for each.",
    ),
    Command(
        "ledger",
        "ledger:ledger",
        "Print what became of every reading: received = stored + duplicate + quarantined + rejected.",
    ),
    Command("account", "account:app", "Accounts: new passwords."),
    Command(
        "bench",
        "bench:bench",
        "Measure the hub on this machine, with services of its own in a temporary home.",
    ),
)


def built(asked: str | None) -> typer.Typer:
    """The command line with the one command that is asked for, and the others by their names and one line each."""
    app = typer.Typer(
        help="A sensing hub for cities: telemetry in, checked on the way, alarms that are believed.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    for name, place, line in COMMANDS:
        if name != asked:
            app.command(name, help=line)(_unasked)
            continue
        module, inside = place.split(":")
        found = getattr(import_module(f"cityhub.commands.{module}"), inside)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def _unasked() -> None:
    """Stands for a command that this run does not ask for."""
    raise AssertionError


OURS = {"edge", "geo", "ingest", "alerts", "governance", "api", "cityhub", "bench"}


class MissingPart(Exception):
    """A command of the hub on a machine that has only what a gateway needs."""

    hint = "pip install 'cityhub[hub]', or run it where the hub is"


def main() -> None:
    """Run one command."""
    log_to_stderr()
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    with mistakes_told():
        try:
            built(asked)()
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in OURS:
                raise
            raise MissingPart(f"this command needs {error.name}, which is not installed here") from error


if __name__ == "__main__":
    main()
