"""Anomalies: how far a reading lies outside what its hour usually has, in [0, 1], each reported when it begins.

A slow level takes the trend away; what is left is held against a band per hour of the day, learnt apart for working
days and weekends once there are enough of either. docs/checks/anomaly.md has the formulas.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alerts.checks.usual import HOURS, MINUTE_US, judge
from edge.reading import Rows

STATE = np.dtype(
    [
        ("time", "i8"),  # of the last reading learnt from (0: none yet)
        ("value", "f8"),  # its value
        ("pace", "f8"),  # usual interval, us
        ("age", "f8"),  # paces since the first reading
        ("level", "f8"),
        ("noise", "f8"),  # mean step from reading to reading
        ("highest", "f8"),  # what the residual (value - level) has spanned
        ("lowest", "f8"),
        ("widest", "f8"),  # the widest step
        ("told", "f8"),  # what an excess must surpass to be reported
        ("rows", "i4"),  # up to 31
        ("hour", "i4"),  # local hours since 1970, of the last reading
        ("usual_top", "f8"),  # the band of that hour as it was when the hour began
        ("usual_bottom", "f8"),
        ("least", "f8"),  # what the residual has been in that hour
        ("most", "f8"),
        ("missed", "f8"),  # by how much the hour before lay wholly outside its band (below: negative)
        ("missing", "i4"),  # so many hours in a row
        ("visits", "u1", 2 * HOURS),  # hours that had readings, up to 255
        ("top", "f4", 2 * HOURS),  # the band of the residual
        ("bottom", "f4", 2 * HOURS),
    ]
)
"""By slot: 564 bytes."""

NOTE = np.dtype([("score", "f4"), ("kind", "u1"), ("edge", "f8"), ("beyond", "f8")])
"""Beside each row: the score; the edge that was passed and by how much (below: negative), for a step the widest
step before and the step itself; of two hours, where the second should have begun, and the lesser distance from there.
All zero: nothing to report."""


class Tuning(NamedTuple):
    """The constants, one set for all series. A pace is the usual interval of the series, within 1 min and 1 h.

    The score on the labelled recordings moves little when any of them does: `cityhub bench anomaly`.
    """

    half: float = 0.1
    """Excess, as a share of the span, that scores 0.5."""
    level: float = 300.0
    """Time constant of level and noise, paces: a day at 5 min."""
    span: float = 20_000.0
    """Time constant by which highest, lowest and widest fade, paces."""
    quiet: float = 80.0
    """Time constant by which a reported excess fades, paces: 7 h at 5 min."""
    visits: float = 60.0
    """Time constant by which an hour's band narrows, visits."""
    apart: float = 12.0
    """Visits after which the hours of working days and of weekends are held apart."""
    widen: float = 0.4
    """The most that one reading widens a band, as a share of the span."""
    noise: float = 2.0
    """Mean steps added to the span."""
    step: float = 0.3
    """Weight of a step's excess over the widest step."""
    lasting: float = 0.3
    """Weight of two hours that lay wholly outside their bands."""
    begin: float = 100.0
    """Paces before anything is scored; 30 readings at the least."""


class Anomaly:
    """The anomaly check of every slot; hours and days are those of a fixed offset from UTC, in minutes."""

    def __init__(self, offset_min: int = 0, tuning: Tuning | None = None) -> None:
        self.state: NDArray[Any] = np.zeros(1, STATE)
        self._offset_us = offset_min * MINUTE_US
        self._tuning = tuning or Tuning()

    def take_up(self, saved: NDArray[Any]) -> None:
        """Begin where a checkpoint ended; one of another layout is not taken."""
        if saved.dtype == STATE:
            self._reach(len(saved) - 1)
            self.state[: len(saved)] = saved

    def score(self, rows: Rows, newer: NDArray[np.bool_]) -> NDArray[Any]:
        """An array of NOTE beside the rows; rows that are not newer than their series, failed or missing get none."""
        notes = np.zeros(len(rows), NOTE)
        if len(rows):
            self._reach(int(rows["series"].max()))
        judge(
            rows["series"],
            rows["time"],
            rows["value"],
            rows["flag"],
            newer,
            self._offset_us,
            self._tuning,
            self.state,
            notes,
        )
        return notes

    def _reach(self, slot: int) -> None:
        if len(self.state) <= slot:
            wider = np.zeros(max(slot + 1, 2 * len(self.state)), STATE)
            wider[: len(self.state)] = self.state
            self.state = wider
