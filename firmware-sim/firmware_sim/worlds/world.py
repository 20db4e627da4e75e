"""What every world offers: values, who is alive and connected, and what happened in truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from firmware_sim.places import Ground
from firmware_sim.plan import Unit

Grid = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Index = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

LON, LAT = 120.5835, 31.2905  # the town hall of Lanjiang
# States last until they change; everything else is smooth between two steps.
HELD = frozenset({
    "open", "displaced", "pump-running", "mains-lost", "door-open", "lamp", "level-alarm", "water-detected",
    "in-total", "out-total", "people", "in", "out", "battery-low", "gate-closed",
})  # fmt: skip


class Event(NamedTuple):
    """Something that really happened, or that began or ended."""

    second: float
    kind: str
    state: str  # begin, end, or once
    what: str  # device or place
    lon: float
    lat: float
    value: float = math.nan


class Fix(NamedTuple):
    """Where something is, as who tells it believes; `track` is empty for who tells its own place."""

    track: str
    lon: float
    lat: float
    accuracy: float


@runtime_checkable
class Moving(Protocol):
    """A world in which places are told, too."""

    def fixes(self, unit: Unit, second: float) -> list[Fix]:
        """What a unit that measures `position` tells at a second."""


class World(Protocol):
    """What really happens in a scenario. Built once, asked in any order."""

    ground: Ground
    begin_h: float
    """Local hour at second 0 of the story."""
    length_s: float

    def join(self, units: Sequence[Unit]) -> None:
        """Hear who will measure, and work out what they will find."""

    def value(self, unit: Unit, metric: str, second: float) -> float:
        """The true value where a unit stands; NaN where there is none."""

    def alive(self, unit: Unit, second: float) -> bool:
        """Whether the unit samples at all."""

    def connected(self, unit: Unit, second: float) -> bool:
        """Whether its link works."""

    def celsius(self, second: float) -> float:
        """Temperature of the air."""

    def events(self) -> list[Event]:
        """All that happens, in order of time."""

    def zones(self) -> list[dict[str, Any]]:
        """Zones as GeoJSON features."""


@dataclass(slots=True)
class Tape:
    """Values of units at even steps, worked out in advance: metric -> (steps, units)."""

    step_s: float
    columns: dict[str, Grid] = field(default_factory=dict)
    place: dict[str, int] = field(default_factory=dict)  # unit -> column

    def at(self, unit: str, metric: str, second: float) -> float:
        """Value at a second: held, or between two steps."""
        grid = self.columns.get(metric)
        column = self.place.get(unit)
        if grid is None or column is None:
            return math.nan
        exact = min(max(second / self.step_s, 0.0), len(grid) - 1.0)
        first = int(exact)
        value = float(grid[first, column])
        if metric in HELD or first + 1 >= len(grid):
            return value
        return value + (float(grid[first + 1, column]) - value) * (exact - first)


def crossings(
    tape: Tape, metric: str, unit: str, limit: float, kind: str, where: tuple[float, float]
) -> list[Event]:
    """When a value rises above a limit and when it falls below again."""
    column = tape.columns[metric][:, tape.place[unit]]
    above = column >= limit
    changes = np.flatnonzero(np.diff(above.astype(np.int8)))
    found = [Event(0.0, kind, "begin", unit, *where, float(column[0]))] if above[0] else []
    for step in changes.tolist():
        state = "begin" if above[step + 1] else "end"
        found.append(Event((step + 1) * tape.step_s, kind, state, unit, *where, float(column[step + 1])))
    return found


def zone(
    key: str, name: str, kind: str, ground: Ground, area: list[tuple[float, float]], **more: Any
) -> dict[str, Any]:
    """A zone as a GeoJSON feature."""
    ring = [list(ground.degrees(x, y)) for x, y in [*area, area[0]]]
    return {
        "type": "Feature",
        "id": key,
        "properties": {"name": name, "kind": kind} | more,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def line(
    key: str, name: str, kind: str, ground: Ground, points: list[tuple[float, float]], **more: Any
) -> dict[str, Any]:
    """A line as a GeoJSON feature."""
    return {
        "type": "Feature",
        "id": key,
        "properties": {"name": name, "kind": kind} | more,
        "geometry": {"type": "LineString", "coordinates": [list(ground.degrees(x, y)) for x, y in points]},
    }
