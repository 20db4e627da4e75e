"""What several commands ask for in the same way."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime
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


def moment(text: str, option: str = "--on") -> datetime:
    """The moment that is meant: of a day its end. Raises OperatorError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise OperatorError(
            f"{option} {text} is no day", "write 2026-05-01, or 2026-05-01T12:00+08:00"
        ) from error
    if len(text) == len("2026-05-01"):
        found = found.replace(hour=23, minute=59, second=59, microsecond=999_999)
    return found.replace(tzinfo=found.tzinfo or UTC)


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
