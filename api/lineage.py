"""Lineage: from a stored reading back to the messages that carried it, with their bytes read once more."""

import base64
import math
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import BaseModel

from api.access import Caller, SignedIn
from api.database import Pool
from api.problems import Problem
from api.values import INT4, Instant, Moment, Number
from api.watched import LINE, ZONE
from ingest.lineage import Testimony, Witness, testify, witnesses
from ingest.profile import HUB_METRICS
from ingest.registry import HUB

router = APIRouter(tags=["readings"])

SHOWN = 65_536
MOST_MESSAGES = 10
MOST_BYTES = 64 * 2**20
"""Bytes decoded for one answer at most: a gateway may have sent thousands of messages whose span covers the time."""
AT_ONCE = 20
AHEAD = timedelta(minutes=5)
"""A reading is taken up to this long before its time has come, so no message arrived earlier than that."""


class Source(BaseModel):
    """The series of which a derived one is computed.

    Over `zone-area`: value = gain * value of the source. Over `counter`: value is what the source has grown by since its
    reading before, and `value` here where it stands.
    """

    series: int
    metric: str
    gain: float
    over: str | None  # null: the profile no longer derives it
    value: Number


class Computed(BaseModel):
    """A reading from which the hub has computed this one, as its message names it: of a camera, or of a counter at a door."""

    series: int
    device: str
    metric: str
    time: Instant
    value: Number


class Carrier(BaseModel):
    """A message whose bytes, decoded again, hold the reading; the first 64 KiB of them, base64.

    The payload is null where the message also speaks of devices that the caller may not see. Of a platform's message
    the archive says that it brought readings of this device and time; it is not decoded again: `value` and `same` are null.
    """

    device: str
    topic: str
    arrived_at: Instant
    parser: str
    readings: int
    value: Number
    same: bool | None
    payload: str | None
    size: int


class Lineage(BaseModel):
    """A stored reading and the messages that carried it, in order of arrival: the first of the same value was stored.

    `computed_from`: of a reading that the hub itself has said of a zone or a line, those of them that the caller may see.
    No messages: their time in the raw archive is over. `complete` is false where the search ended before its end.
    """

    series: int
    device: str
    metric: str
    unit: str
    time: Instant
    value: Number
    flag: int
    source: Source | None
    computed_from: list[Computed]
    messages: list[Carrier]
    complete: bool


@router.get("/api/v1/readings/lineage")
async def lineage(
    caller: SignedIn, pool: Pool, series: Annotated[int, Query(ge=1, le=INT4)], time: Moment
) -> Lineage:
    """Lead a reading back to the bytes that brought it; a derived one, to those of its source."""
    async with pool.connection() as connection:
        reading = await _reading(connection, caller, series, time)
        messages, complete, witnessed = await _carriers(connection, caller, reading)
        computed = await _computed(connection, caller.reach, witnessed)
    source = None
    if reading["derived_from"] is not None:
        source = Source(
            series=reading["derived_from"],
            metric=reading["carried_metric"],
            gain=reading["gain"],
            over=reading["over"],
            value=reading["carried_value"],
        )
    return Lineage(
        **{**reading, "source": source, "messages": messages, "complete": complete, "computed_from": computed}
    )


async def _reading(
    connection: AsyncConnection[DictRow], caller: Caller, series: int, time: datetime
) -> DictRow:
    """Find the reading, and what carries it: itself, or its source at the same time."""
    found = await connection.execute(
        """
        select s.id as series, d.key as device, s.metric, s.unit, r.time, r.value, r.flag, s.derived_from, s.gain,
               (select body -> 'derived' -> s.metric ->> 'over' from profile where key = d.profile) as over,
               d.id as device_id, d.gateway_id,
               (select id from device where key = %(hub)s and (d.profile = any(%(spoken)s) or s.metric = any(%(found)s)))
                   as hub_id,
               coalesce(o.metric, s.metric) as carried_metric,
               case when o.id is null then r.value else q.value end as carried_value
        from series s
        join device d on d.id = s.device_id
        left join series o on o.id = s.derived_from
        left join reading r on r.series_id = s.id and r.time = %(time)s
        left join reading q on q.series_id = s.derived_from and q.time = %(time)s
        where s.id = %(series)s and (%(reach)s::integer is null or d.department_id = %(reach)s)
        """,
        {
            "series": series,
            "time": time,
            "reach": caller.reach,
            "hub": HUB,
            "spoken": [ZONE, LINE],
            "found": list(HUB_METRICS),
        },
    )
    row = await found.fetchone()
    if row is None:
        raise Problem(404, "There is no such series.")
    if row["time"] is None:
        raise Problem(404, "This series has no reading at that time.")
    return row


async def _carriers(
    connection: AsyncConnection[DictRow], caller: Caller, reading: dict[str, Any]
) -> tuple[list[Carrier], bool, list[Witness]]:
    """Read the messages whose span covers the time, of the device and of who speaks for it, in order of arrival."""
    carriers: list[Carrier] = []
    witnessed: list[Witness] = []
    left = MOST_BYTES
    series, at = (reading["device"], reading["carried_metric"]), _us(reading["time"])
    async with connection.transaction(), connection.cursor("lineage") as cursor:
        await cursor.execute(
            """
            select m.topic, m.arrived_at, m.parser, m.readings, m.payload, d.key as device
            from message m join device d on d.id = m.device_id
            where m.device_id = any (%(senders)s) and m.first_time <= %(time)s and m.last_time >= %(time)s
              and m.arrived_at >= %(earliest)s and m.topic not like '%%/position'
            order by m.arrived_at
            """,
            {
                "senders": [reading["device_id"], reading["gateway_id"], reading["hub_id"]],
                "time": reading["time"],
                "earliest": reading["time"] - AHEAD,
            },
        )
        while rows := await cursor.fetchmany(AT_ONCE):
            for row in rows:
                left -= len(row["payload"])
                if left < 0 or len(carriers) == MOST_MESSAGES:
                    return carriers, False, witnessed
                said = await anyio.to_thread.run_sync(
                    testify, row["topic"], row["payload"], _us(row["arrived_at"]), row["device"], series, at
                )
                if said.values or said.platform:
                    shown = caller.reach is None or await _within(connection, caller.reach, row, said)
                    carriers.append(_carrier(row, said, reading["carried_value"], shown=shown))
                    if row["device"] == HUB and not witnessed:
                        witnessed = witnesses(row["payload"], reading["device"])
    return carriers, True, witnessed


async def _computed(
    connection: AsyncConnection[DictRow], reach: int | None, witnessed: list[Witness]
) -> list[Computed]:
    """Find the series of what a reading was computed from, as far as they are within reach."""
    found = await connection.execute(
        """
        select s.id as series, d.key as device, s.metric from series s join device d on d.id = s.device_id
        where (d.key, s.metric) in (select * from unnest(%(devices)s::text[], %(metrics)s::text[]))
          and (%(reach)s::integer is null or d.department_id = %(reach)s)
        """,
        {
            "devices": [each.device for each in witnessed],
            "metrics": [each.metric for each in witnessed],
            "reach": reach,
        },
    )
    known = {(row["device"], row["metric"]): row["series"] for row in await found.fetchall()}
    return [
        Computed(
            series=known[each.device, each.metric],
            device=each.device,
            metric=each.metric,
            time=datetime.fromtimestamp(each.time_us / 1e6, UTC),
            value=each.value,
        )
        for each in witnessed
        if (each.device, each.metric) in known
    ]


def _carrier(row: DictRow, said: Testimony, stored: float | None, *, shown: bool) -> Carrier:
    same = [value for value in said.values if stored is not None and _equal(value, stored)]
    payload: bytes = row["payload"]
    return Carrier(
        **{
            **row,
            "value": None if said.platform else (same or said.values)[0],
            "same": None if said.platform else bool(same),
            "payload": base64.b64encode(payload[:SHOWN]).decode() if shown else None,
            "size": len(payload),
        }
    )


async def _within(connection: AsyncConnection[DictRow], reach: int, row: DictRow, said: Testimony) -> bool:
    """Say whether everyone of whom a message speaks is within reach."""
    found = await connection.execute(
        "select count(*) as count from device where key = any (%s) and department_id = %s",
        (list(said.devices | {row["device"]}), reach),
    )
    counted = await found.fetchone()
    return counted is not None and counted["count"] == len(said.devices | {row["device"]})


def _equal(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
