"""The hub's clock is set back by an hour: its rules and what it says of people go on, and do not wait for an hour."""

from __future__ import annotations

import numpy as np
import pytest

from alerts import rulebook
from alerts.checks.forecast import Forecasts
from alerts.days import Days
from alerts.rulebook import Subject
from alerts.watch import Watches
from cityhub.crowd.census import Census
from cityhub.kernels import Kernels
from cityhub.setback import Setback
from edge.reading import PASS, READING, now_us
from ingest.inbox import Inbox
from ingest.order import LONG_AGO, Newest
from ingest.profile import SHIPPED, read
from ingest.registry import Device, Registry, Series

NOW = 1_782_853_300_000_000
SECOND, HOUR = 1_000_000, 3_600_000_000
SLOT = 1


@pytest.mark.parametrize("told", [True, False])
def test_an_alarm_that_was_pending_by_the_wrong_clock_rises_by_the_right_one(*, told: bool) -> None:
    """*Full soon* needs thirty seconds; without a word of the clock it would be pending for an hour."""
    watches, newest = Watches(rulebook.load(rulebook.SHIPPED)), Newest()
    newest.reach(SLOT)
    watches.add(Subject(SLOT, "minutes-to-full", "zone", "hub", "zone-square", unit="min"))

    def say(at: int, minutes: float) -> list[int]:
        row = np.array([(at, SLOT, minutes, PASS)], READING)
        newer = newest.advance(row["series"], row["time"])
        return [int(event["to_level"]) for event in watches.observe(row, newer, ~newer)]

    assert say(NOW + HOUR, 5) == []
    if told:
        newest.go_back(np.array([SLOT], np.int32), NOW)
        watches.go_back(np.array([SLOT], np.int32), NOW)
    found = [say(NOW + each * 10 * SECOND, 5) for each in range(1, 6)]
    assert [level for levels in found for level in levels] == ([3] if told else [])


@pytest.mark.parametrize("told", [True, False])
def test_a_forecast_goes_on_by_the_right_clock(*, told: bool) -> None:
    forecasts = Forecasts()
    forecasts.add(SLOT)
    for hour, values in ((HOUR, range(100)), (0, range(100, 200))):
        if told and not hour:
            forecasts.go_back(np.array([SLOT], np.int32), NOW)
        rows = np.array(
            [(NOW + hour + 10 * SECOND * (1 + each), SLOT, each, PASS) for each in values], READING
        )
        forecasts.observe(rows, np.ones(len(rows), bool))
    outlook = forecasts.ahead(SLOT)[0]
    assert outlook.median == pytest.approx(200 if told else 100, abs=2)


@pytest.mark.parametrize(
    ("ahead_of", "told_s"), [(None, 0), ("zone-square", 0), ("line-gate", 120), ("hub", 120)]
)
def test_a_count_stated_by_a_clock_ahead_is_not_the_hubs_clock_set_back(
    ahead_of: str | None, told_s: float
) -> None:
    """Nor is a series without any reading: one of which all that came was at an impossible time."""
    registry, newest = Registry(), Newest()
    kernels = Kernels(registry, newest, [], Days("Asia/Shanghai"))
    setback = Setback(
        newest, kernels, Census("postgresql://", Inbox("mqtt://nobody:1", "hub"), registry, newest)
    )
    places = {
        "hub": ("hub", "queue"),
        "zone-square": ("zone", "persons"),
        "line-gate": ("counting-line", "flow-both"),
    }
    profiles = {key: read(SHIPPED / f"{key}.yaml").profile for key, _ in places.values()}
    for slot, (key, (profile, metric)) in enumerate(places.items(), 1):
        device = Device(slot, key, "hub", profile, None, None, None, recorded=False)
        newest.reach(slot)
        setback.meet([Series(slot, device, metric, profiles[profile].all_metrics[metric])])
        if key == ahead_of:
            newest.times[slot] = now_us() + 120 * SECOND
    setback.look()
    assert setback.take_told() == pytest.approx(told_s, abs=60)
    # What is said next is newer all the same.
    assert (newest.times < now_us()).all()
    assert newest.times[0] == LONG_AGO
