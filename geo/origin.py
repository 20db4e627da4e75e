"""Where a crowd comes from, where it goes and how long it stays, told of groups only: no group below a minimum is shown.

What is hidden must not be found by subtraction: so there are no sums here but of what is shown, zero is hidden like
one, and a person who goes to and fro is one person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Column = NDArray[np.float64]

LEAST_MINIMUM = 3
"""A minimum below this shows single persons, or one to whoever knows that they are the other."""


class Visits(NamedTuple):
    """When a track was in a zone; n rows in any order, tracks by their day's token, finished visits only."""

    track: NDArray[np.int64]
    zone: NDArray[np.int64]  # 0 to z - 1
    enter_us: NDArray[np.int64]
    exit_us: NDArray[np.int64]


class Dwell(NamedTuple):
    """How long people stayed in one zone."""

    persons: float  # NaN where they are fewer than the minimum
    edges_s: Column  # (b + 1,) bins of the histogram, merged until each holds the minimum; empty where nothing is shown
    counts: Column  # (b,)

    def quantile(self, share: float) -> float:
        """Seconds within which this share of the people had left, straight within a bin; NaN where nothing is shown."""
        if len(self.counts) == 0:
            return np.nan
        reached = np.concatenate(([0.0], np.cumsum(self.counts)))
        return float(np.interp(share * reached[-1], reached, self.edges_s))


def origin_destination(
    visits: Visits, zones: int, minimum: int, max_gap_s: float, window_us: tuple[int, int] | None = None
) -> Column:
    """How many people went from each zone to each other, as their next zone.

    Args:
        visits: finished visits.
        zones: z.
        minimum: least group that is shown.
        max_gap_s: a longer time between leaving one zone and entering the next is no way between them.
        window_us: only ways that end in it, its end not included; None: all. So of windows that do not overlap each has
            its own ways.

    Returns:
        float64 (z, z), persons from row to column; NaN below the minimum, zero included.

    Raises:
        ValueError: the columns do not fit, or the minimum is below `LEAST_MINIMUM`.
    """
    track, zone, enter_us, exit_us = _sound(visits, zones, minimum)
    order = np.lexsort((exit_us, enter_us, track))
    track, zone, enter_us, exit_us = track[order], zone[order], enter_us[order], exit_us[order]
    gap_us = enter_us[1:] - exit_us[:-1]
    went = (track[1:] == track[:-1]) & (zone[1:] != zone[:-1]) & (gap_us <= max_gap_s * 1e6)
    if window_us is not None:
        went &= (enter_us[1:] >= window_us[0]) & (enter_us[1:] < window_us[1])
    # Each person once for each way, however often they went it.
    ways = np.unique(np.column_stack((track[:-1], zone[:-1], zone[1:]))[went], axis=0)
    persons = np.zeros((zones, zones))
    np.add.at(persons, (ways[:, 1], ways[:, 2]), 1)
    return np.where(persons >= minimum, persons, np.nan)


def dwell(visits: Visits, zones: int, minimum: int, edges_s: Sequence[float]) -> list[Dwell]:
    """Distribution of how long each person stayed in each zone, all their visits together.

    Args:
        visits: finished visits.
        zones: z.
        minimum: least group that is shown.
        edges_s: ascending bounds of the bins, seconds; whoever stayed shorter or longer is in the first or last bin.

    Raises:
        ValueError: as `origin_destination`, or the bounds do not ascend.
    """
    edges = np.asarray(edges_s, np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():  # noqa: PLR2004 - a beginning and an end
        raise ValueError("edges_s must ascend, two or more")
    track, zone, enter_us, exit_us = _sound(visits, zones, minimum)
    person, which = np.unique(np.column_stack((track, zone)), axis=0, return_inverse=True)
    stayed = np.zeros(len(person))
    np.add.at(stayed, which.ravel(), (exit_us - enter_us) * 1e-6)
    shown = []
    for each in range(zones):
        bins = np.clip(
            np.searchsorted(edges, stayed[person[:, 1] == each], side="right") - 1, 0, len(edges) - 2
        )
        counts = np.bincount(bins, minlength=len(edges) - 1)
        shown.append(_merged(counts, edges, minimum))
    return shown


def flow_map(persons: Column, lon: Column, lat: Column, keys: Sequence[str]) -> dict[str, Any]:
    """An origin-destination matrix as GeoJSON: one line from zone to zone, with its persons; hidden ones are left out.

    Args:
        persons: float64 (z, z), as `origin_destination` gives it.
        lon: float64 (z,), degrees, a point in each zone.
        lat: float64 (z,).
        keys: z names of zones.

    Raises:
        ValueError: the sizes differ.
    """
    zones = len(keys)
    if np.shape(persons) != (zones, zones) or not np.shape(lon) == np.shape(lat) == (zones,):
        raise ValueError(f"{zones} zones need a square matrix and a point each")
    rows, columns = np.nonzero(np.nan_to_num(persons) > 0)
    features = [
        {
            "type": "Feature",
            "geometry": {
                "type": "LineString",
                "coordinates": [[float(lon[a]), float(lat[a])], [float(lon[b]), float(lat[b])]],
            },
            "properties": {"from": keys[a], "to": keys[b], "persons": int(persons[a, b])},
        }
        for a, b in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    return {"type": "FeatureCollection", "features": features}


def _sound(visits: Visits, zones: int, minimum: int) -> Visits:
    """Drop visits that end before they begin, which a clock that was set back makes."""
    if minimum < LEAST_MINIMUM:
        raise ValueError(f"a minimum group of {minimum} shows single persons: give {LEAST_MINIMUM} or more")
    columns = Visits(*(np.asarray(each) for each in visits))
    if columns.track.ndim != 1 or len({each.shape for each in columns}) != 1:
        raise ValueError("the columns of visits must have one length")
    if len(columns.zone) and not (columns.zone.min() >= 0 and columns.zone.max() < zones):
        raise ValueError(f"a visit is in none of the {zones} zones")
    sound = columns.exit_us >= columns.enter_us
    return Visits(*(each[sound] for each in columns))


def _merged(counts: NDArray[np.int64], edges: Column, minimum: int) -> Dwell:
    if counts.sum() < minimum:
        return Dwell(np.nan, np.empty(0), np.empty(0))
    bounds, groups, group = [edges[0]], [], 0
    for nth, count in enumerate(counts.tolist()):
        group += count
        if group >= minimum:
            groups.append(group)
            bounds.append(edges[nth + 1])
            group = 0
    # The few that are left over belong to the last group.
    groups[-1] += group
    bounds[-1] = edges[-1]
    return Dwell(float(counts.sum()), np.array(bounds), np.array(groups, np.float64))
