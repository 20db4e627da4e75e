"""Corners taken off an outline one by one, always the one that adds the least ground, and never one that takes any away.

Two moves only add: a corner that points inwards is cut across, and an edge between two corners that point outwards is
pushed out to where its neighbours meet. A hole may be closed. A move whose new ground meets another part of the outline
is not made, so that a valid outline stays valid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float64]

TRIANGLE = 3


class _Move(NamedTuple):
    cost: float  # ground that is added, for each corner that goes
    ring: int
    corner: int  # -1: the ring is a hole that is closed
    place: Points | None  # where the two corners from `corner` on become one; None where the corner goes


def fewer(area: Polygon | MultiPolygon, corners: int) -> Polygon | MultiPolygon | None:
    """Grow an area until it has at most so many corners; plane coordinates.

    Args:
        area: valid. The work grows with the square of its corners: four hundred are half a second.
        corners: of all rings together, the closing positions not counted.

    Returns:
        An area that contains the given one, but for rounding; None where no move is left before the limit is met.
    """
    oriented = shapely.get_parts(shapely.orient_polygons(area))
    drawn, part = shapely.get_rings(oriented, return_index=True)
    # Ground lies to the left of every ring, holes included.
    rings = [shapely.get_coordinates(ring)[:-1] for ring in drawn]
    hole = np.concatenate(([False], part[1:] == part[:-1]))
    while sum(map(len, rings)) > corners:
        move = next((each for each in _moves(rings, hole) if _free(each, rings)), None)
        if move is None:
            return None
        ring = rings[move.ring]
        if move.corner < 0:
            rings[move.ring] = np.empty((0, 2))
        elif move.place is None:
            rings[move.ring] = np.delete(ring, move.corner, axis=0)
        else:
            ring = ring.copy()
            ring[move.corner] = move.place
            rings[move.ring] = np.delete(ring, (move.corner + 1) % len(ring), axis=0)
    shells = [
        Polygon(rings[at], [rings[n] for n in np.flatnonzero(hole & (part == part[at])) if len(rings[n])])
        for at in np.flatnonzero(~hole)
    ]
    return shells[0] if len(shells) == 1 else MultiPolygon(shells)


def _moves(rings: list[Points], hole: NDArray[np.bool_]) -> list[_Move]:
    """Every move there is, the one that adds least first."""
    moves = []
    for nth, ring in enumerate(rings):
        if len(ring) == 0:
            continue
        before, after = np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0)
        if hole[nth]:
            ground = abs(_cross(ring, after).sum()) / 2
            moves.append(_Move(ground / len(ring), nth, -1, None))
        if len(ring) == TRIANGLE:
            continue
        turn = _cross(ring - before, after - ring)
        moves += [_Move(float(-turn[n]) / 2, nth, n, None) for n in np.flatnonzero(turn <= 0).tolist()]
        # From corner b over c: the edge before b and the edge after c are drawn on until they meet.
        into, out = ring - before, np.roll(ring, -2, axis=0) - after
        opening = _cross(into, out)
        meet = (turn > 0) & (np.roll(turn, -1) > 0) & (opening > 0)
        share = np.divide(_cross(after - ring, out), opening, out=np.zeros(len(ring)), where=meet)
        place = ring + share[:, None] * into
        added = _cross(place - ring, after - ring) / 2
        moves += [
            _Move(float(added[n]), nth, n, place[n])
            for n in np.flatnonzero(meet & np.isfinite(added)).tolist()
        ]
    return sorted(moves, key=lambda move: move.cost)


def _free(move: _Move, rings: list[Points]) -> bool:
    """Whether the new ground meets nothing but its own corners."""
    if move.corner < 0:
        return True
    ring, n = rings[move.ring], move.corner
    size = len(ring)
    if move.place is None:
        ends = np.array([n - 1, n, n + 1]) % size
        triangle = ring[ends]
        edges = np.array([n - 2, n - 1, n, n + 1]) % size
    else:
        ends = np.array([n, n + 1]) % size
        triangle = np.vstack((ring[ends[0]], move.place, ring[ends[1]]))
        edges = np.array([n - 1, n, n + 1]) % size
    low, high = triangle.min(axis=0), triangle.max(axis=0)
    for nth, other in enumerate(rings):
        if len(other) == 0:
            continue
        after = np.roll(other, -1, axis=0)
        near = ((np.minimum(other, after) <= high) & (np.maximum(other, after) >= low)).all(axis=1)
        corner = near.copy()
        if nth == move.ring:
            near[edges] = False
            corner[ends] = False
        if (
            near.any()
            and shapely.intersects(
                shapely.linestrings(np.stack((other[near], after[near]), axis=1)), Polygon(triangle)
            ).any()
        ):
            return False
        if corner.any() and shapely.intersects_xy(Polygon(triangle), *other[corner].T).any():
            return False
    return True


def _cross(one: Points, other: Points) -> NDArray[np.float64]:
    turned: NDArray[np.float64] = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    return turned
