"""Counters: what a running counter has grown by since its last reading, guarded against resets and going round.

State is the newest reading that had a value, of each counter. The table holds it too: a start reads it there, so nothing
is saved beside it, and a batch that was not committed leaves no trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from numba import njit
from numpy.typing import NDArray

from edge.reading import SUSPECT, UNEVALUATED, Rows
from ingest.order import LONG_AGO
from ingest.profile import DerivedMetric
from ingest.registry import Registry, Series

COUNTER = np.dtype([
    ("at", "<i8"), ("value", "<f8"), ("wraps_at", "<f8"), ("most_per_s", "<f8"), ("skip", "?"),
])  # fmt: skip
"""The last reading (time in us; LONG_AGO: none yet), and the rule: NaN goes round nowhere, inf grows at any speed."""

FINEST = 1e6
"""Differences are rounded to a millionth: 12.3 less 12.2 is 0.1, not 0.10000000000000142. Beyond EXACT it would harm."""
EXACT = 1e9
STEADY_S = 60.0
"""How fast a counter grows is judged over a minute at least: it moves in steps, and two may fall into one second."""


class Counters:
    """The counters among the slots, and what each showed last."""

    def __init__(self) -> None:
        self._place: NDArray[np.int32] = np.zeros(1, np.int32)  # by slot; 0: no counter
        self._counters: NDArray[np.void] = np.zeros(1, COUNTER)

    def meet(self, connection: psycopg.Connection, registry: Registry, fresh: Sequence[Series]) -> None:
        """Take up the counters of which these new series are derived, where the table says that they stand."""
        sources = {}
        for series in fresh:
            rule = registry.profiles[series.device.profile].derived.get(series.metric)
            if rule is not None and rule.over == "counter":
                sources[registry.by_metric[series.device.id, rule.source]] = rule
        if not sources:
            return
        standing = connection.execute(
            """select asked, (extract(epoch from last.time) * 1000000)::bigint, last.value
               from unnest(%s::int[]) as asked, lateral (
                   select time, value from reading
                   where series_id = asked and value <> 'NaN' order by time desc limit 1) as last""",
            (list(sources),),
            binary=True,
        ).fetchall()
        for slot, rule in sources.items():
            self.watch(slot, rule)
        for slot, at, value in standing:
            counter = self._counters[self._place[slot]]
            counter["at"], counter["value"] = at, value

    def watch(self, slot: int, rule: DerivedMetric) -> None:
        """Take differences of this slot from now on; what it showed before is unknown."""
        if len(self._place) <= slot:
            self._place = np.pad(self._place, (0, max(slot + 1, 2 * len(self._place)) - len(self._place)))
        if not self._place[slot]:
            self._place[slot] = len(self._counters)
            self._counters = np.append(self._counters, np.zeros(1, COUNTER))
        self._counters[self._place[slot]] = (
            LONG_AGO,
            0.0,
            np.nan if rule.wraps_at is None else rule.wraps_at,
            np.inf if rule.most_per_s is None else rule.most_per_s,
            rule.on_reset == "skip",
        )

    def covers(self, slots: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of the slots are counters."""
        counted: NDArray[np.bool_] = slots < len(self._place)
        counted[counted] = self._place[slots[counted]] > 0
        return counted

    def differences(self, rows: Rows) -> tuple[NDArray[np.intp], Rows]:
        """What the counters have grown by, reading by reading: the row of each difference, and it at that row's time.

        `rows` are new readings of counters in the order in which they came. None for the first reading of a counter,
        for one that has no value, and for one that is not newer than the last. After a drop the counter has gone round,
        where it can and could so fast; else it was reset: it counts from 0, and the difference is suspect.
        """
        found = rows.copy()
        row = np.empty(len(rows), np.intp)
        count = _differ(
            self._place[rows["series"]],
            rows["time"],
            rows["value"],
            self._counters,
            row,
            found["value"],
            found["flag"],
        )
        return row[:count], _at(found, rows["time"], row[:count], count)


def _at(found: Rows, time: NDArray[np.int64], row: NDArray[np.intp], count: int) -> Rows:
    """The first `count` of what was found, each at the time of its row."""
    kept: Rows = found[:count]
    kept["time"] = time[row]
    return kept


@njit(cache=True, nogil=True)
def _differ(place: Any, time: Any, value: Any, counters: Any, row: Any, difference: Any, flag: Any) -> int:
    count = 0
    for at in range(len(place)):
        counter, now, when = counters[place[at]], value[at], time[at]
        if np.isnan(now) or when <= counter["at"]:
            continue
        since, before = counter["at"], counter["value"]
        counter["at"], counter["value"] = when, now
        if since == LONG_AGO:
            continue
        grown, most = now - before, counter["most_per_s"] * max((when - since) / 1e6, STEADY_S)
        doubtful = grown > most
        if grown < 0:
            round_trip = grown + counter["wraps_at"]  # NaN where it never goes round
            if 0 <= round_trip <= most:
                grown = round_trip
            elif counter["skip"] or now < 0 or now > most:
                continue  # nothing that it could have counted since a reset
            else:
                grown, doubtful = now, True
        row[count] = at
        difference[count] = np.rint(grown * FINEST) / FINEST if grown < EXACT else grown
        flag[count] = SUSPECT if doubtful else UNEVALUATED
        count += 1
    return count
