"""`cityhub account`: people who may sign in."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from api import accounts
from cityhub.commands.options import Config, connect, settings

app = typer.Typer(help="Accounts: new passwords.", no_args_is_help=True)
out = Console(highlight=False)


@app.callback()
def account() -> None:
    """Accounts: new passwords."""


@app.command()
def password(name: Annotated[str, typer.Argument()], config: Config = None) -> None:
    """Give an account a new password, print it once, and end its sessions."""
    with connect(settings(config)) as connection:
        out.print(f"{name} / {accounts.reset_password(connection, name)}")
