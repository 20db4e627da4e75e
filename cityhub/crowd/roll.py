"""The roll: which series count people, of which the hub speaks itself, and what a batch says of the former."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from api.watched import LINE, ZONE
from cityhub.crowd.counts import COUNT
from cityhub.crowd.ground import Meter
from cityhub.crowd.recall import PERSONS
from cityhub.crowd.tick import CLOCK_APART
from edge.reading import Rows
from ingest.batch import Batch
from ingest.message import OURS
from ingest.profile import Profile
from ingest.registry import Registry, Series

STATED_US = 60_000_000
"""A number that somebody stated longer ago says nothing of now: who has gone in or out since went through the doors already."""


class Roll:
    """Kept in the main thread; others read copies of what is in it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.meters: dict[int, Meter] = {}
        self.own: dict[tuple[str, str], int] = {}
        """The series that we speak for, by device and metric."""
        self.doubted: set[str] = set()
        """Devices whose clock was ever told to be apart."""
        self._devices = np.zeros(1, np.bool_)  # by id: it counts people

    @property
    def passings(self) -> list[int]:
        """Series that count who goes in or out."""
        return [slot for slot, meter in self.meters.items() if meter.counts in ("in", "out")]

    def meet(self, fresh: Iterable[Series]) -> bool:
        """Series that are new to this process; whether any of them counts."""
        before = len(self.meters)
        for series in fresh:
            device, measured = series.device, series.measured
            if device.profile in (ZONE, LINE):
                self.own[device.key, series.metric] = series.id
            if series.metric == CLOCK_APART:
                self.doubted.add(device.key)
            if device.profile == ZONE and series.metric == PERSONS:
                # What anybody else says of our own series of people is a count of the zone.
                self.meters[series.id] = Meter(
                    series.id, device.id, device.key, PERSONS, "tally", measured.interval_s, device.zone_id
                )
            # A recording counts nobody who is there now.
            if measured.counts is None or device.recorded:
                continue
            profile = self._registry.profiles[device.profile]
            self.meters[series.id] = Meter(
                series.id, device.id, device.key, series.metric, measured.counts, measured.interval_s,
                device.zone_id, dense=_dense(profile, series.metric),
            )  # fmt: skip
            # Its last place is nobody's: it stands for all beyond.
            if len(self._devices) <= device.id + 1:
                self._devices = np.pad(self._devices, (0, 2 * device.id + 2 - len(self._devices)))
            self._devices[device.id] = True
        return len(self.meters) > before

    def counted(self, batch: Batch) -> tuple[NDArray[np.void], dict[int, int]]:
        """The counts in a batch that bears its flags, and when its devices that count were heard."""
        rows, heard = batch.rows, dict[int, int]()
        if not len(rows) or not self.meters:
            return np.zeros(0, COUNT), heard
        place = np.flatnonzero(self._devices[np.minimum(batch.device, len(self._devices) - 1)])
        arrived = batch.arrived[batch.source[place]]
        for device in np.unique(batch.device[place]).tolist():
            heard[device] = int(arrived[batch.device[place] == device].max())
        tallies = self._tallies(batch)
        counts = (
            counts_of(rows[place], arrived),
            counts_of(rows[tallies], batch.arrived[batch.source[tallies]]),
        )
        return np.concatenate(counts), heard

    def _tallies(self, batch: Batch) -> NDArray[np.intp]:
        """Rows of our own series of people that others have said, of now."""
        ours = [slot for slot, meter in self.meters.items() if meter.counts == "tally"]
        rows = np.flatnonzero(np.isin(batch.rows["series"], ours))
        rows = rows[batch.rows["time"][rows] >= batch.arrived[batch.source[rows]] - STATED_US]
        others = [batch.messages[message].epoch != OURS for message in batch.source[rows].tolist()]
        return rows[np.array(others, np.bool_)]


def counts_of(rows: Rows, arrived: NDArray[np.int64]) -> NDArray[np.void]:
    """Readings as COUNT."""
    counts = np.zeros(len(rows), COUNT)
    counts["time"], counts["slot"], counts["value"] = rows["time"], rows["series"], rows["value"]
    counts["flag"], counts["arrived"] = rows["flag"], arrived
    return counts


def _dense(profile: Profile, metric: str) -> bool:
    return any(rule.over == "zone-area" and rule.source == metric for rule in profile.derived.values())
