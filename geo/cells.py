"""A grid over polygons that answers most points without touching a geometry.

Each cell knows the polygons that contain it wholly (a point there is inside, no question asked) and those
whose boundary passes through it (the point must be held against the polygon itself). A crowded cell has a grid of its own
inside: a city's zones lie in one cell of a country's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray

# 2,000 Voronoi polygons of 100 vertices, one core: 16 cells a polygon locate 0.8 M points/s, 64 1.5 M, 128
# 1.9 M at twice the time to build (0.6 s); shapely's tree with a predicate 0.4 M.
CELLS_PER_POLYGON = 64
MIN_CELLS = 1024
MAX_CELLS = 1 << 18
# Wide zones laid over each other share many cells; the grid is made coarser until it stays within this.
MAX_ENTRIES = 1 << 21
# Boxes that are held against polygons at once: 50 MB.
PORTION = 1 << 17
# A cell with more boundaries than this is left to a grid of its own, or to the caller's tree, which looks at boxes first.
CROWDED = 16
# Grids within grids: so many, the most crowded first, and so deep. They pay where polygons are small beside the cell. All
# those within one grid have half of its entries, each by how crowded it is: where a hundred zones share one border, every cell
# along it is as crowded as the whole, and grids without such a bound would be without end.
MOST_NESTED = 32
DEPTH = 3
LEAST_FOR_EACH = 8
"""Entries for each polygon of a nested grid; one with fewer tells nothing apart."""


class Found(NamedTuple):
    """What the grid can say about m points: k candidate pairs and the points it leaves to a tree."""

    point: NDArray[np.intp]  # (k,) ascending
    zone: NDArray[np.intp]  # (k,) ascending within a point
    certain: NDArray[np.bool_]  # (k,) inside without doubt; the others must be asked
    crowded: NDArray[np.intp]  # points in crowded cells, in no pair


def _copied(polygons: NDArray[np.object_]) -> NDArray[np.object_]:
    """Copies, prepared: what a polygon keeps once it was held against a box is eight times its own size, and goes with them."""
    copies: NDArray[np.object_] = shapely.from_wkb(shapely.to_wkb(polygons))
    shapely.prepare(copies)
    return copies


class _Bounded(NamedTuple):
    """The cells of the bounds of n polygons."""

    first: NDArray[np.intp]  # (n, 2) column and row
    wide: NDArray[np.intp]  # (n,) how many
    tall: NDArray[np.intp]
    end: NDArray[np.intp]  # (n,) how many entries there are up to it


class Cells:
    """The grid over n polygons, or over some of them within a box; an empty polygon is in no cell."""

    def __init__(
        self,
        polygons: NDArray[np.object_],
        some: NDArray[np.intp] | None = None,
        within: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
        depth: int = 0,
        most: int = MAX_ENTRIES,
    ) -> None:
        bounds = shapely.bounds(polygons).reshape(-1, 4)
        filled = np.flatnonzero(np.isfinite(bounds).all(axis=1)) if some is None else some
        bounds = bounds[filled]
        if within is not None:
            bounds = np.hstack((np.maximum(bounds[:, :2], within[0]), np.minimum(bounds[:, 2:], within[1])))
        self._columns = self._rows = 1
        self._low = np.full(2, np.inf)
        self._high = np.full(2, -np.inf)
        self._size = np.ones(2)
        if len(filled):
            self._low, self._high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
        side = int(np.clip(CELLS_PER_POLYGON * len(filled), MIN_CELLS, MAX_CELLS) ** 0.5)
        while True:
            self._columns = self._rows = side
            if len(filled):
                self._size = np.maximum((self._high - self._low) / side, 1e-12)
            first, last = self._cell(bounds[:, :2]), self._cell(bounds[:, 2:])
            wide, tall = (last - first + 1).T
            if side == 1 or (wide * tall).sum() <= most:
                break
            side //= 2
        # A hair wider than the cell: a point that rounding puts into the neighbour is still answered rightly.
        hair = np.maximum(self._size * 1e-6, 1e-11)
        bounded = _Bounded(first, wide, tall, np.cumsum(wide * tall))
        drawn = polygons[filled]
        portions = [
            self._entries(drawn, bounded, begin, hair, copy=depth == 0)
            for begin in range(0, max(int((wide * tall).sum()), 1), PORTION)
        ]
        owner, cell, certain = (np.concatenate(column) for column in zip(*portions, strict=True))
        order = np.lexsort((owner, cell))
        self._zone, self._certain = filled[owner][order], certain[order]
        cells = self._rows * self._columns
        self._count = np.bincount(cell, minlength=cells)
        self._start = np.cumsum(self._count) - self._count
        boundaries = np.bincount(cell[~certain], minlength=cells)
        self._crowded = boundaries > CROWDED
        self._nested: dict[int, Cells] = {}
        if depth < DEPTH:
            self._nest(polygons, boundaries, hair, depth, most)

    def _entries(
        self,
        polygons: NDArray[np.object_],
        bounded: _Bounded,
        begin: int,
        hair: NDArray[np.float64],
        *,
        copy: bool,
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
        """A portion of the pairs of a polygon and a cell of its bounds: of those that touch, both, and whether it holds it all."""
        # One entry per polygon and cell of its bounds, row by row.
        nth = np.arange(begin, min(begin + PORTION, int(bounded.end[-1]) if len(polygons) else 0))
        owner = np.searchsorted(bounded.end, nth, side="right")
        wide = bounded.wide[owner]
        nth -= bounded.end[owner] - wide * bounded.tall[owner]
        column, row = bounded.first[owner, 0] + nth % wide, bounded.first[owner, 1] + nth // wide
        west, south = self._low[:, None] + np.vstack((column, row)) * self._size[:, None] - hair[:, None]
        east, north = np.vstack((west, south)) + (self._size + 2 * hair)[:, None]
        box = shapely.box(west, south, east, north)
        if copy and len(owner):
            drawn = _copied(polygons[owner[0] : owner[-1] + 1])[owner - owner[0]]
        else:
            drawn = polygons[owner]
        touched = shapely.intersects(drawn, box)
        certain = shapely.contains_properly(drawn[touched], box[touched])
        return owner[touched], (row * self._columns + column)[touched], certain

    def _nest(
        self,
        polygons: NDArray[np.object_],
        boundaries: NDArray[np.intp],
        hair: NDArray[np.float64],
        depth: int,
        most: int,
    ) -> None:
        """Give the most crowded cells grids of their own."""
        worst = np.argsort(-boundaries, kind="stable")[:MOST_NESTED]
        worst = worst[boundaries[worst] > 4 * CROWDED]
        shares = boundaries[worst] * (most // 2) // max(int(boundaries[worst].sum()), 1)
        nested = [
            (place, share, self._zone[self._start[place] : self._start[place] + self._count[place]])
            for place, share in zip(worst.tolist(), shares.tolist(), strict=True)
            if share >= LEAST_FOR_EACH * self._count[place]
        ]
        if depth == 0 and nested:
            # Once for all grids within, which ask the same ones again and again.
            inner = np.unique(np.concatenate([here for _, _, here in nested]))
            polygons = polygons.copy()
            polygons[inner] = _copied(polygons[inner])
        for place, share, here in nested:
            corner = self._low + np.array((place % self._columns, place // self._columns)) * self._size
            box_of = (corner - hair, corner + self._size + hair)
            self._nested[place] = Cells(polygons, here, box_of, depth + 1, share)

    def find(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> Found:
        """Look m points up; float64 (m,) degrees each, NaN and infinity are in no cell."""
        (west, south), (east, north) = self._low, self._high
        known = np.flatnonzero((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))
        place = self._cell(np.column_stack((lon[known], lat[known])))
        cell = place[:, 1] * self._columns + place[:, 0]
        crowded = self._crowded[cell]
        count = np.where(crowded, 0, self._count[cell])
        first = self._start[cell] - (np.cumsum(count) - count)
        entry = np.repeat(first, count) + np.arange(count.sum())
        found = Found(np.repeat(known, count), self._zone[entry], self._certain[entry], known[crowded])
        return self._deeper(found, cell[crowded], lon, lat) if self._nested else found

    def _deeper(
        self, found: Found, cell: NDArray[np.intp], lon: NDArray[np.float64], lat: NDArray[np.float64]
    ) -> Found:
        """The same with crowded points looked up in the grids within their cells; `cell` is theirs."""
        every, left = [found], np.ones(len(cell), np.bool_)
        for place in np.intersect1d(cell, list(self._nested)).tolist():
            mine = cell == place
            left &= ~mine
            point = found.crowded[mine]
            more = self._nested[place].find(lon[point], lat[point])
            every.append(more._replace(point=point[more.point], crowded=point[more.crowded]))
        point, zone, certain = (np.concatenate([each[column] for each in every]) for column in range(3))
        crowded = [found.crowded[left], *(each.crowded for each in every[1:])]
        # A point comes out of one grid, its zones in order: runs to be merged, no more.
        order = np.argsort(point, kind="stable")
        return Found(point[order], zone[order], certain[order], np.sort(np.concatenate(crowded)))

    def _cell(self, position: NDArray[np.float64]) -> NDArray[np.intp]:
        """Column and row (m, 2) of positions (m, 2) within the grid; its far edges belong to the last cell."""
        place: NDArray[np.intp] = ((position - self._low) / self._size).astype(np.intp)
        np.minimum(place, (self._columns - 1, self._rows - 1), out=place)
        return place
