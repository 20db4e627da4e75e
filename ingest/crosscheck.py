"""A row of a list held against the registry: what it points at that is not there, or may not do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import psycopg

from ingest import life
from ingest.entry import Entry

Record = dict[str, Any]


class Known:
    """What the entries may point at."""

    def __init__(self, cursor: psycopg.Cursor[Record], entries: Sequence[Entry]) -> None:
        self.profiles = _pairs(cursor, "select key from profile")
        self.zones = _pairs(cursor, "select key from zone where retired_at is null")
        self.departments = _pairs(cursor, "select key from department")
        listed = {entry.key for entry in entries}
        gateways = list({entry.gateway for entry in entries if entry.gateway} - listed)
        self.gateways = (
            listed
            | _pairs(
                cursor, "select key, key from device where key = any(%s) and retired_at is null", gateways
            ).keys()
        )
        self.behind = _pairs(
            cursor,
            """select device.key, gate.key as gate from device join device gate on gate.id = device.gateway_id
               where device.id in (select gateway_id from device)""",
        )
        self.components = _pairs(
            cursor, "select component, key from device where component = any(%s)",
            [entry.component for entry in entries if entry.component],
        )  # fmt: skip
        self.addresses = _pairs(
            cursor,
            """select scheme || ':' || address, key from device_address join device on device.id = device_id
               where scheme || ':' || address = any(%s)""",
            [address for entry in entries for address in entry.addresses],
        )


def _pairs(cursor: psycopg.Cursor[Record], query: str, *values: object) -> dict[str, str]:
    rows = cursor.execute(query, values or None).fetchall()
    return dict(tuple(row.values()) if len(row) > 1 else (*row.values(), *row.values()) for row in rows)


def faults_of(
    entry: Entry, was: Record | None, fields: set[str], known: Known, reach: str | None
) -> list[tuple[str, str, str]]:
    """What an entry points at that is not there, or may not do: column, reason, remedy."""
    return [
        *(_beyond(entry, was, known, reach) if reach is not None else ()),
        *_dangling(entry, known),
        *_taken(entry, known),
        *_lived(entry, was, fields),
    ]


def _beyond(entry: Entry, was: Record | None, known: Known, reach: str) -> Iterator[tuple[str, str, str]]:
    if entry.department != reach:
        yield "department", f"{entry.department} is not yours", f"your account speaks for {reach} alone"
    elif was is not None and was["department"] != reach:
        # Not whose it is: that is for those to know who may see it.
        yield "id", f"{entry.key} is taken, and not yours", "choose another id"
    if entry.maintainer and entry.maintainer not in known.departments:
        yield "maintainer", f"no department {entry.maintainer}", "an account of the whole city can add it"


def _dangling(entry: Entry, known: Known) -> Iterator[tuple[str, str, str]]:
    if entry.profile not in known.profiles:
        near = get_close_matches(entry.profile, known.profiles, 3)
        meant = (
            f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(known.profiles))}"
        )
        yield "profile", f"no profile {entry.profile}", meant
    if entry.counts_zone is not None and entry.counts_zone not in known.zones:
        yield "counts_zone", f"no zone {entry.counts_zone}", "import zones first"
    if entry.gateway is not None and entry.gateway not in known.gateways:
        yield (
            "gateway",
            f"no gateway {entry.gateway}, in the list or registered",
            "register it first, or list it too",
        )


def founded(after: dict[str, Record], known: Known) -> Iterator[str]:
    """What is said of departments that nobody has named before: a new one, or a slip of the pen."""
    named = {record[part] for record in after.values() for part in ("department", "maintainer")}
    for key in sorted(named - {None} - known.departments.keys()):
        near = get_close_matches(key, known.departments, 1)
        yield f"the department {key} is new" + (f"; was {near[0]} meant?" if near else "")


def _taken(entry: Entry, known: Known) -> Iterator[tuple[str, str, str]]:
    if entry.component and known.components.get(entry.component, entry.key) != entry.key:
        yield "component", f"{entry.component} is another device's code", "a code is given once"
    for address in entry.addresses:
        if known.addresses.get(address, entry.key) != entry.key:
            yield "address", f"{address} leads to another device", "take it from there first"


def _lived(entry: Entry, was: Record | None, fields: set[str]) -> Iterator[tuple[str, str, str]]:
    if was is None:
        if entry.state == "retired":
            yield "state", "a new device cannot begin retired", "leave the row out"
    elif was["state"] == "retired" and not ("state" in fields and entry.state == "suspended"):
        yield "id", f"{entry.key} is retired", "choose another id, or say suspended in the column state"
    elif "state" in fields and (said := life.fault(was["state"], entry.state)):
        yield "state", said, "take the step between first"


def circles(after: dict[str, Record], behind: dict[str, str]) -> set[str]:
    """The devices that would be, step by step, behind themselves; `behind`: what the gateways are behind now."""
    gates: dict[str, str | None] = {**behind, **{key: record["gateway"] for key, record in after.items()}}
    found = set()
    for key in after:
        seen, at = {key}, gates[key]
        while at is not None and at not in seen:
            seen.add(at)
            at = gates.get(at)
        if at == key:
            found.add(key)
    return found
