"""A manhole cover: lies still, until someone opens it or the water below lifts it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

LEANING_DEG = 70.0  # an opened cover leans against the frame
SWING_S = 0.7  # how long a hand needs to tilt it


@dataclass(slots=True)
class ManholeCover:
    """Tilt follows the hand that opens it; the water stands `water_cm` below the cover."""

    DRIVEN: ClassVar[dict[str, float]] = {"open": 0.0, "tilt_deg": 0.0, "water_cm": 180.0}

    chance: Random
    battery_v: float = 3.6
    _seat_deg: float = field(default=0.0, init=False)
    _tilt_deg: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        # No cover lies level in its frame.
        self._seat_deg = abs(self.chance.gauss(0, 0.8))

    def sample(self, now: Mapping[str, float], every_s: float) -> dict[str, float]:
        """Advance by one interval; degrees, centimetres from the cover down to the water, 0 or 1, volts."""
        opened = now["open"] > 0
        target = LEANING_DEG if opened else now["tilt_deg"]
        self._tilt_deg += (target - self._tilt_deg) * (1 - math.exp(-every_s / SWING_S))
        return {
            "tilt": round(abs(self._seat_deg + self._tilt_deg + self.chance.gauss(0, 0.1)), 1),
            "water": round(max(now["water_cm"] + self.chance.gauss(0, 0.4), 0.0), 1),
            "open": int(opened),
            "battery": round(self.battery_v + self.chance.gauss(0, 0.004), 2),
        }
