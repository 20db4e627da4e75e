"""The census on plain zones, views and doors: who is believed, what is left out, what is said and when it ends."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
import structlog
from fix_hub import wait_for
from numpy.typing import NDArray
from shapely import LineString, box

from alerts import rulebook
from alerts.rulebook import Subject
from alerts.watch import Watches
from cityhub.crowd.census import DOORS, Census
from cityhub.crowd.counts import COUNT
from cityhub.crowd.ground import Gate, Ground, Meter, View, Watched
from cityhub.crowd.recall import Past
from cityhub.crowd.roll import Roll
from cityhub.crowd.telling import Presence
from cityhub.crowd.tick import Tick, Ticking
from cityhub.fencing import Fencing
from edge.reading import FAIL, PASS, READING, SUSPECT
from edge.wire import READINGS_LIMIT
from geo.area import area_m2
from ingest.batch import Batch
from ingest.fixes import FIX
from ingest.inbox import Inbox
from ingest.limits import SIZE_LIMIT
from ingest.message import OURS, UNASKED, Message
from ingest.order import Newest
from ingest.profile import SHIPPED, read
from ingest.registry import Device, Registry, Series

BEGIN = 1_782_853_300_000_000 // 10_000_000 * 10_000_000
SECOND = 1_000_000
EVERY = 10


def ground_of(west: float, south: float, east: float, north: float) -> Any:
    """A box in tenths of a thousandth of a degree at the equator: 11 m each."""
    return box(west / 1e4, south / 1e4, east / 1e4, north / 1e4)


SQUARE = ground_of(0, 0, 4, 4)
M2 = area_m2(SQUARE)


def zone(key: str = "square", geometry: Any = SQUARE, **given: Any) -> Watched:
    known: dict[str, Any] = {"id": 7, "kind": "crowd", "usable_m2": area_m2(geometry), **given}
    return Watched(device=f"zone-{key}", key=key, name=key.title(), geometry=geometry, **known)


def meter(slot: int, device: str, counts: Any = "view", **given: Any) -> Meter:
    metric = {"view": "people"}.get(counts, counts)
    return Meter(slot, slot, device, metric, counts, **{"interval_s": 10.0, **given})


class Hall:
    """A census whose clock the test moves: ten seconds a step."""

    def __init__(self, ground: Ground, *meters: Meter) -> None:
        self.ticking = Ticking(ground)
        self.ticking.attend(meters)
        self.meters = {meter.device + "/" + meter.metric: meter for meter in meters}
        devices = [(each.device, "zone") for each in ground.watched]
        devices += [(each.device, "counting-line") for each in ground.gates]
        self.own = {
            (device, metric): 1000 + place * 100 + row
            for place, (device, kind) in enumerate(devices)
            for row, metric in enumerate(PROFILES[kind])
        }
        self.inside: dict[int, Presence] = {}
        self.at = BEGIN
        self.tick: Tick = Tick()

    def hear(self, *, late_s: float = 0.0, flag: int = PASS, ahead_s: float = 0.0, **counts: Any) -> None:
        """Counts of this moment by `device_metric`, that arrive at once, whatever their stamp."""
        for name, value in counts.items():
            key = name.replace("_", "/") if "_" in name else f"{name}/people"
            heard = self.meters[key]
            row = np.zeros(1, COUNT)
            row["time"] = self.at - round((late_s - ahead_s) * SECOND)
            row["slot"], row["value"], row["flag"], row["arrived"] = heard.slot, value, flag, self.at
            self.ticking.take(row, {heard.device_id: self.at}, None)

    def step(self, **counts: Any) -> dict[str, Any]:
        """Ten seconds later, with these counts; what is said."""
        self.at += EVERY * SECOND
        self.hear(**counts)
        return self.say()

    def say(self) -> dict[str, Any]:
        self.tick = self.ticking.tick(self.at, 0, self.own, lambda zone: self.inside.get(zone.id))
        return {name: value for body in self.tick.bodies for name, value in body["values"].items()}


PROFILES = {kind: list(read(SHIPPED / f"{kind}.yaml").profile.metrics) for kind in ("zone", "counting-line")}


def test_two_cameras_that_overlap_are_not_added_and_a_part_that_nobody_sees_is_said() -> None:
    left, right = View("a", ground_of(0, 0, 2, 4)), View("b", ground_of(1, 0, 3, 4))
    hall = Hall(Ground((zone(),), (left, right)), meter(1, "a"), meter(2, "b"))
    said = hall.step(a=40, b=40)
    assert said["zone-square/persons"] == pytest.approx(60, abs=0.1)  # and not 80
    assert said["zone-square/seen"] == pytest.approx(75, abs=0.1)
    assert said["zone-square/density"] == pytest.approx(60 / (0.75 * M2), rel=0.01)
    assert "zone-square/full" not in said or said["zone-square/full"] is None
    (body,) = hall.tick.bodies
    at_ms = hall.at // 1000
    assert body["from"] == {
        "zone-square": {
            "by": "cameras",
            "cameras": {"a/people": [at_ms, 40], "b/people": [at_ms, 40]},
            "doors": {},
        }
    }


def test_density_is_counted_on_usable_ground_and_not_twice_where_a_camera_says_it() -> None:
    here, whole = zone(usable_m2=M2 / 4, capacity=400), View("a", SQUARE)
    said = Hall(Ground((here,), (whole,)), meter(1, "a")).step(a=200)
    assert said["zone-square/density"] == pytest.approx(200 / (M2 / 4), rel=0.01)
    assert said["zone-square/full"] == 50
    counts = meter(1, "a", zone_id=7, dense=True)
    hall = Hall(Ground((here,)).with_whole_views([counts]), counts)
    assert hall.step(a=200)["zone-square/persons"] == 200
    assert hall.say()["zone-square/density"] is None


def test_a_dead_camera_is_not_believed_for_longer_than_its_counts_hold() -> None:
    hall = Hall(
        Ground((zone(),), (View("a", SQUARE), View("b", ground_of(0, 0, 2, 4)))), meter(1, "a"), meter(2, "b")
    )
    assert hall.step(a=100, b=50)["zone-square/seen"] == 100
    said = [hall.step(b=50) for _ in range(6)][-1]
    assert (said["zone-square/persons"], said["zone-square/seen"]) == pytest.approx((50, 50), abs=0.1)
    silent = [hall.step() for _ in range(6)][-1]
    # Nobody is counted any more: the people are missed (no data), and what hangs on them ends with null.
    assert "zone-square/persons" not in silent
    assert silent["zone-square/density"] is None
    assert silent["zone-square/seen"] == 0


@pytest.mark.parametrize(("value", "flag"), [(-3.0, FAIL), (-3.0, PASS), (400.0, SUSPECT), (np.nan, 9)])
def test_counts_below_zero_and_counts_that_the_checks_doubt_count_nobody(value: float, flag: int) -> None:
    hall = Hall(Ground((zone(),), (View("a", SQUARE), View("b", SQUARE))), meter(1, "a"), meter(2, "b"))
    hall.step(a=20)
    hall.hear(b=value, flag=flag)
    assert hall.say()["zone-square/persons"] == 20
    hall.hear(b=40)  # the control
    assert hall.say()["zone-square/persons"] == 30


@pytest.mark.parametrize("ahead_s", [180.0, -180.0])
def test_a_clock_that_is_minutes_off_is_told_and_its_counts_are_left_out(ahead_s: float) -> None:
    hall = Hall(Ground((zone(),), (View("a", SQUARE), View("b", SQUARE))), meter(1, "a"), meter(2, "b"))
    for _ in range(20):
        hall.step(a=20)
        hall.hear(b=400, ahead_s=ahead_s)
    said = hall.say()
    assert said["zone-square/persons"] == 20
    assert said["b/clock-apart"] == 180
    assert "a/clock-apart" not in said
    since = [hall.step(a=20, b=20) for _ in range(30)]  # it was set
    assert {said["zone-square/persons"] for said in since} == {20}
    said_of_it = [said.get("b/clock-apart") for said in since]
    assert 0 in said_of_it
    assert said_of_it[-1] is None  # and then no more is said of it


def test_counts_that_come_minutes_late_do_not_move_now() -> None:
    hall = Hall(Ground((zone(),), (View("a", SQUARE),)), meter(1, "a"))
    hall.step(a=20)
    hall.hear(a=900, late_s=300)
    assert hall.say()["zone-square/persons"] == 20


def test_a_camera_that_sees_no_watched_zone_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    hall = Hall(Ground((zone(),), (View("a", ground_of(8, 8, 9, 9)),)), meter(1, "a"))
    hall.ticking.attend([meter(1, "a")])
    assert "zone-square/persons" not in hall.step(a=20)
    said = capsys.readouterr()
    assert (said.out + said.err).count("camera a: its view lies in no watched zone") == 1


def test_storeys_do_not_see_each_other() -> None:
    floors = zone("hall", id=1, floor="0"), zone("cellar", id=2, floor="-1")
    views = View("a", SQUARE, "0"), View("b", SQUARE, "-1")
    said = Hall(Ground(floors, views), meter(1, "a"), meter(2, "b")).step(a=10, b=70)
    assert (said["zone-hall/persons"], said["zone-cellar/persons"]) == (10, 70)


DOOR = Gate("line-door", "door", "counter", into="square", width_m=2.0)


def test_doors_go_on_from_what_cameras_counted_and_their_drift_is_corrected() -> None:
    """The counter misses every twentieth who comes in. While the cameras work it learns that; then they fail."""
    ground = Ground((zone(),), (View("a", SQUARE),), (DOOR,))
    hall = Hall(ground, meter(1, "a"), meter(2, "counter", "in"), meter(3, "counter", "out"))
    inside = 500.0
    for _ in range(240):
        inside += 10
        hall.step(a=inside, counter_in=19, counter_out=10)  # 20 came
    for _ in range(60):
        inside += 10
        said = hall.step(counter_in=19, counter_out=10)
    # In minus out alone misses 60 of the last ten minutes, and 300 of the whole time.
    assert said["zone-square/persons"] == pytest.approx(inside, abs=30)
    assert said["zone-square/spread"] > 0
    assert hall.tick.bodies[0]["from"]["zone-square"]["by"] == "doors"
    assert said["line-door/flow-forward"] == pytest.approx(1.9 / 2)
    assert said["line-door/flow-back"] == pytest.approx(0.5)


def test_before_anybody_was_counted_doors_know_nothing_and_after_a_restart_they_know_it_still() -> None:
    ground = Ground((zone(),), (), (DOOR,))
    parts = meter(2, "counter", "in"), meter(3, "counter", "out"), meter(4, "guard", zone_id=7)
    whole = ground.with_whole_views(parts)
    hall = Hall(whole, *parts)
    assert "zone-square/persons" not in hall.step(counter_in=5, counter_out=1)
    hall.step(guard=30, counter_in=0, counter_out=0)  # somebody has counted
    for _ in range(12):
        said = hall.step(counter_in=2, counter_out=1)
    assert said["zone-square/persons"] == pytest.approx(42, abs=0.5)
    again = Hall(whole, *parts)
    again.at = hall.at
    again.ticking.recall(Past(np.zeros(0, COUNT), {}), hall.tick.doors)
    said = again.step(counter_in=2, counter_out=1)
    assert said["zone-square/persons"] == pytest.approx(43, abs=0.5)


def test_a_counter_that_is_silent_says_no_flow_and_its_zone_is_not_known_by_its_doors() -> None:
    parts = meter(2, "counter", "in"), meter(3, "counter", "out"), meter(4, "guard", zone_id=7)
    hall = Hall(Ground((zone(),), (), (DOOR,)).with_whole_views(parts), *parts)
    for _ in range(8):
        said = hall.step(guard=30, counter_in=2, counter_out=2)
    assert said["line-door/flow-both"] == pytest.approx(0.4 / 2)
    for _ in range(10):
        said = hall.step()
    assert "zone-square/persons" not in said
    assert said["line-door/flow-both"] is None
    hall.hear(counter_in=20, late_s=60)  # it had only been cut off: nothing was lost
    hall.hear(counter_out=0)
    assert hall.say()["zone-square/persons"] == pytest.approx(50, abs=1.5)


def test_after_a_restart_the_last_counts_are_recalled_and_not_counted_twice_at_the_door() -> None:
    parts = meter(1, "a"), meter(2, "counter", "in"), meter(3, "counter", "out")
    ground = Ground((zone(),), (View("a", SQUARE),), (DOOR,))
    hall = Hall(ground, *parts)
    rows = np.zeros(3, COUNT)
    rows["time"] = rows["arrived"] = BEGIN
    rows["slot"], rows["value"], rows["flag"] = [1, 2, 3], [80, 6, 0], PASS
    hall.ticking.recall(Past(rows, {"zone-square": [(BEGIN / 1e6 - 10, 79.0)]}), {})
    hall.ticking.take(rows[1:], {}, None)  # stored after the checkpoint: it comes this way too
    said = hall.step()
    assert said["zone-square/persons"] == 80
    assert said["line-door/flow-forward"] == pytest.approx(6 / 60 / 2)


COVERED = Ground((zone(capacity=1000, usable_m2=400.0),), (View("a", SQUARE),), (DOOR,))
COUNTERS = meter(1, "a"), meter(2, "counter", "in"), meter(3, "counter", "out")


@pytest.mark.parametrize("covered", [True, False])
def test_a_covered_camera_does_not_hide_the_crowd_that_the_doors_have_counted(*, covered: bool) -> None:
    hall, told = Hall(COVERED, *COUNTERS), []
    inside = 200.0
    for moment in range(66):
        inside += 10
        blind = covered and moment >= 30
        said = hall.step(a=0.0 if blind else inside, counter_in=12, counter_out=2)
        told += [(hall.at, name, said[f"zone-square/{name}"]) for name in ("full", "density", "disagree")]
        if moment == 40:  # a restart does not lose it
            again = Hall(COVERED, *COUNTERS)
            again.at = hall.at
            again.ticking.recall(Past(np.zeros(0, COUNT), {}), hall.tick.doors)
            hall = again
    assert said["zone-square/persons"] == pytest.approx(860, abs=30)
    assert said["zone-square/density"] == pytest.approx(860 / 400, rel=0.04)
    apart = [moment for moment, name, value in told if name == "disagree" and value]
    evidence = hall.tick.bodies[0]["from"]["zone-square"]
    alarms = [(rule, level) for rule, level, _ in judged(told)]
    assert {("zone-capacity", 2), ("crowd-density", 2)} <= set(alarms)  # 80 % and 2 people per m2, either way
    if covered:
        assert said["zone-square/disagree"] == pytest.approx(790, abs=30)  # of a minute ago
        assert evidence["by"] == "doors, the larger"
        assert evidence["apart"] == {"cameras": 0, "doors": said["zone-square/persons"]}
        words = hall.tick.words["zone-square", "disagree"].text
        assert re.fullmatch(
            r"Square: 0 people by the cameras and 8\d\d by the doors, the larger is believed", words
        ), words
        assert 0 < (apart[0] - BEGIN) / SECOND - 310 <= 120
        assert ("counts-disagree", 2) in alarms
    else:
        assert evidence["by"] == "cameras"
        assert not apart
        assert "counts-disagree" not in dict(alarms)
    # Uncovered, the two agree again: what was said ends, and cameras correct the doors as before.
    for _ in range(20):
        inside += 10
        said = hall.step(a=inside, counter_in=12, counter_out=2)
    assert (said["zone-square/disagree"], said["zone-square/persons"]) == (0, pytest.approx(inside, abs=30))
    assert hall.tick.bodies[0]["from"]["zone-square"]["by"] == "cameras"
    drawn = [hall.step(a=inside * 1.1, counter_in=0, counter_out=0) for _ in range(12)][-1]
    camera_fails = [hall.step(counter_in=0, counter_out=0) for _ in range(6)][-1]
    assert drawn["zone-square/disagree"] == 0
    assert camera_fails["zone-square/persons"] > inside * 1.01


@pytest.mark.parametrize("came", [1, 60])
def test_a_camera_that_is_blind_from_the_start_does_not_draw_the_doors_to_nobody(came: int) -> None:
    """However slowly people come: each count alone is not far from what the doors say, all of them together are."""
    hall = Hall(COVERED, *COUNTERS)
    for _ in range(90):
        said = hall.step(a=0, counter_in=came, counter_out=0)
    assert said["zone-square/persons"] == pytest.approx(90 * came, rel=0.15)
    assert said["zone-square/disagree"] > 0


def test_people_who_stream_in_while_the_camera_lags_are_no_contradiction() -> None:
    hall, inside = Hall(COVERED, *COUNTERS), 0.0
    hall.step(a=0, counter_in=0, counter_out=0)
    before = 0.0
    for _ in range(30):  # nine a second, and a camera that is ten seconds late
        inside += 90
        said = hall.step(a=before, counter_in=90, counter_out=0)
        before = inside
        assert said["zone-square/disagree"] == 0
        assert said["zone-square/persons"] <= inside


def test_a_counter_that_failed_for_good_is_overruled_by_the_cameras_at_last() -> None:
    hall = Hall(COVERED, *COUNTERS)
    for _ in range(30):
        hall.step(a=500, counter_in=0, counter_out=0)
    # They left by a door that counts nobody.
    said = [hall.step(a=100, counter_in=0, counter_out=0) for _ in range(60)][-1]
    assert (said["zone-square/persons"], said["zone-square/disagree"]) == pytest.approx((500, 400), abs=5)
    took = 0
    while said["zone-square/disagree"]:
        hall.at += 50 * SECOND
        said = hall.step(a=100, counter_in=0, counter_out=0)
        took += 1
    assert 4 < took / 60 < 7  # hours
    assert said["zone-square/persons"] == pytest.approx(100, abs=20)


def test_where_a_counter_is_silent_the_cameras_alone_are_believed_and_nobody_disagrees() -> None:
    hall = Hall(COVERED, *COUNTERS)
    hall.step(a=500, counter_in=0, counter_out=0)
    for _ in range(30):
        said = hall.step(a=100)
    assert (said["zone-square/persons"], said["zone-square/disagree"]) == (100, None)


def test_cameras_that_see_more_in_a_part_than_the_doors_know_of_in_all_are_believed() -> None:
    part = replace(COVERED, views=(View("a", SQUARE), View("b", ground_of(0, 0, 2, 4))))
    hall = Hall(part, *COUNTERS, meter(4, "b"))
    hall.step(a=100, b=50, counter_in=0, counter_out=0)
    for _ in range(12):
        said = hall.step(b=40, counter_in=0, counter_out=0)
    assert (said["zone-square/persons"], said["zone-square/disagree"]) == (pytest.approx(100, abs=1), 0)
    for _ in range(12):
        said = hall.step(b=300, counter_in=0, counter_out=0)
    assert (said["zone-square/persons"], said["zone-square/disagree"]) == pytest.approx((300, 200), abs=2)


@pytest.mark.parametrize(("east", "full"), [(2, 80.0), (4, 40.0), (1, None)])
def test_how_full_it_is_is_of_what_cameras_see_where_they_alone_count(east: int, full: float | None) -> None:
    hall = Hall(Ground((zone(capacity=1000),), (View("a", ground_of(0, 0, east, 4)),)), meter(1, "a"))
    for _ in range(20):
        said = hall.step(a=400)
    assert said["zone-square/persons"] == 400
    assert said.get("zone-square/full") == (full and pytest.approx(full, abs=0.1))
    assert (said["zone-square/minutes-to-full"] is not None) == (full is not None)
    if east == 2:
        why = hall.tick.words["zone-square", "full"].text
        assert why == "Square: 400 people in the 50 % that cameras see, counted by cameras"
        because = hall.tick.words["zone-square", "full"].clauses
        assert because == [("people", {"n": 400, "share": pytest.approx(50)}), ("by-cameras", {})]


def test_the_part_that_cameras_see_is_full_soon_at_its_share_of_the_capacity() -> None:
    hall = Hall(Ground((zone(capacity=1000),), (View("a", ground_of(0, 0, 2, 4)),)), meter(1, "a"))
    for moment in range(60):
        said = hall.step(a=100.0 + 5 * moment)  # thirty a minute, of 500
    assert said["zone-square/minutes-to-full"] == pytest.approx((500 - 395) / 30, abs=0.5)


def fixes(at: int, *places: tuple[float, float], first: int = 0, named: bool = False) -> NDArray[Any]:
    rows = np.zeros(len(places), FIX)
    rows["time"], rows["track"], rows["named"] = at, first + np.arange(len(places)), named
    rows["lon"], rows["lat"] = np.array(places).T
    return rows


def test_where_only_positions_are_known_they_count_and_say_how_fast_and_how_close() -> None:
    hall = Hall(Ground((zone(),)))
    grid = [
        (1e-4 + 5e-6 * east, 1e-4 + 5e-6 * north) for east in range(12) for north in range(12)
    ]  # 0.55 m apart
    assert "zone-square/persons" not in hall.step()
    for second in range(11):
        moved = [(lon + second * 9e-6, lat) for lon, lat in grid]  # one metre a second
        hall.ticking.take(np.zeros(0, COUNT), {}, fixes(hall.at + second * SECOND, *moved))
    hall.ticking.take(np.zeros(0, COUNT), {}, fixes(hall.at, (1e-4, 3e-4), first=900, named=True))  # a van
    said = hall.step()
    assert said["zone-square/persons"] == 144
    assert said["zone-square/speed"] == pytest.approx(1.0, abs=0.02)
    assert said["zone-square/crowded"] == pytest.approx(1 / 0.555**2, rel=0.1)
    hall.at += 15 * SECOND
    assert hall.step()["zone-square/persons"] == 0  # followed a moment ago, and nobody there
    hall.at += 60 * SECOND
    assert "zone-square/persons" not in hall.step()  # nobody follows anybody


def test_a_line_without_a_counter_counts_the_tracks_that_cross_it() -> None:
    drawn = LineString([(2e-4, 0), (2e-4, 2e-4), (2e-4, 4e-4)])  # northward: its left is in the west
    line = Gate("line-open", "open", None, width_m=44.0, drawn=drawn)
    hall = Hall(Ground((zone(),), (), (line,)))
    assert hall.step()["line-open/flow-both"] is None
    for second in range(0, 61, 2):
        east = (1e-4 + second * 4e-6, 1.5e-4)  # crosses once
        west = (3e-4 - second * 4e-6, 2e-4)  # crosses once, where two parts of the line meet
        still = (1e-4, 1e-4)
        hall.ticking.take(np.zeros(0, COUNT), {}, fixes(hall.at + second * SECOND, east, east, west, still))
    hall.at += 50 * SECOND
    said = hall.step()
    assert said["line-open/flow-forward"] == pytest.approx(2 / 60 / 44, abs=1e-4)
    assert said["line-open/flow-back"] == pytest.approx(1 / 60 / 44, abs=1e-4)
    hall.at += 80 * SECOND
    assert hall.step()["line-open/flow-both"] is None


def test_who_is_inside_is_said_of_zones_that_ask_for_it() -> None:
    plain, closed = (
        zone("a", id=1),
        zone("b", id=2, kind="restricted", dwell_s=300.0, expected=frozenset({"van"})),
    )
    hall = Hall(Ground((plain, closed)))
    hall.inside = {1: Presence(3, 3, 2, 0), 2: Presence(2, 1, 1, 1, 2)}
    said = {name: value for name, value in hall.step().items() if value is not None}
    assert said == {
        "zone-a/tracks": 3, "zone-b/tracks": 2, "zone-b/intruders": 1, "zone-b/untimed": 0, "zone-b/dwelling": 1, "zone-b/absent": 1,
        "zone-b/unheard": 2,
    }  # fmt: skip


def test_a_zone_that_does_not_hold_now_ends_what_was_said_of_it() -> None:
    hall = Hall(Ground((zone(),), (View("a", SQUARE),)), meter(1, "a"))
    hall.step(a=3)
    hall.ticking.redraw(Ground((), (), (), resting=("zone-square",)))
    assert set(hall.say()) == {f"zone-square/{metric}" for metric in PROFILES["zone"]}
    assert set(hall.say().values()) == {None}


def judged(told: list[tuple[int, str, float | None]]) -> list[tuple[str, int, float]]:
    """What the shipped rules make of a series of moments: rule, level, minutes since the first."""
    watches = Watches(rulebook.load(rulebook.SHIPPED))
    slots = {"full": 1, "minutes-to-full": 2, "disagree": 3, "density": 4}
    units = {name: metric.unit for name, metric in read(SHIPPED / "zone.yaml").profile.metrics.items()}
    for metric, slot in slots.items():
        watches.add(Subject(slot, metric, "zone", "hub", "zone-square", unit=units[metric]))
    rows = np.array(
        [(at, slots[metric], np.nan if value is None else value, PASS) for at, metric, value in told], READING
    )
    events = watches.observe(rows, np.ones(len(rows), bool), np.zeros(len(rows), bool))
    return [
        (
            watches.rule_of(event["watch"]).rule.rule,
            int(event["to_level"]),
            round((event["at"] - told[0][0]) / 6e7, 1),
        )
        for event in events
    ]


def test_full_soon_is_said_before_the_square_is_full_and_ends_when_nobody_comes_any_more() -> None:
    hall = Hall(Ground((zone(capacity=1000),), (View("a", SQUARE),)), meter(1, "a"))
    noise = np.random.default_rng(4)
    told: list[tuple[int, str, float | None]] = []
    words = ""
    crowd = np.concatenate(
        [np.full(60, 200.0), np.linspace(200, 950, 150), np.full(60, 950.0), np.linspace(950, 100, 60)]
    )
    for people in crowd:
        said = hall.step(a=float(max(round(people + noise.normal(0, 5)), 0)))
        told += [
            (hall.at, name, said[f"zone-square/{name}"])
            for name in ("full", "minutes-to-full")
            if f"zone-square/{name}" in said
        ]
        if (said["zone-square/minutes-to-full"] or 30) < 10 and not words:
            words = hall.tick.words["zone-square", "minutes-to-full"].text
    events = judged(told)
    soon = [(level, at) for rule, level, at in events if rule == "time-to-capacity"]
    tiers = [(level, at) for rule, level, at in events if rule == "zone-capacity"]
    assert [level for level, _ in soon] == [2, 3, 2, 0] or [level for level, _ in soon] == [2, 3, 0], soon
    assert [level for level, _ in tiers] == [1, 2, 3, 2, 1, 0], tiers
    # Twenty minutes of filling begin at minute 10: "full soon" comes at least five minutes before 90 % is reached.
    assert soon[0][1] < tiers[2][1] - 5
    assert soon[-1][1] < 45  # nobody comes any more from minute 35 on, and the place stands at 95 %
    said_so = r"Square: full in about 10 min( \(\d+ to \d+\))?, [67]\d\d of 1,000 people, 30 more a minute"
    assert re.fullmatch(said_so, words), words


def test_a_steady_crowd_is_never_full_soon() -> None:
    hall = Hall(Ground((zone(capacity=1000),), (View("a", SQUARE),)), meter(1, "a"))
    noise = np.random.default_rng(5)
    told: list[tuple[int, str, float | None]] = []
    for _ in range(360):
        said = hall.step(a=float(round(880 + noise.normal(0, 10))))
        told += [
            (hall.at, name, said[f"zone-square/{name}"])
            for name in ("minutes-to-full",)
            if f"zone-square/{name}" in said
        ]
    assert len(told) > 340
    assert judged(told) == []


def test_the_ground_may_be_drawn_anew_while_people_stand_on_it() -> None:
    first = Ground((zone(),), (View("a", SQUARE),), (DOOR,))
    parts = meter(1, "a"), meter(2, "counter", "in"), meter(3, "counter", "out")
    hall = Hall(first, *parts)
    hall.step(a=100, counter_in=0, counter_out=0)
    half = replace(first, watched=(zone(), zone("half", ground_of(0, 0, 2, 4), id=8)))
    hall.ticking.redraw(half)
    hall.ticking.attend(parts)
    said = hall.step(counter_in=5, counter_out=0)
    assert said["zone-half/persons"] == pytest.approx(50)
    assert said["zone-square/persons"] == 100
    for _ in range(6):
        said = hall.step(counter_in=0, counter_out=0)
    assert said["zone-square/persons"] == pytest.approx(
        105, abs=4
    )  # the camera is gone; the doors had been corrected


def test_messages_stay_within_what_a_payload_may_weigh() -> None:
    zones = tuple(zone(f"{'z' * 50}-{each}", ground_of(each, 0, each + 1, 1), id=each) for each in range(120))
    cameras = [meter(50_000 + each, f"c-{each}") for each in range(60)]
    gates = tuple(Gate(f"line-{each}", f"l{each}", f"door-{each}", width_m=1.0) for each in range(900))
    doors = [meter(60_000 + each, f"door-{each // 2}", ("in", "out")[each % 2]) for each in range(1800)]
    views = tuple(View(camera.device, zones[0].geometry) for camera in cameras)
    hall = Hall(Ground(zones, views, gates), *cameras, *doors)
    hall.step(
        **{camera.device: 3.0 for camera in cameras},
        **{f"{door.device}_{door.counts}": 1.0 for door in doors},
    )
    assert sum(len(body["values"]) for body in hall.tick.bodies) > 3_000
    assert max(len(orjson.dumps(body)) for body in hall.tick.bodies) < SIZE_LIMIT / 2
    assert max(len(body["values"]) for body in hall.tick.bodies) < READINGS_LIMIT / 2
    assert len(hall.tick.bodies[0]["from"][zones[0].device]["cameras"]) == 20


def test_a_hub_that_stops_before_its_first_moment_keeps_what_the_doors_knew() -> None:
    registry, newest = Registry(), Newest()
    counter = read(SHIPPED / "people-counter.yaml").profile
    registry.profiles = {"people-counter": counter}
    device = Device(9, "door", "police", "people-counter", None, None, None, recorded=False)
    census = Census("postgresql://nowhere", Inbox("mqtt://127.0.0.1:1", "test"), registry, newest)
    census.meet([Series(5, device, "in", counter.metrics["in"])])
    doors, waiting = np.zeros(1, DOORS), np.zeros(1, COUNT)
    doors[0] = b"square", np.arange(6.0)
    waiting["slot"], waiting["value"] = 5, 3
    census.take_up({"census-doors": doors, "census-waiting": waiting})
    later = np.array([(BEGIN, 5, 4.0, PASS), (BEGIN, 6, 99.0, PASS)], READING)
    census.replay(later)  # stored after the checkpoint; the other series counts nobody
    saved = census.saved()
    assert saved["census-doors"].tobytes() == doors.tobytes()
    assert saved["census-waiting"]["value"].tolist() == [3, 4]
    again = Census("postgresql://nowhere", Inbox("mqtt://127.0.0.1:1", "test"), registry, newest)
    again.take_up({"census-doors": np.zeros(1, "S3")})  # another version's: begun anew
    assert not len(again.saved()["census-doors"])


def test_a_number_that_somebody_stated_is_believed_where_it_is_of_now() -> None:
    """What the hub says itself is none, and one that is sent in later, with the time at which it was right, is history."""
    registry = Registry()
    registry.profiles = {"zone": read(SHIPPED / "zone.yaml").profile}
    device = Device(9, "zone-hall", "hub", "zone", None, 4, None, recorded=False)
    roll = Roll(registry)
    roll.meet([Series(5, device, "persons", registry.profiles["zone"].metrics["persons"])])
    epochs, ages = (UNASKED, UNASKED, UNASKED, OURS), (0, 30, 3600, 0)
    batch = Batch([Message("city/v1/hub/zone-hall/telemetry", b"", 0, epoch, BEGIN) for epoch in epochs])
    batch.rows = np.array([(BEGIN - age * SECOND, 5, age, PASS) for age in ages], READING)
    batch.device, batch.source = np.full(4, 9, np.int32), np.arange(4)
    batch.arrived = np.full(4, BEGIN)
    assert roll.counted(batch)[0]["value"].tolist() == [0, 30]


@pytest.mark.parametrize(
    ("address", "failed", "said"),
    [
        ("postgresql://nowhere?no-such-option=1", 1, "a moment of the census failed"),
        ("postgresql://127.0.0.1:9/none", 0, "the census waits for the database"),
    ],
)
def test_a_moment_that_fails_is_counted_and_one_without_a_database_waits(
    address: str, failed: int, said: str
) -> None:
    census = Census(address, Inbox("mqtt://127.0.0.1:1", "test"), Registry(), Newest())
    with structlog.testing.capture_logs() as log:
        census.start()
        for until in (BEGIN, BEGIN + 15 * SECOND):
            census.advance(until, Fencing())
        wait_for(lambda: log, "the first moment")
        census.close()
    assert log[0]["event"].startswith(said)
    assert census.failed == failed
