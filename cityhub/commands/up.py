"""`cityhub up`: the hub, whole."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import Any

import psycopg
from rich.console import Console

from api import accounts
from cityhub.commands.options import Config, settings
from cityhub.signals import stop_on_signals
from cityhub.stack import hub_and_api, services

out = Console(highlight=False)


def up(config: Config = None) -> None:
    """Run the hub: private broker and database where none are configured, the hub and its API.

    Ends on Ctrl-C, in reverse order; a part that dies is started again.
    """
    given = settings(config)
    stopping = stop_on_signals()
    with ExitStack() as stack:
        found = stack.enter_context(services(given, lambda line: out.print(f"  {line}")))
        if found.warning:
            out.print(f"[yellow]Warning:[/] {found.warning}")
        with psycopg.connect(found.database_url, autocommit=True) as connection:
            password = accounts.first_administrator(connection)
            begun = connection.execute("select now()").fetchone()
        children = hub_and_api(given, found, stack)
        out.print(f"Console   http://{given.api_host}:{given.api_port}")
        if password:
            out.print(
                f"Sign in   admin / {password}   (shown this once; `cityhub account password admin` sets a new one)"
            )
        out.print(f"Logs      {given.home / 'run'}")
        ready = False
        while not stopping.wait(0.5):
            if not ready and (ready := _beats(found.database_url, begun)):
                out.print("Ready     devices are heard")
            for child in children:
                before = child.restarts
                child.tend()
                if child.restarts > before:
                    out.print(
                        f"[yellow]{child.name} had died and was started again[/]; its last words:\n{child.last_words(4)}"
                    )


def _beats(database_url: str, since: tuple[Any, ...] | None) -> bool:
    """Whether the hub's own process has been at work since then; its first start compiles, a minute or two."""
    with suppress(psycopg.Error), psycopg.connect(database_url, connect_timeout=5) as connection:
        return (
            connection.execute("select 1 from hub_run where beat_at > %s limit 1", since).fetchone()
            is not None
        )
    return False
