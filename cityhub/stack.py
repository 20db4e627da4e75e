"""The stack: services, hub and API of one home, started in order; where each can be reached."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from cityhub.gatekeeper import Gatekeeper
from cityhub.migrate import migrate
from cityhub.processes import Child, command
from cityhub.services import start_broker, start_database
from cityhub.settings import OperatorError, Settings, as_environment
from ingest import profile
from ingest.enrolment import enrol_hub, keep_profiles

Say = Callable[[str], None]


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
        return Addresses(**json.loads(_noted(settings).read_text()))
    except FileNotFoundError as error:
        raise OperatorError(
            f"no hub is running on {settings.home}",
            "start one with `cityhub up`, or set CITYHUB_DATABASE_URL and CITYHUB_MQTT_URL",
        ) from error


@contextmanager
def services(settings: Settings, say: Say) -> Iterator[Addresses]:
    """Broker and database: the configured ones, or private ones that end with this block; schema up to date."""
    with ExitStack() as stack:
        database_url, mqtt_url, field_url = settings.database_url, settings.mqtt_url, settings.field_mqtt_url
        broker_name = database_name = warning = ""
        client_id, broker = settings.mqtt_client_id, None
        if not database_url:
            say("starting the private database")
            database = start_database(settings.home, progress=say)
            stack.callback(database.stop)
            database_url, warning = database.url, database.warning or ""
            database_name = database.version + (
                f" with TimescaleDB {database.timescaledb}" if database.timescaledb else ""
            )
        if not mqtt_url:
            say("starting the private broker")
            broker = start_broker(settings.home, progress=say)
            stack.callback(broker.stop)
            mqtt_url, field_url, broker_name = broker.url, broker.device_url, broker.version
            client_id = broker.client_id
        prepare(database_url, settings, say)
        with psycopg.connect(database_url, autocommit=True) as connection:
            enrol_hub(connection)
        if broker is not None:
            gatekeeper = Gatekeeper(database_url, broker.admit)
            gatekeeper.start()
            stack.callback(gatekeeper.close)
        found = Addresses(
            database_url,
            mqtt_url,
            field_url or without_credential(mqtt_url),
            client_id,
            broker_name,
            database_name,
            warning,
        )
        note = _noted(settings)
        note.parent.mkdir(parents=True, exist_ok=True)
        with open(note, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            json.dump(asdict(found), file)
        stack.callback(note.unlink, missing_ok=True)
        yield found


def without_credential(url: str) -> str:
    """The address of a broker without who may enter."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def prepare(database_url: str, settings: Settings, say: Say) -> None:
    """Bring schema and profiles up to date; a database that does not answer is the operator's to mend."""
    folders = [profile.SHIPPED, *([Path(settings.profiles)] if settings.profiles else [])]
    loaded = [one for folder in folders for one in profile.load(folder)]
    try:
        migrate(database_url, say)
        with psycopg.connect(database_url, autocommit=True) as connection:
            keep_profiles(connection, loaded)
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        raise OperatorError(
            f"the database cannot be used: {str(error).strip().splitlines()[0]}", "check CITYHUB_DATABASE_URL"
        ) from error


def hub_and_api(settings: Settings, found: Addresses, stack: ExitStack) -> list[Child]:
    """The two processes of the hub; they meet in the database only."""
    children = []
    for name in ("hub", "api"):
        child = Child(name, command(name), found.environment(settings), settings.home)
        stack.callback(child.stop)
        children.append(child)
    return children


def _noted(settings: Settings) -> Path:
    return settings.home / "run" / "addresses.json"
