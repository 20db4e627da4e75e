"""A festival square fills by two gates and empties: cameras whose views overlap, counters at the gates, two stewards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import numpy as np

from firmware_sim.places import Ground, along, box, length
from firmware_sim.plan import Unit
from firmware_sim.refusal import ScenarioError
from firmware_sim.worlds.festival import (
    EAST,
    GATE_M,
    GATES,
    NORTH,
    SOUTH,
    WEST,
    Evening,
    Festival,
    usable_m2,
)
from firmware_sim.worlds.walk import within
from firmware_sim.worlds.world import Event, Fix, Grid, Index, line, zone

KEY, NAME = "market-square", "Market Square"
WIDE, HIGH, MIDDLE = EAST - WEST, NORTH - SOUTH, (WEST + EAST) / 2
VIEWS = {
    # Each sees a part, and of its neighbour's part a strip.
    "view-west": [(WEST, SOUTH), (1.0, SOUTH), (3.0, NORTH), (WEST, NORTH)],
    "view-middle": [(-7.0, SOUTH), (9.0, SOUTH), (7.0, NORTH), (-5.0, NORTH)],
    "view-east": [(4.0, SOUTH), (EAST, SOUTH), (EAST, NORTH), (2.0, NORTH)],
    "view-stage": box(10.0, 0.0, 6.0, 6.0),
}
DENSE = (2.0, 3.5)  # people a square metre of the walkable ground, as the truth tells them
TRUTH_EVERY_S = 10
LOST = 1 / 300  # a second: how often a camera loses somebody and takes them for somebody else afterwards
OWN = frozenset({"battery-level", "backlog"})  # what a device tells of itself, wherever it stands
ROUNDS = {
    "steward-gates": [(-30.0, -12.0), (-20.0, -6.0), (-12.0, 0.0), (-20.0, 6.0), (-30.0, 12.0)],
    "steward-tower": [(-8.0, 4.0), (-1.0, 4.0), (-1.0, -4.0), (-8.0, -4.0)],
}


@dataclass(slots=True)
class Square:
    """Constants of an evening."""

    seed: int = 0
    length_s: float = 960.0
    begin_h: float = 19.5
    lon: float = 120.5868
    lat: float = 31.2926
    people: float = 2640
    capacity: float = 2750
    come_s: float = 20.0  # the first come
    fill_s: float = 300.0
    over_s: float = 520.0  # the music ends
    leave_s: float = 60.0  # how long they need to make up their minds, on average
    blind_from_s: float = 150.0  # a camera with the habit `blind` is covered: it tells on that it sees nobody
    blind_to_s: float = 700.0
    ground: Ground = field(init=False)
    inside: Index = field(init=False)  # (steps,) people within the walls, second by second
    passed: Index = field(init=False)  # (steps, gates, 2) in and out since the beginning, as it was
    _units: tuple[Unit, ...] = field(init=False, default=())
    _counted: Index = field(init=False)  # (steps, gates, 2) as the counters saw it
    _seen: dict[str, Index] = field(init=False, default_factory=dict)  # place -> (steps,) people in view
    _watch: dict[str, Watch] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        gates = {
            f"gate-{name}": [(x, y - GATE_M / 2), (x, y + GATE_M / 2)]
            for name, (x, y) in zip(("north", "south"), GATES, strict=True)
        }
        area = box(MIDDLE, (SOUTH + NORTH) / 2, WIDE, HIGH)
        self.ground = Ground(self.lon, self.lat, gates | _rounds(), {KEY: area} | VIEWS)

    def join(self, units: Sequence[Unit]) -> None:
        """Let them all come and go, and note what each camera and counter has before it."""
        self._units = tuple(units)
        known = sorted({*VIEWS, *_gates(), *ROUNDS})
        for unit in units:
            if unit.fleet.place not in known and set(unit.fleet.measure) - OWN:
                raise ScenarioError(
                    f"{unit.id}: place is {unit.fleet.place!r}", f"one of {', '.join(known)}."
                )
        steps = int(self.length_s) + 1
        evening = Evening(int(self.people), self.come_s, self.fill_s, self.over_s, self.leave_s)
        festival = Festival(evening, self.seed)
        places = {name: np.array(self.ground.areas[name]) for name in VIEWS}
        self._seen = {name: np.zeros(steps, np.int64) for name in places}
        tracking = {unit.fleet.place for unit in units if "position" in unit.fleet.measure} & places.keys()
        self._watch = {
            name: Watch(evening.people, Random(f"{self.seed}/{name}"))  # noqa: S311 - fates, not secrets
            for name in sorted(tracking)
        }
        self.inside = np.zeros(steps, np.int64)
        self.passed = np.zeros((steps, len(GATES), 2), np.int64)
        self._counted = np.zeros((steps, len(GATES), 2), np.int64)
        chance = Random(f"{self.seed}/gates")  # noqa: S311 - as above
        misses = [[chance.uniform(0.01, 0.04) for _ in "io"] for _ in GATES]
        for step in range(steps):
            festival.walk(float(step))
            if step:
                self.passed[step], self._counted[step] = self.passed[step - 1], self._counted[step - 1]
            for gate, way in festival.passed:
                self.passed[step, gate, way] += 1
                self._counted[step, gate, way] += chance.random() >= misses[gate][way]
            self.inside[step] = int(festival.inside.sum())
            at = np.flatnonzero(festival.there)
            for name, area in places.items():
                who = at[within(festival.at[at], area)]
                self._seen[name][step] = len(who)
                if name in self._watch:
                    self._watch[name].look(who, festival.at[who])

    def value(self, unit: Unit, metric: str, second: float) -> float:
        """People in view, as a camera counts them, or through a gate since the sample before, as its counter does."""
        step = self._step(second)
        if metric in ("in", "out"):
            gate, way = list(_gates()).index(unit.fleet.place), ("in", "out").index(metric)
            before = second - unit.fleet.every_s
            counted = self._counted[:, gate, way]
            return float(counted[step] - (counted[self._step(before)] if before >= 0 else 0))
        if metric in OWN:
            return 92.0 - second / 300 if metric == "battery-level" else 0.0
        if metric != "people":
            return math.nan
        if self._blind(unit, second):
            return 0.0
        true = float(self._seen[unit.fleet.place][step])
        chance = Random(f"{self.seed}/{unit.id}/{second:.3f}")  # noqa: S311 - as above
        # It misses the more, the closer they stand, and each look counts a little otherwise.
        dense = true / _area_m2(unit.fleet.place)
        missed = _missed(self.seed, unit.id) + 0.01 * max(dense - 2, 0)
        return max(round(true * (1 - missed) + chance.gauss(0, 0.3 * math.sqrt(true))), 0.0)

    def fixes(self, unit: Unit, second: float) -> list[Fix]:
        """Where a steward is, by the own receiver; or everyone whom a camera that tracks has in view, by its numbers."""
        chance = Random(f"{self.seed}/{unit.id}/{second:.3f}/fix")  # noqa: S311 - as above
        place = unit.fleet.place
        if place in ROUNDS:
            path = self.ground.lines[place]
            x, y = along(path, second % length(path))  # a metre a second
            return [Fix("", *self._degrees(x + chance.gauss(0, 1.5), y + chance.gauss(0, 1.5)), 4.0)]
        if place not in self._watch or self._blind(unit, second):
            return []
        numbers, at = self._watch[place].steps[self._step(second)]
        return [
            Fix(str(number), *self._degrees(x + chance.gauss(0, 0.1), y + chance.gauss(0, 0.1)), 0.3)
            for number, (x, y) in zip(numbers.tolist(), at.tolist(), strict=True)
        ]

    def alive(self, unit: Unit, second: float) -> bool:
        """All stay."""
        del unit, second
        return True

    def connected(self, unit: Unit, second: float) -> bool:
        """All the time."""
        del unit, second
        return True

    def celsius(self, second: float) -> float:
        """An evening in autumn."""
        return 14.0 - second / 7200

    def events(self) -> list[Event]:
        """How many there are, every ten seconds; when it is dense; when a camera is covered."""
        where = self.ground.degrees(0, 0)
        found = [
            Event(float(second), "persons", "once", KEY, *where, float(self.inside[second]))
            for second in range(0, len(self.inside), TRUTH_EVERY_S)
        ]
        for limit in DENSE:
            above = np.concatenate(([False], self.inside >= limit * usable_m2()))
            for step in np.flatnonzero(above[1:] != above[:-1]).tolist():
                state = "begin" if above[step + 1] else "end"
                found.append(Event(float(step), f"density-{limit:g}", state, KEY, *where, limit))
        for unit in self._units:
            if "blind" in unit.deviations:
                place = self.ground.degrees(unit.x, unit.y)
                found.append(Event(self.blind_from_s, "blind", "begin", unit.id, *place))
                found.append(Event(self.blind_to_s, "blind", "end", unit.id, *place))
        return sorted(found)

    def zones(self) -> list[dict[str, Any]]:
        """The square with what it holds, the ground that each camera sees, the lines at the gates."""
        more = {"usable_m2": round(usable_m2()), "capacity": int(self.capacity), "department": "police"}
        found = [zone(KEY, NAME, "crowd", self.ground, self.ground.areas[KEY], **more)]
        for unit in self._units:
            place = unit.fleet.place
            if place in VIEWS:
                name = f"View of {unit.name}"
                found.append(
                    zone(f"{unit.id}-view", name, "camera-view", self.ground, VIEWS[place], camera=unit.id)
                )
            elif place in _gates():
                told = {"counter": unit.id, "into_zone": KEY, "width_m": GATE_M}
                found.append(
                    line(
                        f"{place}-line",
                        unit.name,
                        "counting-line",
                        self.ground,
                        self.ground.lines[place],
                        **told,
                    )
                )
        return found

    def _step(self, second: float) -> int:
        return min(max(int(second), 0), len(self.inside) - 1)

    def _blind(self, unit: Unit, second: float) -> bool:
        return "blind" in unit.deviations and self.blind_from_s <= second < self.blind_to_s

    def _degrees(self, x: float, y: float) -> tuple[float, float]:
        return self.ground.degrees(x, y, digits=7)


class Watch:
    """What a camera that tracks has in view, second by second: its own numbers for people, and where they are."""

    def __init__(self, people: int, chance: Random) -> None:
        self.steps: list[tuple[Index, Grid]] = []
        self._number = np.zeros(people, np.int64)  # 0: not in view
        self._next = 1
        self._chance = chance

    def look(self, who: Index, at: Grid) -> None:
        """A second: who is new gets a number, and now and then somebody gets another."""
        seen = np.zeros(len(self._number), dtype=bool)
        seen[who] = True
        self._number[~seen] = 0
        for person in who.tolist():
            if self._number[person] == 0 or self._chance.random() < LOST:
                self._number[person] = self._next
                self._next += 1
        self.steps.append((self._number[who], at.astype(np.float32).astype(np.float64)))


def _gates() -> dict[str, tuple[float, float]]:
    return dict(zip(("gate-north", "gate-south"), GATES, strict=True))


def _rounds() -> dict[str, list[tuple[float, float]]]:
    """The rounds of the stewards, closed."""
    return {name: [*path, path[0]] for name, path in ROUNDS.items()}


@cache
def _area_m2(place: str) -> float:
    """Of a view, by the shoelace formula."""
    x, y = np.array(VIEWS[place]).T
    return float(abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2)


@cache
def _missed(seed: int, camera: str) -> float:
    """The share that a camera never sees."""
    return Random(f"{seed}/{camera}/misses").uniform(0.005, 0.025)  # noqa: S311 - fates, not secrets
