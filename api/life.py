"""The life of a device over the API: its history, its next step, another sensor in its place."""

from functools import partial
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends
from pydantic import BaseModel, model_validator

from api.access import Caller, SignedIn, only
from api.database import Pool, aside
from api.devices import DeviceDetail, detail_of
from api.problems import CONFLICT, Problem
from api.values import Instant, Key, Line, Prose
from governance import audit
from ingest import history, life
from ingest.life import LifeError, State

router = APIRouter(tags=["devices"])

Engineer = Annotated[Caller, Depends(only("engineer", "administrator"))]


class Span(BaseModel):
    """A device as it was from one moment until another."""

    valid_from: Instant
    valid_to: Instant | None
    who: str
    because: str
    record: dict[str, Any]
    changed: dict[str, tuple[Any, Any]]


class History(BaseModel):
    """Everything that a device has been, the oldest first."""

    items: list[Span]


class Step(BaseModel):
    """The next state of a device, or the serial number of its new sensor, and why."""

    state: State | None = None
    sensor_serial: Line | None = None
    because: Prose

    @model_validator(mode="after")
    def _one(self) -> "Step":
        if (self.state is None) == (self.sensor_serial is None):
            raise ValueError("give state or sensor_serial")
        return self


class Changed(DeviceDetail):
    """The device as it is now; `notes` says what is to be done next."""

    notes: list[str]


@router.get("/api/v1/devices/{device}/history")
async def past(device: Key, caller: SignedIn, pool: Pool) -> History:
    """Show what a device has been, who changed it, when and why."""

    def look(connection: psycopg.Connection[Any]) -> list[history.Span] | None:
        return history.of(connection, device) if _within(connection, caller, device) else None

    spans = await aside(pool, look)
    if spans is None:
        raise Problem(404, "There is no such device.")
    before = [None, *spans[:-1]]
    return History(
        items=[
            Span(**span._asdict(), changed=span.against(earlier))
            for earlier, span in zip(before, spans, strict=True)
        ]
    )


@router.patch("/api/v1/devices/{device}", responses=CONFLICT)
async def change(device: Key, step: Step, caller: Engineer, pool: Pool) -> Changed:
    """Bring a device one step on in its life, or put another sensor in its place."""
    try:
        notes = await aside(pool, partial(_changed, caller=caller, device=device, step=step))
    except LifeError as error:
        raise Problem(409, f"{error}. Try: {error.hint}", kind="life") from error
    if notes is None:
        raise Problem(404, "There is no such device.")
    detail = await detail_of(pool, caller, device)
    return Changed(**detail.model_dump(), notes=notes)


def _changed(
    connection: psycopg.Connection[Any], *, caller: Caller, device: str, step: Step
) -> list[str] | None:
    if not _within(connection, caller, device):
        return None
    notes: list[str] = []
    told: dict[str, str | int | None] = {"because": step.because}
    if step.state is not None:
        before = life.step(connection, [device], step.state, who=caller.name, because=step.because)
        action, told["before"], told["after"] = f"device.{step.state}", before[device], step.state
        notes = life.enrol_again(connection, before, step.state)
    elif step.sensor_serial is not None:
        was = life.swap(connection, device, step.sensor_serial, who=caller.name, because=step.because)
        action, told["before"], told["after"] = "device.swap", was, step.sensor_serial
    with connection.cursor() as cursor:
        audit.record(cursor, caller.name, action, device, "done", told)
    return notes


def _within(connection: psycopg.Connection[Any], caller: Caller, device: str) -> bool:
    row = connection.execute(
        "select 1 from device where key = %s and (%s::integer is null or department_id = %s)",
        (device, caller.reach, caller.reach),
    ).fetchone()
    return row is not None
