"""`cityhub api`: the process that serves API and console."""

from __future__ import annotations

import structlog

from api import server
from cityhub.addresses import reach, without_credential
from cityhub.commands.options import Config, settings

log = structlog.get_logger("cityhub.api")


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
        minimum_group=given.minimum_group,
        ready=listening,
    )


def listening(url: str) -> None:
    """Say where the API answers."""
    log.info("api listens", url=url)
