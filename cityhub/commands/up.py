"""`cityhub up`, `hub`, `api`, `migrate`: the hub, whole or in its two processes."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import psycopg
import structlog
import typer
from rich.console import Console

from alerts import rulebook
from api import accounts, server
from cityhub.addresses import reach, without_credential
from cityhub.commands.options import Config, settings
from cityhub.hub import Hub, Plan
from cityhub.settings import OperatorError, Settings, days_of
from cityhub.signals import stop_on_signals
from cityhub.sources import chosen
from cityhub.stack import hub_and_api, prepare, services
from ingest.lifecycle import Retention
from ingest.quota import Quota

out = Console(highlight=False)
log = structlog.get_logger("cityhub.api")


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
        children = hub_and_api(given, found, stack)
        out.print(f"Console   http://{given.api_host}:{given.api_port}")
        if password:
            out.print(
                f"Sign in   admin / {password}   (shown this once; `cityhub account password admin` sets a new one)"
            )
        out.print(f"Logs      {given.home / 'run'}")
        while not stopping.wait(0.5):
            for child in children:
                before = child.restarts
                child.tend()
                if child.restarts > before:
                    out.print(
                        f"[yellow]{child.name} had died and was started again[/]; its last words:\n{child.last_words(4)}"
                    )


def hub(config: Config = None) -> None:
    """Run only the hub's own process: MQTT in, checks, database, alarms."""
    given = settings(config)
    found = reach(given)
    folders = (rulebook.SHIPPED, *([Path(given.rules)] if given.rules else []))
    plan = Plan(
        found.database_url,
        found.mqtt_url,
        client_id=found.client_id,
        sources=chosen(given.sources),
        rule_folders=folders,
        days=days_of(given.time_zone),
        webhook_url=given.webhook_url,
        webhook_secret=given.webhook_secret,
        webhook_allow_private=given.webhook_allow_private,
        retention=retention(given),
        device_quota=Quota(given.device_messages_per_s, given.device_burst),
        department_quota=Quota(given.department_messages_per_s, given.department_burst),
    )
    Hub(plan, stop_on_signals()).run()


def retention(given: Settings) -> Retention:
    """How long what is kept; raises OperatorError."""

    def days(number: int) -> timedelta | None:
        return timedelta(days=number) if number else None

    try:
        return Retention(
            readings=days(given.keep_readings_days),
            messages=days(given.keep_messages_days),
            dead_letters=days(given.keep_dead_letters_days),
            minutes=days(given.keep_minutes_days),
        )
    except ValueError as error:
        raise OperatorError(f"keep_..._days: {error}", "see docs/settings.md") from error


def api(config: Config = None) -> None:
    """Run only the API and the console."""
    given = settings(config)
    found = reach(given)
    server.serve(
        found.database_url,
        given.api_host,
        given.api_port,
        secure=given.api_secure,
        devices_at=without_credential(found.field_mqtt_url),
        public_url=given.public_url,
        ready=listening,
    )


def listening(url: str) -> None:
    """Say where the API answers."""
    log.info("api listens", url=url)


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
