"""Quality flags: IOOS QARTOD gross range and rate of change, written into the rows in place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge.reading import FAIL, MISSING, PASS, SUSPECT, Rows

LIMITS = np.dtype(
    [
        ("fail_low", "f8"),
        ("fail_high", "f8"),
        ("suspect_low", "f8"),
        ("suspect_high", "f8"),
        ("per_us", "f8"),
        ("any", "?"),
    ]
)
"""By slot: bounds (NaN: none), greatest change per microsecond (NaN: unchecked), whether any check is set."""

STATE = np.dtype([("time", "i8"), ("value", "f8")])
"""By slot: the last reading that was not failed or missing (time 0: none yet)."""


class Quality:
    """The checks of every slot and what they remember."""

    def __init__(self) -> None:
        self.limits: NDArray[Any] = np.zeros(1, LIMITS)
        self.state: NDArray[Any] = np.zeros(1, STATE)

    def configure(self, slot: int, checks: dict[str, Any]) -> None:
        """Set the checks of a slot, in the form in which a profile writes them."""
        self._reach(slot)
        bounds = checks.get("gross_range") or {}
        fail = bounds.get("fail") or (np.nan, np.nan)
        suspect = bounds.get("suspect") or fail
        per_s = (checks.get("rate_of_change") or {}).get("per_s", np.nan)
        self.limits[slot] = (*fail, *suspect, per_s / 1e6, bool(bounds) or not np.isnan(per_s))

    def take_up(self, saved: NDArray[Any]) -> None:
        """Begin where a checkpoint ended; one of another layout is not taken."""
        if saved.dtype == STATE:
            self._reach(len(saved))
            self.state[: len(saved)] = saved

    def _reach(self, slot: int) -> None:
        if len(self.limits) <= slot:
            room = max(slot + 1, 2 * len(self.limits))
            self.limits, self.state = _grown(self.limits, room), _grown(self.state, room)

    def mark(self, rows: Rows, newer: NDArray[np.bool_]) -> None:
        """Write a flag into every row; rows that are not newer than their series are held against bounds only."""
        _mark(rows["series"], rows["time"], rows["value"], rows["flag"], newer, self.limits, self.state)


def _grown(array: NDArray[Any], room: int) -> NDArray[Any]:
    wider = np.zeros(room, array.dtype)
    wider[: len(array)] = array
    return wider


@njit(cache=True, nogil=True)
def _mark(series: Any, time: Any, value: Any, flag: Any, newer: Any, limits: Any, state: Any) -> None:
    for row in range(len(series)):
        if flag[row] == MISSING:
            continue
        limit, last, now = limits[series[row]], state[series[row]], value[row]
        if now < limit["fail_low"] or now > limit["fail_high"]:
            flag[row] = FAIL
            continue
        found = PASS
        if now < limit["suspect_low"] or now > limit["suspect_high"]:
            found = SUSPECT
        if newer[row]:
            if last["time"] != 0 and abs(now - last["value"]) > limit["per_us"] * (time[row] - last["time"]):
                found = SUSPECT
            last["time"] = time[row]
            last["value"] = now
        if limit["any"]:
            flag[row] = found
