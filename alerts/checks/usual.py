"""The kernel of the anomaly check: what is usual for a series by hour and day, and how far a reading lies outside."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from edge.reading import FAIL, MISSING

NOTHING, HOUR, DAY_HOUR, PAST, STEP, HOURS_BEFORE = range(6)
"""What is unusual: the reading for its hour, for its hour on such a day, for all of the recent past; the step to it;
the two hours before it, every reading of them."""

HOURS = 24
WORKING, WEEKEND = 0, HOURS  # where the bands of a day's kind begin
HOUR_US, MINUTE_US = 3_600_000_000, 60_000_000
MONDAY_FIRST = 3  # 1970-01-01 was a Thursday
SATURDAY = 5
STEP_PACES = 3  # a step over a longer gap is none
ROWS_BEFORE = 30
LARGEST = 1e30  # a band is kept in single precision; what is larger is no measurement


# All that is compiled stays in this one file: numba looks for changes only in the file of the function it has cached.


@njit(cache=True, nogil=True, error_model="numpy")
def judge(  # noqa: PLR0917 -- a kernel takes its columns one by one
    series: Any,
    time: Any,
    value: Any,
    flag: Any,
    newer: Any,
    offset: int,
    tuning: Any,
    state: Any,
    notes: Any,
) -> None:
    """Write a note beside every row that is new and measured, and learn from it."""
    for row in range(len(series)):
        if newer[row] and flag[row] != FAIL and flag[row] != MISSING and abs(value[row]) <= LARGEST:
            _take(state[series[row]], time[row], value[row], offset, tuning, notes[row])


@njit(cache=True, nogil=True, error_model="numpy")
def _take(s: Any, time: int, value: float, offset: int, tuning: Any, note: Any) -> None:
    """Judge one reading, then learn from it."""
    elapsed, first = time - s["time"], s["rows"] == 0
    if elapsed <= 0:
        return
    paces = 1.0 if first else _paces(s, elapsed)
    recent = not first and elapsed <= STEP_PACES * s["pace"]
    change = 0.0 if first else value - s["value"]
    step = change if recent else 0.0
    s["time"], s["value"] = time, value
    s["rows"] = min(s["rows"] + 1, ROWS_BEFORE + 1)
    s["age"] += paces
    known = s["age"] > tuning.begin and s["rows"] > ROWS_BEFORE

    residual = value - _level(s, value, change, paces, known, tuning)
    span = _span(s, tuning)
    hour = (time + offset) // HOUR_US
    weekend = (hour // HOURS + MONDAY_FIRST) % 7 >= SATURDAY
    place = hour % HOURS + (WEEKEND if weekend else WORKING)
    missed, due = 0.0, 0.0
    if first or hour != s["hour"]:
        missed, due = _turn(s, hour, place, residual, tuning)
    s["least"], s["most"] = min(s["least"], residual), max(s["most"], residual)

    s["told"] *= math.exp(-paces / tuning.quiet)
    if known:
        top, bottom, kind = _band(s, place, 1, tuning)
        beyond = max(residual - top, 0.0) + min(residual - bottom, 0.0)
        leap = (abs(step) - s["widest"]) / (s["widest"] + 0.01 * span)
        _report(s, abs(beyond) / span, kind, value - beyond, beyond, tuning, note)
        _report(s, tuning.step * leap, STEP, s["widest"], step, tuning, note)
        _report(s, tuning.lasting * abs(missed) / span, HOURS_BEFORE, due, missed, tuning, note)
        most = _most(s, span, known)
        residual = min(max(residual, s["lowest"] - most), s["highest"] + most)
        step = min(max(step, -s["widest"] - most), s["widest"] + most)
    _stretch(s, residual, step, math.exp(-paces / tuning.span))
    _widen(s, place, residual, span, tuning)


@njit(cache=True, nogil=True, error_model="numpy")
def _paces(s: Any, elapsed: int) -> float:
    """The time since the last reading in usual intervals; the usual interval follows by 5 % a reading."""
    interval = float(min(max(elapsed, MINUTE_US), HOUR_US))
    pace = s["pace"] if s["pace"] > 0.0 else interval
    s["pace"] = min(max(interval, pace / 1.05), pace * 1.05)
    return elapsed / s["pace"]  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, error_model="numpy")
def _level(s: Any, value: float, change: float, paces: float, known: bool, tuning: Any) -> float:  # noqa: FBT001 -- a kernel's argument
    """Follow the level and the mean step; returns the level."""
    most = _most(s, _span(s, tuning), known)
    gain = max(1.0 - math.exp(-paces / tuning.level), paces / s["age"])
    pull = most * max(paces, 1.0)
    s["level"] += gain * min(max(value - s["level"], -pull), pull)
    s["noise"] += gain * (min(abs(change), most) - s["noise"])
    return s["level"]  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, error_model="numpy")
def _span(s: Any, tuning: Any) -> float:
    """The yardstick: all that the residual has spanned, and some steps, so that it is never nothing."""
    tiny = 1e-6 * abs(s["level"]) + 1e-12
    return s["highest"] - s["lowest"] + tuning.noise * s["noise"] + tiny  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, error_model="numpy")
def _most(s: Any, span: float, known: bool) -> float:  # noqa: FBT001 -- a kernel's argument
    """However wrong a reading is, nothing learns from it as if it lay further off than one span; if there is any."""
    return span if known and s["highest"] > s["lowest"] else math.inf


@njit(cache=True, nogil=True, error_model="numpy")
def _report(s: Any, excess: float, kind: int, edge: float, beyond: float, tuning: Any, note: Any) -> None:
    """Note an excess that surpasses what was told lately."""
    if excess > s["told"]:
        note["score"] = excess / (excess + tuning.half)
        note["kind"], note["edge"], note["beyond"] = kind, edge, beyond
        s["told"] = min(excess, 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _turn(s: Any, hour: int, place: int, residual: float, tuning: Any) -> tuple[float, float]:
    """Close an hour and open another; if two in a row were missed, the lesser distance and the edge of the second.

    An hour is missed when every reading of it lies on the same side outside of what this very hour had before.
    """
    missed = max(s["least"] - s["usual_top"], 0.0) + min(s["most"] - s["usual_bottom"], 0.0)
    due = s["level"] + (s["usual_top"] if missed > 0.0 else s["usual_bottom"])
    before, consecutive = s["missed"], hour == s["hour"] + 1
    s["missing"] = s["missing"] + 1 if consecutive and missed * before > 0.0 else 1
    s["missed"] = missed if consecutive else 0.0
    lesser = min(max(missed, -abs(before)), abs(before)) if s["missing"] == 2 else 0.0  # noqa: PLR2004

    s["usual_top"], s["usual_bottom"], _kind = _band(s, place, 0, tuning)
    s["hour"], s["least"], s["most"] = hour, residual, residual
    _visit(s, place, tuning)
    return lesser, due


@njit(cache=True, nogil=True, error_model="numpy")
def _band(s: Any, place: int, beside: int, tuning: Any) -> tuple[float, float, int]:
    """What the hour and the hours beside it have had; before a second visit, what the series has had at all."""
    visits = s["visits"]
    hour = place % HOURS
    apart = visits[place] >= tuning.apart
    if not apart and int(visits[hour]) + int(visits[hour + WEEKEND]) < 2:  # noqa: PLR2004 -- a second day
        return s["highest"], s["lowest"], PAST
    top, bottom = -math.inf, math.inf
    for begin in (WORKING, WEEKEND):
        if apart and begin != place - hour:
            continue
        for neighbour in range(hour - beside, hour + beside + 1):
            near = begin + neighbour % HOURS
            if visits[near]:
                top, bottom = max(top, float(s["top"][near])), min(bottom, float(s["bottom"][near]))
    return top, bottom, DAY_HOUR if apart else HOUR


@njit(cache=True, nogil=True, error_model="numpy")
def _visit(s: Any, place: int, tuning: Any) -> None:
    """Count an hour that has a reading; its band narrows a little towards its middle each time."""
    visits, top, bottom = s["visits"], s["top"], s["bottom"]
    if visits[place]:
        middle = (float(top[place]) + float(bottom[place])) / 2
        fade = math.exp(-1.0 / tuning.visits)
        top[place] = middle + (float(top[place]) - middle) * fade
        bottom[place] = middle + (float(bottom[place]) - middle) * fade
    else:
        top[place], bottom[place] = -math.inf, math.inf  # empty until the reading is taken in
    visits[place] = min(int(visits[place]) + 1, 255)


@njit(cache=True, nogil=True, error_model="numpy")
def _stretch(s: Any, residual: float, step: float, fade: float) -> None:
    """Let the extremes of the recent past fade, and take in this reading."""
    middle = (s["highest"] + s["lowest"]) / 2
    s["highest"] = max(middle + (s["highest"] - middle) * fade, residual)
    s["lowest"] = min(middle + (s["lowest"] - middle) * fade, residual)
    s["widest"] = max(s["widest"] * fade, abs(step))


@njit(cache=True, nogil=True, error_model="numpy")
def _widen(s: Any, place: int, residual: float, span: float, tuning: Any) -> None:
    """Take the reading into its hour's band."""
    top, bottom = s["top"], s["bottom"]
    if top[place] < bottom[place]:
        top[place] = bottom[place] = residual
    most = math.inf if s["visits"][place] < 2 else tuning.widen * span  # noqa: PLR2004 -- a second visit
    above, below = residual - float(top[place]), float(bottom[place]) - residual
    top[place] = float(top[place]) + min(max(above, 0.0), most)
    bottom[place] = float(bottom[place]) - min(max(below, 0.0), most)
