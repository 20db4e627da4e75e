"""The hub's own clock was set back: what the hub has said lies ahead of now, and must not silence what it says next."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import structlog

from api.watched import OURS, ZONE
from cityhub.crowd.census import Census
from cityhub.crowd.recall import PERSONS
from cityhub.kernels import Kernels
from edge.reading import now_us
from ingest.order import Newest
from ingest.profile import HUB_METRICS
from ingest.registry import Series

log = structlog.get_logger("cityhub.setback")

PAUSE_US = 10_000_000
"""Set back by less than this, a series pauses for so long, as it does anyway between two of its readings."""


class Setback:
    """Nothing that the hub says is ever stamped later than now: where the newest is, the clock has stepped back.

    So one that was set while the hub was down is found too, and none is found because the machine was busy. How many
    people are in a zone others may state as well, by clocks of their own: that proves nothing of ours.
    """

    def __init__(self, newest: Newest, kernels: Kernels, census: Census) -> None:
        self._newest, self._kernels, self._census = newest, kernels, census
        self._ours: list[int] = []
        self._alone: set[int] = set()
        self._told_s = 0.0

    def meet(self, fresh: Iterable[Series]) -> None:
        """Series that are new to this process."""
        for series in fresh:
            if series.device.profile in OURS or series.metric in HUB_METRICS:
                self._ours.append(series.id)
                if (series.device.profile, series.metric) != (ZONE, PERSONS):
                    self._alone.add(series.id)

    def look(self) -> None:
        """Call about once a second, in the main thread: what is ours goes on from now, not when time has caught up."""
        now, ours = now_us(), np.array(self._ours, np.int32)
        # Compared, not subtracted: the newest of a series that has no reading yet lies at the end of its 64 bits.
        ahead = ours[self._newest.times[ours] > now + PAUSE_US]
        if not len(ahead):
            return
        # Whoever stated a count by a clock that is ahead must not silence what we say of the zone.
        mine = ahead[np.isin(ahead, list(self._alone))]
        back_s = float((self._newest.times[mine] - now).max(initial=0)) / 1e6
        self._kernels.go_back(ahead, now)
        if not len(mine):
            return
        log.warning("the hub's clock was set back", seconds=round(back_s), series=len(ahead))
        self._told_s = max(self._told_s, back_s)
        self._census.go_back(now)

    def take_told(self) -> float:
        """How far it was set back since this was asked last, in s."""
        told, self._told_s = self._told_s, 0.0
        return told
