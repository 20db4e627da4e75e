"""Quality flags: the tests of IOOS QARTOD on every reading while it passes, written into the rows in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from alerts.checks.bounds import within
from alerts.checks.climatology import HOUR_US, cell_of
from alerts.checks.company import Neighbour, compare, hold
from alerts.checks.limits import Limits
from alerts.checks.memory import Memory
from alerts.checks.outcome import (
    ATTENUATED,
    CLIMATOLOGY,
    DOUBTED,
    DUPLICATE,
    FAILED,
    FLAT,
    GAP,
    GROSS,
    MULTIVARIATE,
    TESTED,
    flag_of,
    graded,
)
from alerts.checks.signal import follow_up
from alerts.checks.spread import NEVER
from edge.reading import MISSING, SUSPECT, Rows

BLOCK = 32


class Quality:
    """The checks of every slot and what they remember."""

    def __init__(self) -> None:
        self._limits, self._memory = Limits(), Memory()

    def configure(self, slots: NDArray[np.integer[Any]], checks: Mapping[str, Any]) -> None:
        """Set the checks of slots, in the form in which a profile writes them."""
        memory, row = self._memory, self._limits.row_of(checks)
        memory.reach(int(slots.max()))
        memory.places["limits"][slots] = row
        limit = self._limits.rows[row]
        if limit["asked"] & FLAT:
            memory.take_stairs(slots, float(limit["flat_tolerance"]))
        if limit["asked"] & ATTENUATED:
            memory.places["ring"][slots] = memory.take_rings(slots, slots, int(limit["spread_over"]))

    def follow(self, slot: int, other: int) -> None:
        """Name the slot of the metric that decides a slot's multi-variate range."""
        self._memory.places["other"][slot] = other

    def compare(self, pairs: Iterable[tuple[int, int, Neighbour]]) -> None:
        """Hold slots against their neighbours from now on, `(slot, neighbour's slot, how)`: these and no others."""
        self._memory.part()
        for slot, other, neighbour in pairs:
            self._memory.pair(slot, other, neighbour)

    def saved(self) -> dict[str, NDArray[Any]]:
        """What is remembered, as arrays by name, for `take_up` after a restart."""
        return self._memory.saved()

    def take_up(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Begin where `saved` ended, once the slots are configured."""
        self._memory.take_up(saved)

    def mark(self, rows: Rows, newer: NDArray[np.bool_]) -> NDArray[np.uint16]:
        """Write a flag into every row; returns the checks that found something wrong with it, as bits.

        Rows that are not newer than their series are held against bounds only and leave no trace. A flag stays
        UNEVALUATED where no check had anything to go by; what comes SUSPECT does not pass.
        """
        outcome = np.zeros(len(rows), np.uint16)
        memory, limits = self._memory, self._limits
        _mark(
            rows["series"],
            rows["time"],
            rows["value"],
            rows["flag"],
            newer,
            outcome,
            memory.places,
            memory.state,
            limits.rows,
            limits.climates,
            limits.bands,
            memory.stairs,
            memory.rings,
            memory.pairs,
        )
        return outcome


@njit(cache=True, nogil=True, error_model="numpy")
def _mark(  # noqa: PLR0917 -- a kernel takes its columns one by one
    series: Any,
    time: Any,
    value: Any,
    flag: Any,
    newer: Any,
    outcome: Any,
    places: Any,
    state: Any,
    limits: Any,
    climates: Any,
    bands: Any,
    stairs: Any,
    rings: Any,
    pairs: Any,
) -> int:
    hour_from, cell = 0, cell_of(0)
    touched = 0
    for row in range(len(series)):
        if row % BLOCK == 0:
            touched ^= _touch(series[row : row + BLOCK], places, state, rings)
        slot, at, now = series[row], time[row], value[row]
        place, last = places[slot], state[slot]
        limit = limits[place["limits"]]
        asked, fresh = limit["asked"], newer[row]
        found = _arrived(limit, last, at, fresh) | _doubted(flag[row])
        if flag[row] == MISSING or np.isnan(now):
            flag[row], outcome[row] = MISSING, found
            continue
        if asked & CLIMATOLOGY:
            local = at + limit["climate_offset"]
            if not hour_from <= local < hour_from + HOUR_US:
                # Readings of one batch mostly share their hour, and a date costs as much as all the rest.
                hour_from, cell = local // HOUR_US * HOUR_US, cell_of(local // HOUR_US)
            usual = climates[limit["climate"] + cell]
            if not np.isnan(usual["fail_low"]):
                found |= within(usual, now, CLIMATOLOGY)
        bounds = _bounded(limit, now)
        found |= bounds
        if fresh and not bounds & FAILED:
            if asked & MULTIVARIATE:
                found |= hold(limit, bands, state[place["other"]], now, at)
            if place["pair"] > 0:
                pair = pairs[place["pair"]]
                found |= compare(pair, state[pair["other"]], rings[pair["ring"]], now, at)
            found |= follow_up(limit, last, stairs[place["stairs"]], rings[place["ring"]], now, at)
        flag[row], outcome[row] = flag_of(found, flag[row]), found
    return touched


@njit(cache=True, nogil=True, error_model="numpy")
def _arrived(limit: Any, last: Any, at: int, fresh: bool) -> int:  # noqa: FBT001 -- a kernel's argument
    """The outcome of a row's time, whatever is in it."""
    found = 0
    if fresh:
        if limit["asked"] & GAP and last["heard"] != NEVER:
            found = graded(at - last["heard"], limit["gap_suspect"], limit["gap_fail"], GAP)
        last["heard"] = at
    elif limit["asked"] & DUPLICATE and at == last["heard"]:
        found = limit["duplicate"]
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _doubted(flag: int) -> int:
    """The outcome of a flag that a row comes with: who made the reading had doubts, of a counter that was reset."""
    return TESTED | DOUBTED if flag == SUSPECT else 0


@njit(cache=True, nogil=True, error_model="numpy")
def _bounded(limit: Any, value: float) -> int:
    """The outcome of the gross range. Where none is asked for, only an infinite value lies beyond the bounds."""
    found = within(limit, value, GROSS)
    return found if limit["asked"] & GROSS or found & FAILED else 0


@njit(cache=True, nogil=True, error_model="numpy")
def _touch(series: Any, places: Any, state: Any, rings: Any) -> int:
    """Read a little of what a block of rows needs, so that the processor fetches it in one go, not row by row.

    It halves the time at a million series, where every reading waits for memory, and takes a quarter off at 10,000.
    """
    touched = 0
    for slot in series:
        touched ^= state[slot]["heard"] ^ rings[places[slot]["ring"]]["until"]
    return touched
