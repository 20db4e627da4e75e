"""Between the registry and the rules: what a rule may know of a series, and what an event says in rows and times."""

from __future__ import annotations

from typing import Any

import psycopg

from alerts.alarms import Change
from alerts.checks.trail import MOVES
from alerts.rulebook import Subject
from alerts.watch import Watches
from ingest.records import from_us
from ingest.registry import Series


def subject_of(series: Series, zones: frozenset[str]) -> Subject:
    """A series as rules see it."""
    device = series.device
    return Subject(
        series.id, series.metric, device.profile, device.department, device.key, zones, series.measured.unit
    )


def zones_of(connection: psycopg.Connection, series: list[int]) -> dict[int, frozenset[str]]:
    """By series: the zones in which its device stands, and the one that it speaks of."""
    return {
        series_id: frozenset(keys)
        for series_id, keys in connection.execute(
            """select series.id, array_agg(zone.key)
               from series left join device_zone on device_zone.device_id = series.device_id
                    join zone on zone.id = device_zone.zone_id or zone.id = series.zone_id
               where series.id = any(%s) group by series.id""",
            (series,),
        )
    }


def change_of(watches: Watches, event: Any, row: Any) -> Change:
    """An EVENT of the watches with the row that it came with."""
    watch, level, value = int(event["watch"]), int(event["to_level"]), float(row["value"])
    kept = min(int(event["moves"]), MOVES)
    return Change(
        watches.rule_of(watch),
        int(row["series"]),
        int(event["from_level"]),
        level,
        from_us(int(event["at"])),
        from_us(int(row["time"])),
        value,
        watches.threshold_of(watch, level, value),
        int(event["held"]),
        int(event["moves"]),
        [from_us(int(at)) for at in event["moved"][:kept]],
        [from_us(at) for at in sorted({int(at) for at in event["against"][:kept].flat if at})],
    )
