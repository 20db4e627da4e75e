"""Reports: what a device says of itself beside readings, its events and whether it is there."""

from __future__ import annotations

from typing import Any

import orjson
import psycopg
from psycopg.types.json import Jsonb

from edge.wire import Malformed, shown
from ingest import limits
from ingest.batch import CALENDAR_FROM_US, CALENDAR_TO_US, Batch
from ingest.message import Message, Report
from ingest.plain import time_us
from ingest.records import from_us

KINDS = frozenset({"event", "status"})
"""The last level of the topics on which reports come."""

TYPE_LIMIT = 64


def read(kind: str, device_id: int, message: Message) -> Report | None:
    """Read a report; None for an empty status, which clears what the broker had retained. Raises Malformed."""
    if kind == "status":
        return _status(device_id, message) if message.payload else None
    return _event(device_id, message)


def _status(device_id: int, message: Message) -> Report:
    body = _object(message)
    state = body.get("state")
    if state not in ("online", "offline"):
        raise Malformed(f"state is {shown(state)}, neither online nor offline")
    return Report("status", device_id, state, message.arrived_us, body, message)


def _event(device_id: int, message: Message) -> Report:
    body = _object(message)
    name, data = body.get("type"), body.get("data", {})
    if not (isinstance(name, str) and 0 < len(name) <= TYPE_LIMIT):
        raise Malformed(f"type is {shown(name)}, no text of 1 to {TYPE_LIMIT} characters")
    if not isinstance(data, dict):
        raise Malformed("data must be an object")
    at = time_us(body["ts"]) if "ts" in body else message.arrived_us
    if not CALENDAR_FROM_US <= at <= CALENDAR_TO_US:
        raise Malformed(f"ts {shown(body['ts'])} is out of any range")
    return Report("event", device_id, name, at, data, message)


def _object(message: Message) -> dict[str, Any]:
    limits.check_size(message.payload)
    limits.check_json_depth(message.payload)
    try:
        body = orjson.loads(message.payload)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Malformed("a report is one object")
    if b"\\u0000" in message.payload:
        raise Malformed("a text holds the character NUL, which no database takes")
    return body


def write(cursor: psycopg.Cursor, batch: Batch) -> None:
    """Write the reports of a batch; a repetition changes nothing."""
    events = [report for report in batch.reports if report.kind == "event"]
    if events:
        cursor.executemany(
            """insert into event (device_id, time, type, data, arrived_at, digest) values (%s, %s, %s, %s, %s, %s)
               on conflict (digest) do nothing""",
            [
                (
                    each.device_id, from_us(each.at_us), each.name, Jsonb(each.body),
                    from_us(each.message.arrived_us), each.message.digest,
                )
                for each in events
            ],
        )  # fmt: skip
    last = {report.device_id: report for report in batch.reports if report.kind == "status"}
    if last:
        cursor.executemany(
            """insert into device_status (device_id, state, since, body) values (%s, %s, %s, %s)
               on conflict (device_id) do update set state = excluded.state, body = excluded.body,
                  since = case when device_status.state = excluded.state then device_status.since else excluded.since end""",
            [
                (each.device_id, each.name, from_us(each.at_us), Jsonb(each.body))
                for _, each in sorted(last.items())
            ],
        )
