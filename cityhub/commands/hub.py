"""`cityhub hub`: the hub's own process, without the API's parts in its memory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from alerts import rulebook
from cityhub.addresses import reach
from cityhub.commands.options import Config, settings
from cityhub.hub import Hub, Plan
from cityhub.settings import OperatorError, Settings, days_of
from cityhub.signals import stop_on_signals
from cityhub.sources import chosen
from ingest.lifecycle import Retention
from ingest.quota import Quota


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
            fixes=days(given.keep_fixes_days),
            anonymous=days(given.keep_anonymous_fixes_days),
        )
    except ValueError as error:
        raise OperatorError(f"keep_..._days: {error}", "see docs/settings.md") from error
