"""The private broker as mosquitto runs it: its configuration, its access list, its program."""

import base64
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from cityhub.services.quarters import Quarters
from cityhub.services.record import Record

# Iterations as mosquitto_passwd makes them; the passwords are random, so more would only slow connects down.
_ITERATIONS = 101

_CONFIGURATION = """\
# Written at every start of CityHub: changes here do not last.
listener {port} 127.0.0.1
allow_anonymous false
password_file {inside}/passwords
acl_file {inside}/access

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

ACCESS = """\
# What is not listed is denied.
user hub
topic readwrite city/v1/#
topic read $SYS/#

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


def hashed(password: str) -> str:
    """A password as mosquitto's password file holds it (PBKDF2 with SHA-512)."""
    salt = os.urandom(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def prepare(binary: Path, quarters: Quarters, record: Record) -> list[str]:
    """Write what mosquitto reads and return its command line."""
    at = quarters.directory
    (at / "store").mkdir(exist_ok=True)
    quarters.give_tree(at / "store")
    quarters.give(at / "store", 0o700)
    configuration = _CONFIGURATION.format(port=record.port, inside=quarters.inside)
    passwords = "".join(f"{user}:{hashed(word)}\n" for user, word in record.passwords.items())
    for name, text in (("mosquitto.conf", configuration), ("access", ACCESS), ("passwords", passwords)):
        path = at / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
        quarters.give(path, 0o600)
    return [str(binary), "-c", str(quarters.inside / "mosquitto.conf")]
