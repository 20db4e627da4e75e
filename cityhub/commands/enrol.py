"""`cityhub device import`, `imports` and `undo`: lists of devices, tried, applied all or nothing, put back."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.table import Table

from api import importing
from cityhub.commands.options import Config, connect, operator, settings
from cityhub.settings import OperatorError
from governance import audit
from ingest.bulk import Plan
from ingest.enrolment import EnrolmentError
from ingest.entry import COLUMNS, MORE_COLUMNS

out = Console(highlight=False, markup=False)

SHOWN = 40
"""Rows of a dry run that a terminal is told; --report has them all."""


def import_(
    file: Annotated[Path, typer.Argument(help=f"CSV or Excel (.xlsx) with the columns {', '.join(COLUMNS)}; more: {', '.join(MORE_COLUMNS)}.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what each row would do, and write nothing.")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Write the verdict on every row there (CSV).")] = None,
    config: Config = None,
) -> None:  # fmt: skip
    """Enrol the devices of a list: all of them, or none with every fault named.

    A column that the list does not have leaves its field as it is; an empty cell empties it. Coordinates that are not
    WGS 84 need the column datum. Headers may be Chinese; CSV may be UTF-8 or GB18030, with commas, semicolons or tabs.
    """
    content = _bytes(file)
    with connect(settings(config)) as connection:
        if dry_run or report is not None:
            plan = importing.look(connection, content)
            if report is not None:
                _report(report, plan)
                out.print(f"the verdict on every row is in {report}")
            if dry_run:
                _tell(plan)
                if plan.faults:
                    raise typer.Exit(1)
                return
            if plan.faults:
                raise EnrolmentError(plan.sentences)
        number, plan, placed = _take(connection, content, file)
    for note in plan.notes:
        out.print(f"Note: {note}")
    summary = plan.summary
    out.print(
        f"{summary['new']} new, {summary['changed'] + summary['same']} known; {placed} devices stand in a zone"
    )
    out.print(
        f"{summary['changed']} of the known have changed; `cityhub device undo {number}` puts all of it back"
    )


def import_devices(connection: psycopg.Connection, file: Path) -> tuple[int, int, int]:
    """Enrol a list and place it; returns new, known, and devices that stand in a zone."""
    _, plan, placed = _take(connection, _bytes(file), file)
    return plan.summary["new"], plan.summary["changed"] + plan.summary["same"], placed


def _take(connection: psycopg.Connection, content: bytes, file: Path) -> tuple[int, Plan, int]:
    with connection.transaction(), connection.cursor() as cursor:
        number, plan, placed = importing.take(connection, content, file=file.name, who=operator())
        audit.record(cursor, operator(), "device.import", f"import:{number}", "done", dict(plan.summary))
        return number, plan, placed


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise OperatorError(f"cannot read {file}: {error}", "give a CSV file or an .xlsx workbook") from error


def _tell(plan: Plan) -> None:
    for note in plan.notes:
        out.print(f"Note: {note}")
    told = [verdict for verdict in plan.verdicts if verdict.kind != "same"]
    for verdict in told[:SHOWN]:
        said = [f"{name} {before} -> {after}" for name, (before, after) in verdict.diff.items()]
        said += [str(fault).split(": ", 1)[1] for fault in verdict.faults]  # the line is said already
        key = f"{verdict.key} " if verdict.key else ""
        out.print(f"line {verdict.row}: {key}{verdict.kind}{': ' if said else ''}{'; '.join(said)}")
    if len(told) > SHOWN:
        out.print(f"and {len(told) - SHOWN} rows more; --report FILE has them all")
    summary = plan.summary
    out.print(
        f"{summary['new']} new, {summary['changed']} changed, {summary['same']} the same, {summary['fault']} at fault;"
        " nothing was written"
    )


def _report(path: Path, plan: Plan) -> None:
    """One line for each change and each fault; no cell reads like a formula."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["row", "id", "verdict", "column", "before", "after", "reason", "remedy"])
        for verdict in plan.verdicts:
            rows = [(name, *change, "", "") for name, change in verdict.diff.items()]
            rows += [(fault.column, "", "", fault.reason, fault.remedy) for fault in verdict.faults]
            for cells in rows or [("", "", "", "", "")]:
                lines.writerow([_safe(cell) for cell in (verdict.row, verdict.key, verdict.kind, *cells)])


def _safe(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def imports(config: Config = None) -> None:
    """List the imports of devices: when, whose, what they did, and whether they were put back."""
    table = Table("import", "at (UTC)", "by", "file", "new", "changed", "same", "state", box=None)
    with connect(settings(config)) as connection:
        for row in connection.execute(
            """select id::text, to_char(created_at at time zone 'utc', 'YYYY-MM-DD HH24:MI'), who, file,
                      summary ->> 'new', summary ->> 'changed', summary ->> 'same',
                      case when undone_at is not null then 'put back' when applied_at is not null then 'applied'
                           else 'tried' end
               from device_import order by id desc limit 50"""
        ):
            table.add_row(*row)
    out.print(table)


def undo(
    number: Annotated[int, typer.Argument(metavar="IMPORT", help="The number that the import said.")],
    config: Config = None,
) -> None:
    """Put back what an import has replaced, all of it or nothing.

    What it added is deleted; where there are readings already, the device is retired and its readings stay.
    """
    with connect(settings(config)) as connection, connection.transaction(), connection.cursor() as cursor:
        undone = importing.undo(connection, number, who=operator())
        counts = {
            "restored": len(undone.restored),
            "deleted": len(undone.deleted),
            "retired": len(undone.retired),
        }
        audit.record(cursor, operator(), "device.undo", f"import:{number}", "done", counts)
    out.print(f"import {number}: {len(undone.restored)} as they were before, {len(undone.deleted)} deleted")
    if undone.retired:
        shown = ", ".join(undone.retired[:SHOWN]) + (", ..." if len(undone.retired) > SHOWN else "")
        out.print(f"retired, for there is something of them already: {shown}")
