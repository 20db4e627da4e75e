"""Telemetry over HTTP: durable before it is answered, and read by the hub like any message from the broker."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from api.access import Caller, only
from api.database import Pool
from api.problems import CONFLICT, Problem
from api.values import Key
from edge.reading import now_us
from edge.wire import Malformed
from governance import audit
from ingest import posted
from ingest.decode import decode
from ingest.limits import SIZE_LIMIT

router = APIRouter(tags=["telemetry"])

Sender = Annotated[Caller, Depends(only("engineer", "administrator"))]
TOO_LARGE = f"A message has at most {SIZE_LIMIT} bytes."


class Accepted(BaseModel):
    """What was understood of a message; whether each reading is stored, the hub's ledger says."""

    format: str
    readings: int
    not_understood: list[str]


@router.post(
    "/api/v1/telemetry",
    status_code=202,
    responses=CONFLICT,
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "Any telemetry format: plain JSON, SenML in JSON or CBOR, the columnar batch.",
            "content": {"application/octet-stream": {}, "application/json": {}, "application/cbor": {}},
        }
    },
)
async def telemetry(
    request: Request, caller: Sender, pool: Pool, device: Annotated[Key, Query()]
) -> Accepted:
    """Send readings of a device, as it would send them over MQTT. They are on disk when this answers."""
    payload = await request.body()
    if len(payload) > SIZE_LIMIT:
        raise Problem(413, TOO_LARGE)
    try:
        decoded = decode(payload, now_us())
    except Malformed as error:
        raise Problem(422, f"This cannot be read as telemetry: {error}", kind="malformed") from error
    async with pool.connection() as connection:
        found = await connection.execute(
            """select department.key as department, retired_at is not null as retired
               from device join department on department.id = department_id
               where device.key = %(device)s and device.key <> 'hub'
                 and (%(reach)s::integer is null or department_id = %(reach)s)""",
            {"device": device, "reach": caller.reach},
        )
        owner = await found.fetchone()
        if owner is None:
            raise Problem(404, "There is no such device.")
        if owner["retired"]:
            raise Problem(409, "This device is retired; nothing more is taken from it.", kind="retired")
        full = await (await connection.execute(posted.FULL)).fetchone()
        if full is None or full["full"]:
            raise Problem(
                503, "Too much waits for the hub: send it again later.", headers={"Retry-After": "10"}
            )
        topic = f"city/v1/{owner['department']}/{device}/telemetry"
        await connection.execute(posted.PUT, {"topic": topic, "payload": payload})
        # One entry a minute says that this caller wrote readings; which, the archive of messages keeps.
        async with connection.cursor() as cursor:
            detail = {"first": device, "token": caller.token}
            await audit.record_once_a_minute(cursor, caller.name, "telemetry.post", "telemetry", detail)
    return Accepted(
        format=decoded.format,
        readings=len(decoded.rows),
        not_understood=[each[:200] for each in decoded.notes[:20]],
    )
