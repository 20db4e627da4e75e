"""Addresses: where the parts of a running hub can be reached, and with which credential."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from cityhub.settings import OperatorError, Settings, as_environment
from edge import credential
from edge.link import Address


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of a running hub are; holds passwords, so its file is the owner's alone.

    `field_mqtt_url` is where devices connect; on the private broker it holds no credential, for each device has its own.
    """

    database_url: str
    mqtt_url: str
    field_mqtt_url: str
    client_id: str = "cityhub"
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
            "CITYHUB_MQTT_CLIENT_ID": self.client_id,
            "CITYHUB_FIELD_MQTT_URL": self.field_mqtt_url,
        }


def reach(settings: Settings) -> Addresses:
    """The addresses of configured services, or of the private ones that run now; raises OperatorError."""
    if settings.database_url and settings.mqtt_url:
        return Addresses(
            settings.database_url,
            settings.mqtt_url,
            settings.field_mqtt_url or without_credential(settings.mqtt_url),
            settings.mqtt_client_id,
        )
    try:
        return Addresses(**json.loads(noted(settings).read_text()))
    except FileNotFoundError as error:
        raise OperatorError(
            f"no hub is running on {settings.home}",
            "start one with `cityhub up`, or set CITYHUB_DATABASE_URL and CITYHUB_MQTT_URL",
        ) from error


def file_of(home: Path, device: str) -> Path:
    """Where a device's credential lies on this machine."""
    return home / "keys" / f"{device}.json"


def broker_for(given: Settings, device: str) -> str:
    """The broker's address with the device's own credential in it; raises CredentialMissing.

    An address that was configured with a user and a password is taken as it is.
    """
    try:
        reached = reach(given).field_mqtt_url
    except OperatorError:  # a gateway far from its hub knows what it was told when it was enrolled
        reached = given.field_mqtt_url
    if reached and Address(reached).user:
        return reached
    own = credential.load(file_of(given.home, device))
    if reached:  # a private broker may have another port than when the credential was made
        at = Address(reached)
        own = replace(own, host=at.host, port=at.port, tls=at.tls)
    return own.url


def without_credential(url: str) -> str:
    """The address of a broker without who may enter."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def noted(settings: Settings) -> Path:
    """The file that says where the private services of a home run."""
    return settings.home / "run" / "addresses.json"
