"""The private broker as mosquitto runs it: its configuration, its access lists, its program."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cityhub.services.quarters import Quarters
from cityhub.services.record import Record
from ingest.credentials import PUBLISHED, READ, Grant, pbkdf2

_CONFIGURATION = """\
# Written at every start of CityHub: changes here do not last.
per_listener_settings true

# The hub's own door, and only its: no credential of a device fits here.
listener {inner_port} 127.0.0.1
allow_anonymous false
password_file {inside}/hub.passwords
acl_file {inside}/hub.access

# The devices' door. A client id is not chosen but given: it is the user's name, so that nobody can take over
# another's session or throw another out. Both files are read again on SIGHUP.
listener {port} 127.0.0.1
allow_anonymous false
use_username_as_clientid true
password_file {inside}/devices.passwords
acl_file {inside}/devices.access

# The limit of one packet: what is larger is refused before anybody decodes it.
max_packet_size 262144
# 1,000 in flight keeps a hub busy that acknowledges a batch after its commit; with the 20 of the
# defaults it would wait for a round trip per 20 messages.
max_inflight_messages 1000
# The default drops silently past 1,000 queued messages. Bounded by memory instead, per client.
max_queued_messages 0
max_queued_bytes 268435456

persistence true
persistence_location {inside}/store/
# What a kill -9 may lose, in seconds (the default is half an hour). A save writes the whole store: with
# 60,000 messages waiting, 11,900 messages/s were measured at 2 s, 9,100 at 1 s, and a save per change
# came to 770. The edge repeats what was never committed.
autosave_interval 2
# Sessions of devices that never return must not collect messages for ever.
persistent_client_expiration 7d

log_dest stderr
log_timestamp_format %Y-%m-%dT%H:%M:%S
log_type error
log_type warning
log_type notice
# A line per connection would fill the disk of a city with flapping modems.
connection_messages false
"""

HUB = """\
# What is not listed is denied.
user hub
topic readwrite #
topic read $SYS/#
"""
FIELD = """
# Any device: for tests and benches on this machine alone, which ask for it.
user field
topic write city/v1/+/+/telemetry
topic write city/v1/+/+/event
topic write city/v1/+/+/position
topic write city/v1/+/+/status
topic write city/v1/+/+/reply
topic read city/v1/+/+/committed
topic read city/v1/+/+/command
"""


def program() -> Path | None:
    """The mosquitto of this machine; Debian keeps it where a user's PATH does not look."""
    found = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin")
    return Path(found).resolve() if found else None


def version(binary: Path) -> str:
    """Such as ``2.0.11``."""
    said = subprocess.run([binary, "-h"], capture_output=True, text=True, check=False, timeout=30)
    found = re.search(r"version (\S+)", said.stdout + said.stderr)
    return found.group(1) if found else "unknown"


def passwords(grants: Sequence[Grant]) -> str:
    """The password file of the devices' door."""
    return "".join(f"{grant.user}:{grant.pbkdf2}\n" for grant in grants)


def access(grants: Sequence[Grant]) -> str:
    """The access list of the devices' door.

    A device is named department/device, so that its own topics are one pattern for all: with lines of their own for
    each, 10,000 devices took the broker 1.5 s to read again, and the pattern takes 0.1 s. Only gateways and sources
    have lines of their own. What is read is checked when it is delivered: a subscription to more is granted and
    brings nothing.
    """
    lines = [
        "# Written by CityHub from its registry: changes here do not last. What is not listed is denied."
    ]
    lines += [f"pattern write city/v1/%u/{leaf}" for leaf in PUBLISHED]
    lines += [f"pattern read city/v1/%u/{leaf}" for leaf in READ]
    for grant in grants:
        if not (grant.behind or grant.writes or grant.reads):
            continue
        lines.append(f"\nuser {grant.user}")
        lines += [f"topic write {base}/{leaf}" for base in grant.behind for leaf in PUBLISHED]
        lines += [f"topic write {one}" for one in grant.writes]
        lines += [f"topic read {one}" for one in grant.reads]
    return "\n".join(lines) + "\n"


def admit(quarters: Quarters, grants: Sequence[Grant]) -> None:
    """Write the files of the devices' door; the broker reads them on SIGHUP."""
    quarters.put("devices.passwords", passwords(grants))
    quarters.put("devices.access", access(grants))


def prepare(binary: Path, quarters: Quarters, record: Record) -> list[str]:
    """Write what mosquitto reads and return its command line; who was admitted last is so until told otherwise."""
    at = quarters.directory
    (at / "store").mkdir(exist_ok=True)
    quarters.give_tree(at / "store")
    quarters.give(at / "store", 0o700)
    if not (at / "devices.access").exists():
        admit(quarters, ())
    for name in ("devices.passwords", "devices.access"):
        quarters.give(at / name, 0o600)  # a copied home may have had another account
    quarters.put(
        "hub.passwords", "".join(f"{user}:{pbkdf2(word)}\n" for user, word in record.passwords.items())
    )
    quarters.put("hub.access", HUB + (FIELD if "field" in record.passwords else ""))
    quarters.put(
        "mosquitto.conf",
        _CONFIGURATION.format(port=record.port, inner_port=record.inner_port, inside=quarters.inside),
    )
    return [str(binary), "-c", str(quarters.inside / "mosquitto.conf")]
