"""Persons per zone from anonymous tracks: who was last seen where, a moment ago."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geo.locate import Locator


def persons(
    zones: Locator,
    track: NDArray[np.int64],
    time_us: NDArray[np.int64],
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
    at_us: int,
    max_age_s: float,
) -> NDArray[np.int64]:
    """Count the tracks in each zone by the newest fix of each that is not after `at_us` and not too old.

    A track in two zones that overlap is in both. What it counts is tracks: a camera that loses a person and finds them
    again makes two, so `max_age_s` is short, a few intervals between fixes.

    Args:
        zones: z zones.
        track: int (n,).
        time_us: int64 (n,), in any order; of two fixes at one time the later row counts.
        lon: float64 (n,), degrees; a fix that is not finite says that the track is nowhere.
        lat: float64 (n,).
        at_us: the moment.
        max_age_s: 0 or more.

    Returns:
        int64 (z,).
    """
    track, time_us = np.asarray(track), np.asarray(time_us)
    if track.ndim != 1 or not track.shape == time_us.shape == np.shape(lon) == np.shape(lat):
        raise ValueError("track, time_us, lon and lat must be columns of one length")
    age_us = at_us - time_us
    recent = np.flatnonzero((age_us >= 0) & (age_us <= max_age_s * 1e6))
    order = recent[np.lexsort((time_us[recent], track[recent]))]
    last = np.ones(len(order), bool)
    last[:-1] = track[order[1:]] != track[order[:-1]]
    newest = order[last]
    _, zone = zones.locate(np.asarray(lon)[newest], np.asarray(lat)[newest])
    return np.bincount(zone, minlength=len(zones)).astype(np.int64)
