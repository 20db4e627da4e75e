"""What rules would have done: the same as the kernel does row by row, told as alarms and pages."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from test_alerts_threshold import NOW, READINGS, RULES, SECOND, Reading, columns, version

from alerts.backtest import Outcome, heard, judge, recorded
from alerts.propose import propose
from alerts.rulebook import Subject, Version
from alerts.watch import Watches
from edge.reading import FAIL, MISSING, PASS, SUSPECT

GAUGE = Subject(1, "level", "gauge", "water", "river-1", unit="m")
MINUTE = 60 * SECOND


def outcome_of(values: list[float], *rules: Version, step: int = MINUTE) -> Outcome:
    rows, newer = recorded([(NOW + place * step, value) for place, value in enumerate(values)], {})
    return judge(rows, newer, rules, GAUGE)


@given(READINGS)
@settings(deadline=None, max_examples=100)
def test_the_level_of_every_row_is_the_one_that_the_hub_would_have_told(readings: list[Reading]) -> None:
    rows, _, _ = columns([(1, *rest) for _, *rest in readings])  # type: ignore[misc]
    newer = heard(rows)
    told = judge(rows, newer, RULES, GAUGE)
    watched = Watches(RULES)
    for place in range(len(RULES)):
        watched.bind(place, GAUGE)
    levels: list[int] = []
    for place in range(len(rows)):
        watched.observe(rows[place : place + 1], newer[place : place + 1], ~newer[place : place + 1])
        levels.append(int(watched.states["told"][: watched.count].max()))
    assert told.level.tolist() == levels
    assert sum(len(episode.steps) for episode in told.episodes) == len(steps_of(told))


def steps_of(outcome: Outcome) -> list[tuple[str, int, int]]:
    return [(episode.rule, at, level) for episode in outcome.episodes for at, level in episode.steps]


def test_an_alarm_has_its_highest_level_its_worst_value_and_its_pages() -> None:
    rule = version(above={"yellow": 3, "orange": 5}, deadband=0.5)
    (alarm,) = outcome_of([1, 3, 6, 4, 5, 7, 2, 1], rule).episodes
    assert (alarm.level, alarm.worst_value) == (3, 7)
    assert alarm.pages == [NOW + 2 * MINUTE, NOW + 4 * MINUTE]  # it fell to yellow between them
    assert (alarm.raised_at, alarm.returned_at) == (NOW + MINUTE, NOW + 6 * MINUTE)


def test_the_worst_value_of_an_alarm_below_is_the_lowest() -> None:
    (alarm,) = outcome_of([9, 3, 2, 3, 9], version(below={"yellow": 3}, above={"yellow": 20})).episodes
    assert alarm.worst_value == 2


def test_an_alarm_that_stands_at_the_end_has_not_returned() -> None:
    (alarm,) = outcome_of([1, 3, 4], version(above={"orange": 3})).episodes
    assert alarm.returned_at is None
    assert alarm.worst_value == 4


def test_a_recording_is_flagged_as_the_hub_would() -> None:
    samples = [
        (NOW, 1.0),
        (NOW + SECOND, math.nan),
        (NOW + 2 * SECOND, math.inf),
        (NOW + 3 * SECOND, 50.0),
        (NOW, 1.0),
    ]
    rows, newer = recorded(samples, {"gross_range": {"fail": (-5, 30), "suspect": (0, 10)}})
    assert rows["flag"].tolist() == [PASS, MISSING, FAIL, FAIL, PASS]
    assert newer.tolist() == [True, True, False, True, False]
    rows, _ = recorded([(NOW, 11.0)], {"gross_range": {"fail": (-5, 30), "suspect": (0, 10)}})
    assert rows["flag"].tolist() == [SUSPECT]


def test_a_recording_without_readings_has_no_alarms() -> None:
    assert outcome_of([], version(above={"red": 3})).episodes == []


def noisy_tides(weeks: int) -> list[float]:
    """A wave every day, another height each, and noise."""
    chance = np.random.default_rng(1)
    days = 7 * weeks
    wave = np.sin(np.arange(days * 96) * 2 * np.pi / 96)
    height = np.repeat(chance.gamma(2.0, 1.0, days), 96)
    return [float(value) for value in wave * height + chance.normal(0, 0.05, days * 96)]


@pytest.mark.parametrize("side", ["above", "below"])
@pytest.mark.parametrize("per_week", [0.5, 2.0])
def test_proposed_limits_give_about_as_many_alarms_as_are_wanted(side: str, per_week: float) -> None:
    weeks = 12
    samples = [(NOW + place * 15 * MINUTE, value) for place, value in enumerate(noisy_tides(weeks))]
    rows, newer = recorded(samples, {})
    proposal = propose(rows, newer, GAUGE, per_week, side)
    assert proposal is not None
    body: dict[str, Any] = proposal.version.body
    orange = version(**{side: {"orange": body[side]["orange"]}, "deadband": body["deadband"]})
    alarms = len(judge(rows, newer, [orange], GAUGE).episodes)
    assert per_week * weeks / 2 <= alarms <= per_week * weeks
    assert (body[side]["orange"] > 0) == (side == "above")
    chosen = next(trial for trial in proposal.trials if trial.deadband == body["deadband"])
    assert chosen.alarms == alarms
    assert chosen.came_again <= alarms / 20


@pytest.mark.parametrize("values", [[], [1.0], [2.0] * 50, [math.nan] * 5])
def test_nothing_is_proposed_where_nothing_happens(values: list[float]) -> None:
    rows, newer = recorded([(NOW + place * MINUTE, value) for place, value in enumerate(values)], {})
    assert propose(rows, newer, GAUGE, 1.0) is None


def test_the_fewest_alarms_that_can_be_had_are_proposed_where_fewer_are_wanted() -> None:
    rows, newer = recorded([(NOW + place * MINUTE, float(place % 7)) for place in range(50)], {})
    proposal = propose(rows, newer, GAUGE, 0.0001)
    assert proposal is not None
    assert len(proposal.outcome.episodes) >= 1
