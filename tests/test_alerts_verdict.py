"""An alarm's step is proved by the readings that it names: judged again, they lead to it and to nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from test_alerts_threshold import NOW, READINGS, SECOND, Reading, columns, version, watches

from alerts.checks.trail import MOVES
from alerts.rulebook import Subject
from alerts.verdict import Verdict, judge_again
from edge.reading import PASS, READING


@given(READINGS)
@settings(deadline=None, max_examples=200)
def test_the_readings_that_an_event_names_bring_it_about_again(readings: list[Reading]) -> None:
    rows, newer, late = columns(readings)
    watched = watches()
    for event in watched.observe(rows, newer, late):
        if event["moves"] > MOVES:
            continue
        slot = int(rows[event["row"]]["series"])
        heard = rows[newer & (rows["series"] == slot)]
        subject = Subject(slot, "level", "gauge", "water", f"river-{slot}")
        assert judge_again(
            watched.rule_of(int(event["watch"])),
            subject,
            int(event["from_level"]),
            int(event["held"]),
            heard[np.isin(heard["time"], event["moved"][: event["moves"]])],
            heard[np.isin(heard["time"], event["against"][: event["moves"]])],
        ) == Verdict(int(event["to_level"]), int(event["at"]))


def test_readings_that_say_something_else_do_not_bring_it_about() -> None:
    rule = version(above={"yellow": 3}, on_delay_s=10)
    subject = Subject(1, "level", "gauge", "water", "river-1")
    rows = np.array([(NOW, 1, 5.0, PASS), (NOW + 10 * SECOND, 1, 5.0, PASS)], READING)
    nothing = np.zeros(0, READING)
    assert judge_again(rule, subject, 0, 0, rows, nothing) == Verdict(2, NOW + 10 * SECOND)
    rows["value"][0] = 2.0
    assert judge_again(rule, subject, 0, 0, rows, nothing) is None
