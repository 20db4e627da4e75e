"""What few watches remember beside their level: where the value came from, and how often a condition has come."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

MOVES = 8
"""Readings that an event names at most."""

BUCKETS = 12
"""Parts of a trail's window: a change is looked for over at least 11/12 of the window and never over more than it."""

MOST_TIMES = 8
LEVELS = 4

TRAIL = np.dtype(
    [
        ("bucket", "i8", BUCKETS),  # the number of the part of time that each place holds
        ("low", "f8", BUCKETS),
        ("low_at", "i8", BUCKETS),
        ("high", "f8", BUCKETS),
        ("high_at", "i8", BUCKETS),
        (
            "against",
            "i8",
            (MOVES, 2),
        ),  # beside STATE.moved: the readings that rise and fall were measured from
    ]
)
"""The lowest and highest sound value of each part of the window: constant memory, however dense the readings."""

REPEAT = np.dtype(
    [
        ("crossed", "u1"),  # levels whose condition is met now, whether it counts or not
        ("come", "u4", LEVELS),  # how often it has come
        ("at", "i8", (LEVELS, MOST_TIMES)),
    ]
)


@njit(cache=True, nogil=True)
def rise(trail: Any, window: int, time: int, value: float) -> tuple[float, int]:
    """How far the value lies above the lowest one of the window, and the time of that; 0 where it is the lowest."""
    number = time * BUCKETS // window
    low, at = value, 0
    for place in range(BUCKETS):
        if number - trail["bucket"][place] < BUCKETS and trail["low"][place] < low:
            low, at = trail["low"][place], trail["low_at"][place]
    return value - low, at


@njit(cache=True, nogil=True)
def drop(trail: Any, window: int, time: int, value: float) -> tuple[float, int]:
    """How far the value lies below the highest one of the window, and the time of that."""
    number = time * BUCKETS // window
    high, at = value, 0
    for place in range(BUCKETS):
        if number - trail["bucket"][place] < BUCKETS and trail["high"][place] > high:
            high, at = trail["high"][place], trail["high_at"][place]
    return high - value, at


@njit(cache=True, nogil=True)
def remember(trail: Any, window: int, time: int, value: float) -> None:
    """Take a sound value into its part of the window."""
    number = time * BUCKETS // window
    place = number % BUCKETS
    if trail["bucket"][place] != number:
        trail["bucket"][place] = number
        trail["low"][place], trail["low_at"][place] = value, time
        trail["high"][place], trail["high_at"][place] = value, time
    if value < trail["low"][place]:
        trail["low"][place], trail["low_at"][place] = value, time
    if value > trail["high"][place]:
        trail["high"][place], trail["high_at"][place] = value, time


@njit(cache=True, nogil=True)
def count(repeat: Any, crossed: int, met: int, times: int, within: int, time: int) -> tuple[int, bool]:
    """The levels that have come often enough, and whether any has come within the window at all.

    A condition that counts goes on counting until it is no longer met.
    """
    counted, recent = 0, False
    for place in range(LEVELS):
        bit = 1 << place
        if crossed & bit and not repeat["crossed"] & bit:
            repeat["at"][place][repeat["come"][place] % times] = time
            repeat["come"][place] += 1
            oldest = repeat["at"][place][repeat["come"][place] % times]
            if repeat["come"][place] >= times and time - oldest <= within:
                counted |= bit
        elif crossed & met & bit:
            counted |= bit
        if repeat["come"][place] > 0:
            latest = repeat["at"][place][(repeat["come"][place] - 1) % times]
            recent |= time - latest <= within
    repeat["crossed"] = crossed
    return counted, recent


def empty_trails(room: int) -> np.ndarray[Any, Any]:
    """Trails that have seen nothing."""
    trails = np.zeros(room, TRAIL)
    trails["bucket"] = -BUCKETS
    return trails
