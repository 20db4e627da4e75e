"""Lists of devices through their life: tried, applied all or nothing, put back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ingest import bulk, life
from ingest.bulk import Plan, Record


class ListError(ValueError):
    """A list that cannot be applied or put back; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo has done, by id of a device."""

    restored: list[str]
    deleted: list[str]
    retired: list[str]  # they had readings already


def keep(
    connection: psycopg.Connection[Any], plan: Plan, content: bytes, *, file: str, who: str, reach: str | None
) -> int:
    """Write down that a list was tried; returns its number. Its bytes are kept for a day, or until it is applied."""
    connection.execute(
        "delete from device_import where applied_at is null and created_at < now() - interval '1 day'"
    )
    row = connection.execute(
        """insert into device_import (who, department_id, file, sha256, content, summary)
           values (%s, (select id from department where key = %s), %s, %s, %s, %s) returning id""",
        (who, reach, file, hashlib.sha256(content).hexdigest(), content, Jsonb(plan.summary)),
    ).fetchone()
    if row is None:
        raise RuntimeError("an insert that returned nothing")
    return int(row[0])


def lock(connection: psycopg.Connection[Any]) -> None:
    """One list at a time, until the transaction ends: each is held against the registry that it will change."""
    connection.execute("select pg_advisory_xact_lock(%s)", (bulk.LOCK,))


def of(connection: psycopg.Connection[Any], number: int, reach: str | None) -> Record:
    """A list that was tried or applied; raises ListError."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            """select device_import.id, created_at, who, file, content, summary, applied_at, undone_at,
                      department.key as department
               from device_import left join department on department.id = department_id
               where device_import.id = %s and (%s::text is null or department.key = %s) for update of device_import""",
            (number, reach, reach),
        ).fetchone()
    if row is None:
        raise ListError(f"no import {number}", "`cityhub device imports` shows those there are")
    return row


def undo(connection: psycopg.Connection[Any], number: int, *, who: str, reach: str | None = None) -> Undone:
    """Put back what an import has replaced, all of it or nothing. Raises ListError."""
    with connection.transaction(), connection.cursor() as cursor:
        lock(connection)
        done = of(connection, number, reach)
        if done["applied_at"] is None:
            raise ListError(f"import {number} was not applied", "there is nothing to put back")
        if done["undone_at"] is not None:
            raise ListError(
                f"import {number} was put back already", "import the list again, if that was wrong"
            )
        rows: dict[str, Record | None] = dict(
            cursor.execute(
                "select key, before from device_import_row where import_id = %s", (number,)
            ).fetchall()
        )
        if later := changed_since(connection, rows, done["applied_at"]):
            raise ListError(
                f"import {number} cannot be put back: changed since then: {later}",
                "import a list that says how these shall be",
            )
        life.sign(cursor, who, f"import {number} was put back")
        before = {key: record for key, record in rows.items() if record is not None}
        # What is new goes first: its codes and addresses may be those of a restored one.
        deleted, retired = _take_back(cursor, [key for key, record in rows.items() if record is None])
        bulk.write(cursor, before, set())
        cursor.execute("update device_import set undone_at = now() where id = %s", (number,))
    return Undone(sorted(before), deleted, retired)


def changed_since(connection: psycopg.Connection[Any], keys: Iterable[str], moment: datetime) -> str:
    """Which of these devices have changed since a moment, and by whom: some of them, as a text."""
    later = connection.execute(
        "select key, who from device_history where key = any(%s) and valid_from > %s order by valid_from limit 5",
        (list(keys), moment),
    ).fetchall()
    return ", ".join(f"{key} (by {by})" for key, by in later)


def _take_back(cursor: psycopg.Cursor[Any], keys: list[str]) -> tuple[list[str], list[str]]:
    """Delete devices of which nothing is known; the others are retired: their readings stay whose they are."""
    used = [
        key
        for (key,) in cursor.execute(
            """select key from device where key = any(%(keys)s) and (
                 exists (select from series where device_id = device.id)
                 or exists (select from message where device_id = device.id)
                 or exists (select from device behind where behind.gateway_id = device.id and behind.key <> all(%(keys)s)))""",
            {"keys": keys},
        ).fetchall()
    ]
    # A gateway of what stays, stays too.
    while more := cursor.execute(
        """select distinct gate.key from device gate join device behind on behind.gateway_id = gate.id
           where gate.key = any(%(keys)s) and behind.key = any(%(used)s) and gate.key <> all(%(used)s)""",
        {"keys": keys, "used": used},
    ).fetchall():
        used += [key for (key,) in more]
    free = sorted(set(keys) - set(used))
    try:
        with cursor.connection.transaction():
            cursor.execute("delete from device where key = any(%s)", (free,))
    except psycopg.errors.ForeignKeyViolation:  # something else speaks of one of them: a credential, an alarm
        used, free = list(keys), []
    cursor.execute("update device set state = 'retired', component = null where key = any(%s)", (used,))
    cursor.execute(
        "delete from device_address using device where device.id = device_id and device.key = any(%s)",
        (used,),
    )
    return free, sorted(used)
