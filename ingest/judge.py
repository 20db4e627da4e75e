"""The judge: which rows of a batch are new, seen before, in conflict, or at an impossible time; and what they derive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.reading import MISSING, Rows
from ingest.batch import CALENDAR_FROM_US, Batch, Seen, bury, describe_us
from ingest.clock import Clocks
from ingest.counters import Counters
from ingest.message import Message
from ingest.order import Newest
from ingest.registry import Registry

PAST_US = 30 * 24 * 3600 * 1_000_000
FUTURE_US = 5 * 60 * 1_000_000
LATE_US = 10 * 60 * 1_000_000


class Judge:
    """Sorts rows by time and order. `ask` reads values from the table, with everything before it committed."""

    def __init__(
        self,
        registry: Registry,
        newest: Newest,
        clocks: Clocks,
        ask: Callable[[Rows], Seen],
        counters: Counters,
    ) -> None:
        self._registry, self._newest, self._clocks, self._ask = registry, newest, clocks, ask
        self._counters = counters

    def judge(self, batch: Batch, rows: Rows, source: NDArray[Any], old: NDArray[np.bool_]) -> None:
        """Sort rows into new, duplicate, conflicting and impossible; add what is derived from the new ones.

        `source`: the message of each; `old`: their source calls them history, so that they are late whatever their time.
        """
        device = self._registry.device_of[rows["series"]]
        recorded = self._registry.recorded[rows["series"]]
        arrived = batch.arrived[source]
        # Before anything is set aside: a clock that is a day ahead must be seen just there.
        self._clocks.observe(device, rows["time"], arrived)
        rows["flag"][np.isnan(rows["value"])] = MISSING
        # Compared, not subtracted: a time at the end of its 64 bits must not wrap into plausibility.
        oldest = np.where(recorded, CALENDAR_FROM_US, arrived - PAST_US)
        outside = (rows["time"] < oldest) | (rows["time"] > arrived + FUTURE_US)
        infinite = np.isinf(rows["value"])
        batch.ledger.add(
            device, received=np.ones(len(rows), np.bool_), quarantined=outside, rejected=infinite & ~outside
        )
        if outside.any():
            self._bury_rows(batch, rows, source, outside, "time-outside", far)
        if infinite.any():
            self._bury_rows(
                batch, rows, source, infinite & ~outside, "not-finite", lambda *_: "an infinite value"
            )
            batch.refused = rows[infinite & ~outside]
        sound = ~(outside | infinite)
        if not sound.all():
            rows, source, device = rows[sound], source[sound], device[sound]
            arrived, recorded, old = arrived[sound], recorded[sound], old[sound]
        newer = self._newest.advance(rows["series"], rows["time"])
        delayed = ((rows["time"] < arrived - LATE_US) & ~recorded) | old
        late = ~newer | delayed
        if not newer.all():
            duplicate, conflict = self._known(rows, newer)
            batch.ledger.add(device, duplicate=duplicate, quarantined=conflict)
            if conflict.any():
                self._bury_rows(batch, rows, source, conflict, "conflict", _other_value)
                batch.refused = np.concatenate([batch.refused, rows[conflict]])
            batch.repeated = rows[duplicate]
            keep = ~(duplicate | conflict)
            rows, newer, late, delayed = rows[keep], newer[keep], late[keep], delayed[keep]
            device, source = device[keep], source[keep]
        batch.ledger.add(device, stored=np.ones(len(rows), np.bool_), late=late)
        source_row, derived = self._derive(rows)
        batch.rows = np.concatenate([rows, derived])
        batch.device = np.concatenate([device, device[source_row]])
        batch.source = np.concatenate([source, source[source_row]])
        batch.ledger.add(device[source_row], derived=np.ones(len(derived), np.bool_))
        batch.newer = np.concatenate([newer, newer[source_row]])
        batch.late = np.concatenate([late, late[source_row]])
        batch.delayed = np.concatenate([delayed, delayed[source_row]])
        batch.derived = len(derived)

    def _known(self, rows: Rows, newer: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which of the rows that are not newer were seen before, with the same value or with another one."""
        asked = np.flatnonzero(~newer)
        seen = self._ask(rows[asked])
        # What is new in this very batch is not in the table yet.
        for row in np.flatnonzero(newer & np.isin(rows["series"], rows["series"][asked])):
            seen[int(rows["series"][row]), int(rows["time"][row])] = float(rows["value"][row])
        duplicate, conflict = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
        for row in asked:
            key, value = (int(rows["series"][row]), int(rows["time"][row])), float(rows["value"][row])
            if key not in seen:
                seen[key] = value
            elif seen[key] == value or (np.isnan(seen[key]) and np.isnan(value)):
                duplicate[row] = True
            else:
                conflict[row] = True
        return duplicate, conflict

    def _derive(self, rows: Rows) -> tuple[NDArray[np.intp], Rows]:
        """The rows of series that are computed from these, and which row each comes from."""
        target = self._registry.derived_slot[rows["series"]]
        source_row = np.flatnonzero(target)
        counted = self._counters.covers(rows["series"][source_row])
        gained, grown = source_row[~counted], source_row[counted]
        derived = rows[gained].copy()
        derived["value"] *= self._registry.gain[rows["series"][gained]]
        if len(grown):
            of, differences = self._counters.differences(rows[grown])
            gained, derived = np.concatenate([gained, grown[of]]), np.concatenate([derived, differences])
        derived["series"] = target[gained]
        self._newest.advance(derived["series"], derived["time"])
        return gained, derived

    def _bury_rows(
        self,
        batch: Batch,
        rows: Rows,
        source: NDArray[Any],
        which: NDArray[np.bool_],
        reason: str,
        say: Callable[[Message, Any], str],
    ) -> None:
        for place in np.unique(source[which]):
            message = batch.messages[place]
            bad = rows[which & (source == place)]
            series = self._registry.series[int(bad["series"][0])]
            detail = f"{series.device.key}/{series.metric}: {say(message, bad[0])}"
            bury(batch, message, series.device.id, reason, detail, len(bad))


def far(message: Message, row: Any) -> str:
    """How far the time of a row lies from the arrival of its message."""
    days = (int(row["time"]) - message.arrived_us) / 86_400_000_000
    return f"time {describe_us(int(row['time']))} is {abs(days):.1f} days {'ahead' if days > 0 else 'back'}; check the clock"


def _other_value(_: Message, row: Any) -> str:
    return f"{describe_us(int(row['time']))} is stored with another value than {float(row['value']):g}"
