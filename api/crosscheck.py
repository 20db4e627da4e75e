"""An import of zones held against the hub: the departments, devices, zones and ground that it speaks of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import shapely

from geo import table
from geo.doors import advice, unstarted
from geo.jurisdiction import CHAIN
from geo.lines import COUNTING, Line
from geo.overlap import remarks
from geo.refusal import Fault
from geo.zones import VIEW, Parsed, Zone, swapped
from ingest import departments

TOLD = 20


def beyond(cursor: psycopg.Cursor[Any], parsed: Parsed, reach: str) -> list[Fault]:
    """What an account that is held to one department may not write."""
    items: list[Zone | Line] = [*parsed.zones, *parsed.lines]
    theirs = {
        key
        for (key,) in cursor.execute(
            """select key from (select key, department from zone union all select key, department from line) as known
               where key = any(%s) and department is distinct from %s""",
            (list(parsed.place), reach),
        ).fetchall()
    }
    return [
        Fault("this key is taken, and not yours", "Choose another id.", parsed.place[item.key], item.key)
        if item.key in theirs
        else Fault(
            f"its department is {item.department or 'none'}, not yours",
            f'Write "department": "{reach}": your account speaks for it alone.',
            parsed.place[item.key],
            item.key,
        )
        for item in items
        if item.key in theirs or item.department != reach
    ] + _borrowed(cursor, parsed, reach)


def _borrowed(cursor: psycopg.Cursor[Any], parsed: Parsed, reach: str) -> list[Fault]:
    """Devices of others that its zones and lines name: what is told of these would tell of those."""
    named = [(key, zone.key) for zone in parsed.zones for key in (zone.camera, *zone.expected) if key]
    named += [(line.counter, line.key) for line in parsed.lines if line.counter]
    rows = cursor.execute(
        """select device.key from device join department on department.id = department_id
           where device.key = any(%s) and department.key <> %s""",
        (list({device for device, _ in named}), reach),
    ).fetchall()
    others = {key for (key,) in rows}
    return [
        Fault(
            f"it names '{device}', which is not yours",
            "Name devices of your department.",
            parsed.place[key],
            key,
        )
        for device, key in named
        if device in others
    ]


def faults(cursor: psycopg.Cursor[Any], parsed: Parsed) -> list[Fault]:
    """What cannot be, looked at before anything is written: swapped axes, a key of a zone for a line, no such zone."""
    rows = cursor.execute(
        """select (extent[1])[0], (extent[1])[1], (extent[0])[0], (extent[0])[1] from zone
           where retired_at is null and not key = any(%s)""",
        (list(parsed.place),),
    ).fetchall()
    found = swapped(parsed.zones, [shapely.box(*row) for row in rows], parsed.place)
    of_zones, of_lines = [zone.key for zone in parsed.zones], [line.key for line in parsed.lines]
    for keys, other in ((of_zones, "line"), (of_lines, "zone")):
        found += [
            Fault(f"there is a {other} with this key", "Give it another id.", parsed.place[key], key)
            for (key,) in cursor.execute(f"select key from {other} where key = any(%s)", (keys,)).fetchall()  # noqa: S608 -- our own names
        ]
    sides = {side for line in parsed.lines for side in (line.into_zone, line.from_zone) if side}
    known = {zone.key for zone in parsed.zones} | {
        key
        for (key,) in cursor.execute(
            "select key from zone where retired_at is null and key = any(%s)", (list(sides),)
        ).fetchall()
    }
    found += [
        Fault(f"its {member} {side!r} is no zone", "Import the zone first, or in the same file.",
              parsed.place[line.key], line.key)
        for line in parsed.lines
        for member, side in (("into_zone", line.into_zone), ("from_zone", line.from_zone))
        if side and side not in known
    ]  # fmt: skip
    # city/v1/alarm/... is the topic of alarms.
    items: list[Zone | Line] = [*parsed.zones, *parsed.lines]
    return found + [
        Fault("its department cannot be called alarm", "Name another.", parsed.place[item.key], item.key)
        for item in items
        if item.department == "alarm"
    ]


def notes(cursor: psycopg.Cursor[Any], parsed: Parsed, fresh: Collection[str]) -> list[str]:
    """What was taken and deserves a look; `fresh`: the keys that are new or changed, already written."""
    zones = [zone for zone in parsed.zones if zone.key in fresh]
    told = [
        *_departments(cursor, [*parsed.zones, *parsed.lines]),
        *_devices(cursor, parsed, fresh),
    ]
    if len(told) > TOLD:
        told = [*told[:TOLD], f"{len(told) - TOLD:,} more keys are no department's or no device's."]
    doors = any(line.key in fresh and line.counter for line in parsed.lines)
    if doors or any(zone.kind in CHAIN or zone.kind == VIEW for zone in zones):
        now = datetime.now(UTC)
        here = [zone for zone in table.zones(cursor) if zone.valid_to is None or zone.valid_to > now]
        told += remarks(here, fresh)
        if doors:
            told += advice(unstarted(here, list(table.lines(cursor)), fresh))
    return told


def left_behind(cursor: psycopg.Cursor[Any], retired: Sequence[str]) -> list[str]:
    """What still points at zones that are retired: devices that count them, lines that lead into them."""
    rows = cursor.execute(
        """select zone.key, device.key, 'counts' from device join zone on zone.id = device.zone_id
           where zone.key = any(%(gone)s) and device.retired_at is null and device.profile <> 'zone'
           union all
           select into_zone, key, 'leads into' from line where into_zone = any(%(gone)s) and retired_at is null
           union all
           select from_zone, key, 'leads out of' from line where from_zone = any(%(gone)s) and retired_at is null
           order by 1, 2""",
        {"gone": list(retired)},
    ).fetchall()
    told = [f"'{zone}' is retired, and '{key}' {does} it still." for zone, key, does in rows[:TOLD]]
    return told + (
        [f"{len(rows) - TOLD:,} more point at zones that are retired."] if len(rows) > TOLD else []
    )


def _departments(cursor: psycopg.Cursor[Any], items: Sequence[Zone | Line]) -> Iterator[str]:
    """Departments that there were not: added, as a list of devices adds them."""
    for key in departments.add(cursor, {item.department for item in items if item.department}):
        yield f"department '{key}' is new: nobody belongs to it yet."


def _devices(cursor: psycopg.Cursor[Any], parsed: Parsed, fresh: Collection[str]) -> Iterator[str]:
    """Cameras, counters and expected devices that are not registered, and counters without the line's metrics."""
    asked: dict[tuple[str, str], list[str]] = {}
    for zone in parsed.zones:
        if zone.key in fresh:
            for name, key in (("camera", zone.camera), *(("expected", key) for key in zone.expected)):
                if key:
                    asked.setdefault((name, key), []).append(zone.key)
    counting = [line for line in parsed.lines if line.key in fresh and line.kind == COUNTING and line.counter]
    for line in counting:
        asked.setdefault(("counter", str(line.counter)), []).append(line.key)
    known: dict[str, list[str]] = dict(
        cursor.execute(
            """select device.key, array(select jsonb_object_keys(coalesce(body -> 'metrics', '{}') || coalesce(body -> 'derived', '{}')))
               from device join profile on profile.key = device.profile
               where retired_at is null and device.key = any(%s)""",
            (list({key for _, key in asked}),),
        ).fetchall()
    )
    for (name, key), zones in asked.items():
        if key not in known:
            yield f"'{zones[0]}': its {name} '{key}' is no device in service yet."
    for line in counting:
        metrics = known.get(str(line.counter))
        lacking = [
            name for name in (line.forward, line.backward) if metrics is not None and name not in metrics
        ]
        if lacking:
            yield f"'{line.key}': its counter '{line.counter}' does not measure {' and '.join(lacking)}."
