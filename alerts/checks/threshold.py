"""Thresholds: four levels above and below, each with deadband, on-delay and off-delay in the readings' own time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from edge.reading import FAIL, MISSING, SUSPECT

LEVELS = 4

WATCH = np.dtype(
    [
        ("series", "i4"),
        ("next", "i4"),  # the next watch on the same series; -1: none
        ("rule", "i4"),
        ("above", "f8", LEVELS),  # thresholds of levels 1 to 4; NaN: none
        ("below", "f8", LEVELS),
        ("deadband", "f8"),
        ("on_delay", "i8"),  # microseconds
        ("off_delay", "i8"),
        ("suspect_up_to", "i4"),  # the highest level that a suspect reading may raise
        # state
        ("crossed", "u1", LEVELS),  # the raw condition (numba nests no booleans)
        ("since", "i8", LEVELS),  # when the raw condition last changed
        ("active", "u1", LEVELS),  # the condition after its delay
        ("level", "i4"),
        ("level_at", "i8"),
        ("told", "i4"),  # the level that events have spoken of
    ]
)
STATE_FIELDS = ["crossed", "since", "active", "level", "level_at", "told"]

EVENT = np.dtype(
    [
        ("watch", "i4"),
        ("row", "i4"),
        ("from_level", "i4"),
        ("to_level", "i4"),
        ("at", "i8"),  # when the level was reached; with late readings before the row's own time
    ]
)


@njit(cache=True, nogil=True)
def observe(  # noqa: PLR0917 -- a kernel takes its columns one by one
    series: Any,
    time: Any,
    value: Any,
    flag: Any,
    newer: Any,
    late: Any,
    first: Any,
    watches: Any,
    events: Any,
) -> int:
    """Feed rows to the watches on their series; returns how many events were written.

    A late row moves the state but tells nobody: the next row that is not late speaks of where things stand then.
    """
    found = 0
    for row in range(len(series)):
        if not newer[row] or flag[row] == FAIL or flag[row] == MISSING:
            continue
        index = first[series[row]]
        while index >= 0:
            watch = watches[index]
            level = _step(watch, time[row], value[row], flag[row] == SUSPECT)
            if level != watch["level"]:
                watch["level"] = level
                watch["level_at"] = time[row]
            if not late[row] and level != watch["told"]:
                events[found]["watch"] = index
                events[found]["row"] = row
                events[found]["from_level"] = watch["told"]
                events[found]["to_level"] = level
                events[found]["at"] = watch["level_at"]
                found += 1
                watch["told"] = level
            index = watch["next"]
    return found


@njit(cache=True, nogil=True)
def _step(watch: Any, time: int, value: float, suspect: bool) -> int:  # noqa: FBT001 -- a kernel's argument
    """Advance one watch by one reading; returns its level."""
    level = 0
    for place in range(LEVELS):
        crossed = value >= watch["above"][place] or value <= watch["below"][place]
        if watch["crossed"][place] and not crossed:
            # Inside the deadband the condition stays as it was.
            crossed = (
                value >= watch["above"][place] - watch["deadband"]
                or value <= watch["below"][place] + watch["deadband"]
            )
        if crossed and not watch["crossed"][place] and suspect and place + 1 > watch["suspect_up_to"]:
            crossed = False
        if crossed != watch["crossed"][place]:
            watch["crossed"][place] = crossed
            watch["since"][place] = time
        if crossed != watch["active"][place]:
            delay = watch["on_delay"] if crossed else watch["off_delay"]
            if time - watch["since"][place] >= delay:
                watch["active"][place] = crossed
        if watch["active"][place]:
            level = place + 1
    return level
