"""Positions that came just now and are not of now by their own time: inside a restricted zone they must not go unnoticed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cityhub.crowd.ground import Ground
from cityhub.crowd.telling import RESTRICTED
from ingest.batch import Batch

UNTIMED = np.dtype([("arrived", "<i8"), ("device", "<i4"), ("lon", "<f8"), ("lat", "<f8")])
"""A position; `device` tells its own place, or is 0."""
LATELY_US = 60_000_000
"""As long as a track without a name is counted after its last fix."""


def untimed(batch: Batch, recorded: Collection[int]) -> NDArray[Any]:
    """Those of a batch: at an impossible time, or so late that they page nobody. `recorded`: ids of devices that play recordings."""
    late = batch.fix_late & (batch.fixes["time"] < batch.arrived[batch.fix_source] - LATELY_US)
    fixes = np.concatenate([batch.fixes[late], batch.fixes_outside])
    found = np.zeros(len(fixes), UNTIMED)
    if not len(found):
        return found
    source = np.concatenate([batch.fix_source[late], batch.fixes_outside_source])
    device = np.concatenate([batch.fix_device[late], batch.fixes_outside_device])
    found["arrived"], found["lon"], found["lat"] = batch.arrived[source], fixes["lon"], fixes["lat"]
    found["device"] = np.where(fixes["named"], device, 0)
    return found[~np.isin(device, list(recorded))]


class Untimed:
    """Those of the last minute."""

    def __init__(self) -> None:
        self._rows: NDArray[Any] = np.zeros(0, UNTIMED)

    def take(self, rows: NDArray[Any]) -> None:
        """Take in what has come."""
        self._rows = np.concatenate([self._rows, rows])

    def inside(self, ground: Ground, at_us: int, devices: Mapping[str, int]) -> dict[int, int]:
        """How many lie in each restricted zone, by its id, but for those of devices that are expected there."""
        self._rows = self._rows[np.abs(at_us - self._rows["arrived"]) <= LATELY_US]
        if not len(self._rows):
            return {}
        found = {}
        for zone in ground.watched:
            if zone.kind == RESTRICTED:
                invited = [devices[key] for key in zone.expected if key in devices]
                rows = self._rows[~np.isin(self._rows["device"], invited)]
                found[zone.id] = int(shapely.intersects_xy(zone.geometry, rows["lon"], rows["lat"]).sum())
        return found
