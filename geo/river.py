"""What lies downstream: a walk along a network of river lines, as far as a distance or a travel time reaches."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely
from shapely import LineString, MultiLineString

from geo.plane import metres_per_degree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Column = NDArray[np.float64]

# What a survey drew this near to each other is one confluence: the sixth decimal of a degree, a tenth of a metre.
JOIN_DEG = 1e-6
JOIN_M = 0.2


class RiverError(ValueError):
    """A network or a place that cannot be used; `hint` says what to do."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


class Reach(NamedTuple):
    """What water from one place reaches; k pieces of lines, in the order in which it does."""

    line: NDArray[np.int64]  # (k,) index of the river line
    begins: Column  # (k,) metres or seconds from the place to where the piece begins
    ends: Column  # (k,) to where it ends
    course: MultiLineString  # the pieces, degrees, drawn downstream
    snapped_m: float  # from the place to the river


class Rivers:
    """A network of n lines in degrees, each drawn in the direction in which it flows.

    A line flows into every line that its lower end touches, and into those that begin on it: tributaries, mouths and
    forks need not be cut out of the line that they meet. Lines that only cross do not meet (culverts, aqueducts). Where
    a river parts, water goes both ways; a ring of lines is walked once.
    """

    def __init__(self, lines: Sequence[LineString], speed_m_s: Column | None = None) -> None:
        """Join the lines at their ends.

        Args:
            lines: each with two positions or more.
            speed_m_s: float64 (n,), how fast a wave or a slick travels on each; None where only metres are asked.

        Raises:
            RiverError: a line is empty or has no length, or a speed is not above zero.
        """
        self._lines = np.asarray(lines, dtype=object)
        drawn = [shapely.get_coordinates(each) for each in lines]
        self._along = [_along_m(each) for each in drawn]
        self._drawn = drawn
        self._length = np.array([each[-1] if len(each) else 0.0 for each in self._along])
        if len(lines) == 0 or not (np.isfinite(self._length) & (self._length > 0)).all():
            wrong = int(np.argmin(np.isfinite(self._length) & (self._length > 0))) if len(lines) else 0
            raise RiverError(
                f"river line {wrong} has no length", "Draw it from its upper end to its lower end."
            )
        self._speed = None if speed_m_s is None else np.asarray(speed_m_s, np.float64)
        if self._speed is not None and (
            self._speed.shape != self._length.shape
            or not (np.isfinite(self._speed) & (self._speed > 0)).all()
        ):
            raise RiverError("a river's speed is not above zero", "Give metres a second for each line.")
        self._tree = shapely.STRtree(self._lines)
        self._cuts = [{0.0, float(each)} for each in self._length]
        self._onward: dict[tuple[int, float], list[tuple[int, float]]] = {}
        self._join()

    def downstream(self, lon: float, lat: float, metres: float, snap_m: float = 200.0) -> Reach:
        """What lies within some metres of water downstream of a place.

        Args:
            lon: degrees east of the incident.
            lat: degrees north of it.
            metres: above 0.
            snap_m: how far from a river it may be.

        Raises:
            RiverError: no river is that near, or the distance is not above zero.
        """
        return self._walk(lon, lat, metres, snap_m, np.ones(len(self._length)))

    def within(self, lon: float, lat: float, seconds: float, snap_m: float = 200.0) -> Reach:
        """What water from a place reaches within some seconds; as `downstream`, with the speeds of the lines.

        Raises:
            RiverError: as `downstream`, or no speeds were given.
        """
        if self._speed is None:
            raise RiverError("the rivers have no speeds", "Give metres a second for each line.")
        return self._walk(lon, lat, seconds, snap_m, self._speed)

    def _walk(self, lon: float, lat: float, most: float, snap_m: float, speed: Column) -> Reach:
        if not most > 0 or not np.isfinite([lon, lat, most]).all():
            raise RiverError(
                "the place or the distance is no number above zero", "Give degrees, and metres or seconds."
            )
        first, at, away = self._snapped(lon, lat, snap_m)
        # When the water enters a line and how far along it; the earliest comes first, so that each is entered once.
        waiting = [(0.0, first, at)]
        entered: set[tuple[int, float]] = set()
        pieces: list[tuple[int, float, float, LineString]] = []
        while waiting:
            begin, line, enters = heapq.heappop(waiting)
            if (line, enters) in entered:
                continue
            entered.add((line, enters))
            stop = min((cut for cut in self._cuts[line] if cut > enters), default=enters)
            # A ring leads back to the line of the place: only what lies above the place is new.
            back = line == first and enters < at < stop
            leaves = min(enters + (most - begin) * float(speed[line]), at if back else stop)
            end = begin + (leaves - enters) / float(speed[line])
            if leaves > enters:
                pieces.append((line, begin, end, self._cut(line, enters, leaves)))
            if leaves == stop and end < most:
                for onward, along in self._onward.get((line, stop), []):
                    heapq.heappush(waiting, (end, onward, along))
        return Reach(
            np.array([piece[0] for piece in pieces], np.int64),
            np.array([piece[1] for piece in pieces], np.float64),
            np.array([piece[2] for piece in pieces], np.float64),
            MultiLineString([piece[3] for piece in pieces]),
            away,
        )

    def _join(self) -> None:
        """Find where each line's ends touch other lines: what flows on there, and where it must be cut."""
        meets: list[tuple[tuple[int, float], tuple[int, float]]] = []
        for lower, end in ((True, -1), (False, 0)):
            ends = shapely.points([each[end] for each in self._drawn])
            touching, other = self._tree.query(ends, predicate="dwithin", distance=JOIN_DEG)
            for line, met in zip(touching.tolist(), other.tolist(), strict=True):
                along = self._located(met, *self._drawn[line][end].tolist())[0]
                if lower and along < self._length[met]:
                    meets.append(((line, float(self._length[line])), (met, along)))
                elif not lower and 0 < along < self._length[met]:
                    meets.append(((met, along), (line, 0.0)))
        for (line, stop), (onward, along) in meets:
            self._cuts[line].add(stop)
            self._cuts[onward].add(along)
            self._onward.setdefault((line, stop), []).append((onward, along))
        for line, cuts in enumerate(self._cuts):
            for cut in cuts - {0.0, float(self._length[line])}:
                self._onward.setdefault((line, cut), []).append((line, cut))

    def _located(self, line: int, lon: float, lat: float) -> tuple[float, float]:
        """How far along a line the point nearest to a place is, its ends rounded to; and how far away; metres."""
        plane = LineString((self._drawn[line] - (lon, lat)) * metres_per_degree(lat))
        here = shapely.Point(0, 0)
        whole = float(self._length[line])
        along = float(shapely.line_locate_point(plane, here, normalized=True)) * whole
        along = 0.0 if along < JOIN_M else whole if along > whole - JOIN_M else along
        return along, float(shapely.distance(plane, here))

    def _snapped(self, lon: float, lat: float, snap_m: float) -> tuple[int, float, float]:
        """The nearest line, how far along it, and how far away the place is, metres."""
        aside = snap_m / min(metres_per_degree(lat))
        near = self._tree.query(shapely.box(lon - aside, lat - aside, lon + aside, lat + aside))
        best: tuple[float, int, float] = (np.inf, -1, 0.0)
        for line in np.sort(near).tolist():
            along, away = self._located(line, lon, lat)
            if away < best[0]:
                best = (away, line, along)
        if best[0] > snap_m:
            raise RiverError(
                f"no river lies within {snap_m:g} m of {lon:.6f}, {lat:.6f}", "Allow more, or draw it."
            )
        return best[1], best[2], best[0]

    def _cut(self, line: int, enters: float, leaves: float) -> LineString:
        along, drawn = self._along[line], self._drawn[line]
        between = drawn[(along > enters) & (along < leaves)]
        ends = [[np.interp(each, along, drawn[:, axis]) for axis in (0, 1)] for each in (enters, leaves)]
        return LineString(np.vstack((ends[0], between, ends[1])))


def _along_m(drawn: NDArray[np.float64]) -> Column:
    """Metres from the first position of a line to each; every edge by the degree at its middle latitude."""
    if len(drawn) < 2:  # noqa: PLR2004 - a line has two ends
        return np.zeros(0)
    step = np.diff(drawn, axis=0)
    east, north = metres_per_degree((drawn[1:, 1] + drawn[:-1, 1]) / 2)
    return np.concatenate(([0.0], np.cumsum(np.hypot(step[:, 0] * east, step[:, 1] * north))))
