"""What happens to a device over a story: values at given seconds, and the story's repeats."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Track:
    """Points (second, value) in ascending time; smooth between them, or held until the next."""

    points: tuple[tuple[float, float], ...]
    held: bool = False

    def at(self, second: float, swing: float = 1.0) -> float:
        """Value at a second of the story; `swing` scales what a smooth track departs from its first value."""
        following = bisect_right(self.points, second, key=lambda point: point[0])
        start, value = self.points[max(following - 1, 0)]
        if self.held:
            return value
        if 0 < following < len(self.points):
            end, target = self.points[following]
            done = (second - start) / (end - start)
            # Smoothstep: no corner at a point, as nature has none.
            value += (target - value) * done * done * (3 - 2 * done)
        rest = self.points[0][1]
        return rest + (value - rest) * swing


@dataclass(frozen=True, slots=True)
class Story:
    """A story of `cycle_s` seconds that repeats: exact the first time, varied by the seed afterwards."""

    cycle_s: float
    drift_s: float = 0.0  # a repeat begins up to this much later
    swing: float = 0.0  # and is up to this share stronger or weaker
    seed: int = 0

    def place(self, second: float) -> tuple[float, float]:
        """Second within the story and the swing of this repeat, for a second since the start."""
        repeat, within = divmod(second, self.cycle_s)
        if repeat == 0:
            return within, 1.0
        chance = Random(f"{self.seed}/repeat/{int(repeat)}")  # noqa: S311 - weather, not secrets
        late = chance.uniform(0, self.drift_s)
        return max(within - late, 0.0), 1 + chance.uniform(-self.swing, self.swing)
