"""Between the registry and the rules: what a rule may know of a series, and what an event says in rows and times."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import psycopg

from alerts.alarms import Change
from alerts.checks.trail import MOVES
from alerts.rulebook import Subject
from alerts.watch import Watches
from edge.reading import READING, Rows
from ingest.profile import Profile
from ingest.records import from_us
from ingest.registry import VERTICAL, Series
from ingest.vertical import is_height


def subject_of(series: Series, zones: frozenset[str], datum: str = "") -> Subject:
    """A series as rules see it; `datum`: what the levels of its device count from."""
    device, unit = series.device, series.measured.unit
    of = datum if is_height(series.metric, unit) else ""
    return Subject(series.id, series.metric, device.profile, device.department, device.key, zones, unit, of)


def zones_of(
    connection: psycopg.Connection, series: list[int] | None = None, named: list[str] | None = None
) -> dict[int, frozenset[str]]:
    """By series: the zones in which its device stands, and the one that it speaks of; of these series and zones, or of all."""
    return {
        series_id: frozenset(keys)
        for series_id, keys in connection.execute(
            """select id, array_agg(key)
               from (select series.id, zone.key from series join device_zone using (device_id)
                            join zone on zone.id = device_zone.zone_id
                     union select series.id, zone.key from series join zone on zone.id = series.zone_id) as stands
               where (%(series)s::int[] is null or id = any(%(series)s))
                 and (%(named)s::text[] is null or key = any(%(named)s)) group by id""",
            {"series": series, "named": named},
        )
    }


def subjects(connection: psycopg.Connection) -> list[Subject]:
    """Every series of devices in service, as rules see it."""
    rows = connection.execute(
        f"""select series.id, metric, profile, department.key, device.key, unit, {VERTICAL}
           from series join device on device.id = device_id join department on department.id = department_id
           where retired_at is null order by device.key, metric"""  # noqa: S608 -- our own expression
    ).fetchall()
    zones = zones_of(connection, [row[0] for row in rows])
    return [
        Subject(
            slot,
            metric,
            kind,
            department,
            device,
            zones.get(slot, frozenset()),
            unit,
            datum if is_height(metric, unit) else "",
        )
        for slot, metric, kind, department, device, unit, datum in rows
    ]


def registered(connection: psycopg.Connection) -> list[Subject]:
    """What every device in service may measure, whether it has sent anything yet or not; no slots."""
    kinds = {
        key: Profile.model_validate(body)
        for key, body in connection.execute("select key, body from profile").fetchall()
    }
    return [
        Subject(
            0,
            metric,
            kind,
            department,
            device,
            frozenset(zones),
            measured.unit,
            datum if is_height(metric, measured.unit) else "",
        )
        for kind, department, device, datum, zones in connection.execute(
            f"""select profile, department.key, device.key, {VERTICAL},
                      array(select zone.key from zone where zone.id = device.zone_id or zone.id in
                            (select zone_id from device_zone where device_id = device.id))
               from device join department on department.id = department_id
               where retired_at is null order by device.key"""  # noqa: S608 -- our own expression
        ).fetchall()
        for metric, measured in kinds[kind].all_metrics.items()
    ]


def stored(connection: psycopg.Connection, series: int, span: timedelta) -> Rows:
    """The readings of a series within this span before now, by their time."""
    return np.array(
        connection.execute(
            """select (extract(epoch from time) * 1000000)::bigint, series_id, value, flag from reading
               where series_id = %s and time > now() - %s order by time""",
            (series, span),
            binary=True,
        ).fetchall(),
        READING,
    )


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
