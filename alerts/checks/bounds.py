"""Bounds: outside of one pair a value fails, outside of a narrower one it is suspect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit

from alerts.checks.outcome import DOUBTED, FAILED, TESTED

BOUNDS = np.dtype([("fail_low", "f8"), ("suspect_low", "f8"), ("suspect_high", "f8"), ("fail_high", "f8")])

EVERYTHING = (float(np.finfo(np.float64).min), float(np.finfo(np.float64).max))
"""Bounds that every number keeps; an infinite value does not."""


def set_bounds(row: Any, given: Mapping[str, Any]) -> None:
    """Write `fail` and `suspect`, each [low, high]; where only one is given, the other asks for nothing more."""
    fail = given.get("fail") or EVERYTHING
    row["fail_low"], row["fail_high"] = fail
    row["suspect_low"], row["suspect_high"] = given.get("suspect") or fail


@njit(cache=True, nogil=True)
def within(bounds: Any, value: float, check: int) -> int:
    """The outcome of a check that holds a value against bounds; the bounds themselves pass."""
    if bounds["suspect_low"] <= value <= bounds["suspect_high"]:
        return TESTED
    if bounds["fail_low"] <= value <= bounds["fail_high"]:
        return TESTED | DOUBTED | check
    return TESTED | FAILED | check
