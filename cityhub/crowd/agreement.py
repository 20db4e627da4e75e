"""Whether cameras and doors tell of one crowd: how far apart the two have been at their nearest, over the last minute."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]

LATELY_S = 60.0
"""A camera's count fades, a door's comes at the end of its interval: while people stream in, one runs behind the other."""


class Agreement:
    """The two numbers of z zones at the moments of late."""

    def __init__(self, zones: int) -> None:
        self.interval_s: Column = np.zeros(zones)
        """The longest interval of what counts each zone: so much longer one may run behind the other."""
        self._moments: deque[tuple[int, Column, Column]] = deque()

    def gap(self, at_us: int, cameras: Column, doors: Column) -> Column:
        """Persons (z,) by which the two are apart at their nearest of late; NaN where only one of them knows.

        Args:
            at_us: the moment.
            cameras: persons (z,); NaN: not known.
            doors: the same.
        """
        self._moments.append((at_us, cameras.copy(), doors.copy()))
        ages = at_us - np.array([moment for moment, _, _ in self._moments])
        while ages[0] > 1e6 * (LATELY_S + self.interval_s.max(initial=0.0)):
            self._moments.popleft()
            ages = ages[1:]
        recent = ages[:, None] <= 1e6 * (LATELY_S + self.interval_s)
        low, high = [], []
        for column in (1, 2):
            told = np.array([moment[column] for moment in self._moments])
            told = np.where(recent & np.isfinite(told), told, np.nan)
            low.append(np.fmin.reduce(told))
            high.append(np.fmax.reduce(told))
        gap = np.maximum(np.maximum(low[0] - high[1], low[1] - high[0]), 0.0)
        return np.where(np.isfinite(cameras) & np.isfinite(doors), gap, np.nan)
