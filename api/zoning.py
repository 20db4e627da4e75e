"""Zones from a document to the hub: read, held against what there is, written, watched; by command line and API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
import structlog

from api import crosscheck, watched
from api.placing import place_devices
from api.watched import WatchedError
from geo import table
from geo.datum import Datum
from geo.zones import LAYER, Parsed, ZoneError, parse
from governance import audit
from ingest import life

log = structlog.get_logger(__name__)

LOCK = 0x7A6F6E65  # "zone": two imports at once would each retire what the other brings


class Imported(NamedTuple):
    """What an import has done, or would do: keys of zones and lines, and how many are as they were."""

    new: list[str]
    changed: list[str]
    same: int
    retired: list[str]
    notes: list[str]
    placed: int
    """Devices of the field that stand in a zone."""


class Retired(NamedTuple):
    """The keys of what was in service and is no more, and what still points at it."""

    keys: list[str]
    notes: list[str]


def take(
    connection: psycopg.Connection[Any],
    content: bytes,
    *,
    who: str,
    file: str,
    datum: Datum = "WGS84",
    layer: str = LAYER,
    replace: bool = False,
    dry: bool = False,
    reach: str | None = None,
) -> Imported:
    """Import a document, all of it or nothing.

    Args:
        connection: to the hub's database.
        content: GeoJSON.
        who: signs the versions.
        file: what it is called, for the history.
        datum: what its coordinates are in.
        layer: of the features that name none.
        replace: what the document's layers have in the table and not in it is retired.
        dry: look only.
        reach: the one department whose zones the caller may write; None: all.

    Raises:
        ZoneError: it is at fault.
        WatchedError: a device has the name that a watched zone needs.
    """
    parsed = parse(content, datum, layer)
    with connection.transaction(force_rollback=dry), connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        life.sign(cursor, who, f"import of {file}")
        wrong = [
            *(crosscheck.beyond(cursor, parsed, reach) if reach else ()),
            *crosscheck.faults(cursor, parsed),
        ]
        if wrong:
            raise ZoneError(wrong)
        done = _write(cursor, parsed, layer, reach, replace=replace)
        counts = {"new": len(done.new), "changed": len(done.changed), "retired": len(done.retired)}
        audit.record(cursor, who, "zone.import", f"layer:{layer}", "done", counts)
    return done


def _write(
    cursor: psycopg.Cursor[Any], parsed: Parsed, layer: str, reach: str | None, *, replace: bool
) -> Imported:
    zones, lines = table.keep(cursor, parsed.zones), table.keep_lines(cursor, parsed.lines)
    retired: list[str] = []
    if replace:
        layers = {layer, *(zone.layer for zone in parsed.zones), *(line.layer for line in parsed.lines)}
        retired = table.retire_others(cursor, layers, parsed.place, reach)
    new, changed = [*zones.new, *lines.new], [*zones.changed, *lines.changed]
    notes = [*parsed.notes, *crosscheck.notes(cursor, parsed, {*new, *changed})]
    notes += crosscheck.left_behind(cursor, retired)
    return Imported(new, changed, zones.same + lines.same, retired, notes, settle(cursor))


def retire(
    connection: psycopg.Connection[Any],
    keys: Sequence[str],
    *,
    who: str,
    because: str,
    reach: str | None = None,
) -> Retired:
    """Take zones and lines out of service, of one department or of any."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        life.sign(cursor, who, because)
        gone = table.retire(cursor, keys, reach)
        settle(cursor)
        for key in gone:
            audit.record(cursor, who, "zone.retire", f"zone:{key}", "done", {"because": because})
        return Retired(gone, crosscheck.left_behind(cursor, gone))


class Turns:
    """Settles anew when a zone has begun or ceased to hold; asked from time to time by the hub."""

    def __init__(self) -> None:
        self._begun = False
        self._next: datetime | None = None

    def look(self, connection: psycopg.Connection[Any]) -> None:
        """Settle if a turn has come since the last look; at the first one, whatever may have come before it."""
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
            try:
                self._settle(cursor)
            except WatchedError as error:
                log.error("a watched zone has no device", reason=str(error), remedy=error.hint)  # noqa: TRY400 -- an operator's mistake
            self._begun, self._next = True, table.next_turn(cursor)

    def _settle(self, cursor: psycopg.Cursor[Any]) -> None:
        row = cursor.execute(
            """select exists(select from zone where retired_at is null
                             and (valid_from < now() or valid_to < now())), now()"""
        ).fetchone()
        bounded, now = row or (False, None)
        if (bounded and not self._begun) or (now and self._next and now >= self._next):
            settle(cursor)
        elif not self._begun:
            watched.register(cursor)  # of zones that were imported before there were such devices


def settle(cursor: psycopg.Cursor[Any]) -> int:
    """Bring everything that follows from zones to what they are now, and tell the hub; returns how many devices stand in one.

    Raises WatchedError.
    """
    watched.register(cursor)
    placed = place_devices(cursor)
    cursor.execute("select pg_notify('cityhub_registry', '')")
    return placed
