"""Levels against a plain reference; tests/test_alerts_plain.py runs this file once more without compilation."""

from __future__ import annotations

import hashlib
import json
import math
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.checks.schedule import is_open, lay_out
from alerts.checks.trail import BUCKETS
from alerts.rule import LEVEL_NAMES, WEEKDAYS, Rule
from alerts.rulebook import Subject, Version
from alerts.watch import Watches
from edge.reading import FAIL, MISSING, PASS, READING, SUSPECT, UNEVALUATED, Rows

SECOND = 1_000_000
HOUR = 3_600 * SECOND
NOW = 1_789_999_200 * SECOND  # a Monday in September 2026, 22:00 at +08:00


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
    version(
        rule="rising",
        above={"red": 4},
        rise={"within_s": 12, "beyond": 0, "yellow": 1, "orange": 3},
        fall={"within_s": 12, "blue": 2},
        off_delay_s=1,
    ),
    version(rule="often", above={"yellow": 1, "red": 4}, deadband=0.5, repeat={"times": 3, "within_s": 60}),
    version(
        rule="at-night",
        above={"yellow": 1},
        off_delay_s=1,
        schedule={"utc_offset": "+08:00", "hours": [[22, 6]], "weekdays": ["mon", "tue"], "months": [9]},
    ),
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
        self.name, self.above, self.below = name, rule.above.get(name), rule.below.get(name)
        self.rule = rule
        self.for_suspects = place <= ("none", *LEVEL_NAMES[1:]).index(rule.suspect_up_to)
        self.crossed = self.met = self.active = False
        self.since = 0
        self.come: list[int] = []

    def feed(self, at: int, value: float, rise: float, fall: float, *, suspect: bool, is_open: bool) -> None:
        """Take a reading."""
        slack = self.rule.deadband if self.crossed else 0
        crossed = is_open and (
            (self.above is not None and value >= self.above - slack)
            or (self.below is not None and value <= self.below + slack)
            or (self.rule.rise is not None and rise >= dict(self.rule.rise.limits).get(self.name, math.inf))
            or (self.rule.fall is not None and fall >= dict(self.rule.fall.limits).get(self.name, math.inf))
        )
        if crossed and not self.crossed and suspect and not self.for_suspects:
            crossed = False
        met = crossed
        if self.rule.repeat is not None:
            if crossed and not self.crossed:
                self.come.append(at)
                lately = [one for one in self.come if at - one <= self.rule.repeat.within_s * SECOND]
                met = len(lately) >= self.rule.repeat.times
            else:
                met = crossed and self.met
        self.crossed = crossed
        if met != self.met:
            self.met, self.since = met, at
        delay = self.rule.on_delay_s if met else self.rule.off_delay_s
        barred = met and suspect and not self.for_suspects
        if met != self.active and at - self.since >= delay * SECOND and not barred:
            self.active = met


class Reference:
    """One rule on one series."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.levels = [Level(rule, place) for place in range(1, 5)]
        self.level = self.told = self.level_at = 0
        self.sound: list[tuple[int, float]] = []

    def feed(self, row: int, at: int, value: float, *, suspect: bool, late: bool) -> list[Event]:
        """Take a reading; what somebody is told."""
        rise, fall = self.changes(at, value)
        for level in self.levels:
            level.feed(at, value, rise, fall, suspect=suspect, is_open=self.is_open(at))
        if not suspect:
            self.sound.append((at, value))
        now = max((place for place, level in enumerate(self.levels, 1) if level.active), default=0)
        if now != self.level:
            self.level, self.level_at = now, at
        if late or now == self.told:
            return []
        before, self.told = self.told, now
        return [Event(self.rule.rule, row, before, now, self.level_at)]

    def changes(self, at: int, value: float) -> tuple[float, float]:
        """Rise and fall over the window, which begins with a whole twelfth of it."""
        change = self.rule.rise or self.rule.fall
        if change is None:
            return 0.0, 0.0
        part = round(change.within_s * SECOND) // BUCKETS
        recent = [one for when, one in self.sound if at // part - when // part < BUCKETS] + [value]
        rise, fall = value - min(recent), max(recent) - value
        if self.rule.rise and self.rule.rise.beyond is not None and value < self.rule.rise.beyond:
            rise = 0.0
        if self.rule.fall and self.rule.fall.beyond is not None and value > self.rule.fall.beyond:
            fall = 0.0
        return rise, fall

    def is_open(self, at: int) -> bool:
        """Whether the rule's schedule is open."""
        schedule = self.rule.schedule
        if schedule is None:
            return True
        local = datetime.fromtimestamp(at // SECOND, UTC) + timedelta(seconds=schedule.offset_s)
        return (
            WEEKDAYS[local.weekday()] in schedule.weekdays
            and local.month in schedule.months
            and any(
                first <= local.hour < end if first < end else local.hour >= first or local.hour < end
                for first, end in schedule.hours
            )
        )


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
        st.sampled_from(
            [-SECOND, 0, 1, SECOND, SECOND, 2 * SECOND - 1, 2 * SECOND, 3 * SECOND, 60 * SECOND, HOUR]
        ),
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


def bytes_of(watched: Watches) -> dict[str, bytes]:
    """All that the watches remember."""
    return {name: kept.tobytes() for name, kept in watched.state().items()}


def level_of(watched: Watches) -> dict[tuple[str, int], int]:
    """By rule and series, where each watch stands."""
    return {
        (watched.rule_of(place).rule.rule, int(kept["series"])): int(kept["kept"]["level"])
        for place, kept in enumerate(watched.state()["watches"])
    }


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
    assert bytes_of(pieces) == bytes_of(together)


@given(READINGS, st.integers(0, 40))
@settings(deadline=None, max_examples=150)
def test_saved_and_restored_in_the_middle_events_and_state_are_the_same(
    readings: list[Reading], middle: int
) -> None:
    rows, newer, late = columns(readings)
    whole, before, after = watches(), watches(), watches()
    expected = told(whole, whole.observe(rows, newer, late))
    found = told(before, before.observe(rows[:middle], newer[:middle], late[:middle]))
    after.restore({name: np.frombuffer(kept.tobytes(), kept.dtype) for name, kept in before.state().items()})
    found += told(after, after.observe(rows[middle:], newer[middle:], late[middle:]), middle)
    assert found == expected
    assert bytes_of(after) == bytes_of(whole)


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
    assert not any(level_of(watched).values())


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
    standing = {key: level for key, level in level_of(watched).items() if level}
    assert standing == {
        (name, 300): level
        for name, level in (("plain", 2), ("full", 4), ("wary", 4), ("rising", 4), ("at-night", 2))
    }


def test_a_watch_whose_rule_was_changed_begins_anew_and_the_others_go_on() -> None:
    first = watches([version(rule="a", above={"red": 3}), version(rule="b", above={"red": 3})])
    rows = np.array([(NOW, 1, 9.0, PASS)], READING)
    first.observe(rows, np.ones(1, np.bool_), np.zeros(1, np.bool_))
    second = watches([version(rule="a", above={"red": 4}), version(rule="b", above={"red": 3})])
    second.restore(first.state())
    assert level_of(second) == {("a", 1): 0, ("a", 2): 0, ("b", 1): 4, ("b", 2): 0}


def test_a_series_that_moves_between_zones_changes_its_rules_and_those_that_go_on_remember() -> None:
    rules = [
        version(rule="always", applies_to={"metric": "level", "zone": "city"}, above={"yellow": 3}, on_delay_s=10),
        version(rule="here", applies_to={"metric": "level", "zone": "lowland"}, above={"red": 3}),
        version(rule="there", applies_to={"metric": "level", "zone": "upland"},
                rise={"within_s": 60, "blue": 2}, repeat={"times": 2, "within_s": 60}),
    ]  # fmt: skip
    watched = Watches(rules)

    def stand(*zones: str) -> None:
        watched.add(Subject(1, "level", "gauge", "water", "river-1", frozenset({"city", *zones})))

    def feed(second: int, value: float) -> list[tuple[str, int]]:
        rows = np.array([(NOW + second * SECOND, 1, value, PASS)], READING)
        events = watched.observe(rows, np.ones(1, np.bool_), np.zeros(1, np.bool_))
        return [(watched.rule_of(event["watch"]).rule.rule, int(event["to_level"])) for event in events]

    stand("lowland")
    assert feed(0, 9) == [("here", 4)]
    stand("upland", "lowland")
    assert feed(5, 1) == [("here", 0)]
    assert feed(6, 9) == [("here", 4)]
    stand("upland")
    assert watched.judged_by(1) == {"always", "there"}
    assert watched.judged_by(7) == set()
    assert feed(16, 9) == [("always", 2)]  # since second 6, whatever moved meanwhile
    again = Watches(rules)
    again.add(Subject(1, "level", "gauge", "water", "river-1", frozenset({"city", "upland", "lowland"})))
    again.restore(watched.state())
    assert level_of(again) == {("always", 1): 2, ("here", 1): 0, ("there", 1): 0}  # who rests is not saved
    stand("lowland")
    assert feed(17, 9) == [("here", 4)]  # anew
    assert watched.count == 3


def test_a_saved_state_of_another_layout_is_not_taken() -> None:
    watched = watches()
    watched.restore(dict.fromkeys(watched.state(), np.ones(3, np.dtype([("other", "i4")]))))
    watched.restore({})
    assert not any(level_of(watched).values())


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
    rule = version(above={"blue": 1, "red": 4}, below={"red": -4}, rise={"within_s": 60, "red": 2})
    watched = watches([rule])
    assert watched.threshold_of(0, 1, 1.5) == 1
    assert watched.threshold_of(0, 4, 9) == 4
    assert watched.threshold_of(0, 4, -9) == -4
    assert watched.threshold_of(0, 4, 3) is None  # it rose too fast
    assert watched.threshold_of(0, 2, 9) is None
    assert watched.threshold_of(0, 0, 0) is None
    below = watches([version(below={"yellow": 20, "orange": 10})])
    assert [below.threshold_of(0, level, 2.6) for level in (1, 2, 3)] == [None, 20, 10]


def test_a_suspect_reading_does_not_complete_what_a_sound_one_began_above_its_level() -> None:
    rule = version(above={"yellow": 3, "red": 5}, on_delay_s=10, suspect_up_to="yellow")
    assert levels(rule, (0, 9), (10, 9, SUSPECT), (11, 9, SUSPECT), (12, 9)) == [(10, 2), (12, 4)]
    # Sound readings on both sides of it: the condition was met all the while.
    assert levels(rule, (0, 9), (5, 9, SUSPECT), (10, 9)) == [(10, 4)]


def test_a_rise_within_the_window_counts_and_a_slow_one_does_not() -> None:
    rule = version(rise={"within_s": 1800, "orange": 0.5})
    fast = [(minute * 60, minute / 45) for minute in range(0, 41, 5)]
    assert levels(rule, *fast) == [(25 * 60, 3)]
    slow = [(minute * 60, minute / 100) for minute in range(0, 241, 5)]
    assert levels(rule, *slow) == []


def test_uneven_readings_and_gaps_are_judged_by_their_times() -> None:
    rule = version(rise={"within_s": 1800, "orange": 0.5})
    assert levels(rule, (0, 1.0), (10, 1.1), (1500, 1.6), (1501, 1.6), (1860, 1.6)) == [(1500, 3), (1860, 0)]
    assert levels(rule, (0, 1.0), (7 * 86_400, 9.0), (14 * 86_400, 1.0)) == []  # nothing is known of the rise


def test_a_rise_below_the_value_from_which_it_counts_is_nobodys_business() -> None:
    rule = version(rise={"within_s": 1800, "beyond": 2, "orange": 0.5})
    assert levels(rule, (0, 1.0), (300, 1.9), (600, 2.0)) == [(600, 3)]


def test_a_fall_counts_as_a_rise_does() -> None:
    rule = version(fall={"within_s": 60, "beyond": 5, "orange": 2})
    assert levels(rule, (0, 9), (10, 6), (20, 5), (90, 5)) == [(20, 3), (90, 0)]


def test_a_suspect_dip_makes_no_rise_of_the_next_sound_reading() -> None:
    rule = version(rise={"within_s": 60, "orange": 2})
    assert levels(rule, (0, 5), (10, 0, SUSPECT), (20, 5)) == []
    assert levels(rule, (0, 5), (10, 0), (20, 5)) == [(20, 3)]


def test_a_condition_that_must_repeat_counts_from_its_nth_coming_until_it_goes() -> None:
    rule = version(above={"yellow": 3}, repeat={"times": 3, "within_s": 60})
    pulses = [(0, 5), (10, 0), (20, 5), (30, 0), (40, 5), (500, 5), (510, 0), (520, 5)]
    assert levels(rule, *pulses) == [(40, 2), (510, 0)]
    assert levels(rule, (0, 5), (10, 0), (20, 5), (30, 0), (61, 5)) == []  # the first is too long ago


def test_outside_its_schedule_a_rule_is_silent_and_what_stands_returns() -> None:
    rule = version(above={"yellow": 3}, schedule={"utc_offset": "+08:00", "hours": [[22, 6]]})
    night, morning = 0, 8 * 3600
    assert levels(rule, (-1, 5), (night, 5), (morning - 1, 5), (morning, 5)) == [(night, 2), (morning, 0)]


@given(st.integers(0, 4_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_the_clock_of_a_schedule_is_the_calendars(at: int, offset_min: int) -> None:
    local = datetime.fromtimestamp(at, UTC) + timedelta(minutes=offset_min)
    spot = lay_out(offset_min * 60, [(local.hour, local.hour + 1)], [local.weekday()], [local.month])
    assert is_open(spot, at * SECOND)
    spot["months"] = 1 - spot["months"]
    assert not is_open(spot, at * SECOND)


def test_a_device_may_have_limits_of_its_own_and_the_others_keep_the_rules() -> None:
    rule = version(
        above={"yellow": 3, "red": 5}, deadband=1, **{"for": {"river-2": {"above": {"yellow": 30}}}}
    )
    watched = watches([rule])
    rows = np.array([(NOW, 1, 4.0, PASS), (NOW, 2, 29.0, PASS), (NOW + 1, 2, 30.0, PASS)], READING)
    events = watched.observe(rows, np.ones(3, np.bool_), np.zeros(3, np.bool_))
    assert events[["row", "to_level"]].tolist() == [(0, 2), (2, 2)]


def test_limits_as_shares_are_taken_between_the_two_values_of_each_device() -> None:
    rule = version(
        above={"orange": 0.9}, rise={"within_s": 60, "yellow": 0.5}, between={"river-1": (1.0, 3.0)}
    )
    assert levels(rule, (0, 2.79), (100, 2.8), (200, 1.5), (210, 2.49), (220, 2.5)) == [
        (100, 3),
        (200, 0),
        (220, 2),
    ]
    watched = watches([rule])
    assert level_of(watched) == {("r", 1): 0}  # river-2 has no values: the rule cannot speak of it


def test_a_million_readings_in_one_burst_and_one_a_week_leave_the_same_memory() -> None:
    rule = version(rise={"within_s": 60, "red": 9}, above={"red": 9}, repeat={"times": 2, "within_s": 60})
    watched = watches([rule])
    before = {name: len(kept) for name, kept in bytes_of(watched).items()}
    many = 1_000 if "NUMBA_DISABLE_JIT" in os.environ else 1_000_000
    rows = np.zeros(many, READING)
    rows["time"], rows["series"], rows["flag"] = NOW + np.arange(many), 1, PASS
    rows["value"] = np.arange(many) % 10
    watched.observe(rows, np.ones(many, np.bool_), np.zeros(many, np.bool_))
    assert {name: len(kept) for name, kept in bytes_of(watched).items()} == before


def test_infinite_values_are_taken_for_what_they_are() -> None:
    assert levels(version(above={"red": 3}), (0, math.inf), (1, 0), (2, -math.inf)) == [(0, 4), (1, 0)]


SHARED_CASES = Path(__file__).parents[2] / "shared" / "data" / "cases" / "prometheus_alert_state_cases.json"


@pytest.mark.parametrize(
    "name", ["TestKeepFiringFor", "TestPendingAndKeepFiringFor", "promtool unittest InstanceDown"]
)
def test_alerts_of_prometheus_stand_when_theirs_fire(name: str) -> None:
    """`for` is the on-delay. A keep-firing delay runs on while the last evaluation fired, ours from the first that did not."""
    if not SHARED_CASES.exists():
        pytest.skip("the shared cases are not here")
    case = next(one for one in json.loads(SHARED_CASES.read_text())["cases"] if one["name"] == name)
    limit: dict[str, Any] = (
        {"below": {"red": 0}} if case["rule"]["expr"] == "value == 0" else {"above": {"red": 50.000001}}
    )
    every = case["eval_every_s"]
    rule = version(
        on_delay_s=case["rule"]["for_s"], off_delay_s=case["rule"].get("keep_firing_for_s", 0), **limit
    )
    values = case.get("values") or [case["values_all"]] * (86_400 // every + 1)
    events = dict(levels(rule, *[(step * every, value) for step, value in enumerate(values)]))
    level, firing = 0, []
    for step in range(len(values)):
        level = events.get(step * every, level)
        firing.append(level > 0)
    wanted = dict(enumerate(case.get("states", [])))
    wanted |= {check["t_s"] // every: check["state"] for check in case.get("checks", [])}
    assert {step: firing[step] for step in wanted} == {
        step: state == "firing" for step, state in wanted.items()
    }


def test_a_value_that_is_no_number_moves_nothing_whatever_its_flag() -> None:
    assert levels(version(above={"red": 3}), (0, 9), (1, math.nan, PASS), (2, 9)) == [(0, 4)]


def test_many_devices_may_have_limits_of_their_own() -> None:
    own = {f"river-{place}": {"above": {"red": place}} for place in range(1, 41)}
    watched = Watches([version(above={"red": 1_000}, **{"for": own})])
    for place in range(1, 42):
        watched.add(Subject(place, "level", "gauge", "water", f"river-{place}"))
    rows = np.array([(NOW, place, 20.0, PASS) for place in range(1, 42)], READING)
    events = watched.observe(rows, np.ones(41, np.bool_), np.zeros(41, np.bool_))
    assert rows["series"][events["row"]].tolist() == list(range(1, 21))
