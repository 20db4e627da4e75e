"""The bench `access`: how soon a revoked device is thrown out, and a new one let in, among ten thousand."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from statistics import median
from typing import Self, cast

from psycopg import Connection

from bench.errors import Mismatch
from bench.rig import Rig, Say, rig
from cityhub.gatekeeper import Gatekeeper
from cityhub.services import Broker, ServiceError, start_broker
from cityhub.services.broker import Kind
from edge.link import Address
from ingest import credentials

OPTIONS = ("devices",)
DEVICES, CONNECTED = 10_000, 900
SECRET = "a secret of the bench"  # noqa: S105 -- of devices that live for one bench
ACCEPTED = b"\x20\x02\x00\x00"
PATIENCE_S = 60.0


def run(_seconds: float, runs: int, say: Say, devices: int = DEVICES) -> dict[str, object]:
    """Measure; raises Mismatch when a revoked device comes back, or one that was not revoked is thrown out."""
    found: dict[str, dict[str, list[float]]] = {}
    with rig(say) as at:
        _fill(at.connection, devices)
        for kind in cast("tuple[Kind, ...]", ("mosquitto", "nats")):
            with ExitStack() as stack:
                try:
                    broker = start_broker(at.home / kind, prefer=kind, progress=say)
                except ServiceError:
                    continue
                stack.callback(broker.stop)
                found[kind] = _measure(at, broker, runs, say, stack)
        described = at.described()
    return {
        **{
            f"{kind}_{name}": round(median(values), 3)
            for kind, each in found.items()
            for name, values in each.items()
        },
        "devices": devices,
        "connected": CONNECTED,
        "machine": described,
        "load": "revoked: from the commit of the revocation until the device's connection is closed; admitted: from the "
        "commit of a new credential until the broker lets it in; stall: the longest answer to another device's ping "
        "meanwhile",
        "runs": found,
    }


def _fill(connection: Connection, devices: int) -> None:
    """A registry of devices with credentials, all with one secret: checking it costs what checking any does."""
    with connection.transaction():
        connection.execute("insert into department (key, name) values ('water', 'Water')")
        connection.execute("insert into profile (key, body, sha256) values ('bench', '{}', '')")
        connection.execute(
            """insert into device (key, name, department_id, profile)
               select 'dev-' || n, 'dev', department.id, 'bench' from department, generate_series(1, %s) n""",
            (devices,),
        )
        connection.execute(
            """insert into credential (kind, username, client_id, device_id, department_id, pbkdf2, bcrypt, created_by)
               select 'device', 'water/' || key, 'edge-' || key, id, department_id, %s, %s, 'bench' from device""",
            (credentials.pbkdf2(SECRET), credentials.bcrypted(SECRET)),
        )


def _measure(at: Rig, broker: Broker, runs: int, say: Say, stack: ExitStack) -> dict[str, list[float]]:
    at.connection.execute("update credential set admitted_at = null, shut_at = null")
    gatekeeper = Gatekeeper(at.database.url, broker.admit)
    gatekeeper.start()
    stack.callback(gatekeeper.close)
    say(f"{broker.version}: connecting {CONNECTED} devices")
    others = [_connect(broker, f"water/dev-{number + 100}", SECRET) for number in range(CONNECTED)]
    for each in others:
        stack.callback(each.close)
    secret, took = SECRET, {name: list[float]() for name in ("revoked_s", "admitted_s", "stall_s")}
    for number in range(runs):
        say(f"{broker.version}: run {number + 1} of {runs}")
        victim = _connect(broker, "water/dev-1", secret)
        with _Pinging(others[0]) as pinging:
            began = time.perf_counter()
            credentials.revoke(at.connection, "dev-1")
            if victim.recv(1):
                raise Mismatch("the broker said something to a device that it was to throw out")
            took["revoked_s"].append(time.perf_counter() - began)
            victim.close()
            if _answer(broker, "water/dev-1", secret)[1] == ACCEPTED:
                raise Mismatch("a revoked device came back")
            issued = credentials.issue(at.connection, "dev-1", "bench")
            began = time.perf_counter()
            while not credentials.is_admitted(at.connection, issued.id):
                time.sleep(0.02)
            took["admitted_s"].append(time.perf_counter() - began)
            secret = issued.secret
            time.sleep(1.0)
        took["stall_s"].append(pinging.longest)
    # The next broker is measured with the same devices.
    with at.connection.transaction():
        at.connection.execute(
            """update credential set pbkdf2 = other.pbkdf2, bcrypt = other.bcrypt from credential other
               where credential.username = 'water/dev-1' and credential.revoked_at is null
                 and other.username = 'water/dev-2'"""
        )
    return took


class _Pinging:
    """Pings on a connection as fast as they are answered, and keeps how long the slowest took."""

    def __init__(self, connection: socket.socket) -> None:
        self.longest = 0.0
        self._connection, self._stopping = connection, threading.Event()
        self._fault = ""
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        if self._fault:
            raise Mismatch(f"a device that nobody revoked was disturbed: {self._fault}")

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.perf_counter()
            try:
                self._connection.sendall(b"\xc0\x00")
                if self._connection.recv(2) != b"\xd0\x00":
                    self._fault = "no answer to its ping"
                    return
            except OSError as error:
                self._fault = str(error)
                return
            self.longest = max(self.longest, time.perf_counter() - began)
            time.sleep(0.02)


def _connect(broker: Broker, user: str, secret: str) -> socket.socket:
    connection, answer = _answer(broker, user, secret)
    if answer != ACCEPTED:
        raise Mismatch(f"{user} is not let in: {answer.hex()}")
    return connection


def _answer(broker: Broker, user: str, secret: str) -> tuple[socket.socket, bytes]:
    """A connection (MQTT 3.1.1, clean session) and what the broker answered."""
    fields = [text.encode() for text in (f"bench-{user.replace('/', '-')}", user, secret)]
    body = b"\x00\x04MQTT\x04\xc2\x02\x58" + b"".join(len(text).to_bytes(2, "big") + text for text in fields)
    at = Address(broker.device_url)
    connection = socket.create_connection((at.host, at.port), timeout=PATIENCE_S)
    connection.sendall(b"\x10" + bytes([len(body)]) + body)
    return connection, connection.recv(4)
