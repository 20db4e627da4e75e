"""A typhoon passes a harbour: wind, tide and surge; gauges and cameras fail, a part of the harbour is cut off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from firmware_sim.places import Ground, box
from firmware_sim.plan import Unit
from firmware_sim.worlds.world import Event, zone

# Amplitude in m and period in hours of the four greatest tides.
TIDES = ((1.25, 12.4206), (0.5, 12.0), (0.28, 23.9345), (0.2, 25.8193))
WARNING_M, DANGER_M = 4.6, 5.2
GALE_M_S, STORM_M_S = 17.2, 24.5
STEP_S = 60


@dataclass(slots=True)
class Harbour:
    """Constants of a storm."""

    seed: int = 0
    length_s: float = 108000.0
    begin_h: float = 6.0
    lon: float = 121.9420
    lat: float = 30.6180
    nearest_s: float = 54000.0  # when the eye is nearest
    nearest_km: float = 40.0
    speed_km_h: float = 28.0
    strongest_m_s: float = 46.0
    eye_km: float = 45.0
    deepest_hpa: float = 58.0  # below the air around
    mean_level_m: float = 2.6
    dark_from_s: float = 50400.0  # the east basin has no power and no link
    dark_to_s: float = 68400.0
    ground: Ground = field(init=False)
    _units: tuple[Unit, ...] = field(init=False, default=())
    _fails: dict[str, float] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.ground = Ground(
            self.lon,
            self.lat,
            {"quay": [(-2400, 0), (0, 120), (2600, 60)], "breakwater": [(-1200, 1500), (1800, 1700)]},
            {
                "west-basin": box(-1300, 300, 2200, 900),
                "east-basin": box(1400, 300, 2200, 900),
                "container-yard": box(0, -700, 4200, 1000),
            },
        )

    def join(self, units: Sequence[Unit]) -> None:
        """Draw who does not survive the strongest wind."""
        self._units = tuple(units)
        worst = self.nearest_s + 1800
        for unit in units:
            chance = Random(f"{self.seed}/{unit.id}/storm")  # noqa: S311 - a story, not secrets
            exposed = 0.25 if unit.fleet.protocol in ("onvif", "frigate") else 0.08
            if chance.random() < exposed:
                self._fails[unit.id] = worst + chance.gauss(0, 5400)

    def wind(self, second: float) -> tuple[float, float]:
        """Speed in m/s and the direction it comes from: a vortex that passes to the east (Holland's shape)."""
        km = self.speed_km_h * (second - self.nearest_s) / 3600
        away = math.hypot(km, self.nearest_km)
        near = self.eye_km / away
        speed = self.strongest_m_s * math.sqrt(near**1.3 * math.exp(1 - near**1.3))
        # It moves north past the east; about a low the wind goes counter-clockwise, a little inwards.
        bearing = math.degrees(math.atan2(self.nearest_km, km))
        return max(speed, 2.0), (bearing - 90 - 20) % 360

    def pressure(self, second: float) -> float:
        """hPa, Holland's profile."""
        away = math.hypot(self.speed_km_h * (second - self.nearest_s) / 3600, self.nearest_km)
        return 1008 - self.deepest_hpa * (1 - math.exp(-((self.eye_km / away) ** 1.3)))

    def tide(self, second: float) -> float:
        """Level in m: four tides, a centimetre a hectopascal, and what the wind piles up an hour later."""
        hours = second / 3600
        astronomical = sum(size * math.cos(2 * math.pi * hours / period) for size, period in TIDES)
        speed, coming = self.wind(second - 3600)
        piled = 0.0011 * speed**2 * max(math.cos(math.radians(coming - 60)), -0.3)
        return self.mean_level_m + astronomical + (1008 - self.pressure(second)) * 0.01 + piled

    def value(self, unit: Unit, metric: str, second: float) -> float:  # noqa: PLR0911 - one return a metric
        """The true value where a unit stands."""
        speed, coming = self.wind(second)
        match metric:
            case "level" | "level-above":
                return self.tide(second) + unit.x / 1e5
            case "wind-speed":
                return speed * (1.1 if unit.y > 1000 else 0.85)  # noqa: PLR2004 - the breakwater is open
            case "wind-direction":
                return coming
            case "air-pressure":
                return self.pressure(second)
            case "air-temperature":
                return self.celsius(second)
            case "humidity":
                return min(98.0, 70 + speed)
            case "mains-lost":
                return float(self._dark(unit, second))
            case "people":
                return float(round(max(0.0, 40.0 - 1.6 * speed)))
            case "gate-opening":
                return 0.0 if self.tide(second) > WARNING_M - 0.4 else 6.0
        return math.nan

    def alive(self, unit: Unit, second: float) -> bool:
        """Some break in the strongest wind; cameras have no battery."""
        if second >= self._fails.get(unit.id, math.inf):
            return False
        return not (unit.fleet.protocol in ("onvif", "frigate") and self._dark(unit, second))

    def connected(self, unit: Unit, second: float) -> bool:
        """The east basin is cut off for hours; its stations keep their readings."""
        return not self._dark(unit, second)

    def _dark(self, unit: Unit, second: float) -> bool:
        return unit.x > 200 and self.dark_from_s <= second < self.dark_to_s  # noqa: PLR2004 - east of the pier

    def celsius(self, second: float) -> float:
        """Warm, and a little cooler in the rain."""
        return 28.0 - self.wind(second)[0] / 12

    def events(self) -> list[Event]:
        """Levels, wind, the cut, and what broke."""
        where = self.ground.degrees(0, 0)
        found = [
            *self._crossed("warning-level", WARNING_M, self.tide, where),
            *self._crossed("danger-level", DANGER_M, self.tide, where),
            *self._crossed("gale", GALE_M_S, lambda s: self.wind(s)[0], where),
            *self._crossed("storm", STORM_M_S, lambda s: self.wind(s)[0], where),
            Event(self.dark_from_s, "links-down", "begin", "east-basin", *self.ground.degrees(1400, 300)),
            Event(self.dark_to_s, "links-down", "end", "east-basin", *self.ground.degrees(1400, 300)),
        ]
        for unit in self._units:
            if self._fails.get(unit.id, math.inf) < self.length_s:
                place = self.ground.degrees(unit.x, unit.y)
                found.append(Event(self._fails[unit.id], "device-broke", "once", unit.id, *place))
        return sorted(found)

    def _crossed(self, kind: str, limit: float, of: Any, where: tuple[float, float]) -> list[Event]:
        found, above = [], False
        for second in range(0, int(self.length_s), STEP_S):
            value = of(float(second))
            if (value >= limit) != above:
                above = not above
                found.append(
                    Event(second, kind, "begin" if above else "end", "harbour", *where, round(value, 3))
                )
        return found

    def zones(self) -> list[dict[str, Any]]:
        """Two basins and the yard."""
        return [
            zone(key, key.replace("-", " ").capitalize(), "harbour", self.ground, area)
            for key, area in self.ground.areas.items()
        ]
