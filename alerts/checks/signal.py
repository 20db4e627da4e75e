"""Signal: a reading held against its own series' past."""

from __future__ import annotations

from typing import Any

from numba import njit

from alerts.checks.flat import run_of
from alerts.checks.outcome import ATTENUATED, FLAT, RATE, SPIKE, graded
from alerts.checks.spread import NEVER, spread

SECOND_US = 1_000_000


# Inlined by hand: called, it costs a reading a nanosecond and a half of thirty.
@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def follow_up(limit: Any, last: Any, stairs: Any, ring: Any, value: float, at: int) -> int:
    """The outcome of a reading after those that are remembered, which it joins."""
    asked, found = limit["asked"], 0
    if last["time"] == NEVER:
        last["since"] = at
    else:
        if asked & SPIKE and at - limit["spike_within"] <= last["before_time"] != NEVER:
            # How far outside the span of the two before it; written so, nothing branches.
            middle = (last["value"] + last["before"]) / 2
            height = abs(value - middle) - abs(last["value"] - last["before"]) / 2
            found |= graded(height, limit["spike_suspect"], limit["spike_fail"], SPIKE)
        if asked & RATE:
            rate = abs(value - last["value"]) / ((at - last["time"]) / SECOND_US)
            found |= graded(rate, limit["rate_suspect"], limit["rate_fail"], RATE)
        if asked & FLAT:
            run = run_of(last, stairs, value, at, limit)
            found |= graded(run, limit["flat_suspect"], limit["flat_fail"], FLAT)
    if asked & ATTENUATED:
        low, high = spread(ring, value, at)
        if at - ring["since"] >= limit["spread_over"]:
            found |= graded(low - high, -limit["spread_suspect"], -limit["spread_fail"], ATTENUATED)
    last["before_time"], last["before"] = last["time"], last["value"]
    last["time"], last["value"] = at, value
    return found
