"""A configuration on trial: kept when the broker was reached with it, given up when not, also across a crash."""

from __future__ import annotations

import hashlib
from pathlib import Path

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


def chosen(file: Path) -> Gateway:
    """The plan to run: what the hub has sent last, where it was sent upon this very file; else the file's own."""
    plan = gateway.read(file)
    remote = plan.home / REMOTE
    try:
        kept = orjson.loads(remote.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return plan
    if not isinstance(kept, dict) or kept.get("upon") != _mark(file):
        return plan  # a person has changed the file since: the person wins
    try:
        return allowed(str(kept.get("text")), plan)
    except OperatorError:
        return plan  # another version of us wants it otherwise


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
