"""What now stands, whole: the newest reading of every series in one answer, as columns."""

import numpy as np
import orjson
from fastapi import APIRouter, Response
from numpy.typing import DTypeLike, NDArray
from pydantic import BaseModel

from api.access import SignedIn
from api.database import Pool
from api.values import Number
from ingest.rows import POSTGRES_EPOCH_US

router = APIRouter(tags=["readings"])

# PostgreSQL's binary array of one dimension without nulls: 20 bytes of header, then each element behind its length.
ARRAY_HEADER = 20


class LatestColumns(BaseModel):
    """The newest readings, by place: the same place in each column is one series.

    `time` is in microseconds since 1970 UTC; `/api/v1/series` says what each series is.
    """

    series: list[int]
    time: list[int]
    value: list[Number]
    flag: list[int]


@router.get("/api/v1/latest/columns", response_model=LatestColumns)
async def latest_columns(caller: SignedIn, pool: Pool) -> Response:
    """Give the newest reading of every series that has one: all at once, for who keeps the whole city in view."""
    async with pool.connection() as connection, connection.cursor(binary=True) as cursor:
        # Four values instead of a row each, of which the driver's own work takes as long as the whole answer. Only what
        # is hidden is joined, for most callers next to nothing; being materialized it also keeps the plan from
        # parallel workers, who would hand each other arrays at four times the cost.
        await cursor.execute(
            """
            with hidden as materialized (
                select s.id from series s join device d on d.id = s.device_id
                where d.retired_at is not null or d.department_id <> %(reach)s
            )
            select array_agg(series_id), array_agg(time), array_agg(value), array_agg(flag)
            from latest where not exists (select from hidden where id = series_id)
            """,
            {"reach": caller.reach},
        )
        found = cursor.pgresult
        series, time, value, flag = (
            _column(found.get_value(0, place) if found else None, kind)
            for place, kind in enumerate((">i4", ">i8", ">f8", ">i2"))
        )
    order = np.argsort(series, kind="stable")
    body = {
        "series": series[order],
        "time": time[order] + POSTGRES_EPOCH_US,
        "value": value[order],
        "flag": flag[order],
    }
    return Response(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


def _column(array: bytes | None, kind: DTypeLike) -> NDArray[np.generic]:
    """Read PostgreSQL's binary array of numbers; null is the one of nothing."""
    elements = np.frombuffer(
        array or b"", [("length", ">i4"), ("number", kind)], offset=ARRAY_HEADER if array else 0
    )
    return elements["number"].astype(np.dtype(kind).newbyteorder("="))
