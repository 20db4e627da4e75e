"""Addresses: where the parts of a running hub can be reached."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from cityhub.settings import OperatorError, Settings, as_environment


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of a running hub are; holds passwords, so its file is the owner's alone."""

    database_url: str
    mqtt_url: str
    field_mqtt_url: str
    broker: str = ""
    database: str = ""
    warning: str = ""

    def environment(self, settings: Settings) -> dict[str, str]:
        """What a child process needs to find them."""
        return {
            **os.environ,
            **as_environment(settings),
            "CITYHUB_DATABASE_URL": self.database_url,
            "CITYHUB_MQTT_URL": self.mqtt_url,
            "CITYHUB_FIELD_MQTT_URL": self.field_mqtt_url,
        }


def reach(settings: Settings) -> Addresses:
    """The addresses of configured services, or of the private ones that run now; raises OperatorError."""
    if settings.database_url and settings.mqtt_url:
        return Addresses(
            settings.database_url, settings.mqtt_url, settings.field_mqtt_url or settings.mqtt_url
        )
    try:
        return Addresses(**json.loads(noted(settings).read_text()))
    except FileNotFoundError as error:
        raise OperatorError(
            f"no hub is running on {settings.home}",
            "start one with `cityhub up`, or set CITYHUB_DATABASE_URL and CITYHUB_MQTT_URL",
        ) from error


def noted(settings: Settings) -> Path:
    """The file that says where the private services of a home run."""
    return settings.home / "run" / "addresses.json"
