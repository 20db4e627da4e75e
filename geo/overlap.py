"""Zones held against each other: jurisdictions that claim the same ground, camera views that lie in no crowd zone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.area import areas_m2
from geo.jurisdiction import CHAIN
from geo.zones import VIEW, Zone

LEAST_M2 = 1.0
"""What two surveys of one border differ by is less, or told last."""
TOLD = 20
AT_ONCE = 256
# 50,000 cells of a grid have 200,000 neighbours; the same layer drawn a hundred times over itself would have millions.
MOST_PAIRS = 500_000
CROWD = "crowd"


class Overlap(NamedTuple):
    """Two jurisdictions of one kind and the ground that both claim."""

    one: Zone
    other: Zone
    m2: float


class Overlaps(NamedTuple):
    """The pairs, the most ground first, and how many zones were not looked at because so many lie on each other."""

    pairs: list[Overlap]
    unseen: int


def overlapping(zones: Sequence[Zone], fresh: Collection[str]) -> Overlaps:
    """Jurisdictions of one kind, floor and time that overlap by `LEAST_M2` or more.

    Only pairs of which one at least has its key in `fresh`.
    """
    found: list[Overlap] = []
    unseen, left = 0, MOST_PAIRS
    for kind in CHAIN:
        here = [zone for zone in zones if zone.kind == kind]
        drawn = np.array([zone.geometry for zone in here], object)
        is_new = np.array([zone.key in fresh for zone in here], bool)
        new = np.flatnonzero(is_new)
        tree = shapely.STRtree(drawn)
        for first in range(0, len(new), AT_ONCE):
            if left <= 0:
                unseen += len(new) - first
                break
            one, other = tree.query(drawn[new[first : first + AT_ONCE]])
            one += first
            one = new[one]
            once = np.flatnonzero((one < other) | ~is_new[other])[:left]
            left -= len(once)
            found += _pairs(here, drawn, one[once], other[once])
    return Overlaps(sorted(found, key=lambda overlap: -overlap.m2), unseen)


def _pairs(
    zones: list[Zone], drawn: NDArray[np.object_], one: NDArray[np.intp], other: NDArray[np.intp]
) -> list[Overlap]:
    shared = shapely.intersection(drawn[one], drawn[other])
    wide = np.flatnonzero(shapely.area(shared) > 0)
    areas = [
        float(areas_m2(shapely.get_parts(each)[shapely.get_dimensions(shapely.get_parts(each)) == 2]).sum())  # noqa: PLR2004 - areas
        for each in shared[wide]
    ]
    return [
        Overlap(zones[one[at]], zones[other[at]], m2)
        for at, m2 in zip(wide.tolist(), areas, strict=True)
        if m2 >= LEAST_M2 and _at_once(zones[one[at]], zones[other[at]])
    ]


def blind(zones: Sequence[Zone], fresh: Collection[str]) -> list[Zone]:
    """Views of cameras, of those in `fresh`, that lie in no crowd zone of their floor: their counts go nowhere."""
    views = [zone for zone in zones if zone.kind == VIEW and zone.key in fresh]
    crowds = [zone for zone in zones if zone.kind == CROWD]
    if not views:
        return []
    tree = shapely.STRtree([zone.geometry for zone in crowds])
    return [
        view
        for view in views
        if not any(
            _same_floor(view, crowds[at]) and _together(view, crowds[at])
            for at in tree.query(view.geometry, predicate="intersects").tolist()
        )
    ]


def remarks(zones: Sequence[Zone], fresh: Collection[str]) -> list[str]:
    """Both as sentences; `fresh`: the keys of the zones that are looked at, `zones`: all that they are held against."""
    overlaps, unseen = overlapping(zones, fresh)
    told = [
        f"'{one.key}' and '{other.key}' are both a {one.kind} and overlap by {m2:,.0f} m2: the smaller one has that ground."
        for one, other, m2 in overlaps[:TOLD]
    ]
    if len(overlaps) > TOLD:
        rest = sum(overlap.m2 for overlap in overlaps[TOLD:])
        told.append(
            f"{len(overlaps) - TOLD:,} more pairs of jurisdictions overlap, by {rest:,.0f} m2 in all."
        )
    if unseen:
        told.append(f"{unseen:,} jurisdictions were not held against the others: too many lie on each other.")
    lost = blind(zones, fresh)
    told += [
        f"'{view.key}': this camera's view lies in no crowd zone: what {view.camera or 'it'} counts goes nowhere."
        for view in lost[:TOLD]
    ]
    if len(lost) > TOLD:
        told.append(f"{len(lost) - TOLD:,} more cameras' views lie in no crowd zone.")
    return told


def _at_once(one: Zone, other: Zone) -> bool:
    return one.floor == other.floor and _together(one, other)


def _same_floor(one: Zone, other: Zone) -> bool:
    return one.floor is None or other.floor is None or one.floor == other.floor


def _together(one: Zone, other: Zone) -> bool:
    """Whether there is a moment at which both hold."""
    apart = (
        one.valid_to is not None and other.valid_from is not None and one.valid_to <= other.valid_from
    ) or (other.valid_to is not None and one.valid_from is not None and other.valid_to <= one.valid_from)
    return not apart
