"""A configuration on trial, on disk: kept when the broker was reached with it, given up when not, also across a crash."""

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
LEADS = ("broker", "user", "credential", "ca")
"""What says where the hub is reached, and as whom."""
TEXT_BYTES = 64 << 10


class RolledBack(Exception):
    """The new configuration did not do; the one before runs again."""


class Standby(NamedTuple):
    """The configuration before one that leads to another broker: it stands by while the new one is young."""

    text: str | None  # None: the file's own
    order: str  # by which the new one came
    lost_s: float  # it is tried when no broker was reached for so long
    until_us: int  # and forgotten when one is reached after this


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


def keep(home: Path, text: str | None, file: Path, standby: Standby | None = None) -> None:
    """It did: from now on it is what runs. None: the file's own does, as if nothing had been sent. Raises OSError."""
    if text is None:
        (home / REMOTE).unlink(missing_ok=True)
    else:
        kept = {"upon": _mark(file), "text": text, "standby": standby and standby._asdict()}
        write_durably(home / REMOTE, orjson.dumps(kept))
    (home / MARK).unlink(missing_ok=True)


def outlived(home: Path) -> None:
    """What was sent last has proved itself: nothing stands by any more. Raises OSError."""
    try:
        kept = orjson.loads((home / REMOTE).read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return  # somebody has taken it away: then nothing stands by either
    if isinstance(kept, dict):
        write_durably(home / REMOTE, orjson.dumps({**kept, "standby": None}))


def leads_elsewhere(plan: Gateway, before: Gateway) -> bool:
    """Whether the hub is reached in another way with the one than with the other."""
    return any(getattr(plan, each) != getattr(before, each) for each in LEADS)


def before(file: Path, standby: Standby) -> Gateway:
    """The plan that stands by; raises OperatorError where it cannot be had any more."""
    own = gateway.read(file)
    return own if standby.text is None else allowed(standby.text, own)


def give_up(home: Path) -> None:
    """It did not; what was kept before is untouched."""
    (home / MARK).unlink(missing_ok=True)


def broken(home: Path) -> str:
    """The order whose trial was cut short; nothing where there is none."""
    try:
        return str(orjson.loads((home / MARK).read_bytes())["order"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def sent(home: Path) -> tuple[str | None, Standby | None]:
    """The words of what the hub has sent last, and what stands by beside it."""
    try:
        kept = orjson.loads((home / REMOTE).read_bytes())
        return str(kept["text"]), _standby(kept.get("standby"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None, None


def _standby(kept: object) -> Standby | None:
    try:
        made = Standby(**kept)  # type: ignore[arg-type]
        return Standby(made.text and str(made.text), str(made.order), float(made.lost_s), int(made.until_us))
    except (TypeError, ValueError):  # none, or what another version has kept
        return None


def _mark(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
