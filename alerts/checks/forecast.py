"""Forecast: where a series goes in its next few readings, between what bounds, and when it reaches a level.

Several simple forecasts compete, at each horizon the one with the least recent error speaks: persistence, a damped
linear trend with two memories, and the usual course of the week. The bounds are quantiles of the errors that were
really made, in units of how restless the series is, followed online (Gibbs and Candes 2021, adaptive conformal
inference; Gardner and McKenzie 1985, damped trends). O(1) memory per series, any spacing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from alerts.outlook import Expected, Outlook, Reach, time_to
from edge.reading import FAIL, MISSING, Rows

HORIZONS = np.array([1, 2, 4, 8, 16])
"""In readings at their usual spacing. Beyond the last nothing is said."""
PAST = 16
"""Readings whose forecasts are still to be held against what came: as many as the last horizon reaches back."""
COVERAGE = 0.8
WARM = 48
"""Readings before anything is said."""

FALLS, STANDS, RISES = range(3)
MOVES = 10.0  # times its usual change a series must change to be rising or falling
PERSISTENCE, FAST, SLOW, WEEKLY = range(4)
TREND_MEMORY = np.array([1.0, 2.0, 6.0, 1.0])  # of FAST and SLOW, in readings
TREND_LASTS = np.array([1.0, 8.0, 16.0, 1.0])
SURPRISE_LASTS = 4.0  # readings after which a deviation from the usual week has shrunk to 1/e
BIN_US, BINS = 3_600_000_000, 168
VISITS_REMEMBERED = 6  # of each hour of the week
ERROR_MEMORY = 0.03  # weight of the newest in a mean error
RESTLESS_MEMORY = 0.15
CALM_MEMORY = 0.003
QUANTILE_STEP = 0.04
MOST_RESTLESS = 50.0  # an error of more than this is as surprising as this
GAP = 10  # usual spacings without a reading, after which a trend means nothing any more
GREATEST = 1e30  # the usual week is kept in four bytes a number

STATE = np.dtype(
    [
        ("series", "i4"),
        ("count", "i8"),
        ("time", "i8"),  # of the newest good reading
        ("value", "f8"),
        ("step", "f8"),  # usual spacing, microseconds
        ("least", "f8"),
        ("trend", "f8", 4),  # by candidate, per microsecond
        ("surprise", "f8"),  # deviation from the usual week
        ("restless", "f8"),  # mean absolute change between readings, of late
        ("calm", "f8"),  # the same over a long time
        ("error", "f8", (3, 5, 4)),  # mean absolute error, by course, horizon and candidate
        ("low", "f8", (3, 5)),  # quantiles of errors in units of restlessness, by course and horizon
        ("high", "f8", (3, 5)),
        ("spread", "f8", (3, 5)),
        ("past_time", "i8", PAST),  # the last readings and what was known with each
        ("past_value", "f8", PAST),
        ("past_trend", "f8", (PAST, 4)),
        ("past_surprise", "f8", PAST),
        ("past_unit", "f8", PAST),
        ("past_course", "u1", PAST),
        ("week", "f4", BINS),  # usual value by hour of the week
        ("visits", "u1", BINS),
    ]
)
"""By place: what is remembered of a series, 2.8 kB."""


class Forecasts:
    """The series that are looked ahead, and what is remembered of each."""

    def __init__(self) -> None:
        self._states: NDArray[Any] = np.zeros(0, STATE)
        self._told: NDArray[np.int64] = np.zeros(0, np.int64)
        self._place: NDArray[np.int32] = np.full(1, -1, np.int32)
        self._count = 0

    def add(self, series: int) -> None:
        """Look ahead for a series from now on."""
        if len(self._place) <= series:
            room = max(series + 1, 2 * len(self._place)) - len(self._place)
            self._place = np.pad(self._place, (0, room), constant_values=-1)
        if self._place[series] >= 0:
            return
        if self._count == len(self._states):
            self._states = np.concatenate([self._states, np.zeros(max(self._count, 16), STATE)])
            self._told = np.pad(self._told, (0, len(self._states) - len(self._told)))
        self._states["series"][self._count] = series
        self._place[series] = self._count
        self._count += 1

    def observe(self, rows: Rows, newer: NDArray[np.bool_]) -> None:
        """Take in rows; those that are not newer than their series, failed or missing teach nothing."""
        if self._count:
            _observe(
                rows["series"], rows["time"], rows["value"], rows["flag"], newer, self._place, self._states
            )

    def go_back(self, series: NDArray[np.int32], now: int) -> None:
        """The clock of whoever speaks of these was set back: what they have learnt stays, where they were heading does not."""
        mine = np.flatnonzero(np.isin(self._states["series"][: self._count], series))
        self._states["time"][mine] = np.minimum(self._states["time"][mine], now)
        self._states["trend"][mine] = 0
        self._states["past_time"][mine] = 0

    def ahead(self, series: int) -> list[Outlook]:
        """What is expected of a series at each horizon; nothing while too little is known of it."""
        state = self._known(series)
        return [] if state is None else [Outlook(*(_look(state, k))) for k in range(len(HORIZONS))]

    def time_to(self, series: int, level: float) -> Reach | None:
        """When a series reaches a level; see alerts.outlook.time_to."""
        outlooks = self.ahead(series)
        return (
            time_to(float(self._states["value"][self._place[series]]), outlooks, level) if outlooks else None
        )

    def news(self) -> list[Expected]:
        """What is expected of the series that were heard since the last call."""
        heard = self._states[: self._count]
        fresh = np.flatnonzero(heard["time"] != self._told[: self._count])
        self._told[fresh] = heard["time"][fresh]
        found = [
            Expected(
                int(row["series"]), int(row["time"]), float(row["value"]), self.ahead(int(row["series"]))
            )
            for row in heard[fresh]
        ]
        return [each for each in found if each.course]

    def state(self) -> NDArray[Any]:
        """What is remembered, to be saved."""
        return self._states[: self._count]

    def take_up(self, saved: NDArray[Any]) -> None:
        """Begin where a checkpoint ended; one of another layout is not taken."""
        if saved.dtype != STATE:
            return
        for row in saved:
            series = int(row["series"])
            if series < len(self._place) and self._place[series] >= 0:
                self._states[self._place[series]] = row

    def _known(self, series: int) -> Any:
        if series >= len(self._place) or self._place[series] < 0:
            return None
        state = self._states[self._place[series]]
        return state if state["count"] >= WARM else None


@njit(cache=True, nogil=True, error_model="numpy")
def _observe(series: Any, time: Any, value: Any, flag: Any, newer: Any, place: Any, states: Any) -> None:
    for row in range(len(series)):
        at = place[series[row]] if series[row] < len(place) else -1
        if at < 0 or not newer[row] or flag[row] == FAIL or flag[row] == MISSING:
            continue
        # A time that does not go on teaches nothing, whoever calls it newer.
        if abs(value[row]) < GREATEST and (states[at]["count"] == 0 or time[row] > states[at]["time"]):
            _learn(states[at], time[row], value[row])


@njit(cache=True, nogil=True, error_model="numpy")
def _learn(state: Any, time: int, value: float) -> None:
    hour = (time // BIN_US) % BINS
    if state["count"] == 0:
        state["least"] = value
    else:
        passed = time - state["time"]
        if state["step"] == 0:
            state["step"] = passed
        if passed > GAP * state["step"]:
            state["trend"][:] = 0
            state["past_time"][:] = 0
        else:
            _verify(state, time, value)
            _follow(state, passed, value)
        # Towards the spacing by a tenth at most: one gap is no new rhythm.
        state["step"] += min(max(0.1 * (passed - state["step"]), -0.1 * state["step"]), 0.1 * state["step"])
        state["least"] = min(state["least"], value)
    state["surprise"] = value - state["week"][hour] if state["visits"][hour] else 0.0
    visits = min(state["visits"][hour] + 1, VISITS_REMEMBERED)
    state["week"][hour] += (value - state["week"][hour]) / visits
    state["visits"][hour] = visits
    here = state["count"] % PAST
    state["time"], state["value"] = time, value
    state["past_time"][here], state["past_value"][here] = time, value
    state["past_trend"][here] = state["trend"]
    state["past_surprise"][here], state["past_unit"][here] = state["surprise"], _unit(state)
    state["past_course"][here] = _course(state)
    state["count"] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def _unit(state: Any) -> float:
    return float(state["restless"] + 0.3 * state["calm"] + 1e-12)


@njit(cache=True, nogil=True, error_model="numpy")
def _follow(state: Any, passed: int, value: float) -> None:
    """Bring trends and restlessness up to a reading."""
    slope = (value - state["value"]) / passed
    for candidate in range(FAST, WEEKLY):
        share = 1 - math.exp(-passed / (TREND_MEMORY[candidate] * state["step"]))
        state["trend"][candidate] += share * (slope - state["trend"][candidate])
    change = abs(slope) * state["step"]
    state["restless"] += RESTLESS_MEMORY * (change - state["restless"])
    state["calm"] += max(CALM_MEMORY, 1 / (state["count"] + 1)) * (change - state["calm"])


@njit(cache=True, nogil=True, error_model="numpy")
def _expect(
    state: Any, candidate: int, at: int, value: float, trend: float, surprise: float, passed: float
) -> float:
    """What a candidate, standing at a reading, says of a later moment."""
    if candidate == WEEKLY:
        hour = int((at + passed) // BIN_US) % BINS
        if state["visits"][hour] == 0:
            return value
        return float(state["week"][hour] + surprise * math.exp(-passed / (SURPRISE_LASTS * state["step"])))
    lasts = TREND_LASTS[candidate] * state["step"]
    return float(value + trend * lasts * (1 - math.exp(-passed / lasts)))


@njit(cache=True, nogil=True, error_model="numpy")
def _best(state: Any, course: int, horizon: int) -> int:
    return int(np.argmin(state["error"][course][horizon]))


@njit(cache=True, nogil=True, error_model="numpy")
def _course(state: Any) -> int:
    """Whether a series falls, stands or rises: what errs little in one errs much in another."""
    change = state["trend"][FAST] * state["step"]
    if abs(change) <= MOVES * state["calm"]:
        return STANDS
    return RISES if change > 0 else FALLS


@njit(cache=True, nogil=True, error_model="numpy")
def _verify(state: Any, time: int, value: float) -> None:
    """Hold what was expected of this reading, at each horizon, against it."""
    for horizon in range(len(HORIZONS)):
        back = HORIZONS[horizon]
        if back > state["count"]:
            break
        then = (state["count"] - back) % PAST
        passed = time - state["past_time"][then]
        if state["past_time"][then] == 0 or not 0.5 < passed / (back * state["step"]) < 2:  # noqa: PLR2004
            continue
        course = state["past_course"][then]
        best = _best(state, course, horizon)
        error_of, unit = state["error"][course][horizon], state["past_unit"][then]
        low, high, spread = state["low"][course], state["high"][course], state["spread"][course]
        for candidate in range(4):
            expected = _expect(
                state, candidate, state["past_time"][then], state["past_value"][then],
                state["past_trend"][then][candidate], state["past_surprise"][then], passed,
            )  # fmt: skip
            off = min(max((value - expected) / unit, -MOST_RESTLESS), MOST_RESTLESS)
            if candidate == best:
                spread[horizon] += ERROR_MEMORY * (abs(off) - spread[horizon])
                step, tail = QUANTILE_STEP * spread[horizon], (1 - COVERAGE) / 2
                low[horizon] += step * (tail - (off < low[horizon]))
                high[horizon] += step * (1 - tail - (off < high[horizon]))
            error_of[candidate] += ERROR_MEMORY * (abs(off) - error_of[candidate])


@njit(cache=True, nogil=True, error_model="numpy")
def _look(state: Any, horizon: int) -> tuple[float, float, float, float]:
    """Seconds ahead, low, median and high at a horizon."""
    passed = HORIZONS[horizon] * state["step"]
    course = _course(state)
    best = _best(state, course, horizon)
    median = _expect(
        state, best, state["time"], state["value"], state["trend"][best], state["surprise"], passed
    )
    low = median + min(state["low"][course][horizon], 0.0) * _unit(state)
    high = median + max(state["high"][course][horizon], 0.0) * _unit(state)
    if state["least"] >= 0:
        # A count, or a level above its datum: what was never below nothing is not expected there.
        low, median, high = max(low, 0.0), max(median, 0.0), max(high, 0.0)
    return passed / 1e6, low, median, high
