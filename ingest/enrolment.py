"""Enrolment: devices, departments and profiles written into the registry, all of a list or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import psycopg
from psycopg.types.json import Jsonb

from ingest import bulk, component
from ingest.entry import ALIASES, COLUMNS, FIELDS, IDENTIFIER, Entry, Read, entries, fields_of
from ingest.profile import Loaded
from ingest.registry import HUB
from ingest.sheet import read

__all__ = [
    "COLUMNS",
    "IDENTIFIER",
    "EnrolmentError",
    "Entry",
    "enrol",
    "enrol_hub",
    "keep_profiles",
    "read_csv",
]


class EnrolmentError(ValueError):
    """A list that cannot be taken; every fault is named, and nothing was written."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = faults
        shown = "\n  ".join(faults[:20])
        more = f"\n  and {len(faults) - 20} more" if len(faults) > 20 else ""  # noqa: PLR2004
        super().__init__(
            f"{len(faults)} fault{'s' if len(faults) > 1 else ''} in the list, nothing was imported:\n  {shown}{more}"
        )
        self.hint = f"the columns are {', '.join(COLUMNS)}; correct the rows and import again"


def read_csv(text: str) -> list[Entry]:
    """The entries of a CSV list; raises EnrolmentError."""
    return sound(read_list(text.encode())).entries


def read_list(content: bytes) -> Read:
    """What a list says, CSV or Excel, faults and all; coordinates are in its own datum. Raises SheetError."""
    table = component.holding(component.load(), datetime.now(UTC).date())
    return entries(read(content, ALIASES), table)


def sound(said: Read) -> Read:
    """What was read, if there is nothing wrong with it; raises EnrolmentError."""
    if said.faults:
        raise EnrolmentError([str(fault) for fault in said.faults])
    return said


def keep_profiles(connection: psycopg.Connection, loaded: Iterable[Loaded]) -> None:
    """Write profiles; a changed one replaces its predecessor."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            """insert into profile (key, body, sha256) values (%s, %s, %s)
               on conflict (key) do update set body = excluded.body, sha256 = excluded.sha256, changed_at = now()
                  where profile.sha256 <> excluded.sha256""",
            [(one.profile.profile, Jsonb(one.body), one.sha256) for one in loaded],
        )


def enrol(connection: psycopg.Connection, entries: Sequence[Entry]) -> tuple[int, int]:
    """Write entries in WGS 84; returns how many were new and how many known. Raises EnrolmentError."""
    plain = Entry("", "", "", "")
    more = {name for name in FIELDS if any(getattr(entry, name) != getattr(plain, name) for entry in entries)}
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", (bulk.LOCK,))
        plan = bulk.plan(connection, Read(list(entries), fields_of(list(COLUMNS)) | more))
        if plan.faults:
            raise EnrolmentError(plan.sentences)
        bulk.write(cursor, plan.after, plan.after.keys() - plan.before.keys())
    fresh = plan.summary["new"]
    return fresh, len(entries) - fresh


def enrol_hub(connection: psycopg.Connection) -> None:
    """The hub itself is a device: its health is data like any other."""
    connection.execute(
        """with own as (insert into department (key, name) values (%(hub)s, 'CityHub')
                        on conflict (key) do update set key = excluded.key returning id)
           insert into device (key, name, department_id, profile) select %(hub)s, 'The hub', id, %(hub)s from own
           on conflict (key) do nothing""",
        {"hub": HUB},
    )
