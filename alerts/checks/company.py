"""Company: a reading held against what another series said last, its neighbour or another metric of its device."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from alerts.checks.bounds import within
from alerts.checks.outcome import AGREED, COMPARED, DOUBTED, MULTIVARIATE, NEIGHBOUR, TESTED
from alerts.checks.spread import NEVER, spread


class Neighbour(NamedTuple):
    """How a series should follow another one, in the unit of both."""

    tolerance: float
    max_age_s: float
    offset: float = 0.0  # this one's value above the other's where both are right
    lag_s: float = 0.0  # how long what the other one saw may take to come here


PAIR = np.dtype(
    [
        ("other", "i4"),
        ("ring", "i4"),  # what the other one said during the lag; 0: only its latest counts
        ("tolerance", "f8"),
        ("offset", "f8"),
        ("max_age", "i8"),  # microseconds
    ]
)


@njit(cache=True, nogil=True)
def compare(pair: Any, other: Any, ring: Any, value: float, at: int) -> int:
    """Hold a reading against its neighbour; returns the outcome, 0 where the neighbour has nothing to say."""
    if other["time"] == NEVER or abs(at - other["time"]) > pair["max_age"]:
        return 0
    low = high = other["value"]
    if pair["ring"] > 0:
        low, high = spread(ring, other["value"], other["time"])
    here = value - pair["offset"]
    if low - pair["tolerance"] <= here <= high + pair["tolerance"]:
        return TESTED | COMPARED | AGREED
    return TESTED | COMPARED | NEIGHBOUR | DOUBTED


@njit(cache=True, nogil=True)
def hold(limit: Any, bands: Any, other: Any, value: float, at: int) -> int:
    """Hold a reading against the bounds that go with the other metric's value; 0 where no band has it."""
    if other["time"] == NEVER or abs(at - other["time"]) > limit["with_age"]:
        return 0
    for place in range(limit["bands"], limit["bands_end"]):
        band = bands[place]
        if band["when_low"] <= other["value"] <= band["when_high"]:
            return within(band, value, MULTIVARIATE)
    return 0
