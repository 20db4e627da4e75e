"""Persons per zone from camera counts: views that overlap are reconciled by area and time, never added.

The ground that cameras see is cut into faces, each seen by one set of cameras and lying in one set of zones. A count
says how many persons stand in all the faces of its view together; the persons in each face are those under which the
counts are likeliest (Poisson counts; the EM steps of Shepp and Vardi, IEEE Trans. Med. Imaging 1, 1982), begun from an
even spread. So views apart add up, two cameras on one square are averaged, and where only one of two overlapping
cameras sees people, they stand in the part that the other does not see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely

from geo.area import areas_m2
from geo.locate import Locator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray
    from shapely import MultiPolygon, Polygon

    Column = NDArray[np.float64]

# A count of one half-life ago weighs half; after this many it says nothing of now.
HALF_LIVES = 8
# Two views that overlap by half, one full and one empty, are right to 1e-8 persons after thirty; views apart need one.
STEPS = 60
_FROM_US = 1e-6


class ViewError(ValueError):
    """A camera's view, or a zone, that encloses no ground; `hint` says what to do."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


class Seen(NamedTuple):
    """Persons in each of z zones, as far as cameras see it."""

    persons: Column  # (z,) in the part that is seen; NaN where nobody looks
    share: Column  # (z,) of the zone's area that is seen, 0 to 1
    age_s: Column  # (z,) of the oldest count that went in, of each camera's newest; NaN where nobody looks
    unused: NDArray[np.bool_]  # (k,) rows of counts that are none: below zero, not finite, no such camera
    stale: NDArray[np.bool_]  # (k,) rows too old, or of the future


class Views:
    """Where c cameras look, and what of it lies in which of z zones; degrees, longitude first."""

    def __init__(
        self, zones: Sequence[Polygon | MultiPolygon], views: Sequence[Polygon | MultiPolygon]
    ) -> None:
        """Cut the ground into faces.

        Raises:
            ViewError: a zone or a view has no area, or is not valid.
        """
        for kind, polygons in (("zone", zones), ("view of camera", views)):
            sound = shapely.is_valid(np.asarray(polygons, object)) & (areas_m2(polygons) > 0)
            if not sound.all():
                raise ViewError(
                    f"{kind} {int(np.argmin(sound))} encloses no ground, or crosses itself",
                    "Draw its outline on the ground again.",
                )
        self._zone_m2 = areas_m2(zones)
        self._cameras = len(views)
        faces = _faces(zones, views)
        inner = shapely.get_coordinates(shapely.point_on_surface(faces))
        lon, lat = inner.T
        at, camera = Locator(views).locate(lon, lat)
        seen, face = np.unique(at, return_inverse=True)
        self._face, self._camera = face, camera
        self._m2 = areas_m2(list(faces[seen]))
        self._zone_face, self._zone = Locator(zones).locate(lon[seen], lat[seen])
        zoned = np.isin(face, self._zone_face)
        self.outside: list[int] = sorted(set(range(self._cameras)) - set(camera[zoned].tolist()))
        """Cameras whose view lies in no zone: their counts go into none."""

    def looking(self) -> list[list[int]]:
        """By zone: the cameras that see some of it, in their order."""
        order = np.argsort(self._face, kind="stable")
        first = np.searchsorted(self._face[order], self._zone_face, side="left")
        last = np.searchsorted(self._face[order], self._zone_face, side="right")
        found: list[set[int]] = [set() for _ in self._zone_m2]
        for zone, begin, end in zip(self._zone.tolist(), first.tolist(), last.tolist(), strict=True):
            found[zone].update(self._camera[order[begin:end]].tolist())
        return [sorted(cameras) for cameras in found]

    def persons(
        self,
        camera: NDArray[np.int64],
        time_us: NDArray[np.int64],
        counts: Column,
        at_us: int,
        half_life_s: ArrayLike,
    ) -> Seen:
        """Persons in the zones at one moment, from the counts of the last `HALF_LIVES` half-lives.

        Args:
            camera: int (k,), index of the view.
            time_us: int64 (k,), when it was counted, by a clock that is right (see `geo.clocks`).
            counts: float64 (k,), persons in the whole view.
            at_us: the moment; counts after it are left out.
            half_life_s: above 0, one number or (c,), of each camera; several times the interval of its counts
                smooths them.

        Raises:
            ValueError: the columns differ in length, or the half-life is not above zero.
        """
        camera, time_us, counts = np.asarray(camera), np.asarray(time_us), np.asarray(counts, np.float64)
        if camera.ndim != 1 or not camera.shape == time_us.shape == counts.shape:
            raise ValueError("camera, time_us and counts must be columns of one length")
        half_life = np.broadcast_to(np.asarray(half_life_s, np.float64), self._cameras)
        if not (np.asarray(half_life_s) > 0).all():
            raise ValueError(f"a half-life of {np.min(half_life_s)} s is not above 0")
        unused = ~(np.isfinite(counts) & (counts >= 0) & (camera >= 0) & (camera < self._cameras))
        age_s = (at_us - time_us) * _FROM_US
        own = np.ones(len(camera))
        own[~unused] = half_life[camera[~unused]]
        stale = ~unused & ((age_s < 0) | (age_s > HALF_LIVES * own))
        used = ~unused & ~stale
        camera, age_s = camera[used], age_s[used]
        weight = np.asarray(0.5 ** (age_s / own[used]), np.float64)
        whole = _sums(camera, weight, self._cameras)
        total = _sums(camera, weight * counts[used], self._cameras)
        mean = np.divide(total, whole, out=np.zeros(self._cameras), where=whole > 0)
        # A camera that counts more often is no better witness: it weighs what its newest count weighs.
        newest = np.full(self._cameras, np.inf)
        np.minimum.at(newest, camera, age_s)
        face = self._reconciled(mean, 0.5 ** (newest / half_life))
        return self._zoned(face, newest, unused, stale)

    def _reconciled(self, counts: Column, weight: Column) -> Column:
        """Persons in each face, NaN where no camera with a count looks."""
        looked = weight[self._camera] > 0
        face, camera, faces = self._face[looked], self._camera[looked], len(self._m2)
        witness = _sums(face, weight[camera], faces)
        view_m2 = _sums(camera, self._m2[face], self._cameras)
        dense = np.divide(counts, view_m2, out=np.zeros(self._cameras), where=view_m2 > 0)
        seen = witness > 0
        # Begun with what the densities of the views say on average, so that with one step an even crowd is done.
        persons = _sums(face, (weight * dense)[camera], faces) * self._m2
        np.divide(persons, witness, out=persons, where=seen)
        for _ in range(STEPS):
            expected = _sums(camera, persons[face], self._cameras)
            ratio = np.divide(weight * counts, expected, out=np.zeros(self._cameras), where=expected > 0)
            update = _sums(face, ratio[camera], faces)
            persons *= np.divide(update, witness, out=update, where=seen)
        return np.where(seen, persons, np.nan)

    def _zoned(
        self, face: Column, newest: Column, unused: NDArray[np.bool_], stale: NDArray[np.bool_]
    ) -> Seen:
        zones = len(self._zone_m2)
        seen = np.isfinite(face)[self._zone_face]
        zone, place = self._zone[seen], self._zone_face[seen]
        share = _sums(zone, self._m2[place], zones) / self._zone_m2
        persons = np.where(share > 0, _sums(zone, face[place], zones), np.nan)
        by_face = np.full(len(face), -np.inf)
        known = np.isfinite(newest[self._camera])
        np.maximum.at(by_face, self._face[known], newest[self._camera[known]])
        age_s = np.full(zones, -np.inf)
        np.maximum.at(age_s, zone, by_face[place])
        return Seen(persons, np.minimum(share, 1.0), np.where(share > 0, age_s, np.nan), unused, stale)


def _faces(
    zones: Sequence[Polygon | MultiPolygon], views: Sequence[Polygon | MultiPolygon]
) -> NDArray[np.object_]:
    if len(views) == 0:
        return np.empty(0, object)
    # Zones that no camera sees are not cut: a city has more districts than cameras.
    near = np.unique(shapely.STRtree(np.asarray(zones, object)).query(np.asarray(views, object))[1])
    outlines = [*views, *(zones[each] for each in near)]
    lines = shapely.union_all(shapely.boundary(np.asarray(outlines, object)))
    return shapely.get_parts(shapely.polygonize(shapely.get_parts(lines)))


def _sums(index: NDArray[np.integer], value: Column, length: int) -> Column:
    """Sum of the values at each index, (length,); `bincount` answers with integers where there are none."""
    total = np.zeros(length)
    np.add.at(total, index, value)
    return total
