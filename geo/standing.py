"""Who stands where: what is remembered of tracks, and of each track and zone that have to do with each other.

Two arrays, saved and taken up again as arrays. A pair is kept only while there is something to remember: a track in a city
of 50,000 zones costs what the handful of zones around it cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geo.fence import PAIR, take
from geo.track import NEVER, TRACK, no_tracks

SAVED = {
    "tracks": np.dtype([("track", "i4"), ("kept", TRACK)]),
    "pairs": np.dtype([("track", "i4"), ("key", "i8"), ("kept", PAIR)]),
}
"""What is saved. Tracks are named by their slot, zones by their key: who numbers tracks anew rewrites that column."""


class Standing:
    """Tracks by slot (TRACK), their pairs (PAIR) as lists linked through one array."""

    def __init__(self, keys: NDArray[np.int64]) -> None:
        """Begin with nothing; `keys` names the zones in what is saved."""
        self.keys = keys
        self.tracks = no_tracks(0)
        self.pairs: NDArray[Any] = np.zeros(0, PAIR)
        self.free = np.array([-1, 0])  # the first place that was given back, the first never used

    def expect(self, track: int, zone: int, *, expected: bool = True) -> None:
        """Say that a track ought to be inside a zone (by its place), or need not any more; `absent` tells where it is not."""
        self.hold(track + 1)
        place = self.tracks["pair"][track]
        while place >= 0 and self.pairs["zone"][place] != zone:
            place = self.pairs["next"][place]
        if place < 0 and expected:
            self.make_room(1)
            place = take(self.tracks, self.pairs, self.free, track, zone)
        if place >= 0:
            self.pairs["expected"][place], self.pairs["absent"][place] = expected, 0

    def present(self) -> NDArray[Any]:
        """PAIR (k,) of who is inside what now, by zone, then track: one that is `LEAVING` may be out already."""
        kept = self._kept()
        inside: NDArray[Any] = kept[kept["inside"] == 1]
        return np.sort(inside, order=("zone", "track"))

    def expected(self) -> NDArray[Any]:
        """PAIR (k,) of who ought to be inside what, by zone, then track."""
        kept = self._kept()
        asked: NDArray[Any] = kept[kept["expected"] == 1]
        return np.sort(asked, order=("zone", "track"))

    def seen(self, track: ArrayLike) -> NDArray[np.int64]:
        """When each of these tracks was last believed, us; NEVER for one that was not yet."""
        times = np.append(self.tracks["time"], NEVER)
        return np.asarray(times[np.minimum(np.asarray(track, np.int64), len(self.tracks))])

    def forget(self, track: ArrayLike) -> None:
        """Let tracks go, with all that is remembered of them; nothing is told. Their slots may be used anew."""
        kept = {name: rows[~np.isin(rows["track"], np.asarray(track))] for name, rows in self.state().items()}
        self.tracks, self.pairs, self.free = no_tracks(0), np.zeros(0, PAIR), np.array([-1, 0])
        self.restore(kept)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that is remembered, as arrays by name of SAVED."""
        known = np.flatnonzero(self.tracks["time"] != NEVER)
        tracks = np.zeros(len(known), SAVED["tracks"])
        tracks["track"], tracks["kept"] = known, self.tracks[known]
        kept = self._kept()
        pairs = np.zeros(len(kept), SAVED["pairs"])
        pairs["track"], pairs["key"], pairs["kept"] = kept["track"], self.keys[kept["zone"]], kept
        return {"tracks": tracks, "pairs": pairs}

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Take up what `state` gave; pairs of zones that are no more are left out, and nothing is told of them.

        Raises:
            ValueError: the arrays are not those of SAVED, or there are tracks already.
        """
        if any(name not in saved or saved[name].dtype != dtype for name, dtype in SAVED.items()):
            raise ValueError("this is not what was saved, or was saved by another version")
        if len(self.tracks):
            raise ValueError("there are tracks already")
        known = np.isin(saved["pairs"]["key"], self.keys)
        tracks, pairs = saved["tracks"], saved["pairs"][known]
        pairs = pairs[np.lexsort((pairs["key"], pairs["track"]))]
        self.hold(1 + int(max(tracks["track"].max(initial=-1), pairs["track"].max(initial=-1))))
        self.tracks[tracks["track"]] = tracks["kept"]
        self.tracks["pair"] = -1
        self.make_room(len(pairs))
        order = np.argsort(self.keys)
        place = np.arange(len(pairs))
        self.pairs[place] = pairs["kept"]
        self.pairs["track"][place] = pairs["track"]
        self.pairs["zone"][place] = order[np.searchsorted(self.keys, pairs["key"], sorter=order)]
        head = np.diff(pairs["track"], prepend=-1) != 0
        self.pairs["next"][place] = np.where(np.append(head[1:], True), -1, place + 1)
        self.tracks["pair"][pairs["track"][head]] = place[head]
        self.free[:] = -1, len(pairs)

    def hold(self, tracks: int) -> None:
        """Have a place for tracks up to this many."""
        if tracks > len(self.tracks):
            wider = no_tracks(max(tracks, 2 * len(self.tracks)))
            wider[: len(self.tracks)] = self.tracks
            self.tracks = wider

    def make_room(self, pairs: int) -> None:
        """Have room for so many more pairs."""
        need = int(self.free[1]) + pairs
        if need > len(self.pairs):
            wider = np.zeros(max(need, 2 * len(self.pairs)), PAIR)
            wider[: len(self.pairs)] = self.pairs
            self.pairs = wider

    def _kept(self) -> NDArray[Any]:
        used = self.pairs[: self.free[1]]
        return used[used["track"] >= 0]
