"""Fencing: fixes against the zones that hold now; who is inside what, who ought to be and is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray

from cityhub.redrawing import Drawn, read
from edge.reading import now_us
from geo import record
from geo.crossing import Told
from geo.record import CROSSING
from geo.standing import SAVED, Standing
from geo.track import BELIEVED
from ingest.batch import Batch
from ingest.fixes import Fixes

PREFIX = "standing-"
"""Before the names of what is remembered, in a checkpoint."""
IDLE_US = 3_600_000_000
"""So long after its last fix a track that is in no zone is forgotten."""
TOKEN_US = 86_400_000_000
"""So long after it a track without a name is forgotten wherever it was: its token is over."""
OWN = "own"
NOBODY = -1


class Inside(NamedTuple):
    """Who is inside what: k pairs."""

    zone: NDArray[np.int32]  # ids of zones
    track: NDArray[np.int32]  # ids of tracks
    device: NDArray[np.int32]  # ids of devices that tell their own place; 0: a track without a name
    dwelt: NDArray[np.bool_]  # it has stayed for the zone's `dwell_s`


class Absent(NamedTuple):
    """Who ought to be inside what, and is not known to be: k pairs."""

    zone: NDArray[np.int32]  # ids of zones
    device: NDArray[np.int32]  # ids of devices


class Fencing:
    """Tracks by their ids in slots of our own, which are given anew when a track is forgotten."""

    def __init__(self) -> None:
        self.drawn = Drawn()
        self._slots: dict[int, int] = {}  # by track
        self._free: list[int] = []
        # By slot: the track (NOBODY: free), the device that tells its own place (0: none), when we heard of it last.
        self._track = np.zeros(0, np.int32)
        self._device = np.zeros(0, np.int32)
        self._heard = np.zeros(0, np.int64)
        # When the newest believed fix counts as told: when it came, or by its own time where it came late.
        self._told = np.zeros(0, np.int64)

    @property
    def followed(self) -> bool:
        """Whether any track is known: where nobody tells a place, that nobody is inside says nothing."""
        return bool((self._track != NOBODY).any())

    def refresh(self, connection: psycopg.Connection) -> None:
        """Read the zones at once, where any has changed; before messages are taken."""
        self.take(read(connection, self.drawn))

    def take(self, drawn: Drawn) -> None:
        """Judge by these fences from now on; who was inside stays inside, and is told nothing."""
        before, self.drawn = self.drawn, drawn
        if drawn.crossings is not before.crossings:
            self._restore(before.crossings.standing.state())
        self._expect()

    def follow(self, batch: Batch) -> None:
        """Move tracks by the fixes of a batch: fills in their outcome, and leaves in it what is to be told."""
        if not len(batch.fixes):
            return
        told = self._feed(batch.fixes, batch.fix_device)
        batch.fixes["outcome"] = told.outcome
        believed = told.outcome == BELIEVED
        slots = np.array([self._slots[track] for track in batch.fixes["track"][believed].tolist()], np.int32)
        came = np.where(batch.fix_late, batch.fixes["time"], batch.arrived[batch.fix_source])
        self._told[slots] = came[believed]
        events = told.events
        crossings = np.zeros(len(events), CROSSING)
        crossings["time"], crossings["kind"], crossings["stayed"] = (
            events["at"], events["kind"], events["stayed"],
        )  # fmt: skip
        crossings["track"] = batch.fixes["track"][events["row"]]
        crossings["zone"] = self._standing.keys[events["zone"]]
        crossings["version"] = self.drawn.version[events["zone"]]
        batch.crossings = crossings

    def replay(self, fixes: Fixes, device: NDArray[np.int32]) -> None:
        """Take in what was stored after the checkpoint, each with its device: nobody is told, for it was told then."""
        self._feed(fixes, device)
        for track, time in zip(fixes["track"].tolist(), fixes["time"].tolist(), strict=True):
            self._told[self._slots[track]] = time

    @staticmethod
    def write(cursor: psycopg.Cursor, batch: Batch) -> None:
        """Write the crossings of a batch in its transaction; in the writer's thread."""
        record.write(cursor, batch.crossings)

    def inside(self) -> Inside:
        """Who is inside what now. A track that fell silent inside stays inside: `told` says since when."""
        pairs = self._standing.present()
        return Inside(
            self._standing.keys[pairs["zone"]].astype(np.int32),
            self._track[pairs["track"]],
            self._device[pairs["track"]],
            pairs["dwelt"] == 1,
        )

    def absent(self) -> Absent:
        """Who ought to be inside and is not, those among them who have never told their place."""
        pairs = self._standing.present()
        devices, zones = self._device[pairs["track"]], self._standing.keys[pairs["zone"]]
        there = set(zip(devices.tolist(), zones.tolist(), strict=True))
        gone = [
            (zone, device)
            for device, wanted in self.drawn.wanted.items()
            for zone in wanted
            if (device, zone) not in there
        ]
        columns = np.array(gone, np.int32).reshape(-1, 2)
        return Absent(columns[:, 0], columns[:, 1])

    def told(self, track: NDArray[np.int32]) -> NDArray[np.int64]:
        """When each of these tracks told its place last, us: by our clock, for theirs may be wrong; 0: not known."""
        slots = np.array([self._slots.get(number, NOBODY) for number in track.tolist()], np.int32)
        return np.where(slots == NOBODY, 0, np.append(self._told, 0)[slots])

    def devices_told(self) -> dict[int, int]:
        """The same of the devices that tell their own place, by their ids."""
        own = np.flatnonzero(self._device)
        return dict(zip(self._device[own].tolist(), self._told[own].tolist(), strict=True))

    def tidy(self, now: int) -> int:
        """Forget who has been silent for long; returns how many. Call now and then: it goes through all that is kept."""
        slots = np.flatnonzero(self._track != NOBODY)
        silent = now - self._heard[slots]
        # Whoever is inside somewhere, or is about to be, has a pair.
        idle = self._standing.tracks["pair"][slots] < 0
        gone = slots[(idle & (silent > IDLE_US)) | ((self._device[slots] == 0) & (silent > TOKEN_US))]
        if len(gone):
            self._standing.forget(gone)
            for slot in gone.tolist():
                del self._slots[int(self._track[slot])]
            self._track[gone], self._device[gone] = NOBODY, 0
            self._free += gone.tolist()
            self._standing.hold(len(self._track))  # it has let its last places go
        return len(gone)

    def saved(self) -> dict[str, NDArray[Any]]:
        """What is remembered, by name; tracks are named by their ids."""
        state = self._standing.state()
        for rows in state.values():
            rows["track"] = self._track[rows["track"]]
        own = np.flatnonzero((self._device != 0) & (self._track != NOBODY))
        state[OWN] = np.column_stack((self._track[own], self._device[own]))
        return {PREFIX + name: rows for name, rows in state.items()}

    def take_up(self, saved: Mapping[str, NDArray[Any]]) -> bool:
        """Begin where a checkpoint ended, once the zones are read; whether it could be taken up."""
        state = {name: saved[PREFIX + name].copy() for name in SAVED if PREFIX + name in saved}
        if len(state) < len(SAVED) or any(state[name].dtype != dtype for name, dtype in SAVED.items()):
            return False
        now = now_us()
        for rows in state.values():
            rows["track"] = self._slots_of(rows["track"], now)
        own = saved[PREFIX + OWN]
        self._device[self._slots_of(own[:, 0], now)] = own[:, 1]
        self._restore(state)
        self._told[state["tracks"]["track"]] = np.maximum(state["tracks"]["kept"]["time"], 0)
        self._expect()
        return True

    @property
    def _standing(self) -> Standing:
        return self.drawn.crossings.standing

    def _restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._standing.restore(state)
        self._standing.hold(len(self._track))

    def _feed(self, fixes: Fixes, device: NDArray[np.int32]) -> Told:
        slots = self._slots_of(fixes["track"], now_us())
        own = np.where(fixes["named"], device, 0)
        fresh = own[self._device[slots] != own]
        self._device[slots] = own
        if not self.drawn.wanted.keys().isdisjoint(fresh.tolist()):
            self._expect()
        return self.drawn.crossings.feed(slots, fixes["time"], fixes["lon"], fixes["lat"], fixes["accuracy"])

    def _expect(self) -> None:
        """Tell the fences who ought to be inside; who was told to be absent is not told again."""
        asks = self.drawn.wanted
        place = {key: number for number, key in enumerate(self._standing.keys.tolist())} if asks else {}
        slots = {int(self._device[slot]): int(slot) for slot in np.flatnonzero(self._device).tolist()}
        wanted = {
            (slots[device], place[zone])
            for device, zones in asks.items()
            for zone in zones
            if device in slots and zone in place
        }
        pairs = self._standing.expected()
        asked = set(zip(pairs["track"].tolist(), pairs["zone"].tolist(), strict=True))
        for slot, zone in wanted - asked:
            self._standing.expect(slot, zone)
        for slot, zone in asked - wanted:
            self._standing.expect(slot, zone, expected=False)

    def _slots_of(self, track: NDArray[np.int32], now: int) -> NDArray[np.int32]:
        """The slots of tracks, which are heard of now."""
        ids, place = np.unique(track, return_inverse=True)
        found = [self._slots.get(number, NOBODY) for number in ids.tolist()]
        for each, (number, slot) in enumerate(zip(ids.tolist(), found, strict=True)):
            if slot == NOBODY:
                found[each] = self._take(number)
        slots = np.array(found, np.int32)
        self._heard[slots] = now
        return slots[place]

    def _take(self, track: int) -> int:
        if not self._free:
            before = len(self._track)
            room = max(64, before)
            self._track = np.pad(self._track, (0, room), constant_values=NOBODY)
            self._device = np.pad(self._device, (0, room))
            self._heard = np.pad(self._heard, (0, room))
            self._told = np.pad(self._told, (0, room))
            self._free = list(range(before + room - 1, before - 1, -1))
        slot = self._free.pop()
        self._track[slot], self._slots[track], self._told[slot] = track, slot, 0
        return slot
