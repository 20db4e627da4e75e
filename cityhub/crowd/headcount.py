"""The headcount: how many people are in each watched zone at a moment, from cameras, from doors, or from tracks.

Which of them is believed: cameras where they see (almost) the whole zone, for they count heads now and drift nowhere; else
its doors, for they know the part that no camera sees; else what cameras see of it; else tracks. While cameras see it all
they correct the doors, so that these go on from a right number when a camera fails. Where the two contradict each other
nothing is corrected, and the larger number is believed: a covered camera sees nobody, and a crowd must not be missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cityhub.crowd.counts import Counts
from cityhub.crowd.doors import WHOLE, Doors
from cityhub.crowd.floor import Floor
from cityhub.crowd.ground import Ground, Meter

Column = NDArray[np.float64]


@dataclass(slots=True)
class Counted:
    """Of each of z watched zones, at one moment; NaN: not known."""

    persons: Column
    source: list[str]  # "cameras", "doors", "tracks" or ""
    share: Column  # of its ground that cameras see now; NaN where no view is drawn
    seen: Column  # persons in that part
    spread: Column  # standard deviation of what the doors say; NaN where it is not they who are believed
    doors: Column  # persons, by the doors alone where cameras contradict them; NaN where they are not known
    contradicted: NDArray[np.bool_]  # cameras and doors cannot both be right
    disagree: Column  # how many persons the two were apart at their nearest of late; NaN where only one knows


class Headcount:
    """What is remembered between two moments: the counts of the last minutes, and who went through the doors."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        storeys = {zone.floor or "" for zone in ground.watched}
        self.floors = [Floor(ground, floor) for floor in sorted(storeys)]
        self.outside = {view.camera for view in ground.views if (view.floor or "") not in storeys}
        """Cameras whose view lies in no watched zone."""
        for floor in self.floors:
            self.outside |= floor.outside
        self.counts, self.doors = Counts(), Doors(ground)
        self.attend(())

    def attend(self, meters: Iterable[Meter]) -> None:
        """These series count; all others are nothing to us."""
        meters = list(meters)
        place = {zone.id: index for index, zone in enumerate(self.ground.watched)}
        self._tallied = {
            meter.slot: place[meter.zone_id]
            for meter in meters
            if meter.counts == "tally" and meter.zone_id in place
        }
        meters = [meter for meter in meters if meter.counts != "tally"]
        self.counts.attend(meters)
        self.dense = {meter.zone_id for meter in meters if meter.dense and meter.zone_id is not None}
        """Ids of zones whose density a camera says itself."""
        self._view_of = {meter.device: meter for meter in meters if meter.counts == "view"}
        for floor in self.floors:
            floor.attend(meters)
        self.doors.attend(meters, self._views_of)

    def take(self, rows: NDArray[np.void], heard: Mapping[int, int]) -> None:
        """Take in new readings, in the order in which they came."""
        for row in rows[np.isin(rows["slot"], list(self._tallied))]:
            self.doors.state_count(self._tallied[int(row["slot"])], row)
        self.doors.take(self.counts.take(rows, heard))

    def count(self, at_us: int, tracks: Column) -> Counted:
        """How many are where; `tracks` (z,) is how many tracks are in each zone, NaN where nobody follows any.

        Counts that came after `at_us` by their own time wait; those that are late are no counts of now.
        """
        self.counts.order(at_us)
        zones = len(self.ground.watched)
        seen, share = np.full(zones, np.nan), np.full(zones, np.nan)
        for floor in self.floors:
            floor.look(self.counts.rows, self.counts.apart, at_us, seen, share)
        doors, apart = self.doors.count(at_us, seen, share, self.counts.alive)
        source: list[str] = []
        disagree = self.doors.disagreement(at_us, seen, share, doors, apart)
        counted = Counted(
            np.full(zones, np.nan), source, share, seen, np.full(zones, np.nan), doors, apart != 0, disagree
        )
        spread = self.doors.spread
        for zone in range(zones):
            known = np.isfinite(doors[zone])
            if apart[zone] > 0 or (share[zone] >= WHOLE and not apart[zone] < 0):
                source.append("cameras")
                counted.persons[zone] = seen[zone]
            elif known:
                source.append("doors")
                counted.persons[zone], counted.spread[zone] = doors[zone], spread[zone]
            elif share[zone] > 0:
                source.append("cameras")
                counted.persons[zone] = seen[zone]
            else:
                source.append("" if np.isnan(tracks[zone]) else "tracks")
                counted.persons[zone] = tracks[zone]
        return counted

    def evidence(self, zone: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
        """What the last count of a zone rests on: the newest count of each camera, and of each way of its doors."""
        views = [meter for meter in self._views_of(zone) if meter.device not in self.counts.apart]
        return self.counts.newest(views), self.counts.newest(self.doors.of(zone))

    def go_on_from(self, before: Headcount) -> None:
        """The ground was drawn anew: take over what is known."""
        self.counts.go_on_from(before.counts)
        self.doors.waiting = before.doors.waiting
        self.doors.restore(before.doors.state())

    def _views_of(self, zone: int) -> list[Meter]:
        """What counts the views that see some of a zone."""
        cameras = next((floor.cameras(zone) for floor in self.floors if zone in floor.places), set())
        return [self._view_of[camera] for camera in sorted(cameras) if camera in self._view_of]
