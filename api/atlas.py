"""The zones that hold, in memory: an index that is asked where points lie; built once, then read only."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import psycopg
import shapely
from numpy.typing import NDArray

from geo.jurisdiction import Chains, Jurisdictions
from geo.locate import Locator
from geo.nearest import Nearest

Column = NDArray[np.float64]
Objects = NDArray[np.object_]


class Pairs(NamedTuple):
    """Every pair of point and zone that covers it, k rows, ordered by point."""

    point: NDArray[np.int32]
    zone: NDArray[np.int32]


@dataclass(frozen=True)
class Atlas:
    """n zones by their place in it; columns of length n."""

    id: NDArray[np.int64]
    key: Objects
    name: Objects
    kind: Objects
    layer: Objects
    polygon: Objects
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _indexes: dict[bytes, tuple[NDArray[np.int32], Nearest]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.id)

    @cached_property
    def _locator(self) -> Locator:
        return Locator(self.polygon.tolist())

    @cached_property
    def _jurisdictions(self) -> Jurisdictions:
        return Jurisdictions(self.polygon.tolist(), self.kind.tolist())

    def built(self) -> Atlas:
        """Build what every question needs: seconds for 50,000 zones. Until then questions would build it twice."""
        _ = self._locator, self._jurisdictions
        return self

    def among(self, kinds: Collection[str] | None, layers: Collection[str] | None) -> NDArray[np.bool_]:
        """Which zones are of these kinds and in these layers; None: any."""
        chosen = np.ones(len(self), np.bool_)
        for column, wanted in ((self.kind, kinds), (self.layer, layers)):
            if wanted is not None:
                chosen &= np.isin(column, list(wanted))
        return chosen

    def locate(self, lon: Column, lat: Column) -> tuple[Pairs, Chains]:
        """Find the zones of each of m points, and its chain of jurisdictions; degrees, NaN is nowhere."""
        pairs = Pairs(*self._locator.locate(lon, lat))
        return pairs, self._jurisdictions.chains(*pairs, len(lon))

    def nearest(
        self, lon: Column, lat: Column, within_m: float, chosen: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int32], Column]:
        """Find the nearest of the chosen zones of each of m points: its place, -1 for none, and metres."""
        name = np.packbits(chosen).tobytes()
        with self._lock:
            if name not in self._indexes:
                place = np.flatnonzero(chosen).astype(np.int32)
                while len(self._indexes) >= KEPT:
                    del self._indexes[next(iter(self._indexes))]
                self._indexes[name] = place, Nearest(self.polygon[place].tolist())
            place, index = self._indexes[name]
        found, metres = index.find(lon, lat, within_m)
        return np.where(found >= 0, np.append(place, -1)[found], np.int32(-1)), metres


KEPT = 4
"""Choices of zones whose index for nearest ones is kept."""


def read(connection: psycopg.Connection[Any]) -> Atlas:
    """Read the zones that hold now."""
    rows = connection.execute(
        "select id, key, name, kind, 'zones' as layer, geometry::text from zone order by id"
    ).fetchall()
    return drawn(rows)


def drawn(rows: list[tuple[Any, ...]]) -> Atlas:
    """Make an atlas of rows of id, key, name, kind, layer and geometry as GeoJSON text."""
    columns = np.empty((len(rows), 6), object)
    if rows:
        columns[:] = rows
    number, key, name, kind, layer, geometry = columns.T
    return Atlas(number.astype(np.int64), key, name, kind, layer, shapely.from_geojson(geometry))
