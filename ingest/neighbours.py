"""Neighbours: which series should follow which, read from a list and kept in the registry."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import psycopg

from ingest.profile import IDENTIFIER, Profile
from ingest.vertical import apart, is_height

COLUMNS = ("device", "metric", "neighbour", "tolerance", "max_age_s", "offset", "lag_s")


class NeighbourError(ValueError):
    """A list that cannot be taken; every fault is named, and nothing was written."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("nothing was imported:\n  " + "\n  ".join(faults))
        self.hint = f"the columns are {', '.join(COLUMNS)}; the last two may be empty"


class Neighbour(NamedTuple):
    """One line of the list: a metric of a device beside the same metric of another one."""

    device: str
    metric: str
    other: str
    tolerance: float
    max_age_s: float
    offset: float = 0.0
    lag_s: float = 0.0


class Link(NamedTuple):
    """Two series that exist, by slot."""

    slot: int
    other: int
    tolerance: float
    max_age_s: float
    offset: float
    lag_s: float


def read_csv(text: str) -> list[Neighbour]:
    """The lines of a CSV list; raises NeighbourError."""
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    missing = [column for column in COLUMNS[:5] if column not in (rows.fieldnames or [])]
    if missing:
        raise NeighbourError([f"line 1: column {', '.join(missing)} is missing"])
    found: list[Neighbour] = []
    faults: list[str] = []
    for row in rows:
        try:
            found.append(_neighbour({column: (row.get(column) or "").strip() for column in COLUMNS}))
        except ValueError as error:
            faults.append(f"line {rows.line_num}: {error}")
    if faults:
        raise NeighbourError(faults)
    return found


def _neighbour(given: dict[str, str]) -> Neighbour:
    device, metric, other, *numbers = (given[column] for column in COLUMNS)
    if not re.fullmatch(IDENTIFIER, other):
        raise ValueError(f"neighbour {other!r:.80} is not the id of a device")
    if other == device:
        raise ValueError(f"{device} cannot be its own neighbour")
    tolerance, max_age_s, offset, lag_s = (float(number or 0) for number in numbers)
    if not all(map(math.isfinite, (tolerance, max_age_s, offset, lag_s))):
        raise ValueError("a number is not finite")
    if tolerance <= 0 or max_age_s <= 0 or lag_s < 0:
        raise ValueError("tolerance and max_age_s must be more than 0, lag_s not less")
    return Neighbour(device, metric, other, tolerance, max_age_s, offset, lag_s)


def replace(connection: psycopg.Connection, neighbours: Sequence[Neighbour]) -> None:
    """Make this the whole list. Raises NeighbourError."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("select key, body from profile")
        kinds = {key: Profile.model_validate(body) for key, body in cursor}
        cursor.execute("select key, profile, vertical_datum from device")
        devices = {key: (kinds[kind], datum) for key, kind, datum in cursor}
        profiles = {key: kind for key, (kind, _) in devices.items()}
        faults = [
            f"{one.device}: no such device"
            if one.device not in profiles
            else f"{one.device}: no metric {one.metric}"
            for one in neighbours
            if one.device not in profiles or profiles[one.device].metric(one.metric) is None
        ]
        faults += [fault for one in neighbours if (fault := _across(one, devices))]
        seen = Counter((one.device, one.metric) for one in neighbours)
        faults += [
            f"{'/'.join(pair)} stands in the list more than once" for pair, times in seen.items() if times > 1
        ]
        if faults:
            raise NeighbourError(faults)
        cursor.execute("delete from neighbour")
        cursor.executemany(
            """insert into neighbour (device_id, metric, other, tolerance, max_age_s, offset_by, lag_s)
               select id, %s, %s, %s, %s, %s, %s from device where key = %s""",
            [(*one[1:], one.device) for one in neighbours],
        )
        cursor.execute("select pg_notify('cityhub_registry', '')")


def _across(one: Neighbour, devices: Mapping[str, tuple[Profile, str | None]]) -> str | None:
    """Why two levels cannot be compared: their datums; None where they can, or where nothing can be said."""
    if one.device not in devices or one.other not in devices:
        return None
    (profile, own), (_, other) = devices[one.device], devices[one.other]
    metric = profile.metric(one.metric)
    reason = apart(own, other) if metric is not None and is_height(one.metric, metric.unit) else None
    return reason and f"{one.device} beside {one.other}: {reason}"


def links(connection: psycopg.Connection) -> list[Link]:
    """The pairs of which both series exist."""
    return [
        Link(*row)
        for row in connection.execute(
            # A neighbour may have been registered, or its datum corrected, after the list was taken.
            """select series.id, other.id, tolerance, max_age_s, offset_by, lag_s
               from neighbour
                    join series using (device_id, metric)
                    join device own on own.id = neighbour.device_id
                    join device on device.key = neighbour.other
                    join series other on other.device_id = device.id and other.metric = neighbour.metric
               where series.unit <> 'm' or not 'level' = any (string_to_array(neighbour.metric, '-'))
                     or own.vertical_datum is not distinct from device.vertical_datum
                        and own.vertical_datum is distinct from 'local'"""
        )
    ]
