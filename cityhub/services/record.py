"""What a private service remembers between two starts: its port, its passwords, who made its data."""

import json
import os
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cityhub.services.errors import ServiceError


@dataclass
class Record:
    """One service's memory, kept in a file that only its owner reads."""

    path: Path
    port: int = 0
    inner_port: int = 0  # of a broker that has a listener for the hub alone
    made_by: str = ""
    passwords: dict[str, str] = field(default_factory=dict, repr=False)

    def save(self) -> None:
        """Write the file whole or not at all."""
        draft = self.path.with_suffix(".new")
        text = json.dumps(
            {
                "port": self.port,
                "inner_port": self.inner_port,
                "made_by": self.made_by,
                "passwords": self.passwords,
            }
        )
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)


def recall(path: Path, users: Iterable[str]) -> Record:
    """Read the record, or begin one; users without a password get a random one of 128 bits."""
    record = Record(path)
    if path.exists():
        try:
            known = json.loads(path.read_text())
            record = Record(
                path,
                int(known["port"]),
                int(known.get("inner_port", 0)),  # a record of the first version has none
                str(known["made_by"]),
                dict(known["passwords"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ServiceError(
                f"{path} is damaged: it holds the passwords of the data beside it.",
                hint="restore it from a backup, or choose a new state directory",
            ) from error
    missing = [user for user in users if user not in record.passwords]
    if missing:
        record.passwords.update({user: secrets.token_hex(16) for user in missing})
        record.save()
    return record


def choose_port(wanted: int, remembered: int) -> int:
    """Settle on a loopback port: the wanted one, else the remembered one if it is free, else any.

    Raises:
        ServiceError: the wanted port is taken.
    """
    if wanted:
        if not _free(wanted):
            raise port_taken(wanted)
        return wanted
    if remembered and _free(remembered):
        return remembered
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_taken(port: int) -> ServiceError:
    """The sentence for a port that somebody else has."""
    return ServiceError(
        f"Port {port} on 127.0.0.1 is already in use.",
        hint="choose another port, or none to let CityHub find a free one",
    )


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: connections that linger after a stop do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise ServiceError(
                f"Port {port} may only be used by root.", hint="choose a port above 1023"
            ) from error
        except OSError:
            return False
        return True
