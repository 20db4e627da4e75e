"""A river basin in a night of rain: a storm moves over it, the flood runs down, an underpass fills, pumps fail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firmware_sim.places import Ground, box
from firmware_sim.plan import Unit
from firmware_sim.worlds.world import LAT, LON, Event, Grid, Tape, crossings, zone

STEP_S = 60.0
CELERITY_M_S = 2.4  # how fast a wave runs down
BED_M = 1.2  # stage of a dry bed at every gauge
WARNING_M, DANGER_M = 3.8, 4.6
CLOSED_M = 0.27  # water on the road at which an underpass is closed
YELLOW_M = 0.15


@dataclass(slots=True)
class Basin:
    """Constants of a night; see `_rain` and `_route` for the rules."""

    seed: int = 0
    length_s: float = 43200.0
    begin_h: float = 20.0
    lon: float = LON
    lat: float = LAT
    river_km: float = 24.0
    reaches: float = 24
    width_km: float = 5.0  # of the strip that drains into a reach
    storm_mm_h: float = 62.0
    storm_km: float = 5.0  # half width of the storm
    storm_from_s: float = 3600.0
    storm_m_s: float = 2.0  # how fast it moves downstream
    runoff: float = 0.6
    hillslope_s: float = 1500.0  # of each of two reservoirs
    pump_fails_s: float = 9000.0
    pump_repaired_s: float = 21600.0
    ground: Ground = field(init=False)
    _tape: Tape = field(init=False)
    _units: tuple[Unit, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        half = self.river_km * 500
        ys = [900 * math.sin(n / 3.0) for n in range(25)]
        river = [(-half + n * self.river_km * 1000 / 24, y) for n, y in enumerate(ys)]
        self.ground = Ground(
            self.lon,
            self.lat,
            {"river": river},
            {
                "basin": box(0, 0, self.river_km * 1000, self.width_km * 2000),
                "old-town": box(0, -1800, 5000, 3000),
                "underpass": box(600, -1500, 90, 40),
            },
        )

    def join(self, units: Sequence[Unit]) -> None:
        """Work the night out for all units at steps of a minute."""
        self._units = tuple(units)
        steps = int(self.length_s / STEP_S) + 1
        at = np.array([[unit.x, unit.y] for unit in units]).reshape(-1, 2)
        rain = self._rain(at, steps)  # mm/h
        total = np.cumsum(rain, axis=0) * STEP_S / 3600
        flow = self._flow(steps)
        places = np.array([unit.at for unit in units])
        reach = np.clip(places / (self.river_km * 1000 / self.reaches), 0, self.reaches - 1).astype(int)
        discharge = flow[:, reach]
        # Manning in a wide channel; the river is wider further down.
        wide = 30 + 50 * reach / self.reaches
        depth = (discharge * 0.035 / (wide * math.sqrt(0.0006))) ** 0.6
        sewer = _reservoir(rain, 1200.0) * _spread(self.seed, len(units), 0.8, 2.5)
        water = 185.0 - sewer * 1.4
        displaced = np.maximum.accumulate(water <= 0, axis=0).astype(float)
        underpass, pumps = self._underpass(steps)
        self._tape = Tape(
            STEP_S,
            {
                "rain-total": total,
                "flow": discharge,
                "level": BED_M + depth,
                "velocity": discharge / (wide * np.maximum(depth, 0.05)),
                "water": np.maximum(water, 0),
                "open": displaced,
                "tilt": displaced * 24.0,
                "underpass": np.repeat(underpass[:, None], len(units), axis=1),
                "pump-running": np.repeat(pumps[:, None], len(units), axis=1),
            },
            {unit.id: n for n, unit in enumerate(units)},
        )

    def _rain(self, at: Grid, steps: int) -> Grid:
        """Intensity in mm/h at points: a Gaussian storm that drifts from the spring to the mouth, and drizzle."""
        seconds = np.arange(steps) * STEP_S
        centre = -self.river_km * 500 + (seconds - self.storm_from_s) * self.storm_m_s
        # It grows for an hour and dies in two.
        since = np.clip(seconds - self.storm_from_s, 0, None)
        life = np.clip(since / 3600, 0, 1) * np.clip((6 * 3600 - since) / 7200, 0, 1)
        away = (at[None, :, 0] - centre[:, None]) ** 2 + (at[None, :, 1] * 0.7) ** 2
        drizzle = 1.5 * (seconds > self.storm_from_s / 2) * (seconds < 9 * 3600)
        fallen = self.storm_mm_h * life[:, None] * np.exp(-away / 2 / (self.storm_km * 1000) ** 2)
        return np.asarray(fallen + drizzle[:, None], dtype=np.float64)

    def _flow(self, steps: int) -> Grid:
        """Discharge in m3/s at the end of each reach: hillslopes, then Muskingum from reach to reach."""
        count = int(self.reaches)
        long = self.river_km * 1000 / count
        x = -self.river_km * 500 + (np.arange(count) + 0.5) * long
        strips = [np.stack([x, np.full(count, y)], axis=1) for y in (-0.6, 0.0, 0.6)]
        rain = np.mean([self._rain(strip * [1, self.width_km * 1000], steps) for strip in strips], axis=0)
        slope = _reservoir(_reservoir(rain, self.hillslope_s), self.hillslope_s)
        area = long * self.width_km * 1000
        lateral = self.runoff * slope / 1000 / 3600 * area
        keep, lag = 0.2, long / CELERITY_M_S
        bottom = 2 * lag * (1 - keep) + STEP_S
        c0, c1 = (STEP_S - 2 * lag * keep) / bottom, (STEP_S + 2 * lag * keep) / bottom
        c2 = (2 * lag * (1 - keep) - STEP_S) / bottom
        flow = np.zeros((steps, count))
        above = np.full(steps, 6.0)  # what comes from the spring
        for reach in range(count):
            entering = above + lateral[:, reach]
            leaving = np.empty(steps)
            leaving[0] = entering[0]
            for step in range(1, steps):
                leaving[step] = c0 * entering[step] + c1 * entering[step - 1] + c2 * leaving[step - 1]
            flow[:, reach] = above = np.maximum(leaving, 0.5)
        return flow

    def _underpass(self, steps: int) -> tuple[Grid, Grid]:
        """Depth in m under the railway, and whether its pumps run: rain in, pumps out, a bowl between."""
        rain = self._rain(np.array([[600.0, -1500.0]]), steps)[:, 0]
        depth, running = np.zeros(steps), np.zeros(steps)
        held = 0.0
        for step in range(steps):
            failed = self.pump_fails_s <= step * STEP_S < self.pump_repaired_s
            held += rain[step] / 1000 / 3600 * 60_000 * 0.85 * STEP_S
            running[step] = float(held > 5 and not failed)  # noqa: PLR2004 - m3 in the sump
            # A gully takes a little even where the pumps stand still.
            held = max(held - (1.1 * running[step] + 0.01) * STEP_S, 0.0)
            depth[step] = math.sqrt(max(held - 20, 0) / 260)
        return depth, running

    def value(self, unit: Unit, metric: str, second: float) -> float:
        """The true value where a unit stands."""
        if metric == "level" and unit.fleet.place == "underpass":
            return self._tape.at(unit.id, "underpass", second)
        if metric == "pump-current":
            return 38.0 * self._tape.at(unit.id, "pump-running", second)
        if metric == "mains-lost":
            return 0.0
        return self._tape.at(unit.id, metric, second)

    def alive(self, unit: Unit, second: float) -> bool:
        """Stations do not die in one night."""
        del unit, second
        return True

    def connected(self, unit: Unit, second: float) -> bool:
        """The mobile cell of the upper valley has no mains for an hour at the worst time."""
        return not (unit.at and unit.at < self.river_km * 250 and 10800 < second < 14400)  # noqa: PLR2004

    def celsius(self, second: float) -> float:
        """A summer night."""
        return 24.0 - 2.0 * math.sin(second / 43200 * math.pi)

    def events(self) -> list[Event]:
        """Rivers above their stages, water in the underpass, pumps, covers lifted."""
        found: list[Event] = []
        for unit in self._units:
            where = self.ground.degrees(unit.x, unit.y)
            measured = unit.fleet.measure
            if unit.fleet.place == "underpass":
                for limit, kind in ((YELLOW_M, "underpass-15cm"), (CLOSED_M, "underpass-27cm")):
                    found += crossings(self._tape, "underpass", unit.id, limit, kind, where)
            elif "level" in measured:
                for limit, kind in ((WARNING_M, "warning-stage"), (DANGER_M, "danger-stage")):
                    found += crossings(self._tape, "level", unit.id, limit, kind, where)
            if "open" in measured:
                found += crossings(self._tape, "open", unit.id, 0.5, "cover-lifted", where)
        where = self.ground.degrees(600, -1500)
        found.append(Event(self.pump_fails_s, "pump-failed", "begin", "underpass", *where))
        found.append(Event(self.pump_repaired_s, "pump-failed", "end", "underpass", *where))
        return sorted(found)

    def zones(self) -> list[dict[str, Any]]:
        """Flood plain in three parts, the old town, the underpass."""
        third = self.river_km * 1000 / 3
        areas = [
            zone(f"plain-{name}", f"Flood plain, {name}", "flood", self.ground, box(x, 0, third, 2600))
            for name, x in (("upper", -third), ("middle", 0.0), ("lower", third))
        ]
        places = self.ground.areas
        return [
            *areas,
            zone("old-town", "Old town", "district", self.ground, places["old-town"]),
            zone("underpass", "Railway underpass", "underpass", self.ground, places["underpass"]),
        ]


def _reservoir(entering: Grid, seconds: float) -> Grid:
    """A linear reservoir, exact for an inflow that is steady within a step."""
    kept = math.exp(-STEP_S / seconds)
    leaving = np.zeros_like(entering)
    for step in range(1, len(entering)):
        leaving[step] = leaving[step - 1] * kept + entering[step] * (1 - kept)
    return leaving


def _spread(seed: int, count: int, low: float, high: float) -> Grid:
    """A constant of each unit's own."""
    return np.random.default_rng(seed).uniform(low, high, count)
