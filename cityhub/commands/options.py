"""What several commands ask for in the same way."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cityhub.addresses import reach
from cityhub.settings import OperatorError, Settings, load

if TYPE_CHECKING:
    import psycopg

Config = Annotated[
    Path | None, typer.Option("--config", help="TOML file of settings; CITYHUB_* variables overrule it.")
]


def settings(config: Path | None) -> Settings:
    """The settings that hold for this command."""
    return load(config, os.environ)


def operator() -> str:
    """Who types: the name of the account on this machine, for the history."""
    try:
        return f"{getpass.getuser()} at the command line"
    except (KeyError, OSError):  # an account without a name, as in some containers
        return "somebody at the command line"


def connect(given: Settings) -> psycopg.Connection:
    """A connection to the database of the hub that runs; raises OperatorError."""
    import psycopg  # noqa: PLC0415 -- a gateway has none, and shares the options above

    try:
        connection = psycopg.connect(reach(given).database_url, autocommit=True, connect_timeout=5)
        connection.execute("set timezone = 'UTC'")  # what is printed says Z, wherever the server lives
    except psycopg.OperationalError as error:
        raise OperatorError(
            f"the database does not answer: {str(error).strip().splitlines()[0]}",
            "is the hub running? `cityhub up` starts it",
        ) from error
    return connection
