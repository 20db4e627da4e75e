"""City components in a cold spell: covers stolen or opened, lamps that fail, batteries that die in the frost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from firmware_sim.places import Ground, box
from firmware_sim.plan import Unit
from firmware_sim.worlds.world import LAT, LON, Event, zone

DAY = 86400.0


@dataclass(slots=True)
class Fate:
    """What happens to one component: the begin and end of each of its troubles."""

    open_: tuple[float, float] = (math.inf, math.inf)
    stolen: float = math.inf  # it is carried away, sensor and all
    lamp: tuple[float, float] = (math.inf, math.inf)
    weak: float = 0.0  # how much less its battery holds than a new one
    dead: tuple[float, float] = (math.inf, math.inf)
    flicker_s: float = 0.0


@dataclass(slots=True)
class Winter:
    """Constants of a cold spell."""

    seed: int = 0
    length_s: float = 7 * DAY
    begin_h: float = 0.0
    lon: float = LON
    lat: float = LAT
    opened_per_1000: float = 6.0
    stolen_per_1000: float = 3.0
    lamps_per_1000: float = 12.0
    weak_per_1000: float = 40.0
    coldest_c: float = -13.0
    cold_day: float = 3.6  # day of the story in which it is coldest
    ground: Ground = field(init=False)
    _units: tuple[Unit, ...] = field(init=False, default=())
    _fates: dict[str, Fate] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        areas = {f"quarter-{n}": box(x, y, 2000, 2000) for n, (x, y) in enumerate(_QUARTERS, start=1)}
        city = {"city": box(0, 0, 6000, 4000)}
        streets = {
            f"street-{n}": [(-3000.0, float(y)), (3000.0, float(y))]
            for n, y in enumerate(range(-1900, 2000, 200), start=1)
        }
        self.ground = Ground(self.lon, self.lat, streets, areas | city)

    def join(self, units: Sequence[Unit]) -> None:
        """Draw each component's fate."""
        self._units = tuple(units)
        self._fates = {unit.id: self._fate(unit) for unit in units}

    def _fate(self, unit: Unit) -> Fate:
        chance = Random(f"{self.seed}/{unit.id}/fate")  # noqa: S311 - a story, not secrets
        fate = Fate()
        when = chance.uniform(0.05, 0.9) * self.length_s
        if "open" in unit.fleet.measure:
            drawn = chance.random() * 1000
            if drawn < self.stolen_per_1000:
                # At night: between one and four.
                when = when - when % DAY + (chance.uniform(1, 4) - self.begin_h) * 3600 % DAY
                fate.open_, fate.stolen = (when, math.inf), when + chance.uniform(300, 3000)
            elif drawn < self.stolen_per_1000 + self.opened_per_1000:
                fate.open_ = (when, when + chance.uniform(600, 10800))
        if "lamp" in unit.fleet.measure and chance.random() * 1000 < self.lamps_per_1000:
            fate.flicker_s = chance.uniform(1800, 7200)
            fate.lamp = (when, when + chance.uniform(1, 4) * DAY)
        if chance.random() * 1000 < self.weak_per_1000:
            fate.weak = chance.uniform(0.3, 0.75)
            fate.dead = self._dead(fate.weak)
        return fate

    def _dead(self, weak: float) -> tuple[float, float]:
        """When a weak battery gives out in the frost, and when a milder day brings it back."""
        hours = [n * 3600.0 for n in range(int(self.length_s / 3600))]
        below = [second for second in hours if self._left(weak, second) <= 0]
        return (below[0], below[-1] + 3600) if below else (math.inf, math.inf)

    def _left(self, weak: float, second: float) -> float:
        """Share of a battery that can be used: age and cold take from it."""
        return 0.95 - weak - max(20 - self.celsius(second), 0) * 0.012 - second / DAY * 0.002

    def celsius(self, second: float) -> float:
        """A wave of cold over days, and the day's own swing."""
        day = second / DAY
        spell = math.exp(-(((day - self.cold_day) / 1.3) ** 2))
        hour = (self.begin_h + second / 3600) % 24
        return (
            4.0
            - (4.0 - self.coldest_c - 4) * spell
            - 4.0 * math.cos((hour - 15) / 24 * 2 * math.pi + math.pi)
        )

    def value(self, unit: Unit, metric: str, second: float) -> float:  # noqa: PLR0911 - one return a metric
        """The true value of a component."""
        fate = self._fates[unit.id]
        opened = fate.open_[0] <= second < fate.open_[1]
        match metric:
            case "open":
                return float(opened)
            case "tilt":
                return 68.0 if opened else 1.5
            case "water":
                return 175.0
            case "lamp":
                return float(self._shines(unit, fate, second))
            case "power":
                return 118.0 if self._shines(unit, fate, second) else 2.6
            case "current":
                return 0.54 if self._shines(unit, fate, second) else 0.012
            case "battery":
                return 3.0 + 0.6 * math.sqrt(max(self._left(fate.weak, second), 0.0))
            case "battery-level":
                return 100 * max(self._left(fate.weak, second), 0.0)
            case "air-temperature":
                return self.celsius(second)
        return math.nan

    def _shines(self, unit: Unit, fate: Fate, second: float) -> bool:
        hour = (self.begin_h + second / 3600) % 24
        if 6.8 <= hour < 17.2:  # noqa: PLR2004 - hours of daylight
            return False
        if fate.lamp[0] <= second < fate.lamp[1]:
            flickers = second < fate.lamp[0] + fate.flicker_s
            return flickers and Random(f"{unit.id}/{int(second / 60)}").random() < 0.5  # noqa: S311, PLR2004
        return True

    def alive(self, unit: Unit, second: float) -> bool:
        """Not where it was carried away, or its battery is dead."""
        fate = self._fates[unit.id]
        return second < fate.stolen and not fate.dead[0] <= second < fate.dead[1]

    def connected(self, unit: Unit, second: float) -> bool:
        """The radio is sound; what is silent is silent for a reason."""
        del unit, second
        return True

    def events(self) -> list[Event]:
        """Every trouble of every component."""
        found: list[Event] = []
        for unit in self._units:
            fate, where = self._fates[unit.id], self.ground.degrees(unit.x, unit.y)
            troubles = (("cover-open", fate.open_), ("lamp-failed", fate.lamp), ("battery-dead", fate.dead))
            for kind, (begin, end) in troubles:
                if begin < self.length_s:
                    found.append(Event(begin, kind, "begin", unit.id, *where))
                if end < self.length_s:
                    found.append(Event(end, kind, "end", unit.id, *where))
            if fate.stolen < self.length_s:
                found.append(Event(fate.stolen, "stolen", "once", unit.id, *where))
        return sorted(found)

    def zones(self) -> list[dict[str, Any]]:
        """Six quarters."""
        return [
            zone(key, key.replace("-", " ").capitalize(), "district", self.ground, area)
            for key, area in self.ground.areas.items()
            if key != "city"
        ]


_QUARTERS = (
    (-2000.0, 1000.0),
    (0.0, 1000.0),
    (2000.0, 1000.0),
    (-2000.0, -1000.0),
    (0.0, -1000.0),
    (2000.0, -1000.0),
)
