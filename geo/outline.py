"""Outlines of many polygons in one array, asked in metres: how far is a point from a border, and on which side.

Each ring is a chain of edges, halved again and again into a tree of boxes (in preorder, with the place to go on when a
box is passed over). A chain that is wholly east of a point is crossed by its parallel as often, odd or even, as the line
between the chain's two ends: so most of a border of 20,000 vertices is answered box by box, holes included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from geo.plane import scale

NEAR_M = 1e-4
"""So near is *on* the border: the ninth decimal of a degree, where rounding begins."""

OUT, IN, UNSURE = 0, 1, 2
ORIENTATION = 3.4e-16
"""Of the orientation of three points, more than its greatest relative error (Shewchuk 1997: 3.3e-16)."""

LEAF = 8
MOST_MEETINGS = 64
_EDGE_OF_MAP = 180.0

NODE = np.dtype(
    [
        ("west", "f8"),
        ("south", "f8"),
        ("east", "f8"),
        ("north", "f8"),
        ("first", "i4"),  # the chain's vertices, both ends included
        ("last", "i4"),
        ("skip", "i4"),  # the node after all that lies below this one
        ("leaf", "u1"),
    ]
)


class Outlines:
    """The borders of n polygons: `vertex` float64 (v, 2), `node` NODE, those of polygon i from `root[i]` on."""

    def __init__(self, polygons: Sequence[Polygon | MultiPolygon]) -> None:
        parts, owner = shapely.get_parts(np.asarray(polygons, dtype=object), return_index=True)
        rings, part = shapely.get_rings(parts, return_index=True)
        position, ring = shapely.get_coordinates(rings, return_index=True)
        self.vertex: NDArray[np.float64] = np.ascontiguousarray(position)
        last = np.cumsum(np.bincount(ring, minlength=len(rings))) - 1
        self.node: NDArray[Any] = np.empty(len(position) + len(rings), NODE)
        root = np.empty(len(rings) + 1, np.int64)
        self.node = self.node[: _grow(self.vertex, last, self.node, root)].copy()
        first_ring = np.searchsorted(owner[part], np.arange(len(polygons) + 1))
        self.root: NDArray[np.int32] = root[first_ring].astype(np.int32)


@njit(cache=True, nogil=True)
def _grow(vertex: Any, last: Any, node: Any, root: Any) -> int:
    """Fill `node` with the trees of all rings, `root` with where each begins; returns how many nodes there are."""
    todo = np.empty((64, 2), np.int64)
    count = 0
    begin = 0
    for ring in range(len(last)):
        root[ring] = count
        top = 0
        todo[0, 0], todo[0, 1] = begin, last[ring]
        while top >= 0:
            low, high = todo[top, 0], todo[top, 1]
            top -= 1
            made = node[count]
            made["first"], made["last"] = low, high
            made["leaf"] = 1 if high - low <= LEAF else 0
            if made["leaf"] == 0:
                middle = (low + high) // 2
                todo[top + 1, 0], todo[top + 1, 1] = middle, high
                todo[top + 2, 0], todo[top + 2, 1] = low, middle
                top += 2
            count += 1
        begin = last[ring] + 1
    root[len(last)] = count
    # Backwards, so that what lies below a node is known before it.
    for place in range(count - 1, -1, -1):
        made = node[place]
        if made["leaf"] == 1:
            made["skip"] = place + 1
            chain = vertex[made["first"] : made["last"] + 1]
            made["west"], made["east"] = chain[:, 0].min(), chain[:, 0].max()
            made["south"], made["north"] = chain[:, 1].min(), chain[:, 1].max()
        else:
            left, right = node[place + 1], node[node[place + 1]["skip"]]
            made["skip"] = right["skip"]
            made["west"], made["east"] = min(left["west"], right["west"]), max(left["east"], right["east"])
            made["south"], made["north"] = (
                min(left["south"], right["south"]),
                max(left["north"], right["north"]),
            )
    return count


@njit(cache=True, nogil=True)
def beyond(  # noqa: C901 -- each box and edge is looked at once
    vertex: Any, node: Any, begin: int, end: int, lon: float, lat: float, limit_m: float
) -> float:
    """Metres from a point to a border: below 0 inside, 0 on it, above 0 outside; never further from 0 than `limit_m`.

    `begin` and `end` are `root[i]` and `root[i + 1]`; `limit_m` is above 0. An edge along the antimeridian is a cut of
    the map and no border (RFC 7946, 3.1.9): it bounds the inside, but nothing is near it.
    """
    east, north = scale(lat)
    nearest = limit_m * limit_m
    odd = False
    place = begin
    while place < end:
        box = node[place]
        aside = max(box["west"] - lon, lon - box["east"], 0.0) * east
        above = max(box["south"] - lat, lat - box["north"], 0.0) * north
        if aside * aside + above * above >= nearest:
            at_height = box["south"] <= lat < box["north"]
            if not at_height or box["east"] < lon:
                place = box["skip"]
                continue
            if lon < box["west"]:
                if (vertex[box["first"], 1] > lat) != (vertex[box["last"], 1] > lat):
                    odd = not odd
                place = box["skip"]
                continue
        place += 1
        if box["leaf"] == 0:
            continue
        for corner in range(box["first"], box["last"]):
            x, y = vertex[corner, 0] - lon, vertex[corner, 1] - lat
            along, up = vertex[corner + 1, 0] - vertex[corner, 0], vertex[corner + 1, 1] - vertex[corner, 1]
            if (y > 0) != (vertex[corner + 1, 1] - lat > 0) and x - y * along / up > 0:
                odd = not odd
            if along == 0 and abs(vertex[corner, 0]) == _EDGE_OF_MAP:
                continue
            x, y, along, up = x * east, y * north, along * east, up * north
            length = along * along + up * up
            if length > 0:
                nearest_at = min(max(-(x * along + y * up) / length, 0.0), 1.0)
                x, y = x + nearest_at * along, y + nearest_at * up
            nearest = min(nearest, x * x + y * y)
    metres = np.sqrt(nearest)
    if metres <= NEAR_M:
        return 0.0
    return float(-metres if odd else metres)


@njit(cache=True, nogil=True)
def passes(  # noqa: PLR0917 -- a kernel takes its columns one by one
    vertex: Any,
    node: Any,
    begin: int,
    end: int,
    lon: float,
    lat: float,
    to_lon: float,
    to_lat: float,
    depth_m: float,
) -> bool:
    """Whether the straight line (in degrees) between two places goes through a polygon, `depth_m` deep or more.

    It is asked of places that are not so deep themselves, the last of them outside. With a depth of 0 touching is enough. Of more than `MOST_MEETINGS` meetings with the border the rest is not looked at.
    """
    west, east, south, north = min(lon, to_lon), max(lon, to_lon), min(lat, to_lat), max(lat, to_lat)
    dx, dy = to_lon - lon, to_lat - lat
    meetings = np.empty(MOST_MEETINGS + 2)
    met = 0
    place = begin
    while place < end and met < MOST_MEETINGS:
        box = node[place]
        if box["west"] > east or box["east"] < west or box["south"] > north or box["north"] < south:
            place = box["skip"]
            continue
        place += 1
        if box["leaf"] == 0:
            continue
        for corner in range(box["first"], box["last"]):
            x, y = vertex[corner, 0] - lon, vertex[corner, 1] - lat
            along, up = vertex[corner + 1, 0] - vertex[corner, 0], vertex[corner + 1, 1] - vertex[corner, 1]
            turn = dx * up - dy * along
            if turn == 0:
                continue  # they run side by side; the edges before and after it are met
            at, on_edge = (x * up - y * along) / turn, (x * dy - y * dx) / turn
            if 0 <= at <= 1 and 0 <= on_edge <= 1 and met < MOST_MEETINGS:
                meetings[met] = at
                met += 1
    if met == 0 or depth_m <= 0:
        return met > 0
    # Both ends lie outside, or less deep than asked: between them and the next meeting it may go deeper.
    meetings[met], meetings[met + 1] = 0.0, 1.0
    meetings = np.sort(meetings[: met + 2])
    for each in range(met + 1):
        between = (meetings[each] + meetings[each + 1]) / 2
        there_lon, there_lat = lon + between * dx, lat + between * dy
        if beyond(vertex, node, begin, end, there_lon, there_lat, depth_m + 1.0) <= -depth_m:
            return True
    return False


@njit(cache=True, nogil=True)
def sides(  # noqa: C901 -- each box and edge is looked at once
    vertex: Any, node: Any, root: Any, zone: Any, lon: Any, lat: Any, side: Any
) -> None:
    """Say of k points on which side of k polygons each lies: IN, OUT, or UNSURE where rounding could decide.

    A point on a border is UNSURE, or IN. The bound of the rounding is Shewchuk's for the orientation of three points.
    """
    for row in range(len(zone)):
        x, y = lon[row], lat[row]
        odd = False
        sure = True
        place, end = root[zone[row]], root[zone[row] + 1]
        while place < end and sure:
            box = node[place]
            if y < box["south"] or y > box["north"] or x > box["east"]:
                place = box["skip"]
                continue
            if x < box["west"]:
                if (vertex[box["first"], 1] > y) != (vertex[box["last"], 1] > y):
                    odd = not odd
                place = box["skip"]
                continue
            place += 1
            if box["leaf"] == 0:
                continue
            for corner in range(box["first"], box["last"]):
                x1, y1, x2, y2 = (
                    vertex[corner, 0],
                    vertex[corner, 1],
                    vertex[corner + 1, 0],
                    vertex[corner + 1, 1],
                )
                if max(y1, y2) < y or min(y1, y2) > y or max(x1, x2) < x:
                    continue
                over = (y1 > y) != (y2 > y)
                if min(x1, x2) > x:
                    odd = odd != over
                    continue
                one, other = (x1 - x) * (y2 - y), (x2 - x) * (y1 - y)
                turn = one - other
                if abs(turn) <= ORIENTATION * (abs(one) + abs(other)):
                    sure = False
                    break
                # The edge meets the parallel east of the point where the point lies to its left, going up.
                if over and (turn > 0) == (y2 > y1):
                    odd = not odd
        side[row] = UNSURE if not sure else IN if odd else OUT
