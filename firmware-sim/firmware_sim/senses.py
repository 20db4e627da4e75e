"""Senses: what a unit's sensors and battery make of the truth: noise, steps, gaps, whole tips of a bucket."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

from firmware_sim.river import TIP_MM
from firmware_sim.stations.battery import Battery

if TYPE_CHECKING:
    from firmware_sim.plan import Unit
    from firmware_sim.worlds.world import World

# Metric -> (standard deviation of its noise, decimals it is told with).
FINE = {
    "level": (0.004, 3), "level-above": (0.004, 3), "flow": (0.2, 3), "velocity": (0.02, 3), "water": (0.4, 1), "tilt": (0.15, 1),
    "wind-speed": (0.4, 1), "wind-direction": (4.0, 0), "air-pressure": (0.2, 1), "air-temperature": (0.1, 1),
    "humidity": (0.8, 1), "water-temperature": (0.05, 1), "power": (0.6, 1), "current": (0.004, 3),
    "pump-current": (0.5, 1), "battery": (0.005, 2), "battery-level": (0.3, 0), "ph": (0.02, 2), "cod": (0.8, 1),
    "ammonia": (0.03, 3), "dissolved-oxygen": (0.05, 2), "turbidity": (3.0, 1), "conductivity": (4.0, 1),
    "voltage": (0.8, 1), "energy-total": (0.0, 2),
}  # fmt: skip
# Where an instrument's scale ends, whatever its noise.
ENDS = {
    "tilt": (0.0, 180.0),
    "humidity": (0.0, 100.0),
    "wind-speed": (0.0, 75.0),
    "wind-direction": (0.0, 360.0),
}
LOST = 0.002  # share of values a sensor does not give
STEEP = {"solar": Battery(), "primary": Battery(3.6, 3.0, 0.95, 0.0003, 0.0)}


class Senses:
    """All sensors of one unit. Asked at ascending seconds."""

    def __init__(self, unit: Unit, world: World, seed: int) -> None:
        self._unit, self._world = unit, world
        self._chance = Random(f"{seed}/{unit.id}")  # noqa: S311 - noise, not secrets
        kind = STEEP.get(unit.fleet.battery, STEEP["solar"])
        self._battery = Battery(
            kind.full_v,
            kind.empty_v,
            kind.charge,
            kind.drain_per_day * self._chance.uniform(0.8, 1.2),
            kind.solar_per_day,
        )
        self._asked: float | None = None
        self._tips = 0

    def sample(self, second: float) -> dict[str, float] | None:
        """What is measured at a second of the story; None where the unit is dead."""
        unit, world = self._unit, self._world
        if not world.alive(unit, second):
            return None
        since = second - self._asked if self._asked is not None else 0.0
        self._asked = second
        found: dict[str, float] = {}
        for metric in unit.fleet.measure:
            if metric == "position":  # no number: its world is asked where it tells it
                continue
            found |= self._one(metric, second, since)
        return found

    def _one(self, metric: str, second: float, since: float) -> dict[str, float]:
        if metric in ("rain", "rain-total"):
            return self._rain(metric, second)
        value = self._world.value(self._unit, metric, second)
        if metric == "battery" and math.isnan(value):
            hour = (self._world.begin_h + second / 3600) % 24
            self._battery.pass_(since, hour, sun=0.3)
            value = self._battery.volts(self._world.celsius(second))
        if math.isnan(value):
            value = quality(metric, self._unit.n, second)
        spread, decimals = FINE.get(metric, (0.0, 0))
        if self._chance.random() < LOST and decimals:
            return {}
        if decimals or spread:
            value = round(value + self._chance.gauss(0, spread), decimals)
        low, high = ENDS.get(metric, (-math.inf, math.inf))
        return {metric: min(max(value, low), high)}

    def _rain(self, metric: str, second: float) -> dict[str, float]:
        """A tipping bucket: whole tips, counted on; `rain` is what came since the last sample."""
        total = self._world.value(self._unit, "rain-total", second)
        tips = int(total / TIP_MM + 1e-9)
        if metric == "rain-total":
            return {metric: round(tips * TIP_MM, 1)}
        fallen, self._tips = tips - self._tips, tips
        return {metric: round(fallen * TIP_MM, 1)}


def quality(metric: str, n: int, second: float) -> float:
    """Water and air as they are where a world says nothing of them: a mean of its own, a daily swing."""
    means = {
        "ph": 7.4, "cod": 18.0, "ammonia": 0.6, "dissolved-oxygen": 7.2, "turbidity": 40.0, "conductivity": 480.0,
        "water-temperature": 22.0, "voltage": 229.0, "current": 12.0, "power": 2600.0, "air-temperature": 24.0,
    }  # fmt: skip
    if metric == "energy-total":
        return 1000.0 * n + second / 3600 * 2.6
    mean = means.get(metric, 0.0)
    return mean * (1 + 0.03 * math.sin(second / 86400 * 2 * math.pi + n))
