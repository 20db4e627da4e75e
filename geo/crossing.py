"""Who comes and goes: columns of fixes against all zones at once, answered with events.

    crossings = Crossings(polygons, Fence(exit_m=20, enter_s=5, exit_s=10, dwell_s=600))
    events, outcome = crossings.feed(track, time, lon, lat, accuracy)

The answer is the same whether fixes come one by one or in batches. What is remembered is `geo.standing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import shapely
from numba import njit
from numpy.typing import ArrayLike, NDArray
from shapely import MultiPolygon, Polygon

from geo.area import areas_m2
from geo.fence import EVENT, FENCE, KINDS, Fence, judge
from geo.outline import Outlines, beyond, passes
from geo.plane import around, metres_per_degree
from geo.reach import Near, Reach
from geo.standing import Standing
from geo.track import BELIEVED, UNKNOWN, Motion, Steps, follow

SLACK_M = 1.0
"""Candidates are looked for a little further than evidence reaches, so that no rounding hides one."""


class Told(NamedTuple):
    """What n fixes have brought."""

    events: NDArray[
        Any
    ]  # EVENT (k,), in the order of the fixes; of one fix in the order of KINDS, then by zone
    outcome: NDArray[np.uint8]  # (n,) of geo.track: believed, or why not


class Crossings:
    """Tracks against n zones. A border belongs to its zone; the rim of a hole, too."""

    def __init__(
        self,
        polygons: Sequence[Polygon | MultiPolygon],
        fences: Fence | Sequence[Fence],
        motion: Motion | None = None,
        keys: ArrayLike | None = None,
        areas: ArrayLike | None = None,
    ) -> None:
        """Take zones in WGS 84 degrees, longitude first.

        Args:
            polygons: n valid polygons; one over the antimeridian is cut there into a MultiPolygon.
            fences: what is asked of each, or of all.
            motion: what tracks may do.
            keys: int64 (n,), the zones' names in what is saved; default: their places.
            areas: float64 (n,), m2, where somebody knows them already.
        """
        self.motion = motion or Motion()
        asked = [fences] * len(polygons) if isinstance(fences, Fence) else list(fences)
        if len(asked) != len(polygons):
            raise ValueError(f"{len(asked)} fences for {len(polygons)} zones")
        self._fences = _table(asked, polygons, areas_m2(polygons) if areas is None else np.asarray(areas))
        self._outlines = Outlines(polygons)
        self._reach = Reach(polygons, self._fences["exit_m"] + SLACK_M)
        self.standing = Standing(np.arange(len(polygons)) if keys is None else np.asarray(keys, np.int64))

    def feed(
        self, track: ArrayLike, time: ArrayLike, lon: ArrayLike, lat: ArrayLike, accuracy: ArrayLike
    ) -> Told:
        """Take n fixes in the order of their arrival.

        Args:
            track: int32 (n,), dense slots from 0 on.
            time: int64 (n,), us UTC, of the fixes themselves.
            lon: float64 (n,), degrees east.
            lat: float64 (n,), degrees north.
            accuracy: float64 (n,) or one, metres; NaN where the source says nothing.

        Raises:
            ValueError: the columns differ in length, or a slot is below 0.
        """
        track = np.ascontiguousarray(track, np.int32)
        time = np.ascontiguousarray(time, np.int64)
        lon, lat = np.ascontiguousarray(lon, np.float64), np.ascontiguousarray(lat, np.float64)
        radius = np.ascontiguousarray(np.broadcast_to(np.asarray(accuracy, np.float64), track.shape))
        if not (track.ndim == 1 and track.shape == time.shape == lon.shape == lat.shape):
            raise ValueError(
                f"the columns of fixes differ: {track.shape}, {time.shape}, {lon.shape}, {lat.shape}"
            )
        if len(track) == 0:
            return Told(np.zeros(0, EVENT), np.zeros(0, np.uint8))
        if track.min() < 0:
            raise ValueError(f"{track.min()} is no slot of a track")
        self.standing.hold(int(track.max()) + 1)
        steps = follow(self.standing.tracks, track, time, lon, lat, radius, self.motion)
        near = self._near(steps, lon, lat)
        beyond_m, passed = np.empty(len(near.row)), np.zeros(len(near.row), np.bool_)
        found = _measure(
            near, lon, lat, steps, self._fences,
            self._outlines.vertex, self._outlines.node, self._outlines.root, beyond_m, passed,
        )  # fmt: skip
        start = np.searchsorted(near.row[:found], np.arange(len(track) + 1))
        self.standing.make_room(found)
        events, count = judge(
            track, time, steps, start, near.zone, beyond_m, passed,
            self.standing.tracks, self.standing.pairs, self.standing.free, self._fences, np.empty(max(64, 2 * found), EVENT),
        )  # fmt: skip
        return Told(events[:count], steps.outcome)

    def _near(self, steps: Steps, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> Near:
        """The zones around each fix and around the way to it."""
        rows = np.flatnonzero(steps.outcome == BELIEVED)
        lon, lat, from_lon, from_lat = lon[rows], lat[rows], steps.lon[rows], steps.lat[rows]
        aside, above = around(lon, np.maximum(np.abs(lat), np.abs(from_lat)), steps.accuracy[rows])
        near = self._reach.find(
            np.minimum(lon, from_lon) - aside,
            np.minimum(lat, from_lat) - above,
            np.maximum(lon, from_lon) + aside,
            np.maximum(lat, from_lat) + above,
        )
        return near._replace(row=rows[near.row].astype(np.int32))


def _table(
    fences: Sequence[Fence], polygons: Sequence[Polygon | MultiPolygon], areas: NDArray[Any]
) -> NDArray[Any]:
    table = np.zeros(len(fences), FENCE)
    table["exit_m"] = [fence.exit_m for fence in fences]
    table["enter_us"] = [round(fence.enter_s * 1e6) for fence in fences]
    table["exit_us"] = [round(fence.exit_s * 1e6) for fence in fences]
    table["dwell_us"] = [round((fence.dwell_s or 0) * 1e6) for fence in fences]
    bits = {
        tells: sum(1 << KINDS.index(kind) for kind in tells) for tells in {fence.tells for fence in fences}
    }
    table["tells"] = [bits[fence.tells] for fence in fences]
    # Somewhere every area is as deep as its size by the length of its border, or deeper.
    table["room_m"] = areas / np.maximum(_borders_m(polygons), 1e-9)
    return table


def _borders_m(polygons: Sequence[Polygon | MultiPolygon]) -> NDArray[np.float64]:
    parts, owner = shapely.get_parts(np.asarray(polygons, dtype=object), return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    position, ring = shapely.get_coordinates(rings, return_index=True)
    east, north = metres_per_degree((position[1:, 1] + position[:-1, 1]) / 2)
    step = np.diff(position, axis=0)
    length = np.where(ring[1:] == ring[:-1], np.hypot(step[:, 0] * east, step[:, 1] * north), 0)
    return np.bincount(owner[part][ring[1:]], length, len(polygons)).astype(np.float64)


@njit(cache=True, nogil=True)
def _measure(  # noqa: PLR0917 -- a kernel takes its columns one by one
    near: Any, lon: Any, lat: Any, steps: Any, fences: Any,
    vertex: Any, node: Any, root: Any, beyond_m: Any, passed: Any,
) -> int:  # fmt: skip
    """Put the candidates that matter to the front, with their distance and if the way led through; returns how many."""
    found = 0
    for place in range(len(near.row)):
        row, zone, shift = near.row[place], near.zone[place], near.shift[place]
        fence = fences[zone]
        begin, end = root[zone], root[zone + 1]
        limit = fence["exit_m"] + steps.accuracy[row] + SLACK_M
        metres = beyond(vertex, node, begin, end, lon[row] + shift, lat[row], limit)
        through = False
        if metres > 0 and steps.took[row] != UNKNOWN:
            depth = min(max(steps.accuracy[row], steps.before[row]), fence["room_m"])
            through = passes(
                vertex, node, begin, end,
                steps.lon[row] + shift, steps.lat[row], lon[row] + shift, lat[row], depth,
            )  # fmt: skip
        if metres >= limit and not through:
            continue
        if found > 0 and near.row[found - 1] == row and near.zone[found - 1] == zone:
            # The same zone on the other side of the antimeridian: inside of either, as near as the nearer.
            inside = metres < 0 or beyond_m[found - 1] < 0
            nearer = min(abs(metres), abs(beyond_m[found - 1]))
            beyond_m[found - 1] = -nearer if inside else nearer
            passed[found - 1] = passed[found - 1] or through
            continue
        near.row[found], near.zone[found] = row, zone
        beyond_m[found], passed[found] = metres, through
        found += 1
    return found
