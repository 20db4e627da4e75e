"""Outcome: what the quality checks found in one reading, as bits, and the flag that follows."""

from __future__ import annotations

from numba import njit

from edge.reading import FAIL, PASS, SUSPECT

# The check that found something wrong; in a row of limits the checks that are asked for.
GROSS, SPIKE, RATE, FLAT, ATTENUATED, CLIMATOLOGY, GAP, DUPLICATE, MULTIVARIATE, NEIGHBOUR = (
    1 << bit for bit in range(10)
)
# A neighbour had something to say; it agreed.
COMPARED, AGREED = 1 << 10, 1 << 11
# How it went: any check had something to go by; one found it suspect; one failed it.
TESTED, DOUBTED, FAILED = 1 << 12, 1 << 13, 1 << 14


@njit(cache=True, nogil=True)
def graded(found: float, suspect: float, fail: float, check: int) -> int:
    """The outcome of a check whose finding should not exceed either limit."""
    if not found > suspect:
        return TESTED
    return TESTED | check | (FAILED if found > fail else DOUBTED)


@njit(cache=True, nogil=True)
def flag_of(outcome: int, before: int) -> int:
    """The worst of what was found; a reading that nothing was tested of keeps the flag that it had."""
    if not outcome & TESTED:
        return before
    return FAIL if outcome & FAILED else SUSPECT if outcome & DOUBTED else PASS
