"""Levels against a plain reference; tests/test_alerts_plain.py runs this file once more without compilation."""

from __future__ import annotations

import hashlib
import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.rule import LEVEL_NAMES, Rule, Subject, Version
from alerts.watch import Watches, threshold_of
from edge.reading import FAIL, MISSING, PASS, READING, SUSPECT, UNEVALUATED, Rows

SECOND = 1_000_000
NOW = 1_790_000_000 * SECOND


def version(**parts: Any) -> Version:
    body = {"rule": "r", "title": "R", "applies_to": {"metric": "level"}, **parts}
    return Version(Rule.model_validate(body), body, hashlib.sha256(repr(body).encode()).hexdigest())


RULES = [
    version(rule="plain", above={"yellow": 3}),
    version(
        rule="full",
        above={"blue": 1, "yellow": 2, "orange": 3, "red": 4},
        below={"blue": -1, "red": -4},
        deadband=0.5,
        on_delay_s=2,
        off_delay_s=3,
    ),
    version(
        rule="wary",
        above={"blue": 1, "yellow": 2, "orange": 3, "red": 4},
        suspect_up_to="blue",
        off_delay_s=1,
    ),
    version(rule="dry", below={"yellow": 2, "orange": 0}, deadband=1, on_delay_s=1, suspect_up_to="none"),
]
SLOTS = (1, 2)


class Event(NamedTuple):
    """A change of level as somebody is told of it."""

    rule: str
    row: int
    from_level: int
    to_level: int
    at: int


class Level:
    """One level of one rule: a condition with deadband and delays, in the readings' own time."""

    def __init__(self, rule: Rule, place: int) -> None:
        name: Any = LEVEL_NAMES[place]
        self.above, self.below = rule.above.get(name), rule.below.get(name)
        self.rule = rule
        self.for_suspects = place <= ("none", *LEVEL_NAMES[1:]).index(rule.suspect_up_to)
        self.met = self.active = False
        self.since = 0

    def feed(self, at: int, value: float, *, suspect: bool) -> None:
        """Take a reading."""
        slack = self.rule.deadband if self.met else 0
        met = (self.above is not None and value >= self.above - slack) or (
            self.below is not None and value <= self.below + slack
        )
        if met and not self.met and suspect and not self.for_suspects:
            met = False
        if met != self.met:
            self.met, self.since = met, at
        delay = self.rule.on_delay_s if met else self.rule.off_delay_s
        if met != self.active and at - self.since >= delay * SECOND:
            self.active = met


class Reference:
    """One rule on one series."""

    def __init__(self, rule: Rule) -> None:
        self.name = rule.rule
        self.levels = [Level(rule, place) for place in range(1, 5)]
        self.level = self.told = self.level_at = 0

    def feed(self, row: int, at: int, value: float, *, suspect: bool, late: bool) -> list[Event]:
        """Take a reading; what somebody is told."""
        for level in self.levels:
            level.feed(at, value, suspect=suspect)
        now = max((place for place, level in enumerate(self.levels, 1) if level.active), default=0)
        if now != self.level:
            self.level, self.level_at = now, at
        if late or now == self.told:
            return []
        before, self.told = self.told, now
        return [Event(self.name, row, before, now, self.level_at)]


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    watches().observe(np.zeros(0, READING), np.zeros(0, np.bool_), np.zeros(0, np.bool_))


def watches(rules: list[Version] = RULES) -> Watches:
    made = Watches(rules)
    for slot in SLOTS:
        made.add(Subject(slot, "level", "gauge", "water", f"river-{slot}"))
    return made


Reading = tuple[int, int, float, int, bool]
READINGS = st.lists(
    st.tuples(
        st.sampled_from(SLOTS),
        st.sampled_from([-SECOND, 0, 1, SECOND, SECOND, 2 * SECOND - 1, 2 * SECOND, 3 * SECOND, 60 * SECOND]),
        st.sampled_from(
            [-5.0, -4.0, -3.5, -1.0, -0.5, 0.0, 0.5, 0.51, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 9.0, math.nan]
        ),
        st.sampled_from([PASS, PASS, PASS, UNEVALUATED, SUSPECT, FAIL, MISSING]),
        st.booleans(),  # late
    ),
    max_size=40,
)


def columns(readings: list[Reading]) -> tuple[Rows, Any, Any]:
    rows, newer, at = np.zeros(len(readings), READING), [], NOW
    newest: dict[int, int] = {}
    for place, (slot, step, value, flag, _) in enumerate(readings):
        at += step
        rows[place] = (at, slot, value, MISSING if math.isnan(value) else flag)
        newer.append(at > newest.get(slot, 0))
        newest[slot] = max(at, newest.get(slot, 0))
    late = np.array([is_late for *_, is_late in readings], np.bool_)
    is_newer = np.array(newer, np.bool_)
    return rows, is_newer, late | ~is_newer


def told(watched: Watches, events: Any, first_row: int = 0) -> list[Event]:
    return [
        Event(
            watched.rule_of(int(event["watch"])).rule.rule,
            int(event["row"]) + first_row,
            int(event["from_level"]),
            int(event["to_level"]),
            int(event["at"]),
        )
        for event in events
    ]


@given(READINGS)
@settings(deadline=None, max_examples=200)
def test_any_readings_move_the_levels_as_the_reference_says(readings: list[Reading]) -> None:
    rows, newer, late = columns(readings)
    references = {
        slot: [Reference(rule.rule) for rule in RULES if isinstance(rule.rule, Rule)] for slot in SLOTS
    }
    expected: list[Event] = []
    for place, row in enumerate(rows):
        if newer[place] and row["flag"] not in {FAIL, MISSING}:
            for reference in references[int(row["series"])]:
                expected += reference.feed(
                    place,
                    int(row["time"]),
                    float(row["value"]),
                    suspect=row["flag"] == SUSPECT,
                    late=bool(late[place]),
                )
    watched = watches()
    found = told(watched, watched.observe(rows, newer, late))
    assert sorted(found) == sorted(expected)
    assert [event.row for event in found] == sorted(event.row for event in found)


@given(READINGS, st.data())
@settings(deadline=None, max_examples=150)
def test_fed_one_by_one_or_in_batches_events_and_state_are_the_same(
    readings: list[Reading], data: st.DataObject
) -> None:
    rows, newer, late = columns(readings)
    together, pieces = watches(), watches()
    expected = told(together, together.observe(rows, newer, late))
    found: list[Event] = []
    start = 0
    while start < len(rows):
        end = start + data.draw(st.integers(1, len(rows) - start))
        events = pieces.observe(rows[start:end], newer[start:end], late[start:end])
        found += told(pieces, events, start)
        start = end
    assert found == expected
    assert pieces.watches.tobytes() == together.watches.tobytes()


@given(READINGS, st.integers(0, 40))
@settings(deadline=None, max_examples=150)
def test_saved_and_restored_in_the_middle_events_and_state_are_the_same(
    readings: list[Reading], middle: int
) -> None:
    rows, newer, late = columns(readings)
    whole, before, after = watches(), watches(), watches()
    expected = told(whole, whole.observe(rows, newer, late))
    found = told(before, before.observe(rows[:middle], newer[:middle], late[:middle]))
    saved = np.frombuffer(before.state().tobytes(), before.state().dtype)  # as a checkpoint brings it back
    after.restore(saved)
    found += told(after, after.observe(rows[middle:], newer[middle:], late[middle:]), middle)
    assert found == expected
    assert after.state().tobytes() == whole.state().tobytes()


def levels(
    rule: Version, *readings: tuple[float, float] | tuple[float, float, int] | tuple[float, float, int, bool]
) -> list[tuple[float, int]]:
    """`(seconds, level)` of each event that `(seconds, value, flag, late)` bring about."""
    rows = np.zeros(len(readings), READING)
    late = np.zeros(len(readings), np.bool_)
    for place, (at, value, *more) in enumerate(readings):
        rows[place] = (NOW + round(at * SECOND), 1, value, more[0] if more else PASS)
        late[place] = more[1] if len(more) > 1 else False
    watched = watches([rule])
    events = watched.observe(rows, np.ones(len(rows), np.bool_), late)
    return [((int(event["at"]) - NOW) / SECOND, int(event["to_level"])) for event in events]


def test_a_threshold_itself_counts_as_reached() -> None:
    assert levels(version(above={"yellow": 3}), (0, 2.999), (1, 3), (2, 2.999)) == [(1, 2), (2, 0)]
    assert levels(version(below={"yellow": 3}), (0, 3.001), (1, 3), (2, 3.001)) == [(1, 2), (2, 0)]


def test_a_value_far_beyond_goes_straight_to_its_level_and_one_event_tells_of_it() -> None:
    rule = version(above={"blue": 1, "yellow": 2, "orange": 3, "red": 4})
    assert levels(rule, (0, 9), (1, 2.5), (2, 0)) == [(0, 4), (1, 2), (2, 0)]


def test_inside_the_deadband_the_level_stays() -> None:
    rule = version(above={"yellow": 3}, deadband=0.5)
    assert levels(rule, (0, 2.6), (1, 3), (2, 2.6), (3, 2.5), (4, 2.49), (5, 2.9)) == [(1, 2), (4, 0)]


def test_a_level_below_has_its_deadband_above_it() -> None:
    rule = version(below={"yellow": 3}, deadband=0.5)
    assert levels(rule, (0, 3.4), (1, 3), (2, 3.5), (3, 3.51)) == [(1, 2), (3, 0)]


def test_a_level_is_reached_when_the_on_delay_has_passed_in_event_time() -> None:
    rule = version(above={"yellow": 3}, on_delay_s=10)
    assert levels(rule, (0, 5), (9.999999, 5), (10, 5)) == [(10, 2)]
    assert levels(rule, (0, 5), (9, 1), (10, 5), (19, 5), (20, 5)) == [(20, 2)]  # begun anew
    assert levels(rule, (0, 5), (3600, 5)) == [(3600, 2)]  # nothing was heard between: known only now


def test_a_level_is_left_when_the_off_delay_has_passed_in_event_time() -> None:
    rule = version(above={"yellow": 3}, off_delay_s=10)
    assert levels(rule, (0, 5), (1, 1), (10.9, 1), (11, 1)) == [(0, 2), (11, 0)]
    assert levels(rule, (0, 5), (1, 1), (9, 5), (12, 1), (21, 1), (22, 1)) == [(0, 2), (22, 0)]


def test_delays_of_a_fraction_of_a_second_are_kept_to_the_microsecond() -> None:
    rule = version(above={"yellow": 3}, on_delay_s=2.01)  # as a float a trifle less
    assert levels(rule, (0, 5), (2.009999, 5), (2.01, 5)) == [(2.01, 2)]


def test_failed_and_missing_readings_move_nothing() -> None:
    rule = version(above={"yellow": 3}, on_delay_s=2)
    assert levels(rule, (0, 5), (1, 0, FAIL), (2, math.nan, MISSING), (3, 5)) == [(3, 2)]


@pytest.mark.parametrize(
    ("up_to", "highest"), [("none", 0), ("blue", 1), ("yellow", 2), ("orange", 3), ("red", 4)]
)
def test_a_suspect_reading_raises_no_higher_level_than_its_rule_allows(up_to: str, highest: int) -> None:
    rule = version(above={"blue": 1, "yellow": 2, "orange": 3, "red": 4}, suspect_up_to=up_to)
    assert levels(rule, (0, 9, SUSPECT)) == ([(0, highest)] if highest else [])
    # A sound reading may; and a suspect one then keeps what stands.
    assert levels(rule, (0, 9), (1, 9, SUSPECT)) == [(0, 4)]


def test_a_suspect_reading_may_say_that_all_is_well_again() -> None:
    assert levels(version(above={"red": 3}), (0, 9), (1, 0, SUSPECT)) == [(0, 4), (1, 0)]


def test_late_rows_tell_nobody_but_the_next_timely_one_does() -> None:
    rule = version(above={"yellow": 3, "red": 5})
    assert levels(rule, (0, 4, PASS, True), (1, 9, PASS, True), (60, 9)) == [(1, 4)]  # since when it stands
    assert levels(rule, (0, 4, PASS, True), (1, 0, PASS, True), (60, 0)) == []  # over before anybody knew


def test_a_late_end_is_told_by_the_next_timely_row() -> None:
    assert levels(version(above={"yellow": 3}), (0, 4), (1, 0, PASS, True), (60, 0)) == [(0, 2), (1, 0)]


def test_a_row_that_does_not_continue_its_series_moves_nothing() -> None:
    watched = watches([version(above={"yellow": 3})])
    rows = np.array([(NOW, 1, 9.0, PASS)], READING)
    assert len(watched.observe(rows, np.zeros(1, np.bool_), np.ones(1, np.bool_))) == 0
    assert not watched.state()["level"].any()


def test_series_without_a_rule_and_series_with_several_stand_side_by_side() -> None:
    watched = Watches(RULES)
    watched.add(Subject(9, "flow", "gauge", "water", "river-1"))
    watched.add(Subject(300, "level", "gauge", "water", "river-1"))
    for slot in range(10, 60):  # more than the first array holds
        watched.add(Subject(slot, "level", "gauge", "water", f"river-{slot}"))
    rows = np.array([(NOW, 9, 9.0, PASS), (NOW, 300, 9.0, PASS)], READING)
    watched.observe(rows, np.ones(2, np.bool_), np.zeros(2, np.bool_))
    rows["time"] += 5 * SECOND
    watched.observe(rows, np.ones(2, np.bool_), np.zeros(2, np.bool_))
    state = watched.state()
    assert {
        watched.rule_of(place).rule.rule: int(state["level"][place])
        for place in range(watched.count)
        if state["series"][place] == 300
    } == {"plain": 2, "full": 4, "wary": 4, "dry": 0}
    assert set(state["series"][state["level"] > 0].tolist()) == {300}


def test_a_watch_whose_rule_was_changed_begins_anew_and_the_others_go_on() -> None:
    first = watches([version(rule="a", above={"red": 3}), version(rule="b", above={"red": 3})])
    rows = np.array([(NOW, 1, 9.0, PASS)], READING)
    first.observe(rows, np.ones(1, np.bool_), np.zeros(1, np.bool_))
    second = watches([version(rule="a", above={"red": 4}), version(rule="b", above={"red": 3})])
    second.restore(first.state())
    state = second.state()
    found = {
        second.rule_of(place).rule.rule: int(state["level"][place])
        for place in range(second.count)
        if state["series"][place] == 1
    }
    assert found == {"a": 0, "b": 4}


def test_a_saved_state_of_another_layout_is_not_taken() -> None:
    watched = watches()
    watched.restore(np.ones(3, np.dtype([("other", "i4")])))
    assert not watched.state()["level"].any()


def test_what_the_alarms_in_the_database_say_was_told_is_not_told_again() -> None:
    watched = watches([version(rule="a", above={"yellow": 3})])
    watched.set_told({(1, "a"): 2})
    rows = np.array([(NOW, 1, 9.0, PASS), (NOW, 2, 9.0, PASS)], READING)
    events = watched.observe(rows, np.ones(2, np.bool_), np.zeros(2, np.bool_))
    assert events["row"].tolist() == [1]
    rows = np.array([(NOW + SECOND, 1, 0.0, PASS)], READING)
    assert [
        event[2:4]
        for event in told(watched, watched.observe(rows, np.ones(1, np.bool_), np.zeros(1, np.bool_)))
    ] == [(2, 0)]


def test_the_limit_that_a_value_has_passed_is_the_nearer_one() -> None:
    rule = version(above={"blue": 1, "red": 4}, below={"red": -4})
    assert threshold_of(rule, 1, 1.5) == 1
    assert threshold_of(rule, 4, 9) == 4
    assert threshold_of(rule, 4, -9) == -4
    assert threshold_of(rule, 2, 9) is None
    assert threshold_of(rule, 0, 0) is None
