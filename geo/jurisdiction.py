"""Whose ground is it: the district, street, community and grid cell of each of many points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from geo.area import areas_m2

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
        level = {kind: place for place, kind in enumerate(CHAIN)}
        self._level = np.array([level.get(kind, -1) for kind in kinds], np.intp)
        # The smallest claim comes first, of equal ones the first given: so an answer does not hang on chance.
        self._rank = np.empty(len(polygons), np.intp)
        self._rank[np.argsort(areas_m2(polygons), kind="stable")] = np.arange(len(polygons))

    def chains(self, point: NDArray[np.int32], zone: NDArray[np.int32], points: int) -> Chains:
        """Find the chain of each of m points out of the pairs that a `Locator` of these zones has found for them.

        On a border both sides claim a point. Of several claims of one kind the smallest zone has it, and `several`
        says so.
        """
        claim = np.flatnonzero(self._level[zone] >= 0)
        # Backwards: what is written last is the first claim.
        claim = claim[np.argsort(-self._rank[zone[claim]], kind="stable")]
        point, zone, level = point[claim], zone[claim], self._level[zone[claim]]
        chain = np.full((points, len(CHAIN)), -1, np.int32)
        chain[point, level] = zone
        claims = np.bincount(point.astype(np.intp) * len(CHAIN) + level, minlength=chain.size)
        return Chains(chain, (claims > 1).reshape(chain.shape))
