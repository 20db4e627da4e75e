"""Places: metres about an origin and back to degrees; points spread along lines, over areas, on grids."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

Point = tuple[float, float]
"""Metres east and north of the origin."""

METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True, slots=True)
class Ground:
    """A piece of the earth, flat enough, and what lies on it."""

    lon: float
    lat: float
    lines: dict[str, list[Point]] = field(default_factory=dict)
    areas: dict[str, list[Point]] = field(default_factory=dict)

    def degrees(self, x: float, y: float, digits: int = 6) -> tuple[float, float]:
        """Longitude and latitude (WGS-84), to a decimetre; with one digit more, to a centimetre."""
        wide = METRES_PER_DEGREE * math.cos(math.radians(self.lat))
        return round(self.lon + x / wide, digits), round(self.lat + y / METRES_PER_DEGREE, digits)


def length(line: list[Point]) -> float:
    """Metres of a line."""
    return sum(math.dist(a, b) for a, b in pairwise(line))


def along(line: list[Point], metres: float) -> Point:
    """The point so far along a line."""
    for a, b in pairwise(line):
        step = math.dist(a, b)
        if metres <= step and step > 0:
            part = max(metres, 0.0) / step
            return a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part
        metres -= step
    return line[-1]


def inside(area: list[Point], x: float, y: float) -> bool:
    """Whether a point is within an area."""
    found = False
    for (ax, ay), (bx, by) in zip(area, [*area[1:], area[0]], strict=True):
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            found = not found
    return found


def spread(area: list[Point], count: int, chance: Random) -> list[Point]:
    """So many points within an area, at random."""
    left, right = min(p[0] for p in area), max(p[0] for p in area)
    bottom, top = min(p[1] for p in area), max(p[1] for p in area)
    found: list[Point] = []
    while len(found) < count:
        x, y = chance.uniform(left, right), chance.uniform(bottom, top)
        if inside(area, x, y):
            found.append((round(x, 1), round(y, 1)))
    return found


def box(x: float, y: float, wide: float, high: float) -> list[Point]:
    """A rectangle about a point, counter-clockwise."""
    w, h = wide / 2, high / 2
    return [(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)]


def ring(x: float, y: float, wide: float, high: float, corners: int = 32) -> list[Point]:
    """An ellipse about a point, counter-clockwise."""
    turns = (2 * math.pi * n / corners for n in range(corners))
    return [(x + wide / 2 * math.cos(turn), y + high / 2 * math.sin(turn)) for turn in turns]
