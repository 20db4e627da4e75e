"""`cityhub bench`: the project's own measurements."""

from __future__ import annotations

import importlib
import json as json_format
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cityhub.settings import OperatorError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class Name(StrEnum):
    """The benches there are."""

    ACCESS = "access"
    ANOMALY = "anomaly"
    CHECKS = "checks"
    COPY = "copy"
    CROWD = "crowd"
    INGEST = "ingest"
    LATENCY = "latency"
    FLOOD = "flood"
    QUERY = "query"
    FOOTPRINT = "footprint"
    EDGE = "edge"
    PROTOCOLS = "protocols"
    RIVERS = "rivers"
    FENCES = "fences"


MODULES = {
    Name.ACCESS: "bench.revoking",
    Name.ANOMALY: "bench.labelled",
    Name.CHECKS: "bench.checking",
    Name.COPY: "bench.copying",
    Name.CROWD: "bench.crowding",
    Name.INGEST: "bench.ingesting",
    Name.LATENCY: "bench.latency",
    Name.FLOOD: "bench.flooding",
    Name.QUERY: "bench.querying",
    Name.FOOTPRINT: "bench.footprint",
    Name.EDGE: "bench.edging",
    Name.PROTOCOLS: "bench.protocols",
    Name.RIVERS: "bench.rivers",
    Name.FENCES: "bench.fences",
}


def bench(  # noqa: PLR0917 -- the options of a command line
    name: Annotated[Name, typer.Argument(help="What to measure.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    seconds: Annotated[float, typer.Option(help="Length of one run.", min=1, max=600)] = 10.0,
    runs: Annotated[
        int, typer.Option(help="How many runs; the numbers are their medians.", min=1, max=50)
    ] = 3,
    devices: Annotated[
        int | None, typer.Option(help="Simulated devices of ingest, latency and flood.", min=10, max=200_000)
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Background messages/s of latency and flood; default: half of what is measured.", min=0
        ),
    ] = None,
    rows: Annotated[
        int | None, typer.Option(help="Readings stored for query; 100 M take 16 GB.", min=100_000)
    ] = None,
    series: Annotated[int | None, typer.Option(help="Series of footprint.", min=30, max=1_000_000)] = None,
    rtus: Annotated[int | None, typer.Option(help="Connected stations of edge.", min=1, max=50_000)] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the recordings of anomaly and of the outlines of fences; default: `shared` beside the project."
        ),
    ] = None,
) -> None:
    """Measure the hub on this machine, with services of its own in a temporary home.

    `ingest`: messages a second through the whole hub, committed and counted, from single devices and in edge batches,
    beside a bare COPY and the plain script that people write. `copy`: that COPY alone. `crowd`: density and speed of 300 people,
    ten times a second; and a moment of the census of 500 zones. `latency`: from publish to the
    live stream, under half of that load. `flood`: the same while one device sends a hundred times its quota. `query`: a
    day of one series and the newest of all, out of 100 M readings, through the API and bare. `footprint`: memory with
    100,000 series, time to start. `edge`: memory of an edge agent, and 2,000 stations connected to it that each report.
    `checks`: readings a second through every quality check and a rule, on one core,
    beside ioos_qc and river. `anomaly`: the score of the anomaly check on labelled recordings, beside published
    detectors. `protocols`: frames of SL 651 and packets of HJ 212 a second, from bytes to samples. `access`: how soon a revoked device is thrown out, among 10,000. `rivers`: pages before floods, and false ones, of the rule for urban streams.
    `fences`: fixes a second against 50,000 zones, points located a second among 2,000 real polygons, beside shapely.

    Exits with 1 and prints no number when a reading that was sent is not stored, or not answered, exactly once.
    """
    try:
        module = importlib.import_module(MODULES[name])
        errors = importlib.import_module("bench.errors")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("bench"):
            raise
        raise OperatorError(
            "the benches are not part of the installed package", "run this from the source tree"
        ) from error
    # What a bench has started and written must go with it, also when it is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = {"devices": devices, "rate": rate, "rows": rows, "series": series, "rtus": rtus, "data": data}
    given = {key: value for key, value in options.items() if value is not None and key in module.OPTIONS}
    try:
        if json or not err.is_terminal:
            result = module.run(seconds, runs, _quiet, **given)
        else:
            with err.status("starting") as status:
                result = module.run(seconds, runs, status.update, **given)
    except errors.Mismatch as error:
        err.print(f"[bold red]Wrong:[/] {error}")
        raise typer.Exit(1) from error
    if json:
        sys.stdout.write(json_format.dumps(result) + "\n")
    else:
        _show(name, result)


def _quiet(_line: str) -> None:
    """Nobody watches."""


def _show(name: str, result: dict[str, object]) -> None:
    table = Table(f"bench {name}", "", box=None)
    for key, value in result.items():
        if isinstance(value, dict):
            shown = "\n".join(f"{inner}: {_text(each)}" for inner, each in value.items())
            table.add_row(key, f"[dim]{shown}[/]")
        else:
            table.add_row(
                key, f"[bold]{_text(value)}[/]" if isinstance(value, int | float) else f"[dim]{value}[/]"
            )
    out.print(table)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return f"{value:,}" if isinstance(value, int | float) else str(value)
