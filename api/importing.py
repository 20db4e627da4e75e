"""Lists of devices from bytes to the registry: read, settled on the map, held against what there is, written."""

from __future__ import annotations

from typing import Any

import psycopg

from api.placing import place_devices, settle
from ingest import bulk, enrolment, lists
from ingest.bulk import Plan
from ingest.lists import ListError


def look(connection: psycopg.Connection[Any], content: bytes, reach: str | None = None) -> Plan:
    """What a list would do; `reach`: the one department that it may speak of. Raises SheetError."""
    read = enrolment.read_list(content)
    settle(connection, read)
    return bulk.plan(connection, read, reach)


def take(
    connection: psycopg.Connection[Any], content: bytes, *, file: str, who: str, reach: str | None = None
) -> tuple[int, Plan, int]:
    """Import a list at once; returns its number, the plan, and how many devices stand in a zone.

    Raises EnrolmentError where any row is at fault: nothing is written then. Raises SheetError.
    """
    with connection.transaction(), connection.cursor() as cursor:
        lists.lock(connection)
        plan = look(connection, content, reach)
        _faultless(plan)
        number = lists.keep(connection, plan, content, file=file, who=who, reach=reach)
        bulk.apply(connection, plan, number=number, who=who, because=f"import {number}: {file}")
        return number, plan, place_devices(cursor)


def apply(connection: psycopg.Connection[Any], number: int, *, who: str, reach: str | None = None) -> Plan:
    """Apply a list that was tried. Raises ListError, EnrolmentError, SheetError."""
    with connection.transaction(), connection.cursor() as cursor:
        lists.lock(connection)
        tried = lists.of(connection, number, reach)
        if tried["applied_at"] is not None:
            raise ListError(f"import {number} was applied already", "undo it, or import the list anew")
        plan = look(connection, bytes(tried["content"]), reach)
        _faultless(plan)
        later = lists.changed_since(connection, plan.after, tried["created_at"])
        if later or plan.summary != tried["summary"]:
            raise ListError(
                f"the registry has changed since import {number} was tried{later and ': '}{later}",
                "try the list again and look at it",
            )
        bulk.apply(connection, plan, number=number, who=who, because=f"import {number}: {tried['file']}")
        place_devices(cursor)
        return plan


def undo(
    connection: psycopg.Connection[Any], number: int, *, who: str, reach: str | None = None
) -> lists.Undone:
    """Put back what an import has replaced. Raises ListError."""
    with connection.transaction(), connection.cursor() as cursor:
        undone = lists.undo(connection, number, who=who, reach=reach)
        place_devices(cursor)
        return undone


def _faultless(plan: Plan) -> None:
    if plan.faults:
        raise enrolment.EnrolmentError(plan.sentences)
