"""A river gauge: the stage answers rain late, rises smoothly and falls slowly."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

TIP_MM = 0.2  # a tipping bucket reports whole tips
HIGHEST_M = 8.0


@dataclass(slots=True)
class RiverGauge:
    """Two reservoirs delay the rain on its way to the river, a third is the river and empties slowly."""

    DRIVEN: ClassVar[dict[str, float]] = {"rain_mm_h": 0.0}

    chance: Random
    base_m: float = 2.2  # stage without rain
    rise_m_per_mm: float = 0.2
    delay_s: float = 3600.0  # of each of the two reservoirs
    fall_s: float = 36000.0  # the stage above base shrinks to a third in this time
    ripple_m: float = 0.006  # waves at the staff
    battery_v: float = 12.6
    _soil_mm_h: float = field(default=0.0, init=False)
    _brook_mm_h: float = field(default=0.0, init=False)
    _above_m: float = field(default=0.0, init=False)
    _bucket_mm: float = field(default=0.0, init=False)

    def sample(self, now: Mapping[str, float], every_s: float) -> dict[str, float]:
        """Advance by one interval under the given rain; metres, millimetres in the interval, volts."""
        rain = max(now["rain_mm_h"], 0.0)
        pace = 1 - math.exp(-every_s / self.delay_s)
        self._soil_mm_h += (rain - self._soil_mm_h) * pace
        self._brook_mm_h += (self._soil_mm_h - self._brook_mm_h) * pace
        kept = math.exp(-every_s / self.fall_s)
        # The exact answer of a reservoir to a steady inflow: the interval's length does not change the wave.
        inflow = self._brook_mm_h / 3600 * self.rise_m_per_mm
        self._above_m = self._above_m * kept + inflow * self.fall_s * (1 - kept)
        self._bucket_mm += rain * every_s / 3600
        tips = int(self._bucket_mm / TIP_MM)
        self._bucket_mm -= tips * TIP_MM
        level = self.base_m + self._above_m + self.chance.gauss(0, self.ripple_m)
        return {
            "level": round(min(max(level, 0.0), HIGHEST_M), 3),
            "rain": round(tips * TIP_MM, 1),
            "battery": round(self.battery_v + self.chance.gauss(0, 0.01), 2),
        }
