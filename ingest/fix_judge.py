"""The judge of fixes: which are new, seen before, in conflict, or at an impossible time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ingest.batch import Batch, bury, describe_us
from ingest.clock import Clocks
from ingest.fixes import Fixes, Places
from ingest.identity import Heard
from ingest.judge import FUTURE_US, LATE_US, PAST_US, far
from ingest.tracks import MOST, REFUSED, Tracks, Wanted

SAME_DEG = 1e-7
"""Two places this near are one: a centimetre."""


class FixJudge:
    """Sorts fixes by time and order. `ask` reads places from the table, with everything before it committed."""

    def __init__(self, tracks: Tracks, clocks: Clocks, ask: Callable[[Fixes], Places]) -> None:
        self._tracks, self._clocks, self._ask = tracks, clocks, ask

    def judge(self, batch: Batch, heard: Sequence[tuple[int, Heard]]) -> None:
        """Take the fixes of messages, each with its place in the batch; leave the new ones in it."""
        pairs: dict[tuple[int, str], int] = {}
        for _, each in heard:
            each.fixes["track"] = np.array([pairs.setdefault(one, len(pairs)) for one in each.whose])[
                each.fixes["track"]
            ]
        fixes = np.concatenate([each.fixes for _, each in heard])
        source = np.repeat([place for place, _ in heard], [len(each.fixes) for _, each in heard])
        device = np.array([device_id for device_id, _ in pairs], np.int32)[fixes["track"]]
        arrived = batch.arrived[source]
        self._clocks.observe(device, fixes["time"], arrived)
        outside = (fixes["time"] < arrived - PAST_US) | (fixes["time"] > arrived + FUTURE_US)
        batch.ledger.add(device, received=np.ones(len(fixes), np.bool_), quarantined=outside)
        if outside.any():
            _bury(batch, fixes, source, device, outside, "time-outside")
            batch.fixes_outside, batch.fixes_outside_source = fixes[outside], source[outside]
            batch.fixes_outside_device = device[outside]
            fixes, source, device, arrived = (each[~outside] for each in (fixes, source, device, arrived))
        slots = self._slots(list(pairs), fixes, int(batch.arrived[-1]))
        crowded = slots == REFUSED
        if crowded.any():
            batch.ledger.add(device, rejected=crowded)
            _bury(batch, fixes, source, device, crowded, "too-many-tracks")
            slots, fixes, source = slots[~crowded], fixes[~crowded], source[~crowded]
            device, arrived = device[~crowded], arrived[~crowded]
        fixes["track"] = self._tracks.id[slots]
        newer = self._tracks.newest.advance(slots, fixes["time"])
        late = ~newer | (fixes["time"] < arrived - LATE_US)
        if not newer.all():
            duplicate, conflict = self._known(fixes, newer)
            batch.ledger.add(device, duplicate=duplicate, quarantined=conflict)
            if conflict.any():
                _bury(batch, fixes, source, device, conflict, "conflict")
            keep = ~(duplicate | conflict)
            fixes, source, device, late = fixes[keep], source[keep], device[keep], late[keep]
        batch.ledger.add(device, stored=np.ones(len(fixes), np.bool_), late=late)
        batch.fixes, batch.fix_source, batch.fix_device, batch.fix_late = fixes, source, device, late

    def _slots(self, pairs: list[tuple[int, str]], fixes: Fixes, now_us: int) -> NDArray[np.int32]:
        used, first, place = np.unique(fixes["track"], return_index=True, return_inverse=True)
        wanted: list[Wanted] = [
            (*pairs[number], int(fixes["time"][row]))
            for number, row in zip(used.tolist(), first.tolist(), strict=True)
        ]
        return self._tracks.take(wanted, now_us)[place]

    def _known(self, fixes: Fixes, newer: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which of the fixes that are not newer were seen before, at the same place or at another one."""
        asked = np.flatnonzero(~newer)
        seen = self._ask(fixes[asked])
        # What is new in this very batch is not in the table yet.
        for row in np.flatnonzero(newer & np.isin(fixes["track"], fixes["track"][asked])).tolist():
            seen[int(fixes["track"][row]), int(fixes["time"][row])] = _place(fixes, row)
        duplicate, conflict = np.zeros(len(fixes), np.bool_), np.zeros(len(fixes), np.bool_)
        for row in asked.tolist():
            key, place = (int(fixes["track"][row]), int(fixes["time"][row])), _place(fixes, row)
            if key not in seen:
                seen[key] = place
            elif max(abs(seen[key][0] - place[0]), abs(seen[key][1] - place[1])) <= SAME_DEG:
                duplicate[row] = True
            else:
                conflict[row] = True
        return duplicate, conflict


def _place(fixes: Fixes, row: int) -> tuple[float, float]:
    return float(fixes["lon"][row]), float(fixes["lat"][row])


def _bury(
    batch: Batch,
    fixes: Fixes,
    source: NDArray[np.intp],
    device: NDArray[np.int32],
    which: NDArray[np.bool_],
    reason: str,
) -> None:
    for place in np.unique(source[which]).tolist():
        message = batch.messages[place]
        bad = np.flatnonzero(which & (source == place))
        at = int(fixes["time"][bad[0]])
        if reason == "time-outside":
            detail = far(message, fixes[bad[0]])
        elif reason == "conflict":
            detail = f"{describe_us(at)}: the track is stored at another place than this"
        else:
            detail = f"more than {MOST} tracks at a time; names that change with every fix follow nobody"
        bury(batch, message, int(device[bad[0]]), reason, detail, len(bad))
