"""The zones of a moment, in memory: an index that is asked where points lie; built once, then read only."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.jurisdiction import Chains, Jurisdictions
from geo.locate import Locator
from geo.nearest import Nearest
from geo.zones import VIEW, Zone

Column = NDArray[np.float64]
Mask = NDArray[np.bool_]

FIRST, LAST = (datetime(year, 1, 1, tzinfo=UTC) for year in (1, 9999))
KEPT = 4
"""Choices of zones whose index for nearest ones is kept."""


class Pairs(NamedTuple):
    """Every pair of point and zone that covers it, k rows, ordered by point."""

    point: NDArray[np.int32]
    zone: NDArray[np.int32]


class Atlas:
    """n zones by their place; several threads may ask it."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        """Index the zones: seconds for 50,000 of them."""
        self.zones = zones
        self.key = _column([zone.key for zone in zones])
        self.kind = _column([zone.kind for zone in zones])
        self.layer = _column([zone.layer for zone in zones])
        self.polygon = _column([zone.geometry for zone in zones])
        self.cameras = [zone.camera for zone in zones if zone.kind == VIEW and zone.camera]
        self.bounds = shapely.bounds(self.polygon).reshape(-1, 4)
        self._from = np.array([(zone.valid_from or FIRST).timestamp() for zone in zones], np.float64)
        self._to = np.array([(zone.valid_to or LAST).timestamp() for zone in zones], np.float64)
        self._locator = Locator(self.polygon.tolist())
        self._jurisdictions = Jurisdictions(self.polygon.tolist(), self.kind.tolist())
        self._lock = threading.Lock()
        self._nearest: dict[bytes, tuple[NDArray[np.int32], Nearest]] = {}

    def in_force(self, at: datetime) -> Mask:
        """Which zones hold at a moment."""
        moment = at.timestamp()
        held: Mask = (self._from <= moment) & (moment < self._to)
        return held

    def among(self, kinds: Collection[str] | None, layers: Collection[str] | None) -> Mask:
        """Which zones are of these kinds and in these layers; None: any, but for the views of cameras."""
        chosen = self.kind != VIEW if kinds is None else np.isin(self.kind, list(kinds))
        if layers is not None:
            chosen &= np.isin(self.layer, list(layers))
        return np.asarray(chosen, np.bool_)

    def locate(self, lon: Column, lat: Column, held: Mask) -> tuple[Pairs, Chains]:
        """Find those zones that hold of each of m points, and its chain of jurisdictions; degrees, NaN is nowhere."""
        point, zone = self._locator.locate(lon, lat)
        pairs = Pairs(point[held[zone]], zone[held[zone]])
        return pairs, self._jurisdictions.chains(*pairs, len(lon))

    def nearest(
        self, lon: Column, lat: Column, within_m: float, chosen: Mask
    ) -> tuple[NDArray[np.int32], Column]:
        """Find the nearest of the chosen zones of each of m points: its place, -1 for none, and metres."""
        name = np.packbits(chosen).tobytes()
        with self._lock:
            if name not in self._nearest:
                place = np.flatnonzero(chosen).astype(np.int32)
                while len(self._nearest) >= KEPT:
                    del self._nearest[next(iter(self._nearest))]
                self._nearest[name] = place, Nearest(self.polygon[place].tolist())
            place, index = self._nearest[name]
        found, metres = index.find(lon, lat, within_m)
        return np.append(place, np.int32(-1))[found], metres


def _column(values: Sequence[object]) -> NDArray[np.object_]:
    column = np.empty(len(values), object)
    column[:] = values
    return column
