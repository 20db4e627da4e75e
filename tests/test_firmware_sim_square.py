"""The simulated festival square: nobody is made or lost, cameras and counters are a little wrong, faults come one by one."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import firmware_sim
from firmware_sim import papers, scenario
from firmware_sim.field import Sample, samples
from firmware_sim.places import inside
from firmware_sim.plan import Unit
from firmware_sim.run import Stop, calendar, run
from firmware_sim.scenario import Scenario, ScenarioError
from firmware_sim.town import Town, Ways
from firmware_sim.worlds.festival import Evening, Festival, usable_m2
from firmware_sim.worlds.square import KEY, VIEWS, Square

WEST = "place: view-west"


@cache
def loaded(change: str = "", seed: int = 0) -> Scenario:
    """The scenario, with one camera's or the world's entry changed."""
    text = (Path(firmware_sim.__file__).parent / "scenarios" / "square.yaml").read_text()
    if change:
        old, new = change.split(" -> ")
        assert old in text
        text = text.replace(old, new)
    return scenario.parse(text, "square.yaml", seed)


def world(change: str = "", seed: int = 0) -> Square:
    found = loaded(change, seed).world
    assert isinstance(found, Square)
    return found


def unit(name: str, change: str = "") -> Unit:
    return next(one for one in loaded(change).units if one.id == name)


def told(change: str = "", seed: int = 0) -> list[Sample]:
    played = loaded(change, seed)
    return list(takewhile(lambda s: s.second < played.length_s, samples(played, seed)))


def printed(change: str = "", for_s: float = 240) -> list[dict[str, Any]]:
    """Messages on paper, their payloads decoded."""
    played, paper = loaded(change), io.BytesIO()
    town = Town(played, Ways(paper=paper), 0, settable=False)
    times = calendar(played, speed=float("inf"), for_s=for_s)
    run(played, town, Stop(), times, seed=0, speed=float("inf"), for_s=for_s)
    lines = [json.loads(line) for line in paper.getvalue().splitlines()]
    return [line | {"payload": json.loads(line["payload"]), "start": times.start_ms} for line in lines]


def test_a_seed_decides_every_count_and_place() -> None:
    again = scenario.load("square", 0)
    one, other = world(), again.world
    assert isinstance(other, Square)
    assert list(takewhile(lambda s: s.second < 960, samples(again, 0))) == told()
    camera = unit("square-camera-stage")
    assert [one.fixes(camera, s) for s in (99.5, 300.5)] == [other.fixes(camera, s) for s in (99.5, 300.5)]
    assert told(seed=1) != told()


def test_nobody_is_made_or_lost_and_all_who_came_have_left() -> None:
    square = world()
    came, left = square.passed[:, :, 0].sum(axis=1), square.passed[:, :, 1].sum(axis=1)
    assert np.array_equal(square.inside, came - left)
    assert (np.diff(square.passed, axis=0) >= 0).all()
    assert square.inside[0] == square.inside[-1] == 0
    assert came[-1] == square.people


def test_it_gets_dense_towards_the_stage_and_stays_below_what_the_square_holds() -> None:
    square = world()
    assert 3.5 < square.inside.max() / usable_m2() < 4.2
    assert 0.9 * square.capacity < square.inside.max() < square.capacity
    festival = Festival(Evening(2640, 20, 300, 520, 60), 0)
    for second in range(500):
        festival.walk(float(second))
    at = festival.at[festival.inside]
    front, back = ((at[:, 0] > 6).sum() / (8 * 22), (at[:, 0] < -10).sum() / (8 * 22))
    assert front > 1.15 * back
    assert len(at) == square.inside[499]
    assert np.hypot(*(at - (-4.0, 0.0)).T).min() > 1.9, "somebody stands in the tower"


def test_the_truth_says_how_many_there_are_and_when_it_is_dense() -> None:
    events = world().events()
    persons = {e.second: e.value for e in events if e.kind == "persons"}
    assert len(persons) == 97
    assert persons[400.0] == 2640
    dense = [(e.kind, e.state) for e in events if e.kind.startswith("density")]
    assert dense == [
        ("density-2", "begin"), ("density-3.5", "begin"), ("density-3.5", "end"), ("density-2", "end"),
    ]  # fmt: skip


def test_views_overlap_so_that_their_counts_add_up_to_more_than_there_are() -> None:
    square = world()
    counts = [
        square.value(unit(f"square-camera-{name}"), "people", 400.0) for name in ("west", "middle", "east")
    ]
    assert sum(counts) > 1.3 * square.inside[400]
    seen = [inside(VIEWS[f"view-{name}"], 5.5, 0.0) for name in ("west", "middle", "east")]
    assert seen == [False, True, True]


def test_cameras_count_a_little_less_than_there_are_and_never_twice_the_same() -> None:
    square, camera = world(), unit("square-camera-east")
    counts = [square.value(camera, "people", 400.0 + n / 10) for n in range(10)]
    true = square._seen["view-east"][400]
    assert 0.93 * true < np.mean(counts) < 0.995 * true
    assert len(set(counts)) > 3


def test_a_counter_misses_some_and_its_intervals_add_up_to_what_it_has_counted() -> None:
    square = world()
    for n, name in enumerate(("square-gate-north", "square-gate-south")):
        mine = [s for s in told() if s.device == name]
        for way, metric in enumerate(("in", "out")):
            counted = sum(s.values[metric] for s in mine)
            # What passed after its last look is told by nobody.
            assert square._counted[-12, n, way] <= counted <= square._counted[-1, n, way]
            assert 0.95 * square.passed[-1, n, way] < counted < square.passed[-1, n, way]


def test_positions_are_those_in_the_view_and_a_person_now_and_then_gets_another_number() -> None:
    square, camera = world(), unit("square-camera-stage")
    first, later = square.fixes(camera, 400.0), square.fixes(camera, 460.0)
    assert len(first) == square._seen["view-stage"][400] > 100
    kept = {fix.track for fix in first} & {fix.track for fix in later}
    assert 0.6 * len(first) < len(kept) < len(first)
    west, south = square.ground.degrees(6.5, -3.5)
    east, north = square.ground.degrees(13.5, 3.5)
    assert all(west < fix.lon < east and south < fix.lat < north for fix in first)


def test_on_the_wire_a_camera_names_tracks_and_a_steward_tells_the_own_place() -> None:
    messages = printed()
    assert {m["topic"].split("/")[-1] for m in messages} == {"telemetry", "position"}
    for message in messages:
        _, _, department, device, leaf = message["topic"].split("/")
        assert department == "police"
        if leaf == "telemetry":
            assert set(message["payload"]) == {"ts", "values"}
        elif device.startswith("steward"):
            assert [set(one) for one in message["payload"]] == [{"ts", "lon", "lat", "accuracy"}]
        else:
            assert device == "square-camera-stage"
            assert all(one["track"].isdigit() for one in message["payload"])
    stage = [m["payload"][0]["ts"] for m in messages if m["topic"].endswith("square-camera-stage/position")]
    assert set(np.diff(stage)) == {1000}


def test_a_covered_camera_says_nobody_is_there_and_all_others_go_on_as_before() -> None:
    change = f"{WEST} -> {WEST}\n    deviations: [blind]"
    blind, sound = told(change), told()
    assert len(blind) == len(sound)
    for one, other in zip(blind, sound, strict=True):
        covered = one.device == "square-camera-west" and 150 <= one.second < 700
        assert one == (other._replace(values={"people": 0}) if covered else other)
    assert [e.what for e in world(change).events() if e.kind == "blind"] == ["square-camera-west"] * 2


@pytest.mark.parametrize("behind_s", [0, 180])
def test_a_clock_that_is_behind_is_so_on_the_wire_alone(behind_s: int) -> None:
    change = f"{WEST} -> {WEST}\n    clock: {{behind_s: {behind_s}}}"
    for message in printed(change, 30):
        if message["topic"].endswith("telemetry"):
            wrong = message["topic"].split("/")[3] == "square-camera-west"
            since_s = (message["payload"]["ts"] - message["start"]) / 1000
            assert -behind_s * wrong <= since_s < 31 - behind_s * wrong


def test_where_nobody_comes_nobody_is_counted_or_seen() -> None:
    change = "{kind: square} -> {kind: square, people: 0}"
    assert world(change).inside.max() == 0
    counts = [s for s in told(change) if "camera" in s.device or "gate-" in s.device]
    assert {value for sample in counts for value in sample.values.values()} == {0}
    assert {m["topic"].split("/")[3] for m in printed(change) if m["topic"].endswith("position")} == {
        "steward-gates", "steward-tower",
    }  # fmt: skip


def test_its_papers_name_the_view_of_each_camera_and_the_counter_of_each_line() -> None:
    features = {feature["id"]: feature for feature in world().zones()}
    square = features[KEY]["properties"]
    assert (square["kind"], square["capacity"], square["usable_m2"]) == ("crowd", 2750, 691)
    views = [f["properties"]["camera"] for f in features.values() if f["properties"]["kind"] == "camera-view"]
    lines = {
        f["properties"]["counter"]: f for f in features.values() if f["geometry"]["type"] == "LineString"
    }
    file = io.StringIO()
    papers.devices(loaded(), file)
    rows = [line.split(",") for line in file.getvalue().splitlines()]
    cameras = [row[0] for row in rows if "camera" in row[0]]
    assert sorted(views) == sorted(cameras)
    assert sorted(lines) == ["square-gate-north", "square-gate-south"]
    # Forward, from the left side of the line to its right, is into the square: drawn northwards, the street on its left.
    for line in lines.values():
        (_, start), (_, end) = line["geometry"]["coordinates"]
        assert start < end
        assert line["properties"]["into_zone"] == KEY
    assert all("square-gateway" in row for row in rows[1:])


def test_the_demos_city_has_the_square_as_the_simulator_draws_it() -> None:
    city = Path(__file__).parents[1] / "deploy" / "demo"
    drawn = {
        feature["id"]: feature for feature in json.loads((city / "zones.geojson").read_text())["features"]
    }
    assert [drawn.get(feature["id"]) for feature in world().zones()] == world().zones()
    file = io.StringIO()
    papers.devices(loaded(), file)
    listed = {row["id"]: row for row in csv.DictReader(io.StringIO((city / "devices.csv").read_text()))}
    for row in csv.DictReader(io.StringIO(file.getvalue())):
        mine = listed[row["id"]]
        assert all(mine[key] == row[key] for key in ("department", "profile", "gateway", "counts_zone"))
        assert [float(mine[key]) for key in ("lon", "lat")] == [float(row[key]) for key in ("lon", "lat")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "world: {kind: square}\nfleets:\n  - {id: a, protocol: city, place: moon, measure: [people]}\n",
            "moon",
        ),
        (
            "world: {kind: basin}\nfleets:\n  - {id: a, protocol: city, measure: [position]}\n",
            "measures position",
        ),
        (
            "world: {kind: square}\nfleets:\n  - {id: a, protocol: senml, place: gate-north, measure: [position]}\n",
            "measures position",
        ),
        ("world: {kind: square}\nfleets:\n  - {id: a, protocol: city, clock: {behind: 3}}\n", "behind"),
    ],
)
def test_what_no_square_has_is_refused(text: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        scenario.parse(text, "mine.yaml")


def test_a_story_begins_at_its_time_and_again_when_it_is_over() -> None:
    code = "from firmware_sim.cli import main; main()"
    at = datetime.now(UTC) + timedelta(seconds=3)
    options = ("--print", "--for", "30", "--speed", "1000", "--repeat", "--at", at.isoformat())
    with subprocess.Popen(
        [sys.executable, "-c", code, "run", "square", *options], stdout=subprocess.PIPE, text=True
    ) as played:
        assert played.stdout is not None
        seen: list[int] = []
        for line in played.stdout:
            topic, payload = (json.loads(line)[key] for key in ("topic", "payload"))
            if topic.endswith("square-camera-west/telemetry"):
                seen.append(json.loads(payload)["ts"])
            if len(seen) > 6:
                break
        played.terminate()
        played.stdout.read()
        assert played.wait(60) == 0
    assert seen[0] >= int(at.timestamp() * 1000)
    # Six samples a story: the seventh is of the next, which had to be worked out first.
    assert seen == sorted(seen)
    assert seen[6] - seen[5] > 100 > seen[5] - seen[0]
