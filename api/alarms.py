"""Alarms: what stands, since when, who has it; and the way to say that one has it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import BaseModel

from alerts.acknowledge import ACKNOWLEDGE, CHANNEL
from api.access import Caller, SignedIn, only
from api.database import Pool
from api.paging import Cursor, Limit, Page, cursor, cut, place
from api.problems import CONFLICT, Problem
from api.values import Digits, Instant, Key, Number, Prose
from governance import audit

router = APIRouter(tags=["alarms"])


class Now(BaseModel):
    """The newest reading of a series."""

    value: Number
    time: Instant
    flag: int


class Clause(BaseModel):
    """A part of a reason in words: what it says, by a key, and its figures by name."""

    say: str
    figures: dict[str, Number]


class Alarm(BaseModel):
    """An alarm; levels run from 0 normal to 4 red.

    `value` is that of the last transition, `now` the newest one while the alarm stands, and
    `interval_s` says how often a new one is to be expected. `reason`: why it stands in words, as its last step that has any says it;
    `because`: the same in clauses, for a program that says it in another language.
    """

    id: str
    rule: str
    title: str | None
    level: int
    peak_level: int
    state: Literal["standing", "returned"]
    acknowledged_at: Instant | None
    acknowledged_by: str | None
    device: str
    device_name: str
    department: str
    series: int
    metric: str | None
    unit: str | None
    zone: str | None
    zone_name: str | None
    value: Number
    threshold: Number
    now: Now | None
    interval_s: float | None
    raised_at: Instant
    changed_at: Instant
    returned_at: Instant | None
    exercise: bool
    lon: Number
    lat: Number
    trend: int
    reason: str | None
    because: list[Clause] | None


class Transition(BaseModel):
    """One step of an alarm, and what moved it; `reason` in words where a limit alone does not say it."""

    id: str
    kind: str
    from_level: int
    to_level: int
    at: Instant
    recorded_at: Instant
    value: Number
    reading_time: Instant | None
    rule_sha256: str | None
    actor: str | None
    comment: str | None
    reason: str | None
    because: list[Clause] | None


class AlarmDetail(Alarm):
    """An alarm with every step it took."""

    transitions: list[Transition]


class Acknowledgement(BaseModel):
    """What a person says when taking an alarm."""

    comment: Prose | None = None


# The trend is the sign of the change over the last five readings that no check refused. The lower
# bound in time lets the database skip the older chunks.
COLUMNS = """
    a.id::text as id, a.rule, a.level, a.peak_level,
    named.body ->> 'title' as title,
    case when a.returned_at is null then 'standing' else 'returned' end as state,
    a.acknowledged_at, a.acknowledged_by, d.key as device, d.name as device_name, p.key as department,
    a.series_id as series, s.metric,
    case when named.body ->> 'kind' = 'no_data' then 's' else s.unit end as unit, z.key as zone, z.name as zone_name,
    a.value, a.threshold, a.raised_at, a.changed_at, a.returned_at, a.exercise, d.lon, d.lat,
    case when a.returned_at is null and l.series_id is not null
              and named.body ->> 'kind' is distinct from 'no_data' then json_build_object(
        'value', case when abs(l.value) < 'infinity' then l.value end, 'time', l.time, 'flag', l.flag
    ) end as now,
    case when jsonb_typeof(planned.every) = 'number' then planned.every::float8 end as interval_s,
    coalesce(recent.trend, 0) as trend, said.reason, said.because
"""
TABLES = """
    alarm a
    join device d on d.id = a.device_id
    join department p on p.id = d.department_id
    left join series s on s.id = a.series_id
    left join zone z on z.id = a.zone_id
    left join latest l on l.series_id = a.series_id
    left join lateral (
        select body from rule_version where rule_version.rule = a.rule order by rule_version.id desc limit 1
    ) as named on true
    left join lateral (
        select coalesce(f.body -> 'metrics' -> s.metric, f.body -> 'derived' -> s.metric) -> 'interval_s' as every
        from profile f where f.key = d.profile
    ) as planned on true
    left join lateral (
        select reason, because from alarm_transition
        where alarm_id = a.id and reason is not null and to_level > 0 order by alarm_transition.id desc limit 1
    ) as said on true
    left join lateral (
        select sign((array_agg(r.value order by r.time desc))[1] - (array_agg(r.value order by r.time))[1])::integer
               as trend
        from (
            select time, value from reading
            where a.returned_at is null and series_id = a.series_id and flag in (1, 2, 3) and abs(value) < 1e300
              and time > a.changed_at - interval '3 days'
            order by time desc limit 5
        ) as r
    ) as recent on true
"""
WITHIN = "(%(reach)s::integer is null or d.department_id = %(reach)s)"


async def alarm_of(connection: AsyncConnection[DictRow], reach: int | None, alarm: str) -> AlarmDetail:
    """Read one alarm with its steps; an alarm out of reach is one that does not exist."""
    found = await connection.execute(
        f"select {COLUMNS} from {TABLES} where a.id = %(alarm)s::bigint and {WITHIN}",  # noqa: S608 -- every part is a constant of ours
        {"reach": reach, "alarm": alarm},
    )
    row = await found.fetchone()
    if row is None:
        raise Problem(404, "There is no such alarm.")
    # A chattering alarm may have taken very many steps; the newest are those that matter.
    steps = await connection.execute(
        """
        select t.id::text as id, t.kind, t.from_level, t.to_level, t.at, t.recorded_at, t.value,
               t.reading_time, v.sha256 as rule_sha256, t.actor, t.comment, t.reason, t.because
        from alarm_transition t left join rule_version v on v.id = t.rule_version_id
        where t.alarm_id = %s::bigint order by t.alarm_id desc, t.id desc limit 1000
        """,
        (alarm,),
    )
    transitions = [Transition(**step) for step in await steps.fetchall()]
    return AlarmDetail(**row, transitions=transitions[::-1])


@router.get("/api/v1/alarms")
async def alarms(
    caller: SignedIn,
    pool: Pool,
    state: Literal["standing", "open", "all"] = "open",
    level: Annotated[int | None, Query(ge=0, le=4)] = None,
    department: Key | None = None,
    device: Key | None = None,
    limit: Limit = 100,
    start: Cursor = None,
) -> Page[Alarm]:
    """List alarms, the worst first, then the oldest; open means not returned or not acknowledged."""
    below, since, beyond = place(start, int, datetime, int)
    which = {
        "standing": "a.returned_at is null",
        "open": "(a.returned_at is null or a.acknowledged_at is null)",
        "all": "true",
    }
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            select {COLUMNS}, a.id as number from {TABLES}
            where {WITHIN} and {which[state]}
              and (%(level)s::integer is null or a.level = %(level)s)
              and (%(department)s::text is null or p.key = %(department)s)
              and (%(device)s::text is null or d.key = %(device)s)
              and (%(below)s::bigint is null or a.level < %(below)s
                   or a.level = %(below)s and (a.raised_at, a.id) > (%(since)s::timestamptz, %(beyond)s))
            order by a.level desc, a.raised_at, a.id limit %(limit)s
            """,  # noqa: S608 -- every part is a constant of ours
            {
                "reach": caller.reach,
                "level": level,
                "department": department,
                "device": device,
                "below": below,
                "since": since,
                "beyond": beyond,
                "limit": limit + 1,
            },
        )
        rows, last = cut(await found.fetchall(), limit)
    following = cursor(last["level"], last["raised_at"], last["number"]) if last else None
    return Page[Alarm](items=[Alarm(**row) for row in rows], next=following)


@router.get("/api/v1/alarms/{alarm}")
async def alarm(alarm: Digits, caller: SignedIn, pool: Pool) -> AlarmDetail:
    """Show one alarm and how it came to be."""
    async with pool.connection() as connection:
        return await alarm_of(connection, caller.reach, alarm)


@router.post("/api/v1/alarms/{alarm}/acknowledge", responses=CONFLICT)
async def acknowledge(
    alarm: Annotated[Digits, Path()],
    caller: Annotated[Caller, Depends(only("operator", "duty-officer", "administrator"))],
    pool: Pool,
    said: Acknowledgement | None = None,
) -> AlarmDetail:
    """Take an alarm: from now on everyone sees who has it."""
    async with pool.connection() as connection:
        async with connection.transaction(), connection.cursor() as rows:
            await _acknowledge(rows, caller, alarm, (said.comment or None) if said else None)
        return await alarm_of(connection, caller.reach, alarm)


async def _acknowledge(rows: Any, caller: Caller, alarm: str, comment: str | None) -> None:
    await rows.execute(
        f"""
        select a.acknowledged_at, a.acknowledged_by from alarm a join device d on d.id = a.device_id
        where a.id = %(alarm)s::bigint and {WITHIN} for update of a
        """,  # noqa: S608 -- every part is a constant of ours
        {"reach": caller.reach, "alarm": alarm},
    )
    row = await rows.fetchone()
    if row is None:
        raise Problem(404, "There is no such alarm.")
    if row["acknowledged_at"] is not None:
        when = row["acknowledged_at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        who = row["acknowledged_by"] or "someone"
        raise Problem(409, f"Acknowledged by {who} at {when}.", kind="already-acknowledged")
    await rows.execute(
        ACKNOWLEDGE, {"who": caller.name, "alarm": alarm, "comment": comment, "channel": CHANNEL}
    )
    detail = {"token": caller.token} if caller.token else {}
    await audit.record(rows, caller.name, "alarm.acknowledge", f"alarm:{alarm}", "done", detail)
