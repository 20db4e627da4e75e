"""The people of a festival: each comes by a gate, stands as near to the stage as there is room, and leaves when it is over."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from firmware_sim.worlds.walk import Cells, pace
from firmware_sim.worlds.world import Flags, Grid, Index

# Metres east and north of the middle: walls all round, two gates in the west, the stage in the east.
WEST, EAST, SOUTH, NORTH = -18.0, 18.0, -11.0, 11.0
STAGE_X = 14.0
TOWER, TOWER_M = (-4.0, 0.0), 2.0
GATES = ((WEST, 6.0), (WEST, -6.0))
GATE_M = 5.0
STREET = ((-46.0, 20.0), (-46.0, -20.0))
CELLS = Cells(60, 2.0)
# A gate lets so many through for each metre of its width and second; crowding and clothing make it less.
PER_M_S = 1.3
# How dense they wish to stand, at the stage and at the back, people a square metre.
FRONT, BACK = 5.0, 2.6
STRIDE_M = 1.5
PATIENCE_S = 90.0  # after which one stays where one has come to
AWAITED, COMING, INSIDE, STANDING, LEAVING, GONE = range(6)


@dataclass(frozen=True, slots=True)
class Evening:
    """When people come and when they leave."""

    people: int
    come_s: float  # the first come
    fill_s: float  # how long they come
    over_s: float  # the music ends
    leave_s: float  # how long they take to make up their minds


class Festival:
    """All of them, second by second. `stage` says how far each has come, `at` where, (n, 2) metres."""

    def __init__(self, evening: Evening, seed: int) -> None:
        chance = self._chance = np.random.default_rng(seed)
        count = evening.people
        self._evening = evening
        self.stage = np.full(count, AWAITED, dtype=np.int8)
        self.passed: list[tuple[int, int]] = []
        """(gate, 0 for in and 1 for out) of those who passed in the last second."""
        self._comes = np.sort(evening.come_s + evening.fill_s * chance.beta(1.15, 1.15, count))
        self._leaves = evening.over_s + chance.gamma(2.0, evening.leave_s / 2, count)
        self._gate = (chance.random(count) > 0.55).astype(np.int64)  # noqa: PLR2004 - the north gate is nearer to the metro
        self._aside = chance.uniform(-0.4, 0.4, count) * GATE_M
        self.at = np.array(STREET)[self._gate] + chance.normal(0, 2.5, (count, 2))
        self._spot = self._spots(count)
        self._pace = np.clip(chance.normal(1.34, 0.26, count), 0.7, 2.0)
        self._since = np.zeros(count)
        self._room = np.zeros(len(GATES))

    @property
    def inside(self) -> Flags:
        """Who is within the walls."""
        here = np.isin(self.stage, (INSIDE, STANDING))
        return np.asarray(here | ((self.stage == LEAVING) & self._within()))

    @property
    def there(self) -> Flags:
        """Who is to be seen at all."""
        return np.isin(self.stage, (AWAITED, GONE), invert=True)

    def _within(self) -> Flags:
        return np.asarray(self.at[:, 0] > WEST)

    def _spots(self, count: int) -> Grid:
        """Where each wishes to stand: who comes early stands in front, more or less."""
        chance = self._chance
        deep = STAGE_X - WEST - 1.0
        share = np.clip(
            (np.arange(count) + 0.5) / max(count, 1) + chance.normal(0, 0.06, count), 0.001, 0.999
        )
        # The density falls evenly from the stage to the back: the share in front of d metres is a parabola.
        slope = (FRONT - BACK) / deep
        whole = FRONT * deep - slope * deep**2 / 2
        d = (FRONT - np.sqrt(FRONT**2 - 2 * slope * whole * share)) / slope
        return np.stack([STAGE_X - 0.2 - d, chance.uniform(SOUTH + 0.4, NORTH - 0.4, count)], axis=1)

    def walk(self, second: float) -> None:
        """One second."""
        self.passed = []
        self._decide(second)
        moving = np.flatnonzero(self.there & (self.stage != STANDING))
        standing = np.flatnonzero(self.stage == STANDING)
        if not len(moving) and not len(standing):
            return
        before = self._within()
        everyone = np.concatenate([moving, standing])
        density, fall = CELLS.density(self.at[everyone])
        push = np.clip(0.1 * fall, -0.3, 0.3)
        # Who stands gives way only where it gets tight.
        push[len(moving) :] *= (density[len(moving) :] > 4)[:, None] * 0.4  # noqa: PLR2004 - people a square metre
        self.at[standing] += push[len(moving) :]
        away = self._goal(moving) - self.at[moving]
        far = np.linalg.norm(away, axis=1)
        speed = self._pace[moving] * pace(density[: len(moving)])
        step = away / np.maximum(far, 0.1)[:, None] * np.minimum(speed, far)[:, None]
        self.at[moving] += step + push[: len(moving)] + self._chance.normal(0, 0.05, step.shape)
        self._hold(before)
        self._pass(moving, second)
        self._arrive(moving, far, second)

    def _decide(self, second: float) -> None:
        self.stage[(self.stage == AWAITED) & (self._comes <= second)] = COMING
        over = self._leaves <= second
        self.stage[over & ((self.stage == INSIDE) | (self.stage == STANDING))] = LEAVING
        # Who has not come through the gate when the music ends turns round.
        late = over & (self.stage == COMING)
        self.stage[late] = LEAVING

    def _goal(self, moving: Index) -> Grid:
        """Gate, spot, gate again, street."""
        gate = np.array(GATES)[self._gate[moving]]
        gate[:, 1] += self._aside[moving]
        stage, inside = self.stage[moving], self.at[moving, 0] > WEST
        goal = np.where((stage == INSIDE)[:, None], self._spot[moving], gate)
        away = (stage == LEAVING) & ~inside
        return np.where(away[:, None], np.array(STREET)[self._gate[moving]], goal)

    def _hold(self, before: Flags) -> None:
        """Walls, stage and tower: nobody walks through them, nor through a gate without having passed it."""
        within = before & self.there
        self.at[within, 0] = np.clip(self.at[within, 0], WEST + 0.1, STAGE_X - 0.1)
        self.at[within, 1] = np.clip(self.at[within, 1], SOUTH + 0.1, NORTH - 0.1)
        self.at[~before, 0] = np.minimum(self.at[~before, 0], WEST - 0.1)
        apart = self.at - TOWER
        away = np.linalg.norm(apart, axis=1)
        blocked = within & (away < TOWER_M)
        self.at[blocked] = TOWER + apart[blocked] / np.maximum(away[blocked], 0.01)[:, None] * TOWER_M

    def _pass(self, moving: Index, second: float) -> None:
        """Through a gate, as many as its width takes, whichever way they go."""
        self._room = np.minimum(self._room + PER_M_S * GATE_M, PER_M_S * GATE_M + 1)
        for gate, (x, y) in enumerate(GATES):
            inside = self.at[moving, 0] > x
            wants = (self.stage[moving] == COMING) & ~inside | (self.stage[moving] == LEAVING) & inside
            away = np.abs(self.at[moving] - (x, y))
            near = (away[:, 0] < STRIDE_M) & (away[:, 1] < GATE_M / 2 + 0.5)
            ready = moving[wants & near & (self._gate[moving] == gate)]
            through = ready[: int(self._room[gate])]
            self._room[gate] -= len(through)
            out = self.stage[through] == LEAVING
            self.passed += [(gate, int(one)) for one in out]
            self.at[through, 0] = np.where(out, x - 0.8, x + 0.8)
            coming = through[~out]
            self.stage[coming] = INSIDE
            self._since[coming] = second

    def _arrive(self, moving: Index, far: Grid, second: float) -> None:
        """At their spot, or as near to it as they get; or out of sight in the street."""
        stage = self.stage[moving]
        there = (stage == INSIDE) & ((far < 0.7) | (second - self._since[moving] > PATIENCE_S))  # noqa: PLR2004 - metres
        self.stage[moving[there]] = STANDING
        out = (stage == LEAVING) & (self.at[moving, 0] < WEST - 1) & (far < 4)  # noqa: PLR2004 - metres
        self.stage[moving[out]] = GONE


def usable_m2() -> float:
    """The walkable ground within the walls: without the stage and the tower, square metres."""
    return (STAGE_X - WEST) * (NORTH - SOUTH) - math.pi * TOWER_M**2
