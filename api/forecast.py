"""Where a series goes: what is expected of it, between which bounds, and when it reaches a level."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from alerts.outlook import Outlook, time_to
from api.access import SignedIn
from api.database import Pool
from api.problems import Problem
from api.values import INT4, Instant

router = APIRouter(tags=["readings"])


class Ahead(BaseModel):
    """What is expected after some seconds: the value lies between low and high four times in five."""

    after_s: float
    low: float
    median: float
    high: float


class Reached(BaseModel):
    """When a level is reached, in seconds from `time`; `latest_s` is null where it may not be reached at all."""

    level: float
    median_s: float
    earliest_s: float
    latest_s: float | None
    words: str


class Forecast(BaseModel):
    """What is expected from a series' newest reading on; `reach` is null where nobody can say, or none was asked."""

    series: int
    time: Instant
    value: float
    course: list[Ahead]
    reach: Reached | None = None


@router.get("/api/v1/forecast")
async def forecast(
    caller: SignedIn,
    pool: Pool,
    series: Annotated[int, Query(ge=1, le=INT4)],
    level: Annotated[
        float | None, Query(allow_inf_nan=False, description="When is this value reached?")
    ] = None,
) -> Forecast:
    """Give what is expected of a series whose profile asks for forecasts, and has been heard often enough."""
    async with pool.connection() as connection:
        found = await connection.execute(
            """
            select o.time, o.value, o.after_s, o.low, o.median, o.high
            from outlook o join series s on s.id = o.series_id join device d on d.id = s.device_id
            where s.id = %(series)s and (%(reach)s::integer is null or d.department_id = %(reach)s)
            """,
            {"series": series, "reach": caller.reach},
        )
        row = await found.fetchone()
    if row is None:
        raise Problem(
            404, "Nothing is expected of this series: it is not there, asks for no forecast, or is too young."
        )
    course = [
        Outlook(*each) for each in zip(row["after_s"], row["low"], row["median"], row["high"], strict=True)
    ]
    reach = None if level is None else time_to(row["value"], course, level)
    return Forecast(
        series=series,
        time=row["time"],
        value=row["value"],
        course=[Ahead(**each._asdict()) for each in course],
        reach=Reached(**reach._asdict(), words=str(reach)) if reach else None,
    )
