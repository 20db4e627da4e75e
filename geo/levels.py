"""Levels: which step of an ascending table a column of numbers has reached, and how full a place is.

The tables themselves (Fruin's levels of service, safety guidance, capacity tiers) are data with their sources and
come from whoever owns them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

UNKNOWN = -1
"""The step of a number that is not known."""


def step(values: ArrayLike, limits: ArrayLike) -> NDArray[np.int8]:
    """Which step each value has reached; a step holds from its limit on, the limit included.

    Args:
        values: (n,); NaN is not known.
        limits: (k,), ascending, finite; at most 127.

    Returns:
        int8 (n,): 0 below the first limit, 1 from the first on, k from the last on, `UNKNOWN` for NaN.

    Raises:
        ValueError: the limits do not ascend, or there are none.
    """
    values, limits = np.asarray(values, np.float64), np.asarray(limits, np.float64)
    if limits.ndim != 1 or not 0 < len(limits) <= np.iinfo(np.int8).max:
        raise ValueError(f"a table has 1 to 127 limits, not an array of shape {limits.shape}")
    if not np.isfinite(limits).all() or (np.diff(limits) <= 0).any():
        raise ValueError(f"limits must ascend: {limits.tolist()}")
    reached = np.searchsorted(limits, values, side="right")
    return np.where(np.isnan(values), UNKNOWN, reached).astype(np.int8)


def share_of_capacity(persons: ArrayLike, capacity: ArrayLike) -> NDArray[np.float64]:
    """How full places are, in per cent of what they may hold.

    Args:
        persons: (n,); a count below zero or not finite is no count.
        capacity: (n,), persons.

    Returns:
        float64 (n,); NaN where there is no count, or no capacity above zero.
    """
    persons, capacity = np.broadcast_arrays(np.asarray(persons, np.float64), np.asarray(capacity, np.float64))
    known = np.isfinite(persons) & (persons >= 0) & np.isfinite(capacity) & (capacity > 0)
    share = np.full(known.shape, np.nan)
    np.divide(100 * persons, capacity, out=share, where=known)
    return share
