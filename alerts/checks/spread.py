"""Spread: the lowest and highest reading of a window of time, in a ring of buckets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

NEVER = np.iinfo(np.int64).min
BUCKETS = 8

SPREAD = np.dtype(
    [
        ("series", "i4"),
        ("of", "i4"),  # the series whose readings these are: its own, or its neighbour's
        ("width", "i8"),  # of a bucket, in microseconds
        # What most readings touch fits a cache line.
        ("until", "i8"),  # end of the newest bucket; NEVER: none yet
        ("since", "i8"),  # the first reading of an unbroken window
        ("low", "f8"),  # of the newest bucket
        ("high", "f8"),
        ("low_before", "f8"),  # of the older ones
        ("high_before", "f8"),
        ("lows", "f8", BUCKETS),
        ("highs", "f8", BUCKETS),
    ]
)
"""A bucket is a seventh of the window, so that eight of them hold the whole window and up to a seventh more."""


def width_of(window: int) -> int:
    """The width of the buckets of a window, in microseconds."""
    return window // (BUCKETS - 1) + 1


@njit(cache=True, nogil=True, error_model="numpy")
def spread(ring: Any, value: float, at: int) -> tuple[float, float]:
    """Take a reading; returns the lowest and the highest of the window. What is older than its bucket is ignored."""
    if at >= ring["until"]:
        _turn(ring, at)
        ring["low"] = ring["high"] = value
    elif at >= ring["until"] - ring["width"]:
        ring["low"] = min(ring["low"], value)
        ring["high"] = max(ring["high"], value)
    low = min(ring["low_before"], ring["low"])
    high = max(ring["high_before"], ring["high"])
    return low, high


@njit(cache=True, nogil=True, error_model="numpy")
def _turn(ring: Any, at: int) -> None:
    """Put the newest bucket to the older ones and begin the one of this time."""
    width = ring["width"]
    bucket = at // width
    newest = ring["until"] // width - 1
    if ring["until"] == NEVER or bucket - newest >= BUCKETS:
        ring["since"] = at
        ring["lows"][:], ring["highs"][:] = np.inf, -np.inf
    else:
        ring["lows"][newest % BUCKETS], ring["highs"][newest % BUCKETS] = ring["low"], ring["high"]
        for number in range(newest + 1, bucket + 1):
            ring["lows"][number % BUCKETS], ring["highs"][number % BUCKETS] = np.inf, -np.inf
    ring["until"] = (bucket + 1) * width
    ring["low_before"], ring["high_before"] = ring["lows"].min(), ring["highs"].max()
