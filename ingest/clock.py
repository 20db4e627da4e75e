"""Clock offsets: how far ahead of ours each device's clock is, from the least delayed of its readings."""

from __future__ import annotations

import time

import numpy as np
import psycopg
from numpy.typing import NDArray

from ingest.batch import CALENDAR_FROM_US, CALENDAR_TO_US

WINDOW_S = 600.0
UNKNOWN = np.iinfo(np.int64).min


class Clocks:
    """A reading's own time minus its arrival is the offset minus the delay: the greatest of a while is the offset.

    Two windows take turns, so that an estimate never rests on less than one window and follows a clock that was set.
    """

    def __init__(self) -> None:
        self._now: NDArray[np.int64] = np.full(1, UNKNOWN, np.int64)
        self._before = self._now.copy()
        self._turn = time.monotonic()
        self._written: dict[int, float] = {}

    def observe(self, device: NDArray[np.int32], at: NDArray[np.int64], arrived: NDArray[np.int64]) -> None:
        """Take in readings: the device of each, its own time and its arrival, in microseconds."""
        top = int(device.max())
        if top >= len(self._now):
            room = max(top + 1, 2 * len(self._now)) - len(self._now)
            self._now = np.pad(self._now, (0, room), constant_values=UNKNOWN)
            self._before = np.pad(self._before, (0, room), constant_values=UNKNOWN)
        np.maximum.at(self._now, device, np.clip(at, CALENDAR_FROM_US, CALENDAR_TO_US) - arrived)

    def write(self, connection: psycopg.Connection, recorded: set[int]) -> int:
        """Write the estimates that have changed by more than a tenth of a second; returns how many."""
        best = np.maximum(self._now, self._before)
        known = np.flatnonzero(best != UNKNOWN)
        changed = {
            device: offset
            for device, offset in zip(known.tolist(), (best[known] / 1e6).round(1).tolist(), strict=True)
            if device not in recorded and self._written.get(device) != offset
        }
        if changed:
            connection.execute(
                """update device set clock_offset_s = estimate.offset_s
                   from unnest(%s::int[], %s::float8[]) as estimate (id, offset_s) where device.id = estimate.id""",
                (list(changed), list(changed.values())),
            )
            self._written |= changed
        if time.monotonic() - self._turn > WINDOW_S:
            self._turn = time.monotonic()
            self._before, self._now = self._now, np.full_like(self._now, UNKNOWN)
        return len(changed)
