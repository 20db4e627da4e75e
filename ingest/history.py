"""The registry as it was: who changed what, when and why, and every device on a day of the past."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row, scalar_row


class Span(NamedTuple):
    """A device as it was from one moment until another (None: it still is)."""

    key: str
    valid_from: datetime
    valid_to: datetime | None
    who: str
    because: str
    record: dict[str, Any]

    def against(self, before: Span | None) -> dict[str, tuple[Any, Any]]:
        """What had changed since the span before, by field: before and after."""
        return {} if before is None else differing(before.record, self.record)


def differing(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """By field what two records do not say alike."""
    fields = dict.fromkeys([*before, *after])
    return {
        field: (before.get(field), after.get(field))
        for field in fields
        if before.get(field) != after.get(field)
    }


COLUMNS = "key, valid_from, valid_to, who, because, record"


def of(connection: psycopg.Connection[Any], key: str) -> list[Span]:
    """The spans of one device, the oldest first; of all devices that ever had this key."""
    with connection.cursor(row_factory=class_row(Span)) as cursor:
        return cursor.execute(
            f"select {COLUMNS} from device_history where key = %s order by valid_from",  # noqa: S608
            (key,),
        ).fetchall()


def on(connection: psycopg.Connection[Any], moment: datetime, key: str | None = None) -> list[Span]:
    """The registry, or one device of it, as it was at a moment; retired ones are among them."""
    with connection.cursor(row_factory=class_row(Span)) as cursor:
        return cursor.execute(
            f"""select {COLUMNS} from device_history
                where valid_from <= %(on)s and (valid_to is null or valid_to > %(on)s)
                  and (%(key)s::text is null or key = %(key)s) order by key""",  # noqa: S608
            {"on": moment, "key": key},
        ).fetchall()


def begins(connection: psycopg.Connection[Any]) -> datetime | None:
    """The oldest moment that the history knows."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        found: datetime | None = cursor.execute("select min(valid_from) from device_history").fetchone()
        return found
