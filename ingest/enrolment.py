"""Enrolment: devices, departments and profiles written into the registry, all of a list or nothing."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg.types.json import Jsonb

from ingest.profile import Loaded
from ingest.registry import HUB

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
COLUMNS = ("id", "name", "department", "profile", "gateway", "lon", "lat", "counts_zone")


class EnrolmentError(ValueError):
    """A list that cannot be taken; every fault is named, and nothing was written."""

    def __init__(self, faults: Sequence[str]) -> None:
        shown = "\n  ".join(faults[:20])
        more = f"\n  and {len(faults) - 20} more" if len(faults) > 20 else ""  # noqa: PLR2004
        super().__init__(
            f"{len(faults)} fault{'s' if len(faults) > 1 else ''} in the list, nothing was imported:\n  {shown}{more}"
        )
        self.hint = f"the columns are {', '.join(COLUMNS)}; correct the rows and import again"


@dataclass(frozen=True, slots=True)
class Entry:
    """One device to enrol."""

    key: str
    name: str
    department: str
    profile: str
    gateway: str | None = None
    lon: float | None = None
    lat: float | None = None
    counts_zone: str | None = None
    recorded: bool = False


def read_csv(text: str) -> list[Entry]:
    """The entries of a CSV list; raises EnrolmentError."""
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    missing = [column for column in COLUMNS[:4] if column not in (rows.fieldnames or [])]
    if missing:
        raise EnrolmentError([f"line 1: column {', '.join(missing)} is missing"])
    entries: list[Entry] = []
    faults: list[str] = []
    for row in rows:
        try:
            entries.append(_entry(row))
        except ValueError as error:
            faults.append(f"line {rows.line_num}: {error}")
    seen = Counter(entry.key for entry in entries)
    faults += [f"{key} stands in the list more than once" for key, times in seen.items() if times > 1]
    if faults:
        raise EnrolmentError(faults)
    return entries


def _entry(row: dict[str, str | None]) -> Entry:
    given = {column: (row.get(column) or "").strip() for column in COLUMNS}
    for column in ("id", "department", "profile"):
        if not IDENTIFIER.fullmatch(given[column]):
            raise ValueError(
                f"{column} {given[column]!r:.80} is not lower-case letters, digits and hyphens, at most 64"
            )
    if given["department"] in ("alarm", HUB):
        raise ValueError(f"no department may be called {given['department']}")
    if HUB in (given["id"], given["profile"]):
        raise ValueError("the hub is registered already, and nobody else may be called so")
    if bool(given["lon"]) != bool(given["lat"]):
        raise ValueError("give both lon and lat, or neither")
    lon, lat = (float(given[axis]) if given[axis] else None for axis in ("lon", "lat"))
    if lon is not None and lat is not None and not (abs(lon) <= 180 and abs(lat) <= 90):  # noqa: PLR2004
        raise ValueError(f"lon {lon:g}, lat {lat:g} is not on the earth; are they swapped?")
    return Entry(
        given["id"], given["name"] or given["id"], given["department"], given["profile"],
        given["gateway"] or None, lon, lat, given["counts_zone"] or None,
    )  # fmt: skip


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
    """Write the entries; returns how many were new and how many known. Raises EnrolmentError."""
    with connection.transaction(), connection.cursor() as cursor:
        faults = _unknown(cursor, entries)
        if faults:
            raise EnrolmentError(faults)
        cursor.executemany(
            "insert into department (key, name) values (%s, %s) on conflict (key) do nothing",
            [(key, key) for key in dict.fromkeys(entry.department for entry in entries)],
        )
        cursor.execute("select count(*) from device where key = any(%s)", ([entry.key for entry in entries],))
        known = (cursor.fetchone() or (0,))[0]
        # Gateways first: the others point at them.
        for entry in sorted(entries, key=lambda entry: entry.gateway is not None):
            cursor.execute(
                """insert into device (key, name, department_id, profile, gateway_id, zone_id, lon, lat, recorded)
                   select %(key)s, %(name)s, department.id, %(profile)s,
                          (select id from device where key = %(gateway)s), (select id from zone where key = %(zone)s),
                          %(lon)s, %(lat)s, %(recorded)s
                   from department where department.key = %(department)s
                   on conflict (key) do update set name = excluded.name, department_id = excluded.department_id,
                      profile = excluded.profile, gateway_id = excluded.gateway_id, zone_id = excluded.zone_id,
                      lon = excluded.lon, lat = excluded.lat""",
                {
                    "key": entry.key, "name": entry.name, "department": entry.department, "profile": entry.profile,
                    "gateway": entry.gateway, "zone": entry.counts_zone, "lon": entry.lon, "lat": entry.lat,
                    "recorded": entry.recorded,
                },
            )  # fmt: skip
        cursor.execute("select pg_notify('cityhub_registry', '')")
    return len(entries) - known, known


def enrol_hub(connection: psycopg.Connection) -> None:
    """The hub itself is a device: its health is data like any other."""
    connection.execute(
        """with own as (insert into department (key, name) values (%(hub)s, 'CityHub')
                        on conflict (key) do update set key = excluded.key returning id)
           insert into device (key, name, department_id, profile) select %(hub)s, 'The hub', id, %(hub)s from own
           on conflict (key) do nothing""",
        {"hub": HUB},
    )


def _unknown(cursor: psycopg.Cursor, entries: Sequence[Entry]) -> list[str]:
    """What the entries point at and nobody knows."""
    profiles = {key for (key,) in cursor.execute("select key from profile")}
    zones = {key for (key,) in cursor.execute("select key from zone")}
    devices = {key for (key,) in cursor.execute("select key from device")} | {entry.key for entry in entries}
    faults = []
    for entry in entries:
        if entry.profile not in profiles:
            faults.append(f"{entry.key}: no profile {entry.profile}; there are {', '.join(sorted(profiles))}")
        if entry.counts_zone is not None and entry.counts_zone not in zones:
            faults.append(f"{entry.key}: no zone {entry.counts_zone}; import zones first")
        if entry.gateway is not None and entry.gateway not in devices:
            faults.append(f"{entry.key}: no gateway {entry.gateway}, in the list or registered")
    return faults
