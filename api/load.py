"""The alarm load: how many alarms people were given, per ten minutes."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.access import SignedIn
from api.database import Pool
from api.values import Instant

router = APIRouter(tags=["alarms"])

SPAN = timedelta(minutes=10)
SPANS_AN_HOUR = 6


class Span(BaseModel):
    """Alarms raised in ten minutes; `time` is their beginning. Exercises are counted apart."""

    time: Instant
    raised: int
    exercise: int


class Load(BaseModel):
    """The last hours in spans of ten minutes, the newest last; it ends now."""

    to: Instant
    items: list[Span]


# Counted by when people were told, not by the readings' time: after an outage all comes at once.
# Ids rise with that time, so the walk down the primary key ends at the span's beginning.
QUERY = """
    with span as (select now() as ends, now() - %(spans)s * %(span)s::interval as begins),
    before as (
        select a.id from alarm a, span where a.recorded_at < span.begins order by a.id desc limit 1
    ), counted as (
        select floor(extract(epoch from a.recorded_at - span.begins) / extract(epoch from %(span)s::interval))::integer
               as place,
               count(*) filter (where not a.exercise) as raised, count(*) filter (where a.exercise) as exercise
        from span, alarm a
        where a.id > coalesce((select id from before), 0) and a.recorded_at >= span.begins
          and (%(reach)s::integer is null
               or exists (select from device d where d.id = a.device_id and d.department_id = %(reach)s))
        group by 1
    )
    select span.ends, coalesce(c.raised, 0) as raised, coalesce(c.exercise, 0) as exercise
    from span, generate_series(0, %(spans)s - 1) as place left join counted c using (place)
    order by place
"""


@router.get("/api/v1/alarms/load")
async def load(caller: SignedIn, pool: Pool, hours: Annotated[int, Query(ge=1, le=168)] = 4) -> Load:
    """Count the alarms that were raised, per ten minutes of the last hours."""
    spans = hours * SPANS_AN_HOUR
    async with pool.connection() as connection:
        found = await connection.execute(QUERY, {"reach": caller.reach, "spans": spans, "span": SPAN})
        rows = await found.fetchall()
    ends: datetime = rows[-1]["ends"]
    return Load(
        to=ends,
        items=[
            Span(time=ends - (spans - place) * SPAN, raised=row["raised"], exercise=row["exercise"])
            for place, row in enumerate(rows)
        ],
    )
