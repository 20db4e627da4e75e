"""Options of the command line: addresses, paces, and mistakes said in a sentence."""

from __future__ import annotations

import math
from typing import NoReturn

import typer

from firmware_sim.plan import PROTOCOLS, TCP
from firmware_sim.scenario import Scenario


def pace(speed: str) -> float:
    """Times faster than the clock."""
    if speed == "max":
        return math.inf
    try:
        found = float(speed)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        refuse(f"--speed is {speed!r}", "a number above 0, as in --speed 10, or --speed max")
    return found


def each_address(given: list[str], scenario: Scenario | None) -> dict[str, tuple[str, int]]:
    """Protocol -> host and port. Without a protocol it is JSON lines, or the only one that calls the hub."""
    found: dict[str, tuple[str, int]] = {}
    for one in given:
        kind, is_named, place = one.rpartition("=")
        if is_named and kind not in PROTOCOLS:
            refuse(f"{kind!r} is no protocol", f"one of {', '.join(sorted(PROTOCOLS))}")
        found[kind or _default(scenario)] = address(place)
        if kind == "sl651":
            found.setdefault("sl651-ascii", found[kind])
        if kind == "slt427":
            found.setdefault("szy206", found[kind])
    return found


def _default(scenario: Scenario | None) -> str:
    calling = {unit.fleet.protocol for unit in scenario.units} & TCP if scenario else set()
    return next(iter(calling)) if len(calling) == 1 and scenario and not scenario.parts else "jsonlines"


def address(to: str) -> tuple[str, int]:
    """Host and port."""
    host, _, port = to.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:  # noqa: PLR2004 - ports
        refuse(f"--to is {to!r}", "a host and a port, as in --to 127.0.0.1:7400")
    return host.removeprefix("[").removesuffix("]"), int(port)


def refuse(sentence: str, hint: str) -> NoReturn:
    """An operator's mistake: what is wrong, what to do, exit 2."""
    typer.echo(f"Error: {sentence}", err=True)
    typer.echo(f"Try: {hint}", err=True)
    raise typer.Exit(2)
