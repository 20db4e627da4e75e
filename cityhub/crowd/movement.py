"""Movement: what positions of single people say of each watched zone: how many, how fast, how close to each other."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import shapely
import structlog
from numpy.typing import NDArray
from shapely import LineString

from cityhub.crowd.ground import Ground
from geo.density import cells, densest
from geo.flow import Line, crossings
from geo.locate import Locator
from geo.plane import metres_per_degree
from geo.presence import persons
from geo.speed import speeds
from geo.track import BELIEVED

log = structlog.get_logger("cityhub.movement")

Column = NDArray[np.float64]

RECENT_S = 15.0
"""A track whose newest fix is older is gone: a camera that loses a person and finds them again makes two."""
FOLLOWED_S = 60.0
"""So long after the last fix of all we know that nobody is there, and not just that nobody looks."""
HALF_S = 1.0
"""Speed is the way over so long before a fix and after it; positions are off by decimetres."""
CUT_OFF_M, AROUND_M, LEAST = 1.5, 2.0, 5
"""Nobody has more ground than within the first; a crowd is so many within the second."""
CROSSED_S, GAP_S, BESIDE_M = 60.0, 10.0, 50.0
"""A flow is of the last minute; over a longer gap nobody knows the way, and who is farther off does not cross now."""
MOST = 5_000
"""Of more people in one zone the cells are not drawn: two seconds' work."""


class Moving(NamedTuple):
    """Of each of z zones; NaN: not known."""

    persons: Column
    speed: Column  # m/s, mean of those whose speed is known
    crowded: Column  # persons/m2, the highest around anybody


class Movement:
    """The believed fixes of people without a name within the last seconds, and where they have ever been seen."""

    def __init__(self, ground: Ground) -> None:
        self._polygons = [zone.geometry for zone in ground.watched]
        self._keys = [zone.key for zone in ground.watched]
        lines = any(gate.counter is None for gate in ground.gates)
        self._kept_s = CROSSED_S + GAP_S if lines else RECENT_S + HALF_S
        self._zones = Locator(self._polygons)
        self._fixes: NDArray[Any] | None = None
        self._newest_us = 0
        self._followed: set[str] = set()

    def take(self, fixes: NDArray[Any]) -> None:
        """Take in fixes (FIX) as they came."""
        fixes = fixes[(fixes["outcome"] == BELIEVED) & ~fixes["named"]]
        if len(fixes):
            self._fixes = fixes if self._fixes is None else np.concatenate([self._fixes, fixes])
            self._newest_us = max(self._newest_us, int(fixes["time"].max()))

    def go_on_from(self, before: Movement) -> None:
        """The ground was drawn anew: take over what is known."""
        self._fixes, self._newest_us, self._followed = before._fixes, before._newest_us, before._followed

    def at(self, at_us: int) -> Moving:
        """What is so at a moment; fixes after it wait."""
        zones = len(self._polygons)
        count, speed, crowded = (np.full(zones, np.nan) for _ in range(3))
        if self._fixes is None or not zones:
            return Moving(count, speed, crowded)
        self._fixes = self._fixes[self._fixes["time"] > at_us - self._kept_s * 1e6]
        fixes = self._between(at_us, RECENT_S + HALF_S)
        there = persons(
            self._zones, fixes["track"], fixes["time"], fixes["lon"], fixes["lat"], at_us, RECENT_S
        )
        self._followed |= {self._keys[zone] for zone in np.flatnonzero(there)}
        if at_us - self._newest_us > FOLLOWED_S * 1e6:
            return Moving(count, speed, crowded)
        for zone, key in enumerate(self._keys):
            if key in self._followed:
                count[zone] = there[zone]
            if there[zone]:
                speed[zone], crowded[zone] = self._measure(zone, fixes, at_us)
            elif key in self._followed:
                crowded[zone] = 0.0
        return Moving(count, speed, crowded)

    def crossed(self, drawn: LineString, at_us: int) -> tuple[float, float] | None:
        """How many tracks crossed a line within the last minute, from its left to its right and back; None: nobody looks."""
        if self._fixes is None or at_us - self._newest_us > FOLLOWED_S * 1e6:
            return None
        fixes = self._between(at_us, CROSSED_S + GAP_S)
        west, south, east, north = drawn.bounds
        across, along = metres_per_degree((south + north) / 2)
        aside, beside = BESIDE_M / across, BESIDE_M / along
        near = (
            (fixes["lon"] > west - aside) & (fixes["lon"] < east + aside)
            & (fixes["lat"] > south - beside) & (fixes["lat"] < north + beside)
        )  # fmt: skip
        fixes = fixes[near]
        x, y = (fixes["lon"] - west) * across, (fixes["lat"] - south) * along
        corners = (shapely.get_coordinates(drawn) - (west, south)) * (across, along)
        forward = back = 0
        for (x1, y1), (x2, y2) in pairwise(corners.tolist()):
            if (x1, y1) == (x2, y2):
                continue
            found = crossings(
                fixes["track"], (fixes["time"] - at_us) / 1e6, x, y, Line(x1, y1, x2, y2), GAP_S
            )
            recent = found.direction[found.time_s > -CROSSED_S]
            forward, back = forward + int((recent > 0).sum()), back + int((recent < 0).sum())
        return float(forward), float(back)

    def _between(self, at_us: int, seconds: float) -> NDArray[Any]:
        """The fixes of the last seconds before a moment."""
        if self._fixes is None:
            raise ValueError("no fix has been taken in")
        time = self._fixes["time"]
        return self._fixes[(time > at_us - seconds * 1e6) & (time <= at_us)]

    def _measure(self, zone: int, fixes: NDArray[Any], at_us: int) -> tuple[float, float]:
        """Mean speed, and the highest density."""
        west, south, east, north = self._polygons[zone].bounds
        reach = 0.2 * max(east - west, north - south)  # who comes in has been outside a moment ago
        near = (
            (fixes["lon"] > west - reach) & (fixes["lon"] < east + reach)
            & (fixes["lat"] > south - reach) & (fixes["lat"] < north + reach)
        )  # fmt: skip
        fixes = fixes[near]
        across, along = metres_per_degree((south + north) / 2)
        x, y = (fixes["lon"] - west) * across, (fixes["lat"] - south) * along
        last = _last(fixes)
        last = last[at_us - fixes["time"][last] <= RECENT_S * 1e6]
        inside = last[shapely.intersects_xy(self._polygons[zone], fixes["lon"][last], fixes["lat"][last])]
        pace = speeds(fixes["track"], (fixes["time"] - at_us) / 1e6, x, y, HALF_S)[inside]
        speed = float(np.nanmean(pace)) if np.isfinite(pace).any() else np.nan
        if len(inside) > MOST:
            log.warning(
                "too many people with a position in one zone for their cells",
                zone=self._keys[zone],
                people=len(inside),
            )
            return speed, np.nan
        ground = shapely.transform(
            self._polygons[zone], lambda place: (place - (west, south)) * (across, along)
        )
        if len(inside) < LEAST:
            return speed, 0.0
        drawn = cells(x[inside], y[inside], ground, CUT_OFF_M)
        found = densest(x[inside], y[inside], drawn, AROUND_M, LEAST)
        return speed, 0.0 if np.isnan(found) else found


def _last(fixes: NDArray[Any]) -> NDArray[np.intp]:
    """The newest row of each track."""
    order = np.lexsort((fixes["time"], fixes["track"]))
    newest = np.ones(len(order), bool)
    newest[:-1] = fixes["track"][order[1:]] != fixes["track"][order[:-1]]
    return order[newest]
