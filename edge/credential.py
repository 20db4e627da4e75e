"""The credential of a device: what it was given once, kept in a file that only its owner reads."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from urllib.parse import quote

import orjson


class CredentialMissing(Exception):
    """There is no credential to connect with; `hint` says how to get one."""

    hint = "`cityhub device new ID` prints a link, and `cityhub edge enrol LINK` gets the credential with it"


@dataclass(frozen=True, slots=True)
class Credential:
    """Where a device connects and as whom."""

    device: str
    department: str
    user: str
    password: str = field(repr=False)
    client_id: str
    host: str
    port: int
    tls: bool = False

    @property
    def url(self) -> str:
        """As an address with user and password in it."""
        scheme = "mqtts" if self.tls else "mqtt"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{host}:{self.port}"

    def save(self, path: Path) -> None:
        """Write the file whole or not at all."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def load(path: Path) -> Credential:
    """Read a credential; raises CredentialMissing where there is none, or none that can be read."""
    try:
        return read(orjson.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise CredentialMissing(f"there is no credential in {path}") from error
    except ValueError as error:
        raise CredentialMissing(f"{path} holds no credential: {error}") from error


def read(said: object) -> Credential:
    """A credential out of what the hub answered; what else is in it does not matter. Raises ValueError."""
    if not isinstance(said, dict):
        raise ValueError("not an object")  # noqa: TRY004 -- of a file's or a stranger's content
    kinds = {"port": int, "tls": bool}
    found = {one.name: said[one.name] for one in fields(Credential) if one.name in said}
    for name, value in found.items():
        if not isinstance(value, kinds.get(name, str)):
            raise ValueError(f"{name} is not what it should be")  # noqa: TRY004 -- as above
    try:
        return Credential(**found)
    except TypeError as error:
        raise ValueError("something is missing") from error
