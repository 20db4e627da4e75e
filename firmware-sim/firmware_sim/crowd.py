"""A counting camera over a square: people come and go, and the square fills and empties."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

# Above this mean a Poisson draw is taken from the normal curve: the product of uniforms gets slow.
MANY = 30


def arrivals(mean: float, chance: Random) -> int:
    """How many come in an interval in which `mean` are expected (Poisson)."""
    if mean > MANY:
        return max(round(chance.gauss(mean, math.sqrt(mean))), 0)
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


@dataclass(slots=True)
class CountingCamera:
    """People drift towards the number that the hour wants, with passers-by in both directions."""

    DRIVEN: ClassVar[dict[str, float]] = {"people": 60.0}

    chance: Random
    settle_s: float = 4.0  # how fast the square follows what the hour wants
    passers_per_s: float = 0.5
    miscount: float = 0.005  # share of the people in view, one standard deviation
    _people: int | None = field(default=None, init=False)

    def sample(self, now: Mapping[str, float], every_s: float) -> dict[str, int]:
        """Advance by one interval; whole people: in view, in and out during the interval."""
        wanted = max(now["people"], 0.0)
        if self._people is None:
            self._people = round(wanted)
        change = (wanted - self._people) * (1 - math.exp(-every_s / self.settle_s))
        passing = self.passers_per_s * every_s
        came = arrivals(passing + max(change, 0.0), self.chance)
        left = min(arrivals(passing + max(-change, 0.0), self.chance), self._people + came)
        self._people += came - left
        seen = self._people + self.chance.gauss(0, self.miscount * self._people)
        return {"people": max(round(seen), 0), "in": came, "out": left}
