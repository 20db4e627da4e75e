"""A line of an acceptance card, and that of the place: where the device stands against where the engineer stands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "attention", "fail"]

EARTH_M = 6_371_008.8
# A phone between houses is off by tens of metres; a street's length means that another device was meant.
NEAR_M, FAR_M = 50.0, 200.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an acceptance card."""

    what: str
    value: str
    limit: str
    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class Spot:
    """A position in WGS 84 as a phone gives it, with its own estimate of the error."""

    lon: float
    lat: float
    accuracy_m: float = 0.0


def distance_m(lon: float, lat: float, spot: Spot) -> float:
    """Along the great circle (haversine)."""
    a, b = math.radians(lat), math.radians(spot.lat)
    across = math.sin((b - a) / 2) ** 2
    along = math.cos(a) * math.cos(b) * math.sin(math.radians(spot.lon - lon) / 2) ** 2
    return 2 * EARTH_M * math.asin(math.sqrt(min(across + along, 1.0)))


def place_line(lon: float | None, lat: float | None, zones: list[str], spot: Spot | None) -> Line:
    """The place of the registry, the zones that it lies in, and how far the engineer stands from it."""
    limit = f"in a zone, within {NEAR_M:g} m of the engineer"
    if lon is None or lat is None:
        return Line("place", "none in the registry", limit, "attention", "Give the device its place.")
    where = f"{lon:.6f}, {lat:.6f}; " + (f"in {', '.join(zones[:4])}" if zones else "in no zone")
    outside = "" if zones else "No zone covers it: is the place right?"
    if spot is None:
        why = outside or "Nobody has compared it with a position on the spot."
        return Line("place", where, limit, "attention", why)
    away = distance_m(lon, lat, spot)
    value = f"{where}; {away:.0f} m away (the phone says within {spot.accuracy_m:.0f} m)"
    beyond = away - spot.accuracy_m
    if beyond > FAR_M:
        why = f"The registry's place is {away:.0f} m from here: one of the two is wrong."
        return Line("place", value, limit, "fail", why)
    if beyond > NEAR_M:
        return Line(
            "place",
            value,
            limit,
            "attention",
            f"The registry's place is {away:.0f} m from here. {outside}".strip(),
        )
    return Line("place", value, limit, "attention" if outside else "ok", outside)
