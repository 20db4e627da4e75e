"""Event order: tells readings that continue their series from those that must be asked of the table first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

LONG_AGO = np.iinfo(np.int64).min


class Newest:
    """The newest time of every slot that this process has seen or read from the table."""

    def __init__(self) -> None:
        self.times: NDArray[np.int64] = np.full(1, LONG_AGO, np.int64)

    def reach(self, slot: int) -> None:
        """Make room for slots up to `slot`."""
        if len(self.times) <= slot:
            room = max(slot + 1, 2 * len(self.times)) - len(self.times)
            self.times = np.pad(self.times, (0, room), constant_values=LONG_AGO)

    def take_up(self, saved: NDArray[np.int64]) -> None:
        """Begin where a checkpoint ended."""
        self.reach(len(saved))
        self.times[: len(saved)] = saved

    def go_back(self, series: NDArray[np.int32], before: int) -> None:
        """What was noted of these series lies ahead of now: from `before` on, what comes is newer again."""
        self.times[series] = np.minimum(self.times[series], before)

    def advance(self, series: NDArray[np.int32], time: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Mark the rows that are newer than everything before them in their series, and remember them.

        The others are late, or seen before: only the table can tell.
        """
        newer = np.empty(len(series), np.bool_)
        _advance(series, time, self.times, newer)
        return newer


@njit(cache=True, nogil=True)
def _advance(series: Any, time: Any, newest: Any, newer: Any) -> None:
    for row in range(len(series)):
        slot = series[row]
        newer[row] = time[row] > newest[slot]
        if newer[row]:
            newest[slot] = time[row]
