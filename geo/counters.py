"""Persons per zone from line counters: in minus out, corrected by counts, never below zero.

Counters miss people, one door more than another, so that the sum of in minus out drifts without end. Each zone keeps
its number of persons and the drift for each passing, with their variances: a Kalman filter of two states (Welch and
Bishop, UNC TR 95-041). Passings widen the variance, a count of the zone (camera, guard, closing time) narrows it.
A count that cannot be of the same people is no correction but a contradiction (`apart`): whoever asks must decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[np.float64]

OUTDOORS = -1
"""The side of a line that belongs to no zone."""

# One passing in ten is missed or counted twice; and the share that a door misses for good is within a few per cent.
MISCOUNT = 0.1
DRIFT = 0.03
# The drift changes with light and crowding: over a thousand passings by a third of a per cent.
DRIFT_CHANGE = 1e-4
UNKNOWN = 1e9

# A count is a contradiction beyond three standard deviations of both, and beyond what doors and cameras are off by anyway.
GATE = 3.0
LEAST_APART, SHARE_APART = 20.0, 0.15
# Counts that creep away draw the doors after them by little each time: what they have drawn is remembered over so many.
REMEMBERED = 60
HELD = 360
"""After so many refused counts that say the same the doors give in: a counter may have failed for good."""


class Occupancy:
    """Persons in z zones between l counting lines."""

    def __init__(self, zones: int, behind: NDArray[np.int64], before: NDArray[np.int64]) -> None:
        """Line i leads forward from zone `before[i]` into zone `behind[i]`; `OUTDOORS` for none.

        Raises:
            ValueError: a line names a zone that there is not, or the same on both sides.
        """
        behind, before = np.asarray(behind), np.asarray(before)
        sides = np.concatenate((behind, before))
        if behind.ndim != 1 or behind.shape != before.shape:
            raise ValueError("behind and before must be columns of one length")
        if ((sides < OUTDOORS) | (sides >= zones)).any() or (behind == before).any():
            raise ValueError(f"a line joins two of {zones} zones, or one and outdoors ({OUTDOORS})")
        self._behind, self._before = behind, before
        self.persons: Column = np.zeros(zones)
        """How many are there, never below zero; what it is worth says `spread`."""
        self.shortfall: Column = np.zeros(zones)
        """Persons that went out of the zone and had never been counted in."""
        self._drift = np.zeros(zones)
        self._variance = np.full(zones, UNKNOWN)
        self._common = np.zeros(zones)
        self._drift_variance = np.full(zones, DRIFT**2)
        self._drawn = np.zeros(zones)  # what the counts of late have moved, persons
        self._lately = np.zeros(zones)  # passings, over the same time

    def _columns(self) -> tuple[NDArray[np.float64], ...]:
        return (
            self.persons,
            self.shortfall,
            self._drift,
            self._variance,
            self._common,
            self._drift_variance,
        )

    def state(self) -> NDArray[np.float64]:
        """All that is remembered, (z, 6); for `restore`."""
        return np.column_stack(self._columns())

    def restore(self, zone: NDArray[np.int64], state: NDArray[np.float64]) -> None:
        """Let zones (k,) go on from the rows (k, 6) that `state` gave of them."""
        for column, kept in zip(self._columns(), np.asarray(state, np.float64).T, strict=True):
            column[zone] = kept

    @property
    def known(self) -> NDArray[np.bool_]:
        """Zones (z,) that have been counted: before its first count nobody knows who was there already."""
        return self._variance < UNKNOWN

    @property
    def spread(self) -> Column:
        """Standard deviation of the persons (z,); infinite where they are not known."""
        return np.where(self.known, np.sqrt(self._variance), np.inf)

    def passed(self, forward: Column, backward: Column) -> NDArray[np.bool_]:
        """Take what the lines have counted since they were last asked, per line.

        A number below zero or not finite is a counter that failed: nothing of that line is taken, and both its zones
        are unknown until they are counted again.

        Returns:
            bool (l,): the lines that failed.
        """
        forward, backward = np.asarray(forward, np.float64), np.asarray(backward, np.float64)
        if not forward.shape == backward.shape == self._behind.shape:
            raise ValueError(f"there are {len(self._behind)} lines, not {forward.shape} and {backward.shape}")
        failed = ~(np.isfinite(forward) & np.isfinite(backward) & (forward >= 0) & (backward >= 0))
        moved, passings = np.zeros(len(self.persons)), np.zeros(len(self.persons))
        net, both = np.where(failed, 0, forward - backward), np.where(failed, 0, forward + backward)
        for side, sign in ((self._behind, 1), (self._before, -1)):
            on = side != OUTDOORS
            np.add.at(moved, side[on], sign * net[on])
            np.add.at(passings, side[on], both[on])
            self._variance[side[on & failed]] = UNKNOWN
        self._advance(moved, passings)
        return failed

    def apart(self, zone: NDArray[np.int64], persons: Column, error: Column) -> Column:
        """How many more persons were counted in zones than their doors alone say, where both cannot be true.

        What earlier counts have moved of late is part of it, so that one that creeps away is found too.

        Args:
            zone: int (k,).
            persons: float64 (k,), all of them counts.
            error: float64 (k,), standard deviation of the count, persons.

        Returns:
            float64 (k,); 0 where they agree, and where the zone is not known.
        """
        now = self.persons[zone]
        alone = now - self._drawn[zone]
        noise = np.maximum(GATE * np.sqrt(self._variance[zone] + error**2), LEAST_APART)
        # Doors miss some of those who pass: what counts have put right of that is no contradiction.
        missed = SHARE_APART * self._lately[zone]
        sudden = np.abs(persons - now) > np.maximum(noise, SHARE_APART * np.maximum(persons, now))
        creeping = np.abs(persons - alone) > np.maximum.reduce(
            (noise, SHARE_APART * np.maximum(persons, alone), missed)
        )
        found = np.where(creeping, persons - alone, np.where(sudden, persons - now, 0.0))
        return np.where(self.known[zone], found, 0.0)

    def refused(self, zone: NDArray[np.int64], persons: Column, apart: Column) -> None:
        """Counts of zones (k,) that were `apart` are not believed: the doors go on alone, a little less sure."""
        alone = persons - apart
        self._drawn[zone] -= self.persons[zone] - alone
        self.persons[zone] = alone
        self._variance[zone] += (apart / GATE) ** 2 / HELD

    def forget(self, zone: NDArray[np.int64]) -> None:
        """What was known of zones (k,) is not any more: the next count is believed as it is."""
        self._variance[zone] = UNKNOWN

    def counted(self, zone: NDArray[np.int64], persons: Column, error: Column) -> NDArray[np.bool_]:
        """Correct by counts of whole zones, a zone at most once a call.

        Args:
            zone: int (k,).
            persons: float64 (k,); below zero or not finite is no count.
            error: float64 (k,), standard deviation of the count, persons, above zero.

        Returns:
            bool (k,): the rows that were no counts and changed nothing.
        """
        zone, persons, error = (
            np.asarray(zone),
            np.asarray(persons, np.float64),
            np.asarray(error, np.float64),
        )
        if not zone.shape == persons.shape == error.shape or len(np.unique(zone)) != len(zone):
            raise ValueError("zone, persons and error must be columns of one length, each zone once")
        good = np.isfinite(persons) & (persons >= 0) & np.isfinite(error) & (error > 0)
        at, noise = zone[good], error[good] ** 2
        # What was not known is what the count says, exactly: no remnant of a number that meant nothing.
        fresh = ~self.known[at]
        self._common[at[fresh]] = 0.0
        gain = np.where(fresh, 1.0, self._variance[at] / (self._variance[at] + noise))
        drift_gain = self._common[at] / (self._variance[at] + noise)
        surprise = persons[good] - self.persons[at]
        before = self.persons[at]
        self.persons[at] = np.maximum(before + gain * surprise, 0.0)
        kept = np.where(fresh, 0.0, 1 - 1 / REMEMBERED)
        self._drawn[at] = kept * self._drawn[at] + np.where(fresh, 0.0, self.persons[at] - before)
        self._lately[at] *= kept
        self._drift[at] += drift_gain * surprise
        self._drift_variance[at] -= drift_gain * self._common[at]
        self._common[at] = np.where(fresh, 0.0, (1 - gain) * self._common[at])
        self._variance[at] = np.where(fresh, noise, (1 - gain) * self._variance[at])
        return ~good

    def _advance(self, moved: Column, passings: Column) -> None:
        expected = self.persons + moved + self._drift * passings
        self.shortfall += np.where(self.known, np.maximum(-expected, 0.0), 0.0)
        self.persons = np.maximum(expected, 0.0)
        self._lately += passings
        grown = self._variance + 2 * passings * self._common + passings**2 * self._drift_variance
        self._variance = np.where(self.known, np.minimum(grown + MISCOUNT * passings, UNKNOWN), UNKNOWN)
        self._common += passings * self._drift_variance
        self._drift_variance += DRIFT_CHANGE**2 * passings
