"""Keys: the credentials of devices whose programs run on the hub's own machine."""

from __future__ import annotations

import time

import psycopg

from api import enrolling
from cityhub.addresses import file_of, reach
from cityhub.settings import Settings
from edge import credential
from edge.credential import Credential, CredentialMissing
from edge.link import Address
from ingest import credentials

ADMITTED_S = 5.0


def key_here(connection: psycopg.Connection, given: Settings, device: str) -> Credential:
    """The credential of a device whose program runs on this machine: the one it has, or a new one (audited).

    Waits until the broker knows it. For the demo and for recordings; a device in the field is enrolled.
    """
    path = file_of(given.home, device)
    try:
        own = credential.load(path)
    except CredentialMissing:
        own = None
    if own is None or not credentials.is_in_force(connection, own.user, own.password):
        at = Address(reach(given).field_mqtt_url)
        issued, department = enrolling.issue(connection, device, "cityhub")
        own = Credential(
            device, department, issued.user, issued.secret, issued.client_id, at.host, at.port, at.tls
        )
        own.save(path)
        _await_admission(connection, issued.id)
    return own


def _await_admission(connection: psycopg.Connection, issued: int) -> None:
    limit = time.monotonic() + ADMITTED_S
    while time.monotonic() < limit and not credentials.is_admitted(connection, issued):
        time.sleep(0.02)
