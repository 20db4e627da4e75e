"""Flat line: since when the readings of a series lie within a tolerance of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

STEPS = 8

STAIRS = np.dtype(
    [
        ("series", "i4"),
        ("tolerance", "f8"),  # with which they were climbed
        ("level", "f8", (2, STEPS)),
        ("left", "i8", (2, STEPS)),
    ]
)
"""Two stairs a series, from the oldest step to the newest. The first rises: each level is the lowest reading from
its own time to the last but one, and `left` is the time of the reading after it. The second is the same of the
negated readings. With them the longest run within the tolerance is known without the readings themselves: when a
reading lies too far above a level, the run begins where that level was left.

A quantised sensor has few levels within a tolerance: eight steps hold a tolerance of nine times its resolution
exactly. Where more are needed, the two nearest levels become one, left at the later time: the run is never taken for
longer than it is, and is found as if the tolerance were smaller by at most an eighth."""


@njit(cache=True, nogil=True)
def run_of(last: Any, stairs: Any, value: float, at: int, limit: Any) -> int:
    """Take a reading into the run of its series; returns how long the run is, in microseconds.

    Silence for longer than a run may last ends it: a reading a week says nothing of the hours between.
    """
    silent = at - last["time"] > limit["flat_suspect"] + 1
    if silent or abs(value - last["value"]) >= limit["flat_tolerance"]:
        last["since"] = at
        last["steps"][0] = last["steps"][1] = 0
    elif value != last["value"]:
        _climb(last, stairs, value, at, limit["flat_tolerance"])
    return int(at - last["since"])


@njit(cache=True, nogil=True)
def _climb(last: Any, stairs: Any, value: float, at: int, tolerance: float) -> None:
    """Take a reading that differs, but by less than the tolerance."""
    steps = last["steps"]
    near, far, height = (0, 1, value) if value > last["value"] else (1, 0, -value)
    # Levels that this reading goes beyond no longer bound the run from its own side.
    while steps[far] > 0 and stairs["level"][far][steps[far] - 1] >= -height:
        steps[far] -= 1
    _push(last, stairs, near, last["value"] if near == 0 else -last["value"], at)
    # Levels too far below it end the run behind them.
    gone = 0
    while gone < steps[near] and height - stairs["level"][near][gone] >= tolerance:
        last["since"] = stairs["left"][near][gone]
        gone += 1
    _drop(last, stairs, near, gone)
    gone = 0
    while gone < steps[far] and stairs["left"][far][gone] <= last["since"]:
        gone += 1
    _drop(last, stairs, far, gone)


@njit(cache=True, nogil=True, error_model="numpy")
def _push(last: Any, stairs: Any, side: int, height: float, at: int) -> None:
    """Put a step on top; where there is no room, the two nearest levels become one."""
    level, left = stairs["level"][side], stairs["left"][side]
    steps = last["steps"][side]
    if steps == STEPS:
        nearest = STEPS - 1
        distance = height - level[nearest]
        for step in range(STEPS - 1):
            if level[step + 1] - level[step] < distance:
                nearest, distance = step, level[step + 1] - level[step]
        if nearest == STEPS - 1:
            left[nearest] = at
            return
        left[nearest] = left[nearest + 1]
        for step in range(nearest + 1, STEPS - 1):
            level[step], left[step] = level[step + 1], left[step + 1]
        steps -= 1
    level[steps], left[steps] = height, at
    last["steps"][side] = steps + 1


@njit(cache=True, nogil=True, error_model="numpy")
def _drop(last: Any, stairs: Any, side: int, gone: int) -> None:
    """Take the oldest steps away."""
    if gone > 0:
        level, left = stairs["level"][side], stairs["left"][side]
        steps = last["steps"][side] - gone
        for step in range(steps):
            level[step], left[step] = level[step + gone], left[step + gone]
        last["steps"][side] = steps
