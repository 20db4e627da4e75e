"""People on foot: how fast one walks in a crowd, how one is pushed off, who stands in an area."""

from __future__ import annotations

import numpy as np

from firmware_sim.worlds.world import Flags, Grid

# Weidmann 1993: nobody moves at so many people a square metre; the shape of the curve.
JAM_PER_M2, GAMMA = 5.4, 1.913
SLOWEST = 0.05


def within(at: Grid, area: Grid) -> Flags:
    """Which points (n, 2) lie in a convex area (k, 2), counter-clockwise; metres."""
    found: Flags = np.ones(len(at), dtype=bool)
    for a, b in zip(area, np.roll(area, -1, axis=0), strict=True):
        found &= (b[0] - a[0]) * (at[:, 1] - a[1]) - (b[1] - a[1]) * (at[:, 0] - a[0]) >= 0
    return found


def pace(density: Grid) -> Grid:
    """The share of their free speed at which people walk at a density, people a square metre."""
    share = 1 - np.exp(-GAMMA * (1 / np.maximum(density, 0.01) - 1 / JAM_PER_M2))
    return np.asarray(np.clip(share, SLOWEST, 1))


class Cells:
    """A square of so many metres about the origin in cells: how dense it is about each point, and which way is emptier."""

    def __init__(self, half_m: float, cell_m: float) -> None:
        self._half, self._cell = half_m, cell_m
        self._count = int(2 * half_m / cell_m)

    def density(self, at: Grid) -> tuple[Grid, Grid]:
        """People a square metre in each point's cell, and the fall of density across it towards its neighbours."""
        most = self._count - 2
        cell = np.floor((at + self._half) / self._cell).astype(int).clip(1, most)
        x, y = cell[:, 0], cell[:, 1]
        counted = np.bincount(x * self._count + y, minlength=self._count**2)
        grid = counted.reshape(self._count, self._count) / self._cell**2
        fall = np.stack([grid[x - 1, y] - grid[x + 1, y], grid[x, y - 1] - grid[x, y + 1]], axis=1)
        return grid[x, y], fall
