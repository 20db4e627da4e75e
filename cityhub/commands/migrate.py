"""`cityhub migrate`: the database's schema and the shipped profiles brought up to this version."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from cityhub.addresses import reach
from cityhub.commands.options import Config, settings
from cityhub.settings import Settings
from cityhub.stack import prepare

out = Console(highlight=False)


def migrate(
    config: Config = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing when all is well.")] = False,
) -> None:
    """Bring the database's schema and the shipped profiles up to this version."""
    given = settings(config)
    prepare(database_url(given), given, (lambda _: None) if quiet else lambda line: out.print(f"  {line}"))


def database_url(given: Settings) -> str:
    """The configured database, else that of the running hub."""
    return given.database_url or reach(given).database_url
