"""Lists of devices over the API: tried, applied, put back; by engineers, each of the own department alone."""

from functools import partial
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel

from api import importing
from api.access import Caller, only
from api.database import Connections, Pool, aside
from api.paging import Cursor, Limit, Page, cursor, cut, place
from api.problems import CONFLICT, Problem
from api.values import INT4, Instant, Line
from governance import audit
from ingest import lists
from ingest.bulk import Plan, Verdict
from ingest.component import ComponentError
from ingest.enrolment import EnrolmentError
from ingest.lists import ListError
from ingest.sheet import SheetError

router = APIRouter(tags=["devices"])

SHOWN = 1000
"""Rows of a dry run that an answer holds; those at fault come first."""

Engineer = Annotated[Caller, Depends(only("engineer", "administrator"))]
Number = Annotated[int, Path(ge=1, le=INT4)]


class Fault(BaseModel):
    """What is wrong with a row, where, and what to do."""

    column: str
    reason: str
    remedy: str


class RowVerdict(BaseModel):
    """What a row of the list would do."""

    row: int
    id: str
    verdict: str
    diff: dict[str, tuple[Any, Any]]
    faults: list[Fault]


class Summary(BaseModel):
    """How many rows of each kind."""

    new: int
    changed: int
    same: int
    fault: int


class Import(BaseModel):
    """A list that was tried or applied."""

    id: int
    file: str
    who: str
    created_at: Instant
    applied_at: Instant | None
    undone_at: Instant | None
    summary: Summary


class Tried(BaseModel):
    """What a list would do; `rows` are those that are not the same, faults first, at most a thousand."""

    id: int
    summary: Summary
    notes: list[str]
    rows: list[RowVerdict]


class Undone(BaseModel):
    """What was put back, by id of a device; retired are those of which there is something already."""

    restored: list[str]
    deleted: list[str]
    retired: list[str]


@router.post("/api/v1/imports", status_code=201)
async def try_list(
    request: Request, caller: Engineer, pool: Pool, file: Annotated[Line, Query()] = "list"
) -> Tried:
    """Say what a list would do, row by row, and write nothing of it: the body is CSV or an .xlsx workbook."""
    content = b"".join([piece async for piece in request.stream()])

    def look(connection: psycopg.Connection[Any]) -> tuple[int, Plan]:
        plan = importing.look(connection, content, caller.department)
        number = lists.keep(connection, plan, content, file=file, who=caller.name, reach=caller.department)
        return number, plan

    number, plan = await _or_problem(pool, look)
    told = sorted(
        (verdict for verdict in plan.verdicts if verdict.kind != "same"),
        key=lambda each: each.kind != "fault",
    )
    return Tried(
        id=number,
        summary=Summary(**plan.summary),
        notes=plan.notes,
        rows=[_row(verdict) for verdict in told[:SHOWN]],
    )


@router.get("/api/v1/imports")
async def imports(caller: Engineer, pool: Pool, limit: Limit = 100, start: Cursor = None) -> Page[Import]:
    """List what was tried and applied, the newest first."""
    (before,) = place(start, int)
    async with pool.connection() as connection:
        found = await connection.execute(
            """select id, file, who, created_at, applied_at, undone_at, summary from device_import
               where (%(reach)s::integer is null or department_id = %(reach)s)
                 and (%(before)s::bigint is null or id < %(before)s) order by id desc limit %(limit)s""",
            {"reach": caller.reach, "before": before, "limit": limit + 1},
        )
        rows, last = cut(await found.fetchall(), limit)
    return Page[Import](items=[Import(**row) for row in rows], next=cursor(last["id"]) if last else None)


@router.post("/api/v1/imports/{number}/apply", responses=CONFLICT)
async def apply(number: Number, caller: Engineer, pool: Pool) -> Summary:
    """Apply a list that was tried: all of it, or nothing where the registry has changed since."""

    def work(connection: psycopg.Connection[Any]) -> Plan:
        plan = importing.apply(connection, number, who=caller.name, reach=caller.department)
        with connection.cursor() as rows:
            audit.record(rows, caller.name, "device.import", f"import:{number}", "done", dict(plan.summary))
        return plan

    return Summary(**(await _or_problem(pool, work)).summary)


@router.post("/api/v1/imports/{number}/undo", responses=CONFLICT)
async def undo(number: Number, caller: Engineer, pool: Pool) -> Undone:
    """Put back what an import has replaced; devices that it added and that have spoken are retired instead."""

    def work(connection: psycopg.Connection[Any]) -> lists.Undone:
        undone = importing.undo(connection, number, who=caller.name, reach=caller.department)
        counts = {
            "restored": len(undone.restored),
            "deleted": len(undone.deleted),
            "retired": len(undone.retired),
        }
        with connection.cursor() as rows:
            audit.record(rows, caller.name, "device.undo", f"import:{number}", "done", counts)
        return undone

    undone = await _or_problem(pool, partial(work))
    return Undone(restored=undone.restored, deleted=undone.deleted, retired=undone.retired)


async def _or_problem(pool: Connections, work: Any) -> Any:
    """Do the work, and answer what an operator may mend."""
    try:
        return await aside(pool, work)
    except SheetError as error:
        raise Problem(422, f"{error}. Try: {error.hint}", kind="sheet") from error
    except (ListError, EnrolmentError, ComponentError) as error:
        missing = isinstance(error, ListError) and str(error).startswith("no import")
        raise Problem(404 if missing else 409, f"{error}. Try: {error.hint}", kind="import") from error


def _row(verdict: Verdict) -> RowVerdict:
    return RowVerdict(
        row=verdict.row,
        id=verdict.key,
        verdict=verdict.kind,
        diff=verdict.diff,
        faults=[Fault(column=each.column, reason=each.reason, remedy=each.remedy) for each in verdict.faults],
    )
