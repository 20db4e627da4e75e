"""What the hub talks to: broker, database, its own process, the API, and the certificates on the way."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg

from cityhub.doctor.finding import Finding
from cityhub.migrate import pending
from edge.link import MQTT_5, Address, AddressError, Unreachable, dial, dialect

ANSWER_S = 5.0
SLOW_S = 0.5
BEAT_S = 30.0
SOON_DAYS, NOW_DAYS = 30, 7


def broker(url: str) -> Iterator[Finding]:
    """Whether a message goes through the broker and comes back."""
    try:
        address = Address(url)
        protocol = dialect(address, ANSWER_S)
    except (AddressError, Unreachable) as error:
        yield Finding("broker", "fail", str(error), error.hint)
        return
    client = dial(address, f"doctor-{uuid4().hex[:12]}", protocol=protocol, lasting=False, in_flight=10)
    topic, back, refused = (
        f"city/v1/hub/doctor-{uuid4().hex[:12]}/canary",
        threading.Event(),
        threading.Event(),
    )

    def connected(
        _client: object, _data: object, _flags: object, reason: object, _properties: object
    ) -> None:
        if getattr(reason, "is_failure", False):
            refused.set()
        else:
            client.subscribe(topic)

    def subscribed(*_: object) -> None:
        client.publish(topic, b"", qos=0)

    client.on_connect = connected
    client.on_subscribe = subscribed
    client.on_message = lambda *_: back.set()
    begun = time.monotonic()
    client.loop_start()
    try:
        limit = begun + ANSWER_S
        while not back.wait(0.02) and not refused.is_set() and time.monotonic() < limit:
            pass
        took = time.monotonic() - begun
    finally:
        client.disconnect()
        client.loop_stop()
    spoken = "MQTT 5" if protocol == MQTT_5 else "MQTT 3.1.1"
    if refused.is_set():
        yield Finding(
            "broker",
            "fail",
            f"{address} does not let the hub in",
            "check user and password in CITYHUB_MQTT_URL",
        )
    elif not back.is_set():
        yield Finding(
            "broker",
            "fail",
            f"{address} took our message and did not bring it back within {ANSWER_S:.0f} s",
            "give the hub's user the right to read and write city/v1/#",
        )
    else:
        yield Finding("broker", "ok", f"{address} speaks {spoken}; there and back in {took * 1000:.0f} ms")


def database(connection: psycopg.Connection) -> Iterator[Finding]:
    """Version, extension, schema, and how long a question takes."""
    begun = time.monotonic()
    row = connection.execute(
        """select current_setting('server_version'),
                  (select extversion from pg_extension where extname = 'timescaledb'),
                  current_setting('timescaledb.license', true)"""
    ).fetchone()
    took = time.monotonic() - begun
    version, extension, edition = row or ("unknown", None, None)
    said = f"PostgreSQL {version.split()[0]}"
    if extension is None:
        yield Finding(
            "database",
            "attention",
            f"{said} without TimescaleDB: all works, old readings cost more room and time",
            "install the extension timescaledb, then `cityhub migrate` on a new database",
        )
    elif took > SLOW_S:
        yield Finding(
            "database",
            "attention",
            f"{said} answers in {took:.1f} s",
            "look at its load and its disk",
        )
    else:
        kind = "community" if edition == "timescale" else "Apache"
        yield Finding(
            "database", "ok", f"{said}, TimescaleDB {extension} ({kind}); answers in {took * 1000:.0f} ms"
        )
    waiting = pending(connection)
    if waiting:
        yield Finding("schema", "fail", f"{len(waiting)} files are not applied", "run `cityhub migrate`")
    else:
        yield Finding("schema", "ok", "is that of this version")


def hub(connection: psycopg.Connection) -> Iterator[Finding]:
    """Whether the hub's process is at work, and whether its books balance."""
    row = connection.execute(
        """select extract(epoch from now() - beat_at)::float8, status from hub_run order by beat_at desc limit 1"""
    ).fetchone()
    if row is None:
        yield Finding(
            "hub",
            "fail",
            "has never run on this database",
            "start it with `cityhub up`; its first start compiles, a minute or two",
        )
        return
    age, status = row
    if age > BEAT_S:
        yield Finding(
            "hub", "fail", f"was last heard of {_lasted(age)} ago", "start it with `cityhub up`, read its log"
        )
    elif not status.get("connected"):
        yield Finding("hub", "fail", "runs and has no broker", "see the finding on the broker")
    elif status.get("waits"):
        yield Finding("hub", "fail", "runs and waits for the database", "see the finding on the database")
    else:
        said = f"takes {status.get('readings_per_s', 0):g} readings/s of {status.get('series', 0)} series"
        behind = int(status.get("queue", 0)) + int(status.get("held", 0))
        if behind:
            said += f"; {behind} messages wait"
        yield Finding("hub", "ok", said)
    off = connection.execute(
        """select coalesce(sum(abs(received - stored - duplicate - quarantined - rejected)), 0)::bigint
           from ledger_minute where minute > now() - interval '1 day'"""
    ).fetchone()
    if off and off[0]:
        yield Finding(
            "ledger",
            "fail",
            f"is off by {off[0]} readings in the last day",
            "`cityhub ledger --hours 24` shows where",
        )
    else:
        yield Finding("ledger", "ok", "balances over the last day")


def api(host: str, port: int) -> Iterator[Finding]:
    """Whether the console's port answers, and whether it is ours that does."""
    address = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"  # noqa: S104 -- compared, not bound
    try:
        answer = httpx.get(f"{address}/readyz", timeout=ANSWER_S, trust_env=False)
    except httpx.HTTPError as error:
        yield Finding(
            "api",
            "fail",
            f"nothing answers at {address} ({type(error).__name__})",
            "start it with `cityhub up`; CITYHUB_API_PORT says which port",
        )
        return
    if "content-security-policy" not in answer.headers:
        yield Finding(
            "api", "fail", f"another program listens on port {port}", "end it, or set CITYHUB_API_PORT"
        )
    elif answer.is_success:
        yield Finding("api", "ok", f"answers at {address}")
    else:
        yield Finding("api", "fail", f"{address} answers that it is not ready", "see the other findings")


def certificate(part: str, host: str, port: int, authority: Path | None = None) -> Iterator[Finding]:
    """How long the certificate of a TLS port is good for."""
    context = ssl.create_default_context(cafile=str(authority) if authority else None)
    try:
        with (
            socket.create_connection((host, port), timeout=ANSWER_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as stream,
        ):
            found = stream.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        yield Finding(
            part, "fail", f"the certificate of {host}:{port} is not valid: {error.verify_message}", "renew it"
        )
        return
    except OSError as error:
        yield Finding(part, "fail", f"{host}:{port} does not answer by TLS: {error}", "check the address")
        return
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)
    days = (ends - datetime.now(UTC)).days
    said = f"the certificate of {host}:{port} is good for {days} days"
    if days < NOW_DAYS:
        yield Finding(part, "fail", said, "renew it now")
    elif days < SOON_DAYS:
        yield Finding(part, "attention", said, "renew it")
    else:
        yield Finding(part, "ok", said)


def _lasted(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
