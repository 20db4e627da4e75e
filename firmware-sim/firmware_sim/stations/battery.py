"""A station's battery: it drains, the sun charges it by day, the cold takes from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

COLD_C = 20.0  # below this a battery gives less


@dataclass(slots=True)
class Battery:
    """State of charge between 0 and 1; a lead or lithium battery with or without a solar panel."""

    full_v: float = 12.9
    empty_v: float = 10.8
    charge: float = 0.9
    drain_per_day: float = 0.08
    solar_per_day: float = 0.12  # what a bright day brings
    cold_per_c: float = 0.006  # share of the charge that each degree below 20 hides

    def pass_(self, seconds: float, hour: float, sun: float = 1.0) -> None:
        """Let time pass at a local hour under so much sun (0 to 1)."""
        # A day's light is a sine between six and six; its mean over a day is 1/pi.
        light = max(math.sin((hour - 6) / 12 * math.pi), 0.0) * sun * math.pi
        gained = (self.solar_per_day * light - self.drain_per_day) * seconds / 86400
        self.charge = min(max(self.charge + gained, 0.0), 1.0)

    def usable(self, celsius: float) -> float:
        """The charge that is left at a temperature."""
        return max(self.charge - max(COLD_C - celsius, 0.0) * self.cold_per_c, 0.0)

    def volts(self, celsius: float = COLD_C) -> float:
        """Voltage under load."""
        return round(self.empty_v + (self.full_v - self.empty_v) * math.sqrt(self.usable(celsius)), 2)

    def dead(self, celsius: float = COLD_C) -> bool:
        """Nothing runs any more."""
        return self.usable(celsius) <= 0
