"""The life of a device: planned, installed, commissioned, suspended, retired; and a sensor changed for another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import psycopg

from ingest import credentials
from ingest.registry import HUB

State = Literal["planned", "installed", "commissioned", "suspended", "retired"]
STATES: tuple[State, ...] = get_args(State)

# What a device may become. Retired leads back to suspended: somebody may have retired the wrong one, and what was
# in a store room for a year must not page anyone with its first word.
STEPS: dict[State, tuple[State, ...]] = {
    "planned": ("installed", "retired"),
    "installed": ("commissioned", "planned", "retired"),
    "commissioned": ("suspended", "retired"),
    "suspended": ("commissioned", "installed", "retired"),
    "retired": ("suspended",),
}
WATCHED: State = "commissioned"
"""Readings are stored in every state but retired; only of a commissioned device they page people.

An engineer who mounts a sensor shakes it, floods it, opens its cover: on purpose, and again at every repair.
"""
MEANING: dict[State, str] = {
    "planned": "readings are stored and shown to who mounts it, nobody is alarmed",
    "installed": "readings are stored and shown to who mounts it, nobody is alarmed",
    "commissioned": "in service: readings are stored, rules judge them, people are alarmed",
    "suspended": "readings are stored, nobody is alarmed and nobody misses them",
    "retired": "readings are dead letters (retired-device)",
}


class LifeError(ValueError):
    """A step that a device cannot take; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def fault(before: State, after: State) -> str | None:
    """Why a device in one state cannot come into another; None where it can, or is there."""
    if before == after or after in STEPS[before]:
        return None
    return f"a {before} device becomes {' or '.join(STEPS[before])}, not {after}"


def sign(cursor: psycopg.Cursor[Any], who: str, because: str) -> None:
    """Say who changes the registry in this transaction, and why: the history keeps it."""
    cursor.execute(
        "select set_config('cityhub.who', %s, true), set_config('cityhub.because', %s, true)", (who, because)
    )


def install(cursor: psycopg.Cursor[Any], device_id: int) -> None:
    """A device that was registered this moment hangs on its pole, and is not in service yet."""
    cursor.execute("update device set state = 'installed' where id = %s", (device_id,))


def step(
    connection: psycopg.Connection[Any], keys: Sequence[str], to: State, *, who: str, because: str
) -> dict[str, State]:
    """Bring devices one step on, all or none; returns the state that each had. Raises LifeError."""
    if not because.strip():
        raise LifeError("a step needs its reason", "say it: --because 'the pump is being overhauled'")
    if HUB in keys:
        raise LifeError("the hub itself takes no steps", "name a device of the field")
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            "select key, state from device where key = any(%s) order by key for update", (list(keys),)
        )
        found: dict[str, State] = dict(cursor.fetchall())
        for key in keys:
            if key not in found:
                raise LifeError(f"no device {key}", "`cityhub device list` shows those there are")
            if found[key] == to:
                raise LifeError(f"{key} is {to} already", f"from there it becomes {' or '.join(STEPS[to])}")
            if wrong := fault(found[key], to):
                raise LifeError(
                    f"{key}: {wrong}", f"take the step between first: `cityhub device step {key}`"
                )
        sign(cursor, who, because)
        cursor.execute("update device set state = %s where key = any(%s)", (to, list(keys)))
        cursor.execute("select pg_notify('cityhub_registry', '')")
    return found


def enrol_again(connection: psycopg.Connection[Any], before: Mapping[str, State], to: State) -> list[str]:
    """What is to be told of devices that took a step: which of them came back from retirement without a credential."""
    back = [key for key, was in before.items() if was == "retired" and to != "retired"]
    found = connection.execute(
        """select device.key, department.key from device join department on department.id = department_id
           where device.key = any(%s)""",
        (back,),
    )
    return credentials.enrol_again(credentials.lost(connection, dict(found.fetchall())))


def swap(connection: psycopg.Connection[Any], key: str, serial: str, *, who: str, because: str) -> str | None:
    """Put another sensor in a device's place; its series go on. Returns the old serial number. Raises LifeError.

    What the checks have learned of the old one (spans, flat lines, seasons) stays: they judge the place and its water,
    not the instrument. A step at the swap is real and is told by the sensor_swap row, not hidden.
    """
    serial = serial.strip()
    if not serial or len(serial) > 80 or not serial.isprintable():  # noqa: PLR2004
        raise LifeError("a serial number is one line of at most 80 characters", "copy it from the type plate")
    if not because.strip():
        raise LifeError("a swap needs its reason", "say it: --because 'the old one drifted'")
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("select id, sensor_serial, state from device where key = %s for update", (key,))
        row = cursor.fetchone()
        if row is None:
            raise LifeError(f"no device {key}", "`cityhub device list` shows those there are")
        device_id, before, state = row
        if state == "retired":
            raise LifeError(f"{key} is retired", "swap the sensor of a device that is in service")
        if before == serial:
            raise LifeError(f"{key} has the sensor {serial} already", "give the serial number of the new one")
        sign(cursor, who, because)
        cursor.execute("update device set sensor_serial = %s where id = %s", (serial, device_id))
        cursor.execute(
            """insert into sensor_swap (device_id, serial_before, serial_after, who, because)
               values (%s, %s, %s, %s, %s)""",
            (device_id, before, serial, who, because),
        )
        cursor.execute("select pg_notify('cityhub_registry', '')")
    return before  # type: ignore[no-any-return]
