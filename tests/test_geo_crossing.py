"""Comings and goings: against a plain reference, the cases of a peer, and what the world does to positions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_crossing import Area, Event, Plain
from shapely import MultiPolygon, Polygon, box
from shapely.geometry import shape

from geo.circle import circle
from geo.crossing import Crossings
from geo.fence import ALL, KINDS, Fence
from geo.plane import metres_per_degree
from geo.standing import SAVED
from geo.track import NEVER, OUTCOMES, Motion

CASES = Path(__file__).parents[2] / "shared" / "data" / "cases" / "tile38_fence_cases.json"
S = 1_000_000
BEGUN = 1_790_000_000 * S
LON, LAT = 120.6, 31.3
EAST, NORTH = metres_per_degree(LAT)
SHARP = Fence(exit_m=0, enter_s=0, exit_s=0, tells=ALL)
ANYHOW = Motion(max_speed_mps=np.inf, gap_s=np.inf, max_accuracy_m=np.inf)


def at(east_m: float, north_m: float = 0.0) -> tuple[float, float]:
    return LON + east_m / EAST, LAT + north_m / NORTH


def square(side_m: float = 200.0, east_m: float = 0.0, north_m: float = 0.0) -> Polygon:
    """A square whose western side is the line `east_m`, and whose middle is `north_m`."""
    return box(*at(east_m, north_m - side_m / 2), *at(east_m + side_m, north_m + side_m / 2))


def walked(
    crossings: Crossings, moves: Sequence[tuple[float, float]], accuracy: float = 0.0, track: int = 0
) -> list[tuple[float, str, float]]:
    """What is told of (second, metres east) one by one: (second, kind, second at which it began)."""
    told = []
    for second, east_m in moves:
        lon, lat = at(east_m)
        events, _ = crossings.feed([track], [BEGUN + round(second * S)], [lon], [lat], accuracy)
        told += [(second, KINDS[one["kind"]], (int(one["at"]) - BEGUN) / S) for one in events]
    return told


def listed(events: Any, first: int = 0) -> list[Event]:
    return [
        (
            int(e["row"]) + first,
            int(e["track"]),
            int(e["zone"]),
            KINDS[e["kind"]],
            int(e["at"]),
            int(e["stayed"]),
        )
        for e in events
    ]


def in_batches(crossings: Crossings, fixes: Any, ends: Sequence[int]) -> tuple[list[Event], list[str]]:
    told: list[Event] = []
    outcomes: list[str] = []
    for first, last in zip([0, *ends], [*ends, len(fixes)], strict=True):
        if last > first:
            track, time, lon, lat, accuracy = (
                np.array(column) for column in zip(*fixes[first:last], strict=True)
            )
            events, outcome = crossings.feed(track, time, lon, lat, accuracy)
            told += listed(events, first)
            outcomes += [OUTCOMES[each] for each in outcome]
    return told, outcomes


ZONES: list[Area] = [
    square(),
    square(60, 200),
    square(20, 60, 40),
    square(100, 50).difference(square(60, 70)),  # type: ignore[list-item]
    MultiPolygon([square(40, -150), square(80, 300, 50)]),
    circle(*at(150, -60), 70),
]
seconds = st.sampled_from([0.0, 4.0, 10.0, 30.0])
fences = st.builds(
    Fence,
    exit_m=st.sampled_from([0.0, 15.0, 40.0]),
    enter_s=seconds,
    exit_s=seconds,
    dwell_s=st.sampled_from([None, 20.0, 60.0]),
    tells=st.just(ALL),
)
steps_taken = st.tuples(
    st.integers(0, 2),
    st.sampled_from([-3.0, 0.0, 1.0, 3.0, 5.0, 20.0, 200.0]),
    st.floats(-80, 80),
    st.floats(-60, 60),
    st.sampled_from([np.nan, 0.0, 4.0, 25.0, 500.0]),
    st.sampled_from([False] * 12 + [True]),
)


def strolled(
    steps: Sequence[tuple[int, float, float, float, float, bool]],
) -> list[tuple[int, int, float, float, float]]:
    """Fixes of three walkers; now and then one is thrown a few kilometres away."""
    clock, where = [0.0] * 3, [[-40.0, 5.0], [120.0, 0.0], [260.0, 30.0]]
    fixes = []
    for track, later, east_m, north_m, accuracy, thrown in steps:
        clock[track] += later
        where[track][0] += east_m
        where[track][1] += north_m
        lon, lat = at(where[track][0] + 9000 * thrown, where[track][1])
        fixes.append((track, BEGUN + round(clock[track] * S), lon, lat, accuracy))
    return fixes


@settings(max_examples=25, deadline=None)
@given(st.lists(steps_taken, max_size=40), st.lists(fences, min_size=6, max_size=6), st.data())
def test_batches_and_a_restart_between_them_tell_what_the_plain_reference_tells(
    steps: list[tuple[int, float, float, float, float, bool]], asked: list[Fence], data: st.DataObject
) -> None:
    fixes = strolled(steps)
    motion = Motion(max_speed_mps=40, gap_s=100, max_accuracy_m=100, accuracy_m=3)
    plain = Plain(ZONES, asked, motion)
    expected = data.draw(st.sets(st.tuples(st.integers(0, 2), st.integers(0, 5)), max_size=3))
    plain.expected = expected
    wanted, outcomes = [], []
    for row, fix in enumerate(fixes):
        outcome, events = plain.fix(row, *fix)
        outcomes.append(outcome)
        wanted += events
    crossings = Crossings(ZONES, asked, motion, keys=[70, 10, 20, 60, 50, 40])
    for track, zone in expected:
        crossings.standing.expect(track, zone)
    ends = sorted(data.draw(st.lists(st.integers(0, len(fixes)), max_size=3)))
    halves = ends[: len(ends) // 2]
    half = halves[-1] if halves else 0
    told, found = in_batches(crossings, fixes[:half], halves[:-1])
    saved = crossings.standing.state()
    # The zones come back in another order: their keys say which is which.
    order = data.draw(st.permutations(range(6)))
    again = Crossings(
        [ZONES[z] for z in order],
        [asked[z] for z in order],
        motion,
        np.array([70, 10, 20, 60, 50, 40])[order],
    )
    again.standing.restore(saved)
    more, found_later = in_batches(again, fixes[half:], [end - half for end in ends[len(halves) :]])
    told += [
        (row + half, track, order[zone], kind, when, stayed) for row, track, zone, kind, when, stayed in more
    ]
    assert found + found_later == outcomes
    assert sorted(told) == sorted(wanted)
    if order == sorted(order):
        assert told == wanted


@pytest.mark.skipif(not CASES.is_file(), reason=f"no {CASES}")
def test_the_cases_of_a_peer_come_out_as_it_tells_them() -> None:
    """Ours tells `outside` with an exit and with a cross only; the cases ask for it nowhere else."""
    tried = 0
    for case in json.loads(CASES.read_text())["cases"]:
        if "roam_m" in case:
            continue  # test_geo_company
        drawn = case.get("fences") or {"": case["fence"]}
        asked = KINDS if case["detect"] == "default" else case["detect"]
        crossings = Crossings(
            [area(each) for each in drawn.values()], Fence(0, 0, 0, None, frozenset(asked)), ANYHOW
        )
        told = []
        for second, (_, place) in enumerate(case["moves"]):
            events, _ = crossings.feed([0], [second * S], [place["lon"]], [place["lat"]], 0.0)
            told += [(second, KINDS[e["kind"]], list(drawn)[e["zone"]]) for e in events]
        if "expected_order" in case:
            assert [f"{kind}:{name}" for second, kind, name in told if second] == case["expected_order"]
        else:
            assert [kind for _, kind, _ in told] == [kind for _, kind in case["expected"]], case["name"]
        tried += 1
    assert tried == 5


def area(drawn: dict[str, Any]) -> Area:
    if "circle" in drawn:
        return circle(drawn["circle"]["lon"], drawn["circle"]["lat"], drawn["circle"]["radius_m"])
    if "bounds" in drawn:
        bounds = drawn["bounds"]
        corners: Polygon = box(bounds["minlon"], bounds["minlat"], bounds["maxlon"], bounds["maxlat"])
        return corners
    made = shape(drawn["geojson"])
    assert isinstance(made, Polygon)
    return made


def border_walk(correlated_s: float, seed: int) -> list[tuple[float, float]]:
    """An hour along the border itself, a fix a second, noise of 6 m that forgets itself in so many seconds."""
    rng = np.random.default_rng(seed)
    keep = np.exp(-1 / correlated_s) if correlated_s else 0.0
    off, moves = 0.0, []
    for second in range(3600):
        off = keep * off + np.sqrt(1 - keep**2) * rng.normal(0, 6)
        moves.append((float(second), off))
    return moves


@pytest.mark.parametrize("correlated_s", [0, 10, 60])
def test_an_hour_along_a_border_does_not_flap_and_without_hysteresis_it_does(correlated_s: float) -> None:
    for seed in range(3):
        moves = border_walk(correlated_s, seed)
        places = np.array([at(east_m) for _, east_m in moves])
        times = BEGUN + np.arange(3600) * S
        flaps = {}
        for name, fence, accuracy in (("ours", Fence(), 6.0), ("control", SHARP, 0.0)):
            crossings = Crossings([square(500)], fence)
            events, outcome = crossings.feed(
                np.zeros(3600, np.int32), times, places[:, 0], places[:, 1], accuracy
            )
            assert not outcome.any()
            flaps[name] = int((events["kind"] == KINDS.index("exit")).sum())
        assert flaps["ours"] == 0
        assert flaps["control"] > 20


def test_a_track_enters_at_the_border_and_leaves_some_metres_beyond_it() -> None:
    crossings = Crossings([square()], Fence(exit_m=20, enter_s=0, exit_s=0))
    assert walked(crossings, [(0, -1), (1, 0), (2, -19), (3, -21), (4, -1)]) == [
        (1, "enter", 1),
        (3, "exit", 3),
    ]


def test_a_change_is_believed_after_some_seconds_and_told_with_its_beginning() -> None:
    crossings = Crossings([square()], Fence(exit_m=0, enter_s=5, exit_s=10))
    moves = [
        (0, -9),
        (1, 9),
        (3, -9),
        (10, 9),
        (14, 9),
        (15, 9),
        (20, -9),
        (25, 9),
        (30, -9),
        (39, -9),
        (40, -9),
    ]
    assert walked(crossings, moves) == [(15, "enter", 10), (40, "exit", 30)]


def test_a_wide_circle_of_accuracy_neither_enters_nor_leaves_but_a_small_zone_can_be_entered() -> None:
    crossings = Crossings([square()], SHARP, ANYHOW)
    assert walked(crossings, [(0, 9)], accuracy=10) == []
    assert [kind for _, kind, _ in walked(crossings, [(1, 11), (2, -9), (3, -11)], accuracy=10)] == [
        "enter", "inside", "inside", "exit", "outside",
    ]  # fmt: skip
    small = Crossings([square(16)], SHARP, ANYHOW)
    assert [kind for _, kind, _ in walked(small, [(0, 3)], accuracy=10)] == []
    assert [kind for _, kind, _ in walked(small, [(1, 8)], accuracy=10)] == ["enter", "inside"]


def test_a_late_or_repeated_fix_moves_nothing() -> None:
    crossings = Crossings([square()], SHARP)
    assert [kind for _, kind, _ in walked(crossings, [(10, 50), (9, -50), (10, -50)])] == ["enter", "inside"]
    assert [kind for _, kind, _ in walked(crossings, [(11, 50)])] == ["inside"]


def test_one_wild_position_is_no_exit_and_three_that_agree_are_the_new_place() -> None:
    crossings = Crossings([square()], Fence(exit_m=0, enter_s=0, exit_s=0))
    moves = [(0, 50), (1, 5000), (2, 51), (3, 5000), (4, 5001), (5, 5002), (6, 5003)]
    assert walked(crossings, moves) == [(0, "enter", 0), (5, "exit", 5)]
    control = Crossings([square()], Fence(exit_m=0, enter_s=0, exit_s=0), ANYHOW)
    assert [kind for _, kind, _ in walked(control, moves)] == ["enter", "exit", "enter", "exit"]


def test_a_jump_over_a_zone_is_no_crossing_and_a_swift_pass_is() -> None:
    moves = [(0.0, -100.0), (10.0, 400.0)]
    assert [kind for _, kind, _ in walked(Crossings([square()], SHARP), moves)] == ["cross", "outside"]
    thrown = [(0.0, -100.0), (1.0, 400.0), (2.0, 401.0), (3.0, 402.0)]
    assert walked(Crossings([square()], SHARP), thrown) == []
    assert walked(Crossings([square()], SHARP), [(0.0, -100.0), (301.0, 400.0)]) == []


def test_a_way_that_clips_a_corner_less_deep_than_the_accuracy_is_no_crossing() -> None:
    zone = box(*at(0, -300), *at(200, 3))
    for accuracy, told in ((2.0, ["cross", "outside"]), (4.0, [])):
        crossings = Crossings([zone], SHARP)
        assert [kind for _, kind, _ in walked(crossings, [(0, -50), (5, 250)], accuracy)] == told


def test_a_stay_counts_what_was_seen_and_a_gap_is_not() -> None:
    crossings = Crossings([square()], Fence(exit_m=0, enter_s=0, exit_s=0, dwell_s=60))
    moves = [(0, 50), (30, 50), (1030, 50), (1059, 50), (1060, 50), (1090, 20), (1100, -20)]
    assert walked(crossings, moves) == [(0, "enter", 0), (1060, "dwell", 1060), (1100, "exit", 1100)]
    stay = crossings.feed([0, 0], [BEGUN + 1101 * S, BEGUN + 1102 * S], [at(20)[0]] * 2, [LAT] * 2, 0)
    assert len(stay.events) == 1
    assert crossings.standing.present()["stayed"].tolist() == [S]


def test_the_exit_says_how_long_the_stay_was_without_the_seconds_that_it_took_to_believe() -> None:
    crossings = Crossings([square()], Fence(exit_m=0, enter_s=5, exit_s=10))
    lon = [at(east_m)[0] for east_m in (50, 50, 50, -50, -50)]
    times = BEGUN + np.array([0, 10, 40, 50, 65]) * S
    events, _ = crossings.feed([0] * 5, times, lon, [LAT] * 5, 0.0)
    assert listed(events) == [(1, 0, 0, "enter", BEGUN, 0), (4, 0, 0, "exit", BEGUN + 50 * S, 40 * S)]


def test_who_ought_to_be_inside_and_is_not_is_told_once_and_again_after_a_return() -> None:
    crossings = Crossings([square()], Fence(exit_m=0, enter_s=0, exit_s=10))
    crossings.standing.expect(0, 0)
    moves = [(0, -900), (5, -900), (10, -900), (30, -900), (60, 50), (70, -50), (80, -50), (90, -50)]
    assert walked(crossings, moves) == [
        (10, "absent", 0), (60, "enter", 60), (80, "exit", 70), (80, "absent", 70),
    ]  # fmt: skip
    crossings.standing.expect(0, 0, expected=False)
    assert walked(crossings, [(100, -900), (120, -900)]) == []
    assert len(crossings.standing.state()["pairs"]) == 0


def test_positions_that_are_nowhere_or_too_vague_are_named_and_change_nothing() -> None:
    crossings = Crossings([square()], SHARP)
    lon, lat = at(50)
    said = crossings.feed(
        [0] * 7,
        BEGUN + np.arange(7) * S,
        [lon, np.nan, np.inf, 500.0, lon, lon, lon],
        [lat, lat, lat, lat, 91.0, lat, lat],
        [0.0, 0.0, 0.0, 0.0, 0.0, np.inf, -1.0],
    )
    assert [OUTCOMES[each] for each in said.outcome] == ["believed", *["nowhere"] * 4, "vague", "believed"]
    assert [KINDS[each] for each in said.events["kind"]] == ["enter", "inside", "inside"]


def test_a_zone_over_the_antimeridian_is_one_zone() -> None:
    zone = MultiPolygon([box(179.998, 0, 180, 0.002), box(-180, 0, -179.998, 0.002)])
    crossings = Crossings([zone], Fence(exit_m=20, enter_s=0, exit_s=0))
    lon = [
        179.9975,
        179.9985,
        179.9999,
        180.0,
        -180.0,
        -179.9999,
        -179.9985,
        -179.99775,
        -179.99785,
        -179.9975,
    ]
    times = BEGUN + 30 * S * np.arange(len(lon))
    events, outcome = crossings.feed([0] * len(lon), times, lon, [0.001] * len(lon), 15.0)
    assert not outcome.any()
    assert [(int(e["row"]), KINDS[e["kind"]]) for e in events] == [(1, "enter"), (9, "exit")]
    there = Crossings([zone], SHARP).feed([0, 0], times[:2], [179.9975, -179.9975], [0.001] * 2, 0)
    assert [KINDS[e] for e in there.events["kind"]] == ["cross", "outside"]
    back = Crossings([zone], SHARP).feed([0, 0], times[:2], [-179.9975, 179.9975], [0.001] * 2, 0)
    assert [KINDS[e] for e in back.events["kind"]] == ["cross", "outside"]


def test_a_border_a_corner_and_the_rim_of_a_hole_are_inside_and_the_hole_is_not() -> None:
    frame = Polygon(square(400, 0).exterior, [square(200, 100).exterior])
    for east_m, north_m, inside in (
        (0, 0, True),
        (0, 200, True),
        (100, 0, True),
        (200, 100, True),
        (200, 0, False),
        (-1, 0, False),
    ):
        lon, lat = at(east_m, north_m)
        assert len(Crossings([frame], SHARP).feed([0], [BEGUN], [lon], [lat], 0).events) == 2 * inside


def test_zones_without_area_with_points_given_twice_or_empty_harm_nobody() -> None:
    twice = Polygon(np.repeat(square().exterior.coords[:], 2, axis=0))
    flat = Polygon([at(0), at(50), at(100), at(0)])
    crossings = Crossings([flat, Polygon(), twice], SHARP)
    events, _ = crossings.feed([0, 0], [BEGUN, BEGUN + S], [at(20)[0], at(20, 5)[0]], [LAT, at(20, 5)[1]], 0)
    assert [(KINDS[e["kind"]], int(e["zone"])) for e in events] == [
        ("enter", 0), ("enter", 2), ("inside", 0), ("inside", 2),
        ("exit", 0), ("outside", 0), ("inside", 2),
    ]  # fmt: skip
    nobody = Crossings([], SHARP)
    assert len(nobody.feed([0], [BEGUN], [LON], [LAT], 0).events) == 0
    assert len(crossings.feed([], [], [], [], 0).events) == 0


def test_a_pair_that_has_nothing_to_say_is_let_go() -> None:
    crossings = Crossings([square()], SHARP)
    walked(crossings, [(0, 50), (10, -50)])
    assert len(crossings.standing.state()["pairs"]) == 0
    for second in range(20, 400, 20):
        walked(crossings, [(second, 50), (second + 10, -50)])
    assert crossings.standing.free[1] < 5


def test_who_is_inside_now_is_told_and_who_is_forgotten_is_not() -> None:
    crossings = Crossings([square(), square(60, 100)], Fence(exit_m=0, enter_s=0, exit_s=30))
    for track, east_m in ((3, 120), (1, 50), (2, 130)):
        walked(crossings, [(0, east_m)], track=track)
    walked(crossings, [(7, -50)], track=1)
    here = crossings.standing.present()
    assert [(int(p["zone"]), int(p["track"])) for p in here] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)]
    assert [int(p["since"] - BEGUN) for p in here if p["turning"]] == [7 * S]
    assert crossings.standing.seen([0, 1, 9]).tolist() == [NEVER, BEGUN + 7 * S, NEVER]
    crossings.standing.forget([2])
    here = crossings.standing.present()
    assert [(int(p["zone"]), int(p["track"])) for p in here] == [(0, 1), (0, 3), (1, 3)]
    assert [kind for _, kind, _ in walked(crossings, [(9, 130)], track=2)] == ["enter", "enter"]


def test_what_was_saved_for_zones_that_are_gone_is_left_out() -> None:
    crossings = Crossings([square(), square(60, 100)], SHARP, keys=[8, 9])
    walked(crossings, [(0, 120)])
    later = Crossings([square(60, 100)], SHARP, keys=[9])
    later.standing.restore(crossings.standing.state())
    assert [kind for _, kind, _ in walked(later, [(5, -50)])] == ["exit", "outside"]


def test_what_cannot_be_taken_up_is_refused() -> None:
    crossings = Crossings([square()], SHARP)
    with pytest.raises(ValueError, match="another version"):
        crossings.standing.restore({"tracks": np.zeros(1), "pairs": np.zeros(0, SAVED["pairs"])})
    walked(crossings, [(0, 50)])
    with pytest.raises(ValueError, match="tracks already"):
        crossings.standing.restore(crossings.standing.state())
    with pytest.raises(ValueError, match="columns"):
        crossings.feed([0, 1], [BEGUN], [LON], [LAT], 0.0)
    with pytest.raises(ValueError, match="no slot"):
        crossings.feed([-1], [BEGUN], [LON], [LAT], 0.0)
    with pytest.raises(ValueError, match="2 fences"):
        Crossings([square()], [SHARP, SHARP])
