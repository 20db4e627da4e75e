"""A configuration on trial: kept when the broker was reached with it, given up when not, also across a crash."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import orjson

from cityhub import drivers, gateway
from cityhub.gateway import Gateway
from cityhub.settings import OperatorError
from edge.command import write_durably

REMOTE, MARK = "remote.toml", "trial.json"
PINNED = ("id", "department", "home", "hub_key")
"""What makes this gateway this gateway; a person changes it, at the machine."""
TEXT_BYTES = 64 << 10


class RolledBack(Exception):
    """The new configuration did not do; the one before runs again."""


class Chosen(NamedTuple):
    """What a start is to run."""

    own: Gateway  # what the gateway's file says
    sent: Gateway | None = None  # what the hub has sent upon this very file
    why: str = ""  # something was sent, and why it cannot be run


def chosen(file: Path) -> Chosen:
    """What the hub has sent last goes before the file's own; raises OperatorError where the file is none."""
    own = gateway.read(file)
    try:
        kept = orjson.loads((own.home / REMOTE).read_bytes())
    except FileNotFoundError:
        return Chosen(own)
    except (OSError, orjson.JSONDecodeError) as error:
        return Chosen(own, why=f"it cannot be read: {error}")
    if not isinstance(kept, dict):
        return Chosen(own, why="it cannot be read: no object")
    if kept.get("upon") != _mark(file):
        return Chosen(own)  # a person has changed the file since: the person wins
    try:
        return Chosen(own, allowed(str(kept.get("text")), own))
    except OperatorError as error:  # another version of us wants it otherwise, or a library is gone
        return Chosen(own, why=f"{error} ({error.hint})")


def allowed(text: str, before: Gateway) -> Gateway:
    """The plan in a text that the hub sends; raises OperatorError where it is none, or changes what it may not."""
    if len(text.encode()) > TEXT_BYTES:
        raise OperatorError(f"a configuration of {len(text)} characters", f"at most {TEXT_BYTES} bytes")
    name = Path("configuration")
    plan = gateway.parse(text, name)
    for pinned in PINNED:
        if getattr(plan, pinned) != getattr(before, pinned):
            raise OperatorError(f"gateway.{pinned} cannot be changed from afar", "change it at the gateway")
    for each in plan.drivers:
        drivers.check(name, each)
    return plan


def begin(home: Path, order: str) -> None:
    """Leave a mark: from now on until it is decided, a crash means that the trial has failed."""
    write_durably(home / MARK, orjson.dumps({"order": order}))


def keep(home: Path, text: str, file: Path) -> None:
    """It did: from now on it is what runs."""
    write_durably(home / REMOTE, orjson.dumps({"upon": _mark(file), "text": text}))
    (home / MARK).unlink(missing_ok=True)


def give_up(home: Path) -> None:
    """It did not; what was kept before is untouched."""
    (home / MARK).unlink(missing_ok=True)


def broken(home: Path) -> str:
    """The order whose trial was cut short; nothing where there is none."""
    try:
        return str(orjson.loads((home / MARK).read_bytes())["order"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _mark(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
