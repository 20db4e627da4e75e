"""A rule bound to a series: its limits as the threshold kernel reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerts.checks.schedule import lay_out
from alerts.checks.threshold import LIMITS
from alerts.rule import LEVEL_NAMES, WEEKDAYS, Level, Rule, Schedule


def bound(rule: Rule, device: str | None, schedule: int) -> NDArray[Any]:
    """LIMITS of a rule for a device; `schedule` is its place in the array of schedules, -1 without one."""
    given = rule.limits_of(device)
    limits = np.zeros((), LIMITS)
    usual, span = 0.0, 1.0
    if rule.between is not None and device in rule.between:
        usual, worst = rule.between[device]
        span = worst - usual
    limits["above"], limits["below"] = _by_level(given.above), _by_level(given.below)
    for side in ("above", "below"):
        limits[side] = usual + span * limits[side]
    limits["rise"], limits["fall"] = np.nan, np.nan
    limits["rise_from"], limits["fall_from"] = np.nan, np.nan
    for side in ("rise", "fall"):
        change = getattr(given, side)
        if change is not None:
            limits[side] = span * _by_level(change.limits)
            limits["window"] = round(change.within_s * 1e6)
            if change.beyond is not None:
                limits[f"{side}_from"] = usual + span * change.beyond
    limits["deadband"] = span * given.deadband
    limits["on_delay"], limits["off_delay"] = round(rule.on_delay_s * 1e6), round(rule.off_delay_s * 1e6)
    limits["suspect_up_to"] = ("none", *LEVEL_NAMES[1:]).index(rule.suspect_up_to)
    limits["times"], limits["within"] = 1, 0
    if rule.repeat is not None:
        limits["times"], limits["within"] = rule.repeat.times, round(rule.repeat.within_s * 1e6)
    limits["schedule"] = schedule
    return limits


def opening(schedule: Schedule) -> NDArray[Any]:
    """SCHEDULE of a rule."""
    weekdays = [WEEKDAYS.index(day) for day in schedule.weekdays]
    return lay_out(schedule.offset_s, schedule.hours, weekdays, schedule.months)


def _by_level(limits: dict[Level, float]) -> NDArray[np.float64]:
    return np.array([limits.get(name, np.nan) for name in LEVEL_NAMES[1:]])  # type: ignore[call-overload]
