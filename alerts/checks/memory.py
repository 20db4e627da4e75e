"""Memory: what the quality checks remember of every series, one cache line each; more only for those that need it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerts.checks.company import PAIR, Neighbour
from alerts.checks.flat import STAIRS
from alerts.checks.spread import NEVER, SPREAD, width_of

LINE = 64

STATE = np.dtype(
    [
        ("heard", "i8"),  # time of the newest row, whatever was in it; NEVER: none yet
        ("time", "i8"),  # of the newest value that did not fail for its size
        ("value", "f8"),
        ("before_time", "i8"),  # of the one before it
        ("before", "f8"),
        ("since", "i8"),  # first reading of the run within the flat line's tolerance
        ("steps", "i8", 2),  # of its stairs
    ]
)
"""By slot: 64 bytes. At a million series the kernel waits for memory: this is what every reading touches."""

PLACE = np.dtype([("limits", "i4"), ("stairs", "i4"), ("ring", "i4"), ("pair", "i4"), ("other", "i4")])
"""By slot: where its limits and what else is kept of it are; 0: nowhere. `other`: the metric that decides its range."""


class Memory:
    """The arrays of the kernel; `saved` is what a restart needs of them."""

    def __init__(self) -> None:
        self.state: NDArray[Any] = _fresh(STATE, 1)
        self.places: NDArray[Any] = _fresh(PLACE, 1)
        self.stairs: NDArray[Any] = _fresh(STAIRS, 1)
        self.rings: NDArray[Any] = _fresh(SPREAD, 1)
        self.pairs: NDArray[Any] = _fresh(PAIR, 1)
        self._pair_of: dict[int, int] = {}
        self._used = {"stairs": 1, "rings": 1, "pairs": 1}

    def reach(self, slot: int) -> None:
        """Make room for a slot."""
        if len(self.state) <= slot:
            room = max(slot + 1, 2 * len(self.state))
            self.state, self.places = _grown(self.state, room), _grown(self.places, room)

    def take_stairs(self, slots: NDArray[Any], tolerance: float) -> None:
        """Give slots stairs."""
        rows = self._take("stairs", len(slots))
        self.stairs["series"][rows], self.stairs["tolerance"][rows] = slots, tolerance
        self.places["stairs"][slots] = rows

    def take_rings(self, slots: NDArray[Any], of: NDArray[Any], over: int) -> NDArray[Any]:
        """Rings for slots, of the readings of other slots or their own, over some microseconds."""
        rows = self._take("rings", len(slots))
        self.rings["series"][rows], self.rings["of"][rows], self.rings["width"][rows] = (
            slots,
            of,
            width_of(over),
        )
        return rows

    def part(self) -> None:
        """Forget who is whose neighbour, but not what is remembered of each pair."""
        self.places["pair"] = 0

    def pair(self, slot: int, other: int, neighbour: Neighbour) -> None:
        """Put a slot beside its neighbour."""
        self.reach(max(slot, other))
        if slot not in self._pair_of:
            self._pair_of[slot] = int(self._take("pairs", 1)[0])
        row = self.places["pair"][slot] = self._pair_of[slot]
        pair, lag = self.pairs[row], round(neighbour.lag_s * 1e6)
        ring = self.rings[pair["ring"]]
        if lag == 0:
            pair["ring"] = 0
        elif (ring["of"], ring["width"]) != (other, width_of(lag)):
            pair["ring"] = self.take_rings(np.array([slot]), np.array([other]), lag)[0]
        pair["other"], pair["offset"] = other, neighbour.offset
        pair["tolerance"], pair["max_age"] = neighbour.tolerance, round(neighbour.max_age_s * 1e6)

    def _take(self, kind: str, count: int) -> NDArray[np.intp]:
        """The next free rows of stairs, rings or pairs; row 0 is nobody's."""
        first, array = self._used[kind], getattr(self, kind)
        if first + count > len(array):
            setattr(self, kind, _grown(array, max(first + count, 2 * len(array))))
        self._used[kind] += count
        return np.arange(first, first + count)

    def saved(self) -> dict[str, NDArray[Any]]:
        """What is remembered, as arrays by name."""
        return {
            "quality": self.state,
            "quality-stairs": self.stairs[: self._used["stairs"]],
            "quality-rings": self.rings[: self._used["rings"]],
        }

    def take_up(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Go on where `saved` ended; what was kept under other limits, or in another layout, begins anew."""
        state = saved.get("quality")
        if state is None or state.dtype != STATE:
            return
        self.reach(len(state) - 1)
        self.state[: len(state)] = state
        known = _take(self.stairs, saved.get("quality-stairs"), "tolerance")
        # A run that was measured by another tolerance, or by none, begins at the newest reading.
        anew = self.stairs["series"][1 : self._used["stairs"]][~known[1 : self._used["stairs"]]]
        self.state["steps"][anew] = 0
        self.state["since"][anew] = self.state["time"][anew]
        _take(self.rings, saved.get("quality-rings"), "of", "width")


def _take(rows: NDArray[Any], saved: NDArray[Any] | None, *same: str) -> NDArray[np.bool_]:
    """Copy what was saved of the same series under the same limits; returns which rows were found."""
    if saved is None or saved.dtype != rows.dtype:
        return np.zeros(len(rows), np.bool_)
    keys = ["series", *same]
    places = {key: place for place, key in enumerate(saved[keys].tolist())}
    found = np.array([places.get(key, 0) for key in rows[keys].tolist()])
    rows[found > 0] = saved[found[found > 0]]
    return found > 0


def _fresh(dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    """Rows that know nothing, the first at the start of a cache line."""
    room = np.zeros(count * dtype.itemsize + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    array = room[start : start + count * dtype.itemsize].view(dtype)
    for name in ("heard", "time", "before_time", "since", "until"):
        if name in (dtype.names or ()):
            array[name] = NEVER
    return array


def _grown(array: NDArray[Any], room: int) -> NDArray[Any]:
    wider = _fresh(array.dtype, room)
    wider[: len(array)] = array
    return wider
