"""Tracks: who is followed, each with its number in the database and its newest time; silent ones are let go."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import psycopg
from numpy.typing import NDArray

from ingest.batch import Batch
from ingest.order import LONG_AGO, Newest
from ingest.records import array

Wanted = tuple[int, str, int]
"""A device's id, the name of a track, and the time of a fix (us)."""
Met = tuple[int, int | None]
"""A track's id, and the time of its newest stored fix (us); None: it has none yet."""

IDLE_US = 3_600_000_000
"""So long after it was heard of last a track is let go; it is read again when it comes back."""
MOST = 20_000
"""So many tracks one device may tell of at a time."""
REFUSED = -1
EVERY_S = 5.0


class Tracks:
    """Slots by device and name. `meet` makes or finds tracks in the database, and commits."""

    def __init__(self, meet: Callable[[list[Wanted]], list[Met]]) -> None:
        self._meet = meet
        self._slots: dict[tuple[int, str], int] = {}
        self._names: dict[int, tuple[int, str]] = {}
        self._of_device: Counter[int] = Counter()
        self._free: list[int] = []
        self.newest = Newest()
        self.id: NDArray[np.int32] = np.zeros(1, np.int32)  # by slot
        self._heard: NDArray[np.int64] = np.zeros(1, np.int64)  # us; 0: nobody has this slot

    def take(self, wanted: Sequence[Wanted], now_us: int) -> NDArray[np.int32]:
        """The slots of tracks; REFUSED for those of a device that has too many."""
        slots = np.array([self._slots.get(each[:2], REFUSED) for each in wanted], np.int32)
        missing: list[int] = []
        for place in np.flatnonzero(slots == REFUSED).tolist():
            if self._of_device[wanted[place][0]] < MOST:
                self._of_device[wanted[place][0]] += 1
                missing.append(place)
        if missing:
            met = self._meet([wanted[place] for place in missing])
            for place, (number, newest) in zip(missing, met, strict=True):
                slots[place] = self._add(wanted[place][:2], number, newest)
        self._heard[slots[slots != REFUSED]] = now_us
        return slots

    def tidy(self, now_us: int) -> int:
        """Let go who has been silent for long; returns how many."""
        gone: list[int] = np.flatnonzero((self._heard > 0) & (now_us - self._heard > IDLE_US)).tolist()
        self._heard[gone] = 0
        for slot in gone:
            name = self._names.pop(slot)
            del self._slots[name]
            self._of_device[name[0]] -= 1
            self.newest.times[slot] = LONG_AGO
        self._free += gone
        return len(gone)

    def _add(self, name: tuple[int, str], number: int, newest: int | None) -> int:
        slot = self._free.pop() if self._free else len(self._slots)
        if slot >= len(self.id):
            self.id = np.pad(self.id, (0, len(self.id)))
            self._heard = np.pad(self._heard, (0, len(self._heard)))
        self.newest.reach(slot)
        self.id[slot], self.newest.times[slot] = number, LONG_AGO if newest is None else newest
        self._slots[name], self._names[slot] = slot, name
        return slot


def meet(connection: psycopg.Connection, wanted: list[Wanted]) -> list[Met]:
    """Make the tracks that are missing and find the others, in the order asked for; commits.

    The commit is waited for: a database that crashed without it would give the number, which the hub goes on using, to
    another track.
    """
    columns = [[each[column] for each in wanted] for column in range(3)]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            """insert into track (device_id, name, first_at, last_at)
               select device_id, name, to_timestamp(0) + us * interval '1 microsecond',
                      to_timestamp(0) + us * interval '1 microsecond'
               from unnest(%s::int[], %s::text[], %s::bigint[]) as wanted (device_id, name, us)
               order by device_id, name
               on conflict (device_id, name) do update set seen_at = now()
               returning device_id, name, id, xmax = 0""",
            columns,
        )
        found = {(device_id, name): (number, fresh) for device_id, name, number, fresh in cursor}
        cursor.execute(
            """select asked, (select (extract(epoch from time) * 1000000)::bigint from fix
                              where track_id = asked order by time desc limit 1)
               from unnest(%s::int[]) as asked""",
            ([number for number, fresh in found.values() if not fresh],),
        )
        newest: dict[int, int | None] = dict(cursor.fetchall())
    return [(found[each[:2]][0], newest.get(found[each[:2]][0])) for each in wanted]


class Spans:
    """From when to when each track was heard, written with a commit every few seconds; used by the writer's thread."""

    def __init__(self) -> None:
        self._waiting: list[NDArray[np.int64]] = []
        self._due = 0.0
        self._written = False

    @property
    def behind(self) -> bool:
        """Whether something waits to be written and it is time."""
        return bool(self._waiting) and time.monotonic() >= self._due

    def write(self, cursor: psycopg.Cursor, batch: Batch) -> None:
        """Write in the batch's transaction, if it is time. Remembers nothing: the transaction may fail."""
        self._written = time.monotonic() >= self._due
        if not self._written:
            return
        heard = np.concatenate([*self._waiting, _heard(batch)])
        if len(heard):
            track, place = np.unique(heard[:, 0], return_inverse=True)
            first, last = np.full(len(track), heard[:, 1].max()), np.full(len(track), heard[:, 1].min())
            np.minimum.at(first, place, heard[:, 1])
            np.maximum.at(last, place, heard[:, 1])
            cursor.execute(
                """update track set seen_at = now(),
                          first_at = least(first_at, to_timestamp(0) + first * interval '1 microsecond'),
                          last_at = greatest(last_at, to_timestamp(0) + last * interval '1 microsecond')
                   from unnest(%s::int[], %s::bigint[], %s::bigint[]) as heard (id, first, last)
                   where track.id = heard.id""",
                (array(track.tolist()), array(first.tolist()), array(last.tolist())),
            )

    def committed(self, batch: Batch) -> None:
        """The transaction is through."""
        if self._written:
            self._waiting.clear()
            self._due = time.monotonic() + EVERY_S
        elif len(batch.fixes):
            self._waiting.append(_heard(batch))


def _heard(batch: Batch) -> NDArray[np.int64]:
    return np.column_stack((batch.fixes["track"].astype(np.int64), batch.fixes["time"]))
