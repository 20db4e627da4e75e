"""Outlines that cross themselves: repaired, or refused where that would take minutes and gigabytes."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from geo.area import area_m2
from geo.refusal import Place, ShapeError, place_of, written

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

# Seven decimals of a degree are 1 cm: what is smaller than this is rounding, not a place.
MIN_AREA_M2 = 0.01
# So many square degrees are more than that anywhere below 89.5 degrees: no need to look closer.
SURELY_DEG2 = 1e-10

# A ring of 300 random corners, 12 KB, has 20,000 pairs of edges whose boxes meet, and takes half a second to repair; one of
# 2,000 has a million, and takes 40 s and a gigabyte. A real outline has about two for each edge, as long as it may be.
MOST_CROSSINGS = 20_000
SAMPLE, MOST_COMPARED = 256, 10_000_000

# What GEOS says of an invalid geometry: "Self-intersection[120.6 31.3]".
_REASON = re.compile(r"(.*)\[(\S+) (\S+)\]")


def valid(drawn: Polygon | MultiPolygon) -> tuple[Polygon | MultiPolygon, str | None]:
    """Repair what crosses itself, keeping areas only."""
    first = place_of(drawn)
    wrong, at = (None, first) if drawn.is_valid else _reason(drawn, first)
    if wrong is not None and tangled(drawn):
        raise ShapeError(
            f"its outline crosses itself too often to be repaired ({wrong})", "Draw its outline again.", at
        )
    sound = drawn if wrong is None else _repaired(drawn)
    if sound is None:
        raise ShapeError(
            f"its outline encloses no area, or none that can be repaired ({wrong})",
            "Draw its outline again.",
            at,
        )
    if sound.area < SURELY_DEG2 and area_m2(sound) < MIN_AREA_M2:
        raise ShapeError(
            "its outline encloses no area", "Draw its outline again, with at least three corners.", at
        )
    return sound, None if wrong is None else f"{wrong} at {written(at)}"


def _reason(drawn: Polygon | MultiPolygon, otherwise: Place) -> tuple[str, Place]:
    """What GEOS finds wrong, and where."""
    told = shapely.is_valid_reason(drawn)
    found = _REASON.fullmatch(told)
    if found is None:
        return told, otherwise
    return found[1], (float(found[2]), float(found[3]))


def tangled(drawn: BaseGeometry) -> bool:
    """Whether so many of its edges may cross that a repair or a buffer takes minutes and gigabytes: by the boxes of some of them."""
    parts = shapely.get_parts(drawn)
    paths = shapely.get_rings(parts) if shapely.get_dimensions(drawn) == 2 else parts  # noqa: PLR2004 -- areas
    places, path = shapely.get_coordinates(paths, return_index=True)
    edges = path[1:] == path[:-1]
    low, high = (of(places[1:], places[:-1])[edges] for of in (np.minimum, np.maximum))
    count = len(low)
    some = np.random.default_rng(0).permutation(count)[: min(SAMPLE, MOST_COMPARED // count + 1)]
    meet = (low[some, None] <= high).all(axis=2) & (low <= high[some, None]).all(axis=2)
    # Each meets itself and its two neighbours.
    pairs = count / 2 * max(float(meet.sum(axis=1).mean()) - 3, 0.0)
    return pairs > MOST_CROSSINGS + 3 * count


def repaired(drawn: Polygon | MultiPolygon) -> Polygon | MultiPolygon | None:
    """The areas of what crosses itself, as a valid geometry; None where it has none."""
    return drawn if drawn.is_valid else _repaired(drawn)


def _repaired(drawn: Polygon | MultiPolygon) -> Polygon | MultiPolygon | None:
    # "structure" merges parts that overlap, where "linework" would cut a hole: so it comes first. On a ring that
    # runs along one edge three times it may answer with an invalid polygon, or raise.
    for repair in (partial(shapely.make_valid, method="structure", keep_collapsed=False), shapely.make_valid):
        try:
            repaired: BaseGeometry = repair(drawn)
        except shapely.errors.GEOSException:
            continue
        areas = [part for part in shapely.get_parts(repaired) if isinstance(part, Polygon)]
        # Linework keeps loose lines beside the areas, and may nest a multipolygon.
        areas += [p for m in shapely.get_parts(repaired) if isinstance(m, MultiPolygon) for p in m.geoms]
        whole = areas[0] if len(areas) == 1 else MultiPolygon(areas)
        if areas and whole.is_valid:
            return whole
    return None
