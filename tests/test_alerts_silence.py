"""Silence against a plain reference; tests/test_alerts_plain.py runs this file once more without compilation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.checks.silence import Wheel
from alerts.rule import NoData
from alerts.rulebook import SHIPPED, NoDataVersion, Subject, load
from alerts.silence import STALL_S, Silence, Word

START = 5_000.25
GATEWAY, LONELY = 90, 91  # devices that send
TICK_S = 1.0

Step = tuple[str, int, float]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["hear", "hear", "hear", "wait", "wait", "wait", "forgive", "drop", "add"]),
        st.integers(1, 6),
        st.sampled_from([0.1, 1.0, 3.0, 17.5, 60.0, 400.0]),
    ),
    max_size=60,
)
ALLOWED_S = {1: 2.0, 2: 5.5, 3: 60.0, 4: 61.0, 5: 300.0, 6: 7 * 86_400.0}


@given(STEPS, st.sampled_from([8, 64, 4096]))
@settings(deadline=None, max_examples=200)
def test_the_wheel_finds_whom_a_look_at_everybody_would_find(steps: list[Step], buckets: int) -> None:
    wheel, now = Wheel(START, buckets), START
    heard = dict.fromkeys(ALLOWED_S, START)
    forgiven, silent, waited = START, set[int](), set(ALLOWED_S)
    for node, allowed_s in ALLOWED_S.items():
        wheel.add(node, allowed_s, now)
    for kind, node, seconds in steps:
        if kind == "hear":
            woken = wheel.hear(np.array([node, node], np.int32), now)
            assert woken.tolist() == ([node] if node in silent & waited else [])
            heard[node] = now
            silent.discard(node)
        elif kind == "drop":
            wheel.drop(node)
            waited.discard(node)
            silent.discard(node)
        elif kind == "add":
            if node not in waited:
                heard[node] = now
            wheel.add(node, ALLOWED_S[node], now)
            waited.add(node)
        elif kind == "forgive":
            wheel.forgive(now)
            forgiven = now
        else:
            now += seconds
        over = {one for one in waited if max(heard[one], forgiven) + ALLOWED_S[one] <= now}
        found = set(wheel.due(now).tolist())
        # A bucket is a second wide: it may say so that much later, never earlier.
        assert found <= over - silent
        late = {
            one
            for one in over - silent - found
            if max(heard[one], forgiven) + ALLOWED_S[one] <= np.floor(now) - 1
        }
        assert not late
        silent |= found


def no_data(**parts: Any) -> NoDataVersion:
    body = {"kind": "no_data", "rule": "no-data", "title": "No data", **parts}
    return NoDataVersion(NoData.model_validate(body), body, "")


class Story:
    """Series on a timeline of the hub's clock, ticked every second."""

    def __init__(self, *versions: NoDataVersion) -> None:
        self.now = START
        self.gone: set[int] = set()
        self.silence = Silence(
            list(versions or [no_data()]), self.now, lambda series: series not in self.gone
        )
        self.words: list[Word] = []
        self.away = False

    def add(self, series: int, interval_s: float, sender: int, *, own: bool = False) -> None:
        subject = Subject(series, "level", "gauge", "water", f"device-{series}")
        self.silence.add(subject, interval_s, sender, own=own, now=self.now)

    def hear(self, *series: int) -> None:
        self.words += self.silence.hear(np.array(series, np.int32), self.now)

    def run(self, seconds: float, *, every: float = 0.0, series: tuple[int, ...] = ()) -> None:
        """Let time pass; `series` speak every so many seconds."""
        until, speak = self.now + seconds, self.now + every
        while self.now < until:
            self.now += TICK_S
            if series and self.now >= speak:
                self.hear(*series)
                speak += every
            self.words += self.silence.tick(self.now, away=self.away)

    def told(self) -> list[tuple[int, int]]:
        """Series and level of what was told since the last call."""
        words, self.words = [(word.series, word.level) for word in self.words], []
        return words


@pytest.fixture
def story() -> Story:
    """Three gauges behind a gateway that says something of itself, and one that sends by itself."""
    made = Story()
    for series in (1, 2, 3):
        made.add(series, 300, GATEWAY)
    made.add(4, 60, GATEWAY, own=True)
    made.add(5, 300, LONELY, own=True)
    return made


def test_a_series_that_stops_is_told_of_once_and_told_when_it_comes_back(story: Story) -> None:
    story.run(900, every=30, series=(1, 2, 3, 4, 5))
    assert story.told() == []
    story.run(3600, every=30, series=(1, 3, 4, 5))
    assert story.words[0].allowed_s == 900
    assert 900 <= story.words[0].silent_s <= 1000
    assert story.told() == [(2, 1)]
    story.hear(2)
    assert story.words[0].silent_s == pytest.approx(3600, abs=32)
    assert story.told() == [(2, 0)]
    story.run(3600, every=30, series=(1, 2, 3, 4, 5))
    assert story.told() == []


def test_a_gateway_that_stops_is_told_of_and_its_devices_are_not(story: Story) -> None:
    story.run(600, every=30, series=(1, 2, 3, 4, 5))
    story.run(7200, every=30, series=(5,))
    assert story.told() == [(4, 1)]  # by its own series
    story.hear(1)  # a batch that comes late through it ends it, of whatever time its readings are
    assert story.told() == [(4, 0)]
    story.run(600, every=30, series=(1, 3, 4, 5))
    assert story.told() == []
    story.run(
        400, every=30, series=(1, 3, 4, 5)
    )  # a full grace later the one that stays away is its own fault
    assert story.told() == [(2, 1)]


def test_a_gateway_without_a_series_is_told_of_by_one_of_its_devices() -> None:
    story = Story()
    story.add(1, 10, GATEWAY)
    story.add(2, 300, GATEWAY)
    story.run(100, every=10, series=(1, 2))
    story.run(2000)
    assert story.told() == [(1, 1)]
    story.hear(2)
    assert story.told() == [(1, 0)]


def test_a_device_that_stops_beside_a_gateway_that_stops_later_leaves_both_told(story: Story) -> None:
    story.run(2000, every=30, series=(1, 2, 3, 5))
    assert story.told() == [(4, 1)]  # the gateway's own series alone
    story.run(2000, every=30, series=(5,))
    assert story.told() == [(1, 1)]  # now the gateway; its own series is told of already
    story.hear(2)
    assert story.told() == [(1, 0)]
    story.hear(4)
    assert story.told() == [(4, 0)]


def test_while_the_hub_is_away_nobody_falls_silent_and_afterwards_all_have_their_time_again(
    story: Story,
) -> None:
    story.run(100, every=10, series=(1, 2, 3, 4, 5))
    story.away = True
    story.run(5000)
    story.away = False
    story.run(170)
    assert story.told() == []
    story.run(20)
    assert story.told() == [(4, 1)]
    story.run(800)
    assert story.told() == [(5, 1)]


def test_a_hub_that_was_held_up_blames_nobody(story: Story) -> None:
    story.run(100, every=10, series=(1, 2, 3, 4, 5))
    story.now += 10_000  # no tick meanwhile: the database was away, or the machine asleep
    story.run(100)
    assert story.told() == []
    assert STALL_S < 10_000


def test_after_a_restart_nobody_is_silent_before_a_full_grace_and_what_stands_is_not_told_twice() -> None:
    story = Story()
    for series in (1, 2, 3):
        story.add(series, 300, GATEWAY)
    story.add(5, 300, LONELY, own=True)
    story.silence.set_told([(1, "no-data"), (5, "no-data"), (9, "no-data"), (2, "other")], [5])
    story.run(890, every=30, series=(2,))
    assert story.told() == []
    assert story.silence.spokesmen().tolist() == [5]
    story.run(100, every=30, series=(2,))
    assert story.told() == [(3, 1)]
    story.hear(1, 5)
    assert sorted(story.told()) == [(1, 0), (5, 0)]


def test_a_device_out_of_service_is_missed_by_nobody(story: Story) -> None:
    story.run(100, every=10, series=(1, 2, 3, 4, 5))
    story.gone = {2, 5}
    story.run(5000, every=30, series=(1, 3, 4))
    assert story.told() == []


def test_one_reading_a_week_is_waited_for_three_weeks() -> None:
    story = Story()
    story.add(1, 7 * 86_400, LONELY, own=True)
    story.hear(1)
    for _ in range(5):
        story.now += 4.9 * 86_400
        # Ticked every second in truth; here the wheel turns in a few great leaps, which must not be stalls.
        story.silence._ticked = story.now
        story.words += story.silence.tick(story.now, away=False)
        assert bool(story.told()) == (story.now - START > 21 * 86_400)


def test_a_short_interval_is_given_a_minute_and_no_rule_no_alarm() -> None:
    story = Story(no_data(applies_to={"department": "water"}, level="orange", after_intervals=2, after_s=90))
    story.add(1, 1, LONELY, own=True)
    story.silence.add(Subject(2, "level", "gauge", "police", "p"), 1, GATEWAY, own=True, now=story.now)
    story.run(89)
    assert story.told() == []
    story.run(3)
    assert story.told() == [(1, 3)]
    story.hear(2, 7, 1)
    assert story.told() == [(1, 0)]


def test_a_burst_from_everybody_wakes_each_once(story: Story) -> None:
    story.run(2000)
    story.told()
    story.hear(*[1, 2, 3, 4, 5] * 1000)
    assert sorted(story.told()) == [(4, 0), (5, 0)]


def test_a_series_that_another_rule_waits_for_now_has_its_whole_time_again_and_the_others_go_on() -> None:
    near = {"metric": "level", "zone": "dam"}
    story = Story(no_data(), no_data(rule="dam", applies_to=near, level="red", after_intervals=1, after_s=30))

    def stand(series: int, *zones: str) -> None:
        subject = Subject(series, "level", "gauge", "water", f"device-{series}", frozenset(zones))
        story.silence.add(subject, 300, GATEWAY, own=False, now=story.now)

    for series in (1, 2, 3):
        stand(series)
    story.run(600, every=30, series=(1, 2))
    assert story.told() == []
    stand(3)  # nothing has changed: its time runs on
    stand(2, "dam")
    assert story.silence.judged_by(2) == {"dam"}
    story.run(345, every=30, series=(1, 2))
    assert story.told() == [(3, 1)]
    story.run(400, every=30, series=(1,))
    assert story.told() == [(2, 4)]
    stand(2)  # the alarm of the dam's rule is ended by whoever keeps alarms
    story.run(890, every=30, series=(1,))
    assert story.told() == []
    story.run(60, every=30, series=(1,))
    assert story.told() == [(2, 1)]
    # The one that speaks for a silent sender is given to another rule: another speaks.
    story.run(2000)
    assert story.told() == [(1, 1)]
    story.hear(1)
    assert sorted(story.told()) == [(1, 0)]


def test_the_spokesman_of_a_silent_sender_leaves_its_rule_and_another_speaks() -> None:
    story = Story(no_data(applies_to={"metric": "level", "zone": "dam"}))
    for series in (1, 2):
        subject = Subject(series, "level", "gauge", "water", f"device-{series}", frozenset({"dam"}))
        story.silence.add(subject, 300, GATEWAY, own=False, now=story.now)
    story.run(1000)
    assert story.told() == [(1, 1)]
    for series, left in ((1, (2, 1)), (2, None)):
        subject = Subject(series, "level", "gauge", "water", f"device-{series}")
        story.silence.add(subject, 300, GATEWAY, own=False, now=story.now)
        story.run(5)
        assert story.told() == ([left] if left else [])
    story.hear(1, 2)
    story.run(5000)
    assert story.told() == []


def test_the_shipped_rule_waits_for_every_series() -> None:
    shipped = [version for version in load(SHIPPED) if isinstance(version.rule, NoData)]
    story = Story(*shipped)
    story.add(1, 10, LONELY, own=True)
    story.run(70)
    assert story.told() == [(1, 1)]
