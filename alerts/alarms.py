"""Alarms: what the rules found becomes rows, in the transaction that stores the readings which moved them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from alerts.acknowledge import CHANNEL
from alerts.checks import silence, threshold
from alerts.rulebook import AnyVersion, Version


class Clause(NamedTuple):
    """A part of a reason: what it says, by a key that a console knows, and its figures by name."""

    say: str
    figures: dict[str, float]

    def plain(self) -> dict[str, Any]:
        """As JSON has it, which knows no infinity: a figure that is no number is null."""
        known = {name: figure if math.isfinite(figure) else None for name, figure in self.figures.items()}
        return {"say": self.say, "figures": known}


@dataclass(frozen=True, slots=True)
class Change:
    """A series moved from one level of a rule to another, and what moved it."""

    version: AnyVersion
    series_id: int
    from_level: int
    to_level: int
    at: datetime  # when the level was reached, by the readings' own time
    reading_time: (
        datetime | None
    )  # with the series: the reading that tells of it; None: silence has no reading
    value: float
    threshold: float | None
    held: int | None = (
        None  # the levels that took part before, one bit each; None: readings alone do not prove it
    )
    moves: int = 0  # how many readings have moved something since
    moved_by: Sequence[datetime] = ()  # they, oldest first; no more than the kernel keeps
    against: Sequence[datetime] = ()  # the readings that a rise or fall was measured from
    reason: str = ""  # in words, where limits alone do not say it
    because: Sequence[Clause] = ()  # the same for whoever says it in another language


class Alarms:
    """Writes changes; the alarm that stands in the database decides what a change means."""

    def __init__(self, channels: Sequence[str]) -> None:
        self._channels = list(channels)
        self._version_ids: dict[str, int] = {}

    def register(self, connection: psycopg.Connection, versions: Sequence[AnyVersion]) -> None:
        """Keep every version that may judge. What stands of a rule that is in shadow now, or gone, returns: nobody would end it."""
        with connection.transaction(), connection.cursor() as cursor:
            for version in versions:
                cursor.execute(
                    """insert into rule_version (rule, sha256, kernel, body) values (%s, %s, %s, %s)
                       on conflict (rule, sha256, kernel) do update set rule = excluded.rule returning id""",
                    (version.rule.rule, version.sha256, _kernel_of(version), Jsonb(version.body)),
                )
                self._version_ids[version.sha256] = _only(cursor)
            modes = {version.rule.rule: version.rule.mode for version in versions}
            shadows = [rule for rule, mode in modes.items() if mode == "shadow"]
            self._return(cursor, "rule = any(%s)", (shadows,), "the rule is in shadow mode now")
            self._return(cursor, "rule <> all(%s)", (list(modes),), "there is no such rule any more")

    def release(self, connection: psycopg.Connection, judged_by: Callable[[int], set[str]]) -> None:
        """What stands of rules that no longer apply to its series returns; `judged_by` names those that do."""
        with connection.transaction(), connection.cursor() as cursor:
            gone = [
                alarm_id
                for alarm_id, series_id, rule in cursor.execute(
                    "select id, series_id, rule from alarm where returned_at is null"
                ).fetchall()
                if rule not in judged_by(series_id)
            ]
            self._return(cursor, "id = any(%s)", (gone,), "the rule no longer applies here")

    def excuse(self, connection: psycopg.Connection) -> None:
        """What stands of devices that are not in service returns: their readings page nobody, so none would end it."""
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(
                """update alarm set level = 0, changed_at = now(), returned_at = now()
                   from (select alarm.id, level, state from alarm join device on device.id = device_id
                         where returned_at is null and state <> 'commissioned') as before
                   where alarm.id = before.id returning alarm.id, before.level, before.state"""
            )
            self._returned(
                cursor,
                [(alarm, level, f"the device is {state} now") for alarm, level, state in cursor.fetchall()],
            )

    def _return(self, cursor: psycopg.Cursor, which: str, values: tuple[object, ...], why: str) -> None:
        """Let standing alarms return for one reason."""
        cursor.execute(
            f"""update alarm set level = 0, changed_at = now(), returned_at = now()
                from (select id, level from alarm where returned_at is null and {which}) as before
                where alarm.id = before.id returning alarm.id, before.level""",  # noqa: S608 -- our own conditions
            values,
        )
        self._returned(cursor, [(alarm_id, level, why) for alarm_id, level in cursor.fetchall()])

    def _returned(self, cursor: psycopg.Cursor, ended: list[tuple[int, int, str]]) -> None:
        """Write and tell why alarms have returned that no reading has ended: id, level before, reason."""
        for alarm_id, level, why in ended:
            cursor.execute(
                """insert into alarm_transition (alarm_id, kind, from_level, to_level, at, comment)
                   values (%s, 'returned', %s, 0, now(), %s) returning id""",
                (alarm_id, level, why),
            )
            self._tell(cursor, _only(cursor))

    def write(self, cursor: psycopg.Cursor, changes: Sequence[Change]) -> None:
        """Write the changes, their transitions, and what is to be sent."""
        for change in changes:
            if change.version.rule.mode == "shadow":
                cursor.execute(SHADOW, self._step(change) | {"from_level": change.from_level})
            else:
                self._write(cursor, change)

    def _write(self, cursor: psycopg.Cursor, change: Change) -> None:
        rule = change.version.rule.rule
        cursor.execute(
            "select id, level from alarm where rule = %s and series_id = %s and returned_at is null for update",
            (rule, change.series_id),
        )
        standing = cursor.fetchone()
        from_level = standing[1] if standing else 0
        if from_level == change.to_level:
            return
        moved = {
            "level": change.to_level, "value": change.value, "threshold": change.threshold, "at": change.at,
            "rule": rule, "series": change.series_id, "id": standing[0] if standing else None,
        }  # fmt: skip
        if standing is None:
            kind = "raised"
            cursor.execute(RAISE, moved)
        elif change.to_level == 0:
            kind = "returned"
            cursor.execute(
                "update alarm set level = 0, value = %(value)s, changed_at = %(at)s, returned_at = %(at)s where id = %(id)s returning id",
                moved,
            )
        else:
            kind = "escalated" if change.to_level > from_level else "lowered"
            cursor.execute(MOVE, moved)
        alarm_id = _only(cursor)
        cursor.execute(STEP, self._step(change) | {"alarm": alarm_id, "kind": kind, "from_level": from_level})
        self._tell(cursor, _only(cursor))

    def _step(self, change: Change) -> dict[str, Any]:
        return {
            "rule": change.version.rule.rule, "version": self._version_ids[change.version.sha256],
            "series": change.series_id, "to_level": change.to_level, "at": change.at, "value": change.value,
            "reading_time": change.reading_time, "held": change.held, "moved_by": list(change.moved_by),
            "moves": change.moves, "against": list(change.against), "reason": change.reason or None,
            "because": Jsonb([each.plain() for each in change.because]) if change.because else None,
        }  # fmt: skip

    def _tell(self, cursor: psycopg.Cursor, transition_id: int) -> None:
        body = Jsonb(notice(cursor.connection, transition_id))
        cursor.executemany(
            "insert into outbox (transition_id, channel, body) values (%s, %s, %s)",
            [(transition_id, channel, body) for channel in self._channels],
        )
        cursor.execute("select pg_notify(%s, %s)", (CHANNEL, str(transition_id)))


STEP = """
insert into alarm_transition (alarm_id, kind, from_level, to_level, at, value, reading_time, rule_version_id,
                              held, moved_by, moves, against, reason, because)
values (%(alarm)s, %(kind)s, %(from_level)s, %(to_level)s, %(at)s, %(value)s, %(reading_time)s, %(version)s,
        %(held)s, %(moved_by)s, %(moves)s, %(against)s, %(reason)s, %(because)s)
returning id"""

SHADOW = """
insert into shadow_transition (rule, rule_version_id, series_id, from_level, to_level, at, value, reading_time,
                               held, moved_by, moves, against, reason)
values (%(rule)s, %(version)s, %(series)s, %(from_level)s, %(to_level)s, %(at)s, %(value)s, %(reading_time)s,
        coalesce(%(held)s, 0), %(moved_by)s, %(moves)s, %(against)s, %(reason)s)"""

# A density speaks of the zone that it counts, a watched zone of itself; anything else of the smallest zone that its device stands in.
RAISE = """
insert into alarm (rule, series_id, device_id, zone_id, exercise, level, peak_level, value, threshold, raised_at, changed_at)
select %(rule)s, series.id, device.id,
       coalesce(series.zone_id, case device.profile when 'zone' then device.zone_id end,
                (select zone.id from device_zone join zone on zone.id = zone_id
                                 where device_zone.device_id = device.id order by area_m2 limit 1)),
       device.recorded, %(level)s, %(level)s, %(value)s, %(threshold)s, %(at)s, %(at)s
from series join device on device.id = device_id where series.id = %(series)s
returning id"""

MOVE = """
update alarm set level = %(level)s, peak_level = greatest(peak_level, %(level)s), value = %(value)s,
       threshold = %(threshold)s, changed_at = %(at)s
where id = %(id)s returning id"""


def notice(connection: psycopg.Connection, transition_id: int) -> dict[str, Any]:
    """What people and programs are told of a transition."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            """select alarm.id::text as id, alarm_transition.kind, reason, from_level, to_level as level, alarm.rule,
                      rule_version.body ->> 'title' as title, alarm.value, alarm.threshold, metric, exercise,
                      case when rule_version.body ->> 'kind' = 'no_data' then 's' else unit end as unit,
                      device.key as device, device.name as device_name, department.key as department,
                      zone.key as zone, zone.name as zone_name, lon, lat,
                      to_json(alarm_transition.at) #>> '{}' as at, to_json(raised_at) #>> '{}' as raised_at
               from alarm_transition join alarm on alarm.id = alarm_id
                    join series on series.id = series_id join device on device.id = alarm.device_id
                    join department on department.id = department_id
                    left join zone on zone.id = alarm.zone_id
                    left join rule_version on rule_version.id = rule_version_id
               where alarm_transition.id = %s""",
            (transition_id,),
        )
        row = cursor.fetchone()
    if row is None:
        raise LookupError(f"no alarm transition {transition_id}")
    return row


def standing(connection: psycopg.Connection) -> dict[tuple[int, str], int]:
    """The level of every standing alarm, by series and rule."""
    return {
        (series_id, rule): level
        for series_id, rule, level in connection.execute(
            "select series_id, rule, level from alarm where returned_at is null"
        )
    }


def shadows(connection: psycopg.Connection) -> dict[tuple[int, str], int]:
    """The level at which rules in shadow mode stand, by series and rule."""
    return {
        (series_id, rule): level
        for series_id, rule, level in connection.execute(
            """select distinct on (rule, series_id) series_id, rule, to_level from shadow_transition
               order by rule, series_id, id desc"""
        )
    }


def _kernel_of(version: AnyVersion) -> str:
    return threshold.KERNEL if isinstance(version, Version) else silence.KERNEL


def _only(cursor: psycopg.Cursor) -> int:
    row = cursor.fetchone()
    if row is None:
        raise RuntimeError("the statement returned no row")
    return int(row[0])
