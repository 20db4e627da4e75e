"""Those who walk to and fro over the station forecourt while faults happen."""

from __future__ import annotations

import math

from edge.positions import Fix
from edge.reading import now_us

NAMED = ["gateway-01", "lamp-01"]
SEEN = "camera-01/somebody"
"""A name of the day's token; a crash of the database ends the token, and what comes again is somebody else's."""

LON, LAT = 120.6130, 31.2800  # the forecourt is some 30 m wide
EAST = 95_200.0  # metres a degree of longitude here
SWING_M, SWING_US = 60.0, 80_000_000  # at most 4.7 m/s
FASTER = 20  # their time runs faster than ours: it begins in the past, and never passes now
BEHIND_US = 40 * 60 * 1_000_000  # within the day's salt, and the hour of grace after midnight


class Walkers:
    """Where each of them is, at times that never repeat."""

    def __init__(self, names: list[str]) -> None:
        self._names, self._begun, self._last = names, now_us(), 0

    def step(self) -> list[Fix]:
        """One fix of each."""
        at = self._begun - BEHIND_US + (now_us() - self._begun) * FASTER
        self._last = max(self._last + 1, min(at, now_us()))
        return [(name, self._last, *self._place(phase), 2.0) for phase, name in enumerate(self._names)]

    def _place(self, phase: int) -> tuple[float, float]:
        east_m = SWING_M * math.sin(2 * math.pi * self._last / SWING_US + phase)
        return LON + east_m / EAST, LAT


def key(name: str) -> str:
    """What a track is known by afterwards: somebody without a name by the camera alone."""
    return f"{name.partition('/')[0]}/~" if "/" in name else name
