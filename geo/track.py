"""Tracks: which fixes are believed. Late ones, vague ones and impossible jumps move nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.plane import apart

BELIEVED, LATE, JUMP, VAGUE, NOWHERE = 0, 1, 2, 3, 4
OUTCOMES = ("believed", "late", "jump", "vague", "nowhere")
"""What became of a fix, by its number."""

NEVER = np.iinfo(np.int64).min
UNKNOWN = -1
HALF_ROUND, POLE = 180.0, 90.0
JUMPED_FIXES = 3
"""So many fixes in a row that agree with each other and not with the track before are the new place."""

TRACK = np.dtype(
    [
        ("time", "i8"),  # of the last fix that was believed, us; NEVER: none yet
        ("lon", "f8"),
        ("lat", "f8"),
        ("accuracy", "f8"),
        ("away_time", "i8"),  # the last fix that was too far to be true
        ("away_lon", "f8"),
        ("away_lat", "f8"),
        ("away_accuracy", "f8"),
        ("away", "i4"),  # how many of these agree in a row
        ("pair", "i4"),  # the first zone that it has to do with; -1: none
    ]
)


@dataclass(frozen=True, slots=True)
class Motion:
    """What tracks may do."""

    max_speed_mps: float = 70.0  # faster is no movement but a wrong position
    gap_s: float = 300.0  # after so long nothing is known of what lay between
    max_accuracy_m: float = 200.0  # a fix with a wider circle than this is not used
    accuracy_m: float = 0.0  # of a fix that says nothing of its accuracy


class Steps(NamedTuple):
    """What lies before each of n fixes; of fixes that are not believed it says nothing."""

    outcome: NDArray[np.uint8]
    accuracy: NDArray[np.float64]  # metres, of the fix or as assumed
    lon: NDArray[np.float64]  # the place before, as one goes on from it: beyond 180 over the antimeridian
    lat: NDArray[np.float64]
    before: NDArray[np.float64]  # its accuracy
    took: NDArray[np.int64]  # us since then; UNKNOWN after a gap or a jump, and at the first fix


def no_tracks(count: int) -> NDArray[Any]:
    """TRACK (count,) of which nothing is known."""
    tracks = np.zeros(count, TRACK)
    tracks["time"], tracks["away_time"], tracks["pair"] = NEVER, NEVER, -1
    return tracks


def follow(
    tracks: NDArray[Any],
    track: NDArray[np.int32],
    time: NDArray[np.int64],
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
    accuracy: NDArray[np.float64],
    motion: Motion,
) -> Steps:
    """Move tracks by n fixes in the order of their arrival; `accuracy` NaN or below 0: the source says nothing."""
    count = len(track)
    steps = Steps(
        np.empty(count, np.uint8),
        np.where(accuracy >= 0, accuracy, motion.accuracy_m),
        lon.copy(),
        lat.copy(),
        np.zeros(count),
        np.full(count, UNKNOWN, np.int64),
    )
    _follow(
        tracks, track, time, lon, lat,
        motion.max_speed_mps / 1e6, motion.gap_s * 1e6, motion.max_accuracy_m, steps,
    )  # fmt: skip
    return steps


@njit(cache=True, nogil=True)
def _follow(  # noqa: C901, PLR0917 -- all that can become of a fix on one page
    tracks: Any,
    track: Any,
    time: Any,
    lon: Any,
    lat: Any,
    fastest: float,
    gap: float,
    vague: float,
    steps: Any,
) -> None:
    for row in range(len(track)):
        place = tracks[track[row]]
        now, accuracy = time[row], steps.accuracy[row]
        if not (abs(lon[row]) <= HALF_ROUND and abs(lat[row]) <= POLE):
            steps.outcome[row] = NOWHERE
            continue
        if now <= place["time"]:
            steps.outcome[row] = LATE
            continue
        if accuracy > vague:
            steps.outcome[row] = VAGUE
            continue
        if place["time"] != NEVER:
            took = now - place["time"]
            far = apart(place["lon"], place["lat"], lon[row], lat[row])
            if far - accuracy - place["accuracy"] > fastest * took:
                agrees = False
                if place["away"] > 0 and now > place["away_time"]:
                    off = apart(place["away_lon"], place["away_lat"], lon[row], lat[row])
                    agrees = off - accuracy - place["away_accuracy"] <= fastest * (now - place["away_time"])
                place["away"] = place["away"] + 1 if agrees else 1
                if place["away"] < JUMPED_FIXES:
                    place["away_time"], place["away_accuracy"] = now, accuracy
                    place["away_lon"], place["away_lat"] = lon[row], lat[row]
                    steps.outcome[row] = JUMP
                    continue
            elif took <= gap:
                before = place["lon"]
                if abs(lon[row] - before) > HALF_ROUND:
                    before += 2 * HALF_ROUND if lon[row] > before else -2 * HALF_ROUND
                steps.lon[row], steps.lat[row] = before, place["lat"]
                steps.before[row], steps.took[row] = place["accuracy"], took
        steps.outcome[row] = BELIEVED
        place["time"], place["accuracy"], place["away"] = now, accuracy, 0
        place["lon"], place["lat"] = lon[row], lat[row]
