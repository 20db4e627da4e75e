"""The verdict of an alarm's step, given once more: the readings that it names, judged by the version that it names."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import psycopg

from alerts.rule import Rule
from alerts.rulebook import Subject, Version
from alerts.watch import Watches
from edge.reading import READING, Rows


class Verdict(NamedTuple):
    """A level that was reached, and when, by the readings' own time (microseconds)."""

    to_level: int
    at: int


def judge_again(
    version: Version, subject: Subject, from_level: int, held: int, moved_by: Rows, against: Rows
) -> Verdict | None:
    """What a rule says of readings that it begins to hear with the levels `held`; None: nothing that anybody is told.

    Rows of `against` are only remembered: a rise is measured from them. Only the last row of `moved_by` is one of
    which people were told at once; the others may have come late.
    """
    watches = Watches([version])
    watches.bind(0, subject)
    watches.begin(0, held, from_level)
    rows = np.unique(np.concatenate([moved_by, against]))
    moving = np.isin(rows["time"], moved_by["time"])
    for place, row in enumerate(rows):
        if moving[place]:
            late = np.full(1, row["time"] != moved_by["time"].max())
            for event in watches.observe(rows[place : place + 1], np.ones(1, np.bool_), late):
                return Verdict(int(event["to_level"]), int(event["at"]))
        else:
            watches.remember(0, int(row["time"]), float(row["value"]))
    return None


class Step(NamedTuple):
    """What a step of an alarm names: enough to judge it again.

    `whole` is false where more readings have moved it than are named: then all that are stored between the first and
    the last are taken, among them those that came out of order and that the rule has not heard.
    """

    version: Version
    kernel: str
    subject: Subject
    from_level: int
    held: int
    moved_by: Rows
    against: Rows
    whole: bool
    told: Verdict


def steps(connection: psycopg.Connection, alarm_id: int) -> list[Step]:
    """The steps of an alarm that its readings made, in their order, as the database holds them."""
    found = []
    for (
        body, sha256, kernel, series_id, metric, profile, department, device, unit,
        from_level, to_level, held, moved_by, moves, against, reading_time, at_us,
    ) in connection.execute(STEPS, (alarm_id,)).fetchall():  # fmt: skip
        version = Version(Rule.model_validate(body), body, sha256)
        subject = Subject(series_id, metric, profile, department, device, frozenset(), unit)
        whole = moves <= len(moved_by)
        if whole:
            moving, before = _rows(connection, series_id, moved_by), _rows(connection, series_id, against)
        else:
            changes = (version.rule.rise, version.rule.fall)
            window = timedelta(seconds=max((change.within_s for change in changes if change), default=0))
            moving, before = _span(connection, series_id, moved_by[0] - window, moved_by[0], reading_time)
        told = Verdict(to_level, at_us)
        found.append(Step(version, kernel, subject, from_level, held, moving, before, whole, told))
    return found


STEPS = """
select body, sha256, kernel, series_id, metric, device.profile, department.key, device.key, unit,
       from_level, to_level, held, moved_by, moves, against, reading_time, (extract(epoch from at) * 1000000)::bigint
from alarm_transition join rule_version on rule_version.id = rule_version_id join alarm on alarm.id = alarm_id
     join series on series.id = series_id join device on device.id = series.device_id
     join department on department.id = department_id
where alarm_id = %s and held is not null order by alarm_transition.id"""


def _rows(connection: psycopg.Connection, series_id: int, times: list[datetime]) -> Rows:
    """The stored readings of these times."""
    return np.array(
        connection.execute(
            """select (extract(epoch from time) * 1000000)::bigint, series_id, value, flag from reading
               where series_id = %s and time = any(%s) order by time""",
            (series_id, times),
            binary=True,
        ).fetchall(),
        READING,
    )


def _span(
    connection: psycopg.Connection, series_id: int, since: datetime, first: datetime, last: datetime
) -> tuple[Rows, Rows]:
    """All stored readings from `first` to `last`, and the sound ones before them."""
    times = [
        at
        for (at,) in connection.execute(
            "select time from reading where series_id = %s and time between %s and %s and (time >= %s or flag <> 3)",
            (series_id, since, last, first),
        )
    ]
    moving = _rows(connection, series_id, [at for at in times if at >= first])
    return moving, _rows(connection, series_id, [at for at in times if at < first])
