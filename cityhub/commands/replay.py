"""`cityhub replay`: a recording through the whole path, as if its device sent it, in its own time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from alerts.rule import LEVEL_NAMES
from cityhub.addresses import broker_for, reach
from cityhub.commands.options import Config, connect, settings
from cityhub.keys import key_here
from cityhub.settings import OperatorError, Settings
from edge.agent import BATCH, Agent
from edge.drivers.recording import read
from edge.link import Address, dialect
from ingest import enrolment

out = Console(highlight=False)

PACE_S = 0.1

Sample = tuple[str, int, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay did."""

    rows: int
    seconds: float
    committed: bool


def replay(  # noqa: PLR0917 -- each is an option of the command line
    file: Annotated[Path, typer.Argument(help="CSV (or .csv.gz) with a time and a value column.")],
    device: Annotated[
        str, typer.Option(help="The recording's device; enrolled as a recording if it is new.")
    ],
    metric: Annotated[str, typer.Option(help="The metric that the values are.")],
    speed: Annotated[str, typer.Option(help="Times its own speed, or max.")] = "max",
    profile_key: Annotated[str, typer.Option("--profile", help="Profile of a new device.")] = "river-gauge",
    department: Annotated[str, typer.Option(help="Department of a new device.")] = "recordings",
    column: Annotated[
        str | None, typer.Option(help="The column of values, where it is not called value.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Only rows with COLUMN=TEXT; may be repeated.")
    ] = None,
    scale: Annotated[
        float, typer.Option(help="Factor to the profile's unit, e.g. 0.3048 for feet to metres.")
    ] = 1.0,
    begin: Annotated[datetime | None, typer.Option("--from", help="First time, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option("--to", help="Last time, UTC.")] = None,
    config: Config = None,
) -> None:
    """Send a recording through journal, broker, checks, rules and database.

    Its times stay as they are; its alarms are marked as exercises and never mistaken for real ones.
    """
    given = settings(config)
    factor = None if speed == "max" else _factor(speed)
    rows = list(read(file, value=column, where=_conditions(where or [])))
    first, last = (_us(limit) for limit in (begin, end))
    samples = [
        (f"{device}/{metric}", at, value * scale)
        for at, value in rows
        if (first is None or at >= first) and (last is None or at <= last)
    ]
    if not samples:
        raise OperatorError(f"{file.name} has no row that fits", "check --where, --from and --to")
    with connect(given) as connection:
        owner = enrol_recording(connection, device, profile_key, department)
        if Address(reach(given).field_mqtt_url).user is None:
            key_here(connection, given, device)
        before = _book(connection, device)
        outcome = send(given, owner, device, samples, factor)
        _report(connection, device, outcome, before)
    if not outcome.committed:
        raise typer.Exit(1)


def enrol_recording(connection: psycopg.Connection, device: str, profile_key: str, department: str) -> str:
    """Make sure that the device exists and is a recording; returns its department."""
    found = connection.execute(
        """select recorded, department.key from device join department on department.id = department_id
           where device.key = %s and retired_at is null""",
        (device,),
    ).fetchone()
    if found is None:
        enrolment.enrol(
            connection,
            [enrolment.Entry(device, f"Recording {device}", department, profile_key, recorded=True)],
        )
        return department
    if not found[0]:
        raise OperatorError(
            f"{device} is a live device; a recording would mix old readings into its own",
            "choose another --device",
        )
    return str(found[1])


def send(
    given: Settings, department: str, device: str, samples: Sequence[Sample], factor: float | None
) -> Outcome:
    """Through an edge agent of its own, waiting at the end until the hub has committed everything."""
    started = time.monotonic()
    broker = broker_for(given, device)
    dialect(Address(broker))  # a field agent would wait for its broker; a person wants to know
    agent = Agent(given.home / "replay" / device, broker, department, device)
    agent.start()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=out, transient=True) as progress:
            task = progress.add_task(device, total=len(samples))
            for part in paced(samples, factor):
                agent.accept(part)
                progress.advance(task, len(part))
            progress.update(task, description=f"{device}: waiting for the commit")
            committed = agent.publisher.wait_committed(120.0)
    finally:
        agent.close()
    return Outcome(len(samples), time.monotonic() - started, committed)


def paced(samples: Sequence[Sample], factor: float | None) -> Iterator[Sequence[Sample]]:
    """The samples in parts: as fast as they are taken, or as the recording's clock reaches them."""
    if factor is None:
        yield from (samples[start : start + BATCH] for start in range(0, len(samples), BATCH))
        return
    begun, first, sent = time.monotonic(), samples[0][1], 0
    while sent < len(samples):
        reached = first + (time.monotonic() - begun) * factor * 1e6
        due = sent
        while due < len(samples) and samples[due][1] <= reached:
            due += 1
        if due > sent:
            yield samples[sent:due]
        sent = due
        time.sleep(PACE_S)


def _report(connection: psycopg.Connection, device: str, outcome: Outcome, before: dict[str, int]) -> None:
    book = {column: number - before[column] for column, number in _book(connection, device).items()}
    rate = outcome.rows / outcome.seconds
    out.print(
        f"{outcome.rows:,} readings sent in {outcome.seconds:.1f} s ({rate:,.0f}/s)"
        + ("" if outcome.committed else ", NOT all committed yet: run `cityhub replay` again")
    )
    out.print("  " + ", ".join(f"{column} {number:,}" for column, number in book.items()))
    table = Table("alarm", "step", "level", "at", "value", box=None)
    for rule, kind, level, at, value in connection.execute(
        """select rule, kind, to_level, at, alarm_transition.value
           from alarm_transition join alarm on alarm.id = alarm_id join device on device.id = device_id
           where device.key = %s and kind <> 'acknowledged' order by alarm_transition.id""",
        (device,),
    ):
        table.add_row(rule, kind, LEVEL_NAMES[level], f"{at:%Y-%m-%d %H:%M}Z", f"{value:.2f}")
    if table.row_count:
        out.print(table)
    else:
        out.print("  no alarm")


def _book(connection: psycopg.Connection, device: str) -> dict[str, int]:
    columns = ("received", "stored", "duplicate", "quarantined", "rejected", "flagged")
    row = connection.execute(
        f"""select {", ".join(f"coalesce(sum({column}), 0)::bigint" for column in columns)}
            from ledger_minute join device on device.id = device_id where device.key = %s""",  # noqa: S608 -- our own column names
        (device,),
    ).fetchone()
    return dict(zip(columns, row or (), strict=True))


def _factor(speed: str) -> float:
    try:
        factor = float(speed)
    except ValueError as error:
        raise OperatorError(f"--speed {speed} is no number", "give a factor like 60, or max") from error
    if not factor > 0:
        raise OperatorError(f"--speed {speed} goes nowhere", "give a factor above 0, or max")
    return factor


def _conditions(where: list[str]) -> dict[str, str]:
    pairs = [condition.partition("=") for condition in where]
    for name, equals, _ in pairs:
        if not (name and equals):
            raise OperatorError(f"--where {name} has no value", "write --where COLUMN=TEXT")
    return {name: text for name, _, text in pairs}


def _us(limit: datetime | None) -> int | None:
    return None if limit is None else round(limit.replace(tzinfo=limit.tzinfo or UTC).timestamp() * 1_000_000)
