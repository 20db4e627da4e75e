"""The hub's clock is set back by an hour: its rules and what it says of people go on, and do not wait for an hour."""

from __future__ import annotations

import numpy as np
import pytest

from alerts import rulebook
from alerts.checks.forecast import Forecasts
from alerts.rulebook import Subject
from alerts.watch import Watches
from edge.reading import PASS, READING
from ingest.order import Newest

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
