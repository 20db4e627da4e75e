"""A stadium empties: thousands walk out by four gates, over a plaza, to the metro; cameras count them, not quite right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from firmware_sim.places import Ground, box, ring
from firmware_sim.plan import Unit
from firmware_sim.worlds.walk import Cells, pace, within
from firmware_sim.worlds.world import LAT, LON, Event, Grid, Tape, crossings, zone

STEP_S = 1.0
KEPT_S = 5.0  # the tape keeps every fifth step
GATES = ((110.0, 0.0), (0.0, 85.0), (-110.0, 0.0), (0.0, -85.0))
METRO, BUS, PARKING = (420.0, -40.0), (60.0, 300.0), (-380.0, 120.0)
SHARES = (0.62, 0.2, 0.18)
CELLS = Cells(600, 4.0)
CROWDED, DENSE = 0.3, 0.6  # people a square metre


@dataclass(slots=True)
class Stadium:
    """Constants of an evening."""

    seed: int = 0
    length_s: float = 4500.0
    begin_h: float = 21.2
    lon: float = 120.6210
    lat: float = 31.2760
    people: float = 6000
    whistle_s: float = 600.0  # the match ends
    leave_s: float = 420.0  # how long they need to get up, on average
    gate_per_s: float = 2.4  # people through a gate
    metro_per_s: float = 1.6  # what the metro takes
    metro_closed_s: float = 1800.0  # the metro closes its doors for ten minutes
    metro_open_s: float = 2400.0
    ground: Ground = field(init=False)
    _tape: Tape = field(init=False)
    _units: tuple[Unit, ...] = field(init=False, default=())
    inside: Grid = field(init=False)  # people within the gates, every KEPT_S
    gone: Grid = field(init=False)  # people who have left the scene
    passed: Grid = field(init=False)  # people through each gate (steps, 4)

    def __post_init__(self) -> None:
        self.ground = Ground(
            self.lon or LON,
            self.lat or LAT,
            {},
            {
                "bowl": ring(0, 0, 210, 160),
                "plaza-east": box(132, 0, 40, 40),
                "plaza-north": box(0, 107, 40, 40),
                "plaza-west": box(-132, 0, 40, 40),
                "plaza-south": box(0, -107, 40, 40),
                "metro": box(400, -40, 60, 60),
            },
        )

    def join(self, units: Sequence[Unit]) -> None:
        """Let them all walk home, and count what each camera would see."""
        self._units = tuple(units)
        steps = int(self.length_s / STEP_S) + 1
        kept = int(self.length_s / KEPT_S) + 1
        places = {name: np.array(area) for name, area in self.ground.areas.items()}
        names = [unit.fleet.place or unit.counts_zone for unit in units]
        seen = np.zeros((kept, len(places)))
        self.inside, self.gone = np.zeros(kept), np.zeros(kept)
        self.passed = np.zeros((kept, len(GATES)))
        crowd = Crowd(self)
        for step in range(steps):
            if step % int(KEPT_S) == 0:
                row = step // int(KEPT_S)
                seen[row] = [within(crowd.at[crowd.there], area).sum() for area in places.values()]
                self.inside[row] = (crowd.stage < 2).sum()  # noqa: PLR2004 - before the gate
                self.gone[row] = (~crowd.there).sum()
                self.passed[row] = crowd.through
            crowd.walk(step * STEP_S)
        order = list(places)
        column = [order.index(name) if name in order else 0 for name in names]
        gate = [_gate(unit) for unit in units]
        self._tape = Tape(
            KEPT_S,
            {
                "people": seen[:, column],
                "out-total": self.passed[:, gate],
                "in-total": np.zeros((kept, len(units))),
            },
            {unit.id: n for n, unit in enumerate(units)},
        )

    def value(self, unit: Unit, metric: str, second: float) -> float:
        """People in view or through a gate, as a camera counts: it misses the more the denser they stand."""
        true = self._tape.at(unit.id, metric, second)
        if metric == "people":
            dense = true / self._area(unit)
            return max(round(true * (1 - 0.02 - 0.05 * max(dense - 1.5, 0))), 0)
        if metric == "out-total":
            return math.floor(true * (0.965 + 0.01 * (unit.n % 4)))  # each misses its own share
        return true

    def _area(self, unit: Unit) -> float:
        name = unit.fleet.place or unit.counts_zone
        return {"bowl": 26389.0, "metro": 3600.0}.get(name, 1600.0)

    def alive(self, unit: Unit, second: float) -> bool:
        """Cameras stay."""
        del unit, second
        return True

    def connected(self, unit: Unit, second: float) -> bool:
        """When all leave and telephone, the radio of the north plaza is overloaded for two minutes."""
        return not (unit.fleet.place == "plaza-north" and 1300 < second < 1420)  # noqa: PLR2004

    def celsius(self, second: float) -> float:
        """An evening in spring."""
        return 16.0 - second / 7200

    def events(self) -> list[Event]:
        """Where it was crowded, and the metro's doors."""
        found = [
            event
            for unit in self._units
            if "people" in unit.fleet.measure
            for limit, kind in ((CROWDED, "crowded"), (DENSE, "dense"))
            for event in crossings(
                self._tape,
                "people",
                unit.id,
                limit * self._area(unit),
                kind,
                self.ground.degrees(unit.x, unit.y),
            )
        ]
        where = self.ground.degrees(*METRO)
        found.append(Event(self.metro_closed_s, "metro-closed", "begin", "metro", *where))
        found.append(Event(self.metro_open_s, "metro-closed", "end", "metro", *where))
        return sorted(found)

    def zones(self) -> list[dict[str, Any]]:
        """The bowl, four plazas, the metro's forecourt."""
        return [
            zone(key, key.replace("-", " ").capitalize(), "crowd", self.ground, area)
            for key, area in self.ground.areas.items()
        ]


def _gate(unit: Unit) -> int:
    """The gate that a camera counts at: the one nearest to it."""
    return min(range(len(GATES)), key=lambda n: math.dist(GATES[n], (unit.x, unit.y)))


class Crowd:
    """People as points: each walks to its next goal, slower where it is crowded (Weidmann), pushed off the densest.

    Stages: 0 seated, 1 on the way to the gate, 2 outside, 3 gone.
    """

    def __init__(self, stadium: Stadium) -> None:
        chance = np.random.default_rng(stadium.seed)
        count = int(stadium.people)
        turn, out = chance.uniform(0, 2 * math.pi, count), np.sqrt(chance.uniform(0.3, 1, count))
        self.at = np.stack([95 * out * np.cos(turn), 70 * out * np.sin(turn)], axis=1)
        self.stage = np.zeros(count, dtype=np.int8)
        self.there = np.ones(count, dtype=bool)
        self.leaves = stadium.whistle_s + chance.gamma(2.0, stadium.leave_s / 2, count)
        early = chance.random(count) < 0.06  # noqa: PLR2004 - who does not wait for the end
        self.leaves[early] = chance.uniform(0, stadium.whistle_s, int(early.sum()))
        away = np.linalg.norm(self.at[:, None, :] - np.array(GATES)[None], axis=2)
        self.gate = away.argmin(axis=1)
        self.goal = np.array([METRO, BUS, PARKING])[chance.choice(3, count, p=SHARES)]
        self.pace = np.clip(chance.normal(1.34, 0.26, count), 0.6, 2.0)
        self.through = np.zeros(len(GATES))
        self._room = np.zeros(len(GATES))
        self._metro = 0.0
        self._stadium = stadium
        self._chance = chance

    def walk(self, second: float) -> None:
        """One step of a second."""
        self.stage[(self.stage == 0) & (self.leaves <= second)] = 1
        moving = np.flatnonzero((self.stage == 1) | (self.stage == 2))  # noqa: PLR2004 - arrays
        if not len(moving):
            return
        at, stage = self.at[moving], self.stage[moving]
        goal = np.where((stage == 1)[:, None], np.array(GATES)[self.gate[moving]], self.goal[moving])
        away = goal - at
        far = np.linalg.norm(away, axis=1)
        density, fall = CELLS.density(at)
        push = np.clip(0.15 * fall, -0.4, 0.4)
        speed = self.pace[moving] * pace(density)
        step = away / np.maximum(far, 0.1)[:, None] * np.minimum(speed, far)[:, None]
        self.at[moving] = at + step + push + self._chance.normal(0, 0.08, at.shape)
        self._pass_gates(moving, second)
        self._arrive(moving, second)

    def _pass_gates(self, moving: Any, second: float) -> None:
        del second
        self._room = np.minimum(self._room + self._stadium.gate_per_s, 6)
        for gate, place in enumerate(GATES):
            near = moving[(self.stage[moving] == 1) & (self.gate[moving] == gate)]
            near = near[np.linalg.norm(self.at[near] - place, axis=1) < 5]  # noqa: PLR2004 - metres
            passing = near[: int(self._room[gate])]
            self._room[gate] -= len(passing)
            self.through[gate] += len(passing)
            self.stage[passing] = 2
            self.at[passing] = np.array(place) * 1.08

    def _arrive(self, moving: Any, second: float) -> None:
        outside = moving[self.stage[moving] == 2]  # noqa: PLR2004 - outside
        close = outside[np.linalg.norm(self.at[outside] - self.goal[outside], axis=1) < 12]  # noqa: PLR2004
        by_metro = close[(self.goal[close] == METRO).all(axis=1)]
        shut = self._stadium.metro_closed_s <= second < self._stadium.metro_open_s
        self._metro = 0.0 if shut else min(self._metro + self._stadium.metro_per_s, 8)
        taken = by_metro[: int(self._metro)]
        self._metro -= len(taken)
        leaving = np.concatenate([close[~(self.goal[close] == METRO).all(axis=1)], taken])
        self.stage[leaving] = 3
        self.there[leaving] = False
