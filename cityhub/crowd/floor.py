"""One floor: what its cameras see of its zones now; flat outlines know nothing of what lies above them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from cityhub.crowd.counts import LEAST_HALF_LIFE_S, half_life_s
from cityhub.crowd.ground import Ground, Meter, View
from edge.reading import PASS, UNEVALUATED
from geo.counting import Views

Column = NDArray[np.float64]


class Floor:
    """The zones and views of one floor."""

    def __init__(self, ground: Ground, floor: str) -> None:
        self.zones = [place for place, zone in enumerate(ground.watched) if (zone.floor or "") == floor]
        self.places = set(self.zones)
        self._views: list[View] = [view for view in ground.views if (view.floor or "") == floor]
        polygons = [ground.watched[place].geometry for place in self.zones]
        self._faces = Views(polygons, [view.geometry for view in self._views])
        self._looking = dict(zip(self.zones, self._faces.looking(), strict=True))
        self.outside = {self._views[place].camera for place in self._faces.outside}
        """Cameras whose view lies in none of its zones."""
        self._half_life: Column = np.full(len(self._views), LEAST_HALF_LIFE_S)
        self._slots = np.zeros(0, np.int64)
        self._camera = np.zeros(0, np.int64)

    def attend(self, meters: Iterable[Meter]) -> None:
        """These series count."""
        place = {view.camera: index for index, view in enumerate(self._views)}
        mine = sorted(
            (meter.slot, meter) for meter in meters if meter.counts == "view" and meter.device in place
        )
        self._slots = np.array([slot for slot, _ in mine], np.int64)
        self._camera = np.array([place[meter.device] for _, meter in mine], np.int64)
        for _, meter in mine:
            self._half_life[place[meter.device]] = half_life_s(meter.interval_s)

    def cameras(self, zone: int) -> set[str]:
        """The cameras that see some of a zone."""
        return {self._views[index].camera for index in self._looking[zone]}

    def look(
        self, rows: NDArray[np.void], apart: Mapping[str, float], at_us: int, seen: Column, share: Column
    ) -> None:
        """Write what cameras see now into the columns of all zones; those whose clock is `apart` are not believed."""
        if not self._views:
            return
        sound = np.isin(rows["slot"], self._slots) & np.isin(rows["flag"], (PASS, UNEVALUATED))
        rows = rows[sound]
        camera = (
            self._camera[np.searchsorted(self._slots, rows["slot"])]
            if len(self._slots)
            else np.zeros(0, np.int64)
        )
        wrong = [index for index, view in enumerate(self._views) if view.camera in apart]
        trusted = ~np.isin(camera, wrong)
        found = self._faces.persons(
            camera[trusted], rows["time"][trusted], rows["value"][trusted], at_us, self._half_life
        )
        drawn = [place for place, zone in enumerate(self.zones) if self._looking[zone]]
        zones = np.array(self.zones, np.int64)[drawn]
        seen[zones], share[zones] = found.persons[drawn], found.share[drawn]
