"""A street light: lit or dark, and one day it flickers and fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

MAINS_V = 230.0
POWER_FACTOR = 0.95
IDLE_A = 0.012  # the driver and its radio


@dataclass(slots=True)
class StreetLight:
    """An LED lamp; `fault` 0 is sound, 1 is dead, between them it flickers that often."""

    DRIVEN: ClassVar[dict[str, float]] = {"lit": 1.0, "fault": 0.0}

    chance: Random
    rated_w: float = 120.0

    def sample(self, now: Mapping[str, float], every_s: float) -> dict[str, float]:  # noqa: ARG002 - a lamp has no memory
        """One look; 0 or 1 (gives light), amperes, watts."""
        # Drawn whether lit or not: a lamp's noise does not depend on when it was switched.
        steady = self.chance.random() >= now["fault"]
        noise = 1 + self.chance.gauss(0, 0.01)
        shines = now["lit"] > 0 and steady
        current = (self.rated_w / MAINS_V / POWER_FACTOR if shines else IDLE_A) * noise
        return {
            "lamp": int(shines),
            "current": round(current, 3),
            "power": round(current * MAINS_V * POWER_FACTOR, 1),
        }
