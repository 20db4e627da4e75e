"""`cityhub broker`: who may enter, told to a mosquitto that is not the hub's own."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cityhub.commands.migrate import database_url
from cityhub.commands.options import Config, connect, settings
from cityhub.gatekeeper import Gatekeeper
from cityhub.services import mosquitto
from cityhub.settings import OperatorError
from cityhub.signals import stop_on_signals
from ingest.credentials import Grant, grants, note_admitted

app = typer.Typer(
    help="A broker of the city's own: export, and keep up to date, who may enter.", no_args_is_help=True
)
out = Console(highlight=False)


@app.callback()
def broker_group() -> None:
    """A broker of the city's own."""


@app.command()
def export(
    folder: Annotated[
        Path, typer.Argument(help="An existing folder that mosquitto reads; the files get its owner.")
    ],
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on: write again with every change, until Ctrl-C.")
    ] = False,
    pid: Annotated[
        Path | None, typer.Option(help="mosquitto's pid file: it is told (SIGHUP) after each writing.")
    ] = None,
    config: Config = None,
) -> None:
    """Write `devices.passwords` and `devices.access` for a mosquitto of the city's own (docs/broker.md).

    The files hold hashes, no secrets. With `--follow` a credential that is revoked is thrown out within a second or two.
    """
    given = settings(config)
    if not folder.is_dir():
        raise OperatorError(f"{folder} is no folder", "make it first, for mosquitto's user, mode 0700")

    def admit(found: Sequence[Grant]) -> None:
        write(folder, found)
        if pid is not None:
            _tell(pid)

    if not follow:
        with connect(given) as connection:
            found = grants(connection)
            admit(found)
            note_admitted(connection, [grant.id for grant in found])
        out.print(f"{len(found)} credentials written to {folder}")
        return
    stopping = stop_on_signals()
    gatekeeper = Gatekeeper(database_url(given), admit)
    gatekeeper.start()
    out.print(f"{folder} follows the registry; Ctrl-C ends it, and the files stay")
    stopping.wait()
    gatekeeper.close()


def write(folder: Path, found: Sequence[Grant]) -> None:
    """Write both files, each whole or not at all, for the owner of the folder."""
    owner = folder.stat()
    for name, text in (
        ("devices.passwords", mosquitto.passwords(found)),
        ("devices.access", mosquitto.access(found)),
    ):
        draft = folder / f"{name}.new"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o600)
            if os.geteuid() == 0:
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        draft.replace(folder / name)


def _tell(pid: Path) -> None:
    try:
        os.kill(int(pid.read_text()), signal.SIGHUP)
    except (FileNotFoundError, ProcessLookupError):
        return  # it does not run; when it starts it reads the files
    except ValueError as error:
        raise OperatorError(f"{pid} holds no process number", "give mosquitto's pid_file") from error
