"""The stack: services, hub and API of one home, started in order; where each can be reached."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import psycopg

from cityhub.addresses import Addresses, noted, without_credential
from cityhub.gatekeeper import Gatekeeper
from cityhub.migrate import migrate
from cityhub.processes import Child, command
from cityhub.services import start_broker, start_database
from cityhub.settings import OperatorError, Settings
from ingest import profile
from ingest.enrolment import enrol_hub, keep_profiles

Say = Callable[[str], None]


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
        note = noted(settings)
        note.parent.mkdir(parents=True, exist_ok=True)
        with open(note, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            json.dump(asdict(found), file)
        stack.callback(note.unlink, missing_ok=True)
        yield found


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
