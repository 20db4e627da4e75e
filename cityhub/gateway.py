"""A gateway's own file: what `cityhub edge run gateway.toml` is to do, checked before anything starts."""

from __future__ import annotations

import base64
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from cityhub.settings import OperatorError
from cityhub.toml_table import IDENTIFIER, NAME_WANTED, Mistake, Table
from edge import credential as edge_credential
from edge.journal import WhenFull
from edge.link import Address, AddressError

FRAME = re.compile(r"[5-8][NEOneo][12]")
CREDENTIAL = "CITYHUB_EDGE_CREDENTIAL"
KEY_BYTES = 32

KINDS = {
    "jsonlines": "edge.drivers.jsonlines:Lines",
    "sl651": "edge.drivers.sl651:Sl651",
    "sl427": "edge.drivers.sl427:Sl427",
    "hj212": "edge.drivers.hj212:Hj212",
    "sdi12": "edge.drivers.sdi12:Sdi12",
    "modbus": "edge.drivers.modbus:Modbus",
}
"""Where each kind of driver is. Its options are its constructor's own."""

Way = Literal["listen", "connect", "serial"]
WAYS: tuple[Way, ...] = ("listen", "connect", "serial")
ONLY = {"listen": ("idle_s", "greeting_s", "silent_each", "links"), "serial": ("baud", "frame")}
"""What says something of one kind of place, and nothing of another."""
PICTURED = ("sl651",)
"""Kinds whose stations send pictures that are kept."""
POLLERS = {"modbus"}
"""Drivers that ask; the others are dialogues that any link carries."""


@dataclass(frozen=True, slots=True)
class DriverPlan:
    """One driver: what it speaks and where."""

    name: str
    kind: str
    way: Way
    host: str = ""
    port: int = 0
    device: str = ""  # of a serial port
    baud: int = 9_600
    frame: str = "8N1"
    idle_s: float = 3_900.0
    greeting_s: float = 120.0
    silent_each: int = 256
    links: int = 4_096
    stations: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """What people call the place."""
        return self.device or f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PicturePlan:
    """Where pictures that stations send are kept, and how many."""

    folder: Path
    files: int
    mb: int
    days: float


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything that the file says."""

    id: str
    department: str
    broker: str
    user: str
    credential: Path | None
    ca: Path | None
    home: Path
    journal_mb: int
    when_full: WhenFull
    hub_key: bytes | None
    capture_mb: int
    silence_s: float
    deadband: Mapping[str, float]
    drivers: tuple[DriverPlan, ...]
    pictures: PicturePlan | None = None


def read(path: Path) -> Gateway:
    """The plan that a file holds; raises OperatorError naming file, key and what was wanted."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Mistake(f"cannot read {path}: {reason}", "see docs/edge.md for an example") from error
    return parse(text, path)


def parse(text: str, path: Path) -> Gateway:
    """The plan in a text; `path` is what its mistakes are said of."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Mistake(f"{path}: {error}", "texts in quotes, tables as [gateway] and [[driver]]") from error
    for key in given.keys() - {"gateway", "driver", "report", "pictures"}:
        raise Mistake(
            f"{path}: {key} is not known", "known are [gateway], [report], [pictures] and [[driver]]"
        )
    drivers = given.get("driver", [])
    if not isinstance(drivers, list) or not drivers:
        raise Mistake(f"{path}: there is no driver", "write at least one [[driver]] with its kind")
    plans = tuple(_driver(path, number, one) for number, one in enumerate(drivers, 1))
    names = [plan.name for plan in plans]
    for name in names:
        if names.count(name) > 1:
            raise Mistake(f"{path}: two drivers are called {name}", "give each a name of its own: name = ...")
    return _gateway(path, given, plans)


def _gateway(path: Path, given: dict[str, Any], drivers: tuple[DriverPlan, ...]) -> Gateway:
    table = Table(path, "gateway", given.get("gateway", {}))
    report = Table(path, "report", given.get("report", {}))
    own = table.name("id")
    broker = table.text("broker", "mqtts://host:8883, the hub's broker")
    try:
        address = Address(broker)
    except AddressError as error:
        raise Mistake(
            f"{path}: gateway.broker is no address of a broker",
            "wanted: mqtts://host:8883 or mqtt://host:1883",
        ) from error
    if address.password:
        raise Mistake(
            f"{path}: gateway.broker has a password in it",
            "leave it out; credential = names the file it is in",
        )
    if not address.tls and table.has("ca"):
        raise table.idle("ca", "without TLS nothing is checked against it: broker = mqtts://...")
    if report.has("silence_s") and not report.has("deadband"):
        raise report.idle("silence_s", "without a deadband every reading is sent")
    home = Path(table.text("home", "a directory for journal and status", "/var/lib/cityhub-edge"))
    found = Gateway(
        id=own,
        department=table.name("department"),
        broker=broker,
        user=table.text("user", "the name at the broker", address.user or own),
        credential=_path(table, "credential"),
        ca=_path(table, "ca"),
        home=home,
        journal_mb=int(table.number("journal_mb", "megabytes", 1_024, 16, 1 << 20)),
        when_full="drop-oldest"
        if table.choice("when_full", ("refuse", "drop-oldest"), "refuse") == "drop-oldest"
        else "refuse",
        hub_key=_key(table),
        capture_mb=int(table.number("capture_mb", "megabytes", 16, 1, 4_096)),
        silence_s=float(report.number("silence_s", "seconds", 900, 1, 86_400)),
        deadband={
            metric: _band(path, metric, band) for metric, band in sorted(report.table("deadband").items())
        },
        drivers=drivers,
        pictures=_pictures(path, given["pictures"], home, drivers) if "pictures" in given else None,
    )
    table.end(
        "id, department, broker, user, credential, ca, home, journal_mb, when_full, hub_key, capture_mb"
    )
    report.end("silence_s, deadband")
    return found


def _pictures(path: Path, given: object, home: Path, drivers: tuple[DriverPlan, ...]) -> PicturePlan:
    table = Table(path, "pictures", given)
    folder = table.text("folder", "a folder; one without a leading / lies in the gateway's home")
    if not any(each.kind in PICTURED for each in drivers):
        raise table.idle("folder", f"pictures come from drivers of the kind {', '.join(PICTURED)}")
    found = PicturePlan(
        folder=home / folder,
        files=int(table.number("files", "pictures", 10_000, 1, 1_000_000)),
        mb=int(table.number("mb", "megabytes", 1_024, 2, 1 << 20)),
        days=float(table.number("days", "days", 30, 1, 3_650)),
    )
    table.end("folder, files, mb, days")
    return found


def _driver(path: Path, number: int, given: object) -> DriverPlan:
    table = Table(path, f"driver {number}", given)
    kind = table.choice("kind", tuple(KINDS))
    ways = [way for way in WAYS if table.has(way)]
    if len(ways) != 1:
        raise Mistake(
            f"{path}: driver {number} ({kind}) has {' and '.join(ways) or 'no place'}",
            'one of listen = "0.0.0.0:5001", connect = "host:port", serial = "/dev/ttyUSB0"',
        )
    (way,) = ways
    if way == "listen" and kind in POLLERS:
        raise table.wrong("listen", f"{kind} asks: connect = or serial =", table.text("listen", "", ""))
    for only, keys in ONLY.items():
        for key in keys if only != way else ():
            if table.has(key):
                raise table.idle(key, f"it goes with {only} =; this driver has {way} =")
    host, port, device = "", 0, ""
    if way == "serial":
        device = table.text("serial", "a device such as /dev/ttyUSB0")
    else:
        host, port = _place(table, way)
    frame = table.text(
        "frame", "data bits, parity, stop bits, such as 8N1", "7E1" if kind == "sdi12" else "8N1"
    )
    if not FRAME.fullmatch(frame):
        raise table.wrong("frame", "data bits, parity, stop bits, such as 8N1", frame)
    stations = table.table("stations")
    for address, station in stations.items():
        if not isinstance(station, str) or not IDENTIFIER.fullmatch(station):
            raise table.wrong(f"stations.{address}", f"a device id: {NAME_WANTED}", station)
    plan = DriverPlan(
        name=table.name("name", kind),
        kind=kind,
        way=way,
        host=host,
        port=port,
        device=device,
        baud=int(table.number("baud", "bits a second", 1_200 if kind == "sdi12" else 9_600, 50, 4_000_000)),
        frame=frame,
        idle_s=float(table.number("idle_s", "seconds", 3_900, 1, 864_000)),
        greeting_s=float(table.number("greeting_s", "seconds", 120, 1, 864_000)),
        silent_each=int(table.number("silent_each", "links of one address", 256, 1, 100_000)),
        links=int(table.number("links", "links at once", 4_096, 1, 100_000)),
        stations=stations,
        options=table.table("options"),
    )
    table.end(
        "kind, name, listen, connect, serial, baud, frame, idle_s, greeting_s, silent_each, links, stations, options"
    )
    return plan


def _place(table: Table, key: str) -> tuple[str, int]:
    text = table.text(key, "host:port")
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdecimal() and int(port) <= 65_535):  # noqa: PLR2004 -- the last port
        raise table.wrong(key, "host:port, such as 0.0.0.0:5001", text)
    return host.strip("[]"), int(port)


def _path(table: Table, key: str) -> Path | None:
    text = table.text(key, "a file", "")
    return Path(text) if text else None


def _band(path: Path, metric: str, band: object) -> float:
    if isinstance(band, bool) or not isinstance(band, int | float) or not 0 <= band < float("inf"):
        raise Mistake(
            f"{path}: report.deadband.{metric} is {band!r:.40}",
            "wanted: a number in the metric's unit, at least 0",
        )
    return float(band)


def _key(table: Table) -> bytes | None:
    text = table.text("hub_key", "the hub's public key", "")
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError as error:  # no base64, or not even ASCII
        raise table.wrong("hub_key", "44 characters, as `cityhub device key` prints them", text) from error
    if text and len(key) != KEY_BYTES:
        raise table.wrong("hub_key", "44 characters, as `cityhub device key` prints them", text)
    return key or None


def credential(plan: Gateway, environment: Mapping[str, str]) -> tuple[str, str]:
    """User and password for the broker: from a file that is the owner's alone, or from the environment; or none.

    The file holds the password, or what the gateway was given when it was enrolled (edge.credential).
    """
    if plan.credential is None:
        return plan.user, environment.get(CREDENTIAL, "")
    path = plan.credential
    if not path.is_absolute():  # systemd's LoadCredential= lays it there
        path = Path(environment.get("CREDENTIALS_DIRECTORY", ".")) / path
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise OperatorError(
            f"cannot read the credential {path}: {reason}",
            "write the password there, mode 0600; a bare name lies in CREDENTIALS_DIRECTORY, which systemd sets",
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and os.geteuid() in {path.stat().st_uid, 0}:
        raise OperatorError(f"others may read the credential {path}", f"chmod 600 {path}")
    if not text.startswith("{"):
        return plan.user, text
    try:
        enrolled = edge_credential.read(orjson.loads(text))
    except ValueError as error:
        raise OperatorError(f"{path} holds no credential: {error}", "enrol the gateway anew") from error
    if (enrolled.device, enrolled.department) != (plan.id, plan.department):
        # The broker would let it in and drop what it says in silence.
        raise OperatorError(
            f"{path} is the credential of {enrolled.device} of {enrolled.department}, "
            f"and this file is {plan.id}'s of {plan.department}",
            "name the right one, or enrol this gateway",
        )
    return enrolled.user, enrolled.password
