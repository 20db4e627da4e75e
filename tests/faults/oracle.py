"""The oracle: what the agents accepted, by their own record, against what the hub's tables say of it."""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from faults.borders import mistold

from edge.reading import now_us
from ingest.decode import decode
from ingest.judge import FUTURE_US, PAST_US

Key = tuple[str, int]
"""`device/metric` or the name of a track, and time in microseconds: what a reading or a fix is known by."""
Value = float | list[float]
"""Of a reading; or longitude and latitude."""


@dataclass(slots=True)
class Record:
    """What the load has noted: offered, and of that accepted."""

    offered: dict[Key, Value] = field(default_factory=dict)
    accepted: set[Key] = field(default_factory=set)
    places: Counter[tuple[str, int]] = field(default_factory=Counter)

    @classmethod
    def of(cls, *paths: Path) -> Record:
        """Read records; a line that was cut short by a kill says nothing."""
        record = cls()
        for path in paths:
            offers: dict[str, list[Key]] = {}
            for line in path.read_bytes().split(b"\n"):
                try:
                    said = json.loads(line)
                except ValueError:
                    continue
                if "offer" in said:
                    offers[said["offer"]] = [(name, at) for name, at, _ in said["samples"]]
                    record.offered |= {(name, at): value for name, at, value in said["samples"]}
                else:
                    record.accepted.update(offers[said["accept"]])
                    record.places.update((boot, seq) for boot, seq in said["places"])
        return record

    def offer(self, samples: Iterable[tuple[str, int, float]], *, accepted: bool = True) -> None:
        """Add what a test has sent by itself."""
        for name, at, value in samples:
            self.offered[name, at] = value
            if accepted:
                self.accepted.add((name, at))


@dataclass(slots=True)
class Verdict:
    """What is wrong; nothing, where `wrong` is empty."""

    lost: set[Key] = field(default_factory=set)
    doubled: set[Key] = field(default_factory=set)
    invented: set[Key] = field(default_factory=set)
    changed: set[Key] = field(default_factory=set)
    places_reused: list[tuple[str, int]] = field(default_factory=list)
    mistold: list[str] = field(default_factory=list)  # crossings
    book: list[str] = field(default_factory=list)  # where the hub's ledger is at odds with the tables
    stored: int = 0
    buried: Counter[str] = field(default_factory=Counter)  # by reason

    @property
    def wrong(self) -> dict[str, Any]:
        """What is wrong, shortened for people."""
        found: dict[str, Any] = {}
        for name in ("lost", "doubled", "invented", "changed", "places_reused", "mistold"):
            if keys := getattr(self, name):
                found[name] = len(keys), sorted(keys)[:5]
        return found | ({"book": self.book} if self.book else {})


STORED = """select device.key || '/' || metric, (extract(epoch from time) * 1000000)::bigint, value
            from reading join series on series.id = series_id join device on device.id = device_id
            where derived_from is null"""

WALKED = """select case when anonymous then device.key || '/~' else track.name end,
                   (extract(epoch from time) * 1000000)::bigint, fix.lon, fix.lat
            from fix join track on track.id = track_id join device on device.id = device_id"""


def judge(connection: psycopg.Connection, record: Record) -> Verdict:
    """Hold the tables against the record; everything must have come to rest."""
    verdict = Verdict()
    stored: dict[Key, Value] = {}
    for name, at, *found in [*connection.execute(STORED), *connection.execute(WALKED)]:
        value = found[0] if len(found) == 1 else found
        if (name, at) in stored:
            verdict.doubled.add((name, at))
        stored[name, at] = value
        verdict.stored += 1
    buried = _buried(connection, stored, verdict)
    verdict.lost = record.accepted - stored.keys() - buried.keys()
    verdict.invented = (stored.keys() | buried.keys()) - record.offered.keys()
    verdict.changed = {
        key for key, value in stored.items() if _bits(record.offered.get(key, value)) != _bits(value)
    }
    verdict.doubled |= {key for key, times in buried.items() if times > 1}
    verdict.places_reused = [place for place, times in record.places.items() if times > 1]
    verdict.mistold = mistold(connection)
    verdict.book = _audit(connection, verdict)
    return verdict


def _buried(connection: psycopg.Connection, stored: dict[Key, Value], verdict: Verdict) -> Counter[Key]:
    """The readings that dead letters hold, found again in their bytes; of places none is expected there."""
    buried: Counter[Key] = Counter()
    known = _Known(connection)
    for reason, topic, payload, first_us in connection.execute(
        """select reason, topic, payload, (extract(epoch from first_at) * 1000000)::bigint
           from dead_letter where reason <> 'malformed' and topic not like '%/position'"""
    ):
        sender = topic.split("/")[3]
        decoded = decode(payload, now_us())
        for row in decoded.rows:
            name = decoded.names[int(row["series"])]
            key = name if "/" in name else f"{sender}/{name}", int(row["time"])
            value = float(row["value"])
            conflicts = key in stored and _bits(stored[key]) != _bits(value)
            why = known.refusal(key[0], sender)
            if not why and not first_us - PAST_US <= key[1] <= first_us + FUTURE_US:
                why = "time-outside"
            if why or math.isinf(value) or conflicts:
                why = why or ("not-finite" if math.isinf(value) else "conflict")
            if why == reason:
                buried[key] += 1
                verdict.buried[reason] += 1
    return buried


class _Known:
    """The registry, read by other eyes than the hub's: why a name means nothing here."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._metrics = {
            key: set(metrics)
            for key, metrics in connection.execute(
                """select device.key, array(select jsonb_object_keys(body -> 'metrics'))
                   from device join profile on profile.key = device.profile"""
            )
        }
        self._gateway: dict[str, str] = dict(
            connection.execute(
                "select device.key, gateway.key from device join device as gateway on gateway.id = device.gateway_id"
            ).fetchall()
        )

    def refusal(self, name: str, sender: str) -> str:
        device, _, metric = name.partition("/")
        if device not in self._metrics:
            return "unknown-device"
        if sender not in (device, self._gateway.get(device)):
            return "not-its-gateway"
        return "" if metric in self._metrics[device] else "unknown-metric"


def _audit(connection: psycopg.Connection, verdict: Verdict) -> list[str]:
    """Where the ledger does not balance, or says something else than the tables."""
    said = [
        f"{minute} device {device}: {balance} readings unaccounted for"
        for minute, device, balance in connection.execute(
            """select minute, device_id, received - stored - duplicate - quarantined - rejected from ledger_minute
               where received <> stored + duplicate + quarantined + rejected"""
        )
    ]
    for what, counted, there in (
        ("stored", "sum(stored)", f"select {verdict.stored}"),
        (
            "derived",
            "sum(derived)",
            "select count(*) from reading join series on id = series_id where derived_from is not null",
        ),
        ("dead", "sum(quarantined + rejected)", "select sum(readings * times) from dead_letter"),
    ):
        row = connection.execute(
            f"select coalesce((select {counted} from ledger_minute), 0), coalesce(({there}), 0)"  # noqa: S608 -- our own
        ).fetchone()
        if row is None or row[0] != row[1]:
            said.append(f"{what}: ledger and tables say {row}")
    return said


def _bits(value: Value) -> bytes:
    if isinstance(value, list):
        return b"".join(map(_bits, value))
    return b"nan" if math.isnan(value) else struct.pack("<d", value)
