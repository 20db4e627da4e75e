"""Who is near whom: tracks that come within a distance of each other, and part again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from geo.plane import apart, around

NEARBY, FARAWAY = 0, 1
KINDS = ("nearby", "faraway")

EVENT = np.dtype([("row", "i4"), ("track", "i4"), ("other", "i4"), ("kind", "u1"), ("metres", "f8")])


class Company:
    """Tracks by slot. Each fix tells `nearby` of every track within the distance, and `faraway` once of one it has left.

    Each fix looks at all tracks: this is for the hundreds of vehicles and crews of an emergency, not for crowds.
    """

    def __init__(self, within_m: float) -> None:
        if not within_m > 0:
            raise ValueError(f"{within_m:g} m is not above 0")
        self._within = float(within_m)
        self._time: NDArray[np.int64] = np.zeros(0, np.int64)
        self._place: NDArray[np.float64] = np.full((0, 2), np.nan)
        self._near: NDArray[np.bool_] = np.zeros((0, 0), np.bool_)

    def feed(self, track: ArrayLike, time: ArrayLike, lon: ArrayLike, lat: ArrayLike) -> NDArray[Any]:
        """Take n fixes in the order of their arrival: int32 slots, int64 us, float64 degrees; returns EVENT (k,).

        A fix that is older than the track's newest, or nowhere, moves nothing. Events of one fix are ordered by the
        other track, `nearby` before `faraway`.
        """
        track, time = np.asarray(track, np.int32), np.asarray(time, np.int64)
        lon, lat = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
        if not (track.ndim == 1 and track.shape == time.shape == lon.shape == lat.shape):
            raise ValueError(
                f"the columns of fixes differ: {track.shape}, {time.shape}, {lon.shape}, {lat.shape}"
            )
        if len(track) and track.min() < 0:
            raise ValueError(f"{track.min()} is no slot of a track")
        self._hold(int(track.max(initial=-1)) + 1)
        aside, above = around(lon, lat, self._within)
        events = np.empty(64, EVENT)
        events, count = _meet(
            track, time, lon, lat, aside, above, self._within, self._time, self._place, self._near, events
        )
        told: NDArray[Any] = events[:count]
        return told

    def _hold(self, tracks: int) -> None:
        more = max(tracks, 2 * len(self._time)) - len(self._time) if tracks > len(self._time) else 0
        if more:
            self._time = np.pad(self._time, (0, more), constant_values=np.iinfo(np.int64).min)
            self._place = np.pad(self._place, ((0, more), (0, 0)), constant_values=np.nan)
            self._near = np.pad(self._near, ((0, more), (0, more)))


@njit(cache=True, nogil=True)
def _meet(  # noqa: PLR0917 -- a kernel takes its columns one by one
    track: Any, time: Any, lon: Any, lat: Any, aside: Any, above: Any, within: float,
    newest: Any, place: Any, near: Any, events: Any,
) -> tuple[Any, int]:  # fmt: skip
    count = 0
    for row in range(len(track)):
        one = track[row]
        x, y = lon[row], lat[row]
        if time[row] <= newest[one] or not (abs(x) <= 180.0 and abs(y) <= 90.0):  # noqa: PLR2004 - degrees
            continue
        newest[one], place[one, 0], place[one, 1] = time[row], x, y
        for kind in (NEARBY, FARAWAY):
            for other in range(len(newest)):
                if other == one or np.isnan(place[other, 0]):
                    continue
                off = abs(place[other, 0] - x)
                boxed = min(off, 360.0 - off) <= aside[row] and abs(place[other, 1] - y) <= above[row]
                if kind == FARAWAY and not near[one, other]:
                    continue
                if kind == NEARBY and not boxed:
                    continue
                metres = apart(x, y, place[other, 0], place[other, 1])
                if (metres <= within) != (kind == NEARBY):
                    continue
                near[one, other] = near[other, one] = kind == NEARBY
                if count == len(events):
                    wider = np.empty(2 * count, events.dtype)
                    wider[:count] = events
                    events = wider
                event = events[count]
                event["row"], event["track"], event["other"] = row, one, other
                event["kind"], event["metres"] = kind, metres
                count += 1
    return events, count
