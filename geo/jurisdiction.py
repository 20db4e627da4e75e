"""Whose ground is it: the district, street, community and grid cell of each of many points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from geo.area import areas_m2
from geo.locate import Locator

CHAIN = ("district", "street", "community", "grid")
"""The kinds of zones that are jurisdictions, the widest first."""


class Chains(NamedTuple):
    """The jurisdictions of m points, a column for each of CHAIN."""

    zone: NDArray[np.int32]  # (m, 4) index of the zone, -1 where there is none
    several: NDArray[
        np.bool_
    ]  # (m, 4) more than one claims the point: a shared border, or zones that overlap


class Jurisdictions:
    """The jurisdictions among n zones."""

    def __init__(self, polygons: Sequence[Polygon | MultiPolygon], kinds: Sequence[str]) -> None:
        """Take zones and their kinds; those of other kinds are no jurisdictions."""
        if len(polygons) != len(kinds):
            raise ValueError(f"{len(kinds)} kinds for {len(polygons)} zones")
        # The smallest claim comes first, of equal ones the first given: so an answer does not hang on chance.
        order = np.argsort(areas_m2(polygons), kind="stable")
        place = {kind: level for level, kind in enumerate(CHAIN)}
        self._zone = np.array([z for z in order if kinds[z] in place], np.int32)
        self._level = np.array([place[kinds[z]] for z in self._zone], np.intp)
        self._locator = Locator([polygons[z] for z in self._zone])

    def chains(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> Chains:
        """Find the chain of each point; float64 (m,) degrees each, on a border both sides claim it.

        Of several claims of one kind the smallest zone has it, and `several` says so.
        """
        point, found = self._locator.locate(lon, lat)
        level = self._level[found]
        zone = np.full((len(lon), len(CHAIN)), -1, np.int32)
        # Backwards: what is written last is the first claim.
        zone[point[::-1], level[::-1]] = self._zone[found[::-1]]
        claims = np.bincount(point.astype(np.intp) * len(CHAIN) + level, minlength=zone.size)
        return Chains(zone, (claims > 1).reshape(zone.shape))
