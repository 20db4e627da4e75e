"""The simulated worlds: what happens follows from rules, the same seed tells the same story, the truth is written."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
import tomllib
from functools import cache
from itertools import takewhile
from pathlib import Path
from random import Random

import numpy as np
import pytest

from firmware_sim import papers, scenario
from firmware_sim.field import Sample, samples
from firmware_sim.places import Ground, along, box, inside, length, ring, spread
from firmware_sim.scenario import Scenario, ScenarioError
from firmware_sim.worlds.basin import Basin
from firmware_sim.worlds.harbour import Harbour
from firmware_sim.worlds.stadium import Stadium
from firmware_sim.worlds.winter import Winter
from geo.zones import parse as parse_zones

STORIES = ("flood-night", "stadium-egress", "typhoon-harbour", "component-winter")
Column = np.ndarray[tuple[int], np.dtype[np.float64]]


@cache
def loaded(name: str, seed: int = 0) -> Scenario:
    return scenario.load(name, seed)


def told(name: str, for_s: float, seed: int = 0) -> list[Sample]:
    return list(takewhile(lambda s: s.second < for_s, samples(scenario.load(name, seed), seed)))


def levels(world: Basin, device: str) -> Column:
    unit = next(unit for unit in loaded("flood-night").units if unit.id == device)
    return np.array([world.value(unit, "level", 60.0 * step) for step in range(720)])


# --- the same seed, the same story


@pytest.mark.parametrize(("name", "for_s"), [("flood-night", 1200), ("typhoon-harbour", 1200)])
def test_a_seed_decides_every_value_and_place(name: str, for_s: float) -> None:
    assert told(name, for_s, 3) == told(name, for_s, 3)
    assert told(name, for_s, 3) != told(name, for_s, 4)
    assert loaded(name, 3).units == scenario.load(name, 3).units


def test_scenarios_come_with_the_package_and_are_listed() -> None:
    assert set(STORIES) <= set(scenario.names())


# --- flood-night


@pytest.fixture(scope="module")
def basin() -> Basin:
    world = loaded("flood-night").world
    assert isinstance(world, Basin)
    return world


def test_the_flood_runs_down_and_grows(basin: Basin) -> None:
    gauges = [levels(basin, f"gauge-{n:03}") for n in (4, 16, 28, 40)]
    peaks = [int(stage.argmax()) for stage in gauges]
    assert peaks == sorted(peaks)
    # Twelve kilometres and more between the first and the last: at a river's pace, not at once and not in a day.
    assert 60 < peaks[-1] - peaks[0] < 300
    heights = [float(stage.max()) for stage in gauges]
    assert heights == sorted(heights)
    for stage in gauges:
        assert stage[0] < 2.0
        assert stage.max() > stage[0] + 0.5
        # It falls again, and never jumps: a minute brings a few centimetres.
        assert stage[-1] < stage.max() - 0.5
        assert np.abs(np.diff(stage)).max() < 0.1


def test_water_is_neither_made_nor_lost(basin: Basin) -> None:
    flow = basin._flow(60 * 24 * 2)
    base = 6.0 * 60 * len(flow)
    run_off = float(flow[:, -1].sum() * 60) - base
    area = basin.river_km * 1000 * basin.width_km * 1000
    x = np.linspace(-basin.river_km * 500, basin.river_km * 500, 49)
    y = np.linspace(-basin.width_km * 600, basin.width_km * 600, 5)
    points = np.array([[a, b] for a in x for b in y])
    rain = float(basin._rain(points, 60 * 24 * 2).mean(axis=1).sum()) / 60 / 1000
    assert run_off == pytest.approx(basin.runoff * rain * area, rel=0.1)


def test_the_underpass_fills_when_its_pumps_fail_and_empties_when_they_run_again(basin: Basin) -> None:
    depth, running = basin._underpass(721)
    failed, repaired = int(basin.pump_fails_s // 60), int(basin.pump_repaired_s // 60)
    assert depth[: failed - 1].max() < 0.15
    assert depth[failed:repaired].max() > 0.5
    assert running[failed + 1 : repaired].max() == 0
    assert depth[-1] < 0.15
    kinds = [(event.kind, event.state) for event in basin.events() if event.what == "underpass-01"]
    assert kinds.count(("underpass-27cm", "begin")) == kinds.count(("underpass-27cm", "end")) == 1


def test_what_the_truth_calls_a_warning_is_one(basin: Basin) -> None:
    begins = {e.what: e.second for e in basin.events() if (e.kind, e.state) == ("warning-stage", "begin")}
    assert len(begins) > 10
    for device, second in begins.items():
        stage = levels(basin, device)
        step = int(second // 60)
        assert stage[step] >= 3.8 > stage[step - 1]


def test_some_covers_are_lifted_and_most_lie_still(basin: Basin) -> None:
    covers = [unit for unit in loaded("flood-night").units if "open" in unit.fleet.measure]
    lifted = sum(basin.value(unit, "open", 43000) for unit in covers)
    assert 0 < lifted < 0.3 * len(covers)
    assert all(basin.value(unit, "open", 0) == 0 for unit in covers)


def test_a_rain_gauge_counts_whole_tips_and_never_backwards() -> None:
    story = [s for s in told("flood-night", 30000) if s.device == "gauge-020"]
    total = [s.values["rain-total"] for s in story if "rain-total" in s.values]
    assert total == sorted(total)
    assert total[-1] > 40
    rain = sum(s.values["rain"] for s in story if "rain" in s.values)
    assert rain == pytest.approx(story[-1].values["rain-total"], abs=1.0)


# --- stadium-egress


@pytest.fixture(scope="module")
def stadium() -> Stadium:
    world = loaded("stadium-egress").world
    assert isinstance(world, Stadium)
    return world


def test_nobody_is_made_or_lost(stadium: Stadium) -> None:
    assert stadium.inside[0] == stadium.people
    passed = stadium.passed.sum(axis=1)
    assert np.array_equal(stadium.inside + passed, np.full(len(passed), stadium.people))
    assert (stadium.gone <= passed).all()
    assert (np.diff(passed) >= 0).all()
    assert stadium.gone[-1] > 0.95 * stadium.people


def test_gates_let_through_no_more_than_they_can(stadium: Stadium) -> None:
    assert np.diff(stadium.passed, axis=0).max() <= 5 * stadium.gate_per_s + 6
    assert stadium.passed[-1].min() > 0.1 * stadium.people


def test_the_crowd_stands_at_the_metro_while_its_doors_are_shut(stadium: Stadium) -> None:
    camera = next(unit for unit in loaded("stadium-egress").units if unit.id == "camera-metro")
    before, shut = (stadium.value(camera, "people", second) for second in (900, 2390))
    assert shut > 3 * before
    assert shut > 1000
    assert stadium.value(camera, "people", 4400) < shut / 3
    assert ("crowded", "begin") in {(e.kind, e.state) for e in stadium.events()}


def test_cameras_count_a_little_less_than_there_are(stadium: Stadium) -> None:
    cameras = [u for u in loaded("stadium-egress").units if "out-total" in u.fleet.measure]
    for unit in cameras:
        true = stadium._tape.at(unit.id, "out-total", 4400)
        assert 0.9 * true < stadium.value(unit, "out-total", 4400) < true


# --- typhoon-harbour


def test_wind_turns_and_surge_comes_on_top_of_the_tide() -> None:
    storm, calm = Harbour(), Harbour(deepest_hpa=0, strongest_m_s=0.1)
    speeds = [storm.wind(second)[0] for second in range(0, 108000, 600)]
    assert abs(int(np.argmax(speeds)) * 600 - storm.nearest_s) < 3600
    assert 30 < max(speeds) <= storm.strongest_m_s
    assert min(storm.pressure(second) for second in range(0, 108000, 600)) < 990
    surge = [storm.tide(second) - calm.tide(second) for second in range(0, 108000, 600)]
    assert max(surge) > 0.5
    assert abs(surge[0]) < 0.4
    # It passes to the east, going north: the wind backs from the north-east over north to the west.
    coming = [storm.wind(storm.nearest_s + hours * 3600)[1] for hours in (-6, 0, 6)]
    assert (coming[0] - coming[1]) % 360 < 180
    assert (coming[1] - coming[2]) % 360 < 180


def test_the_east_basin_is_cut_off_and_cameras_there_are_dark() -> None:
    played = loaded("typhoon-harbour")
    world = played.world
    assert isinstance(world, Harbour)
    east = [unit for unit in played.units if unit.x > 200]
    assert east
    for unit in east:
        assert not world.connected(unit, 55000)
        assert world.connected(unit, 40000)
        if unit.fleet.protocol == "onvif":
            assert not world.alive(unit, 55000)
    assert [e.kind for e in world.events() if e.what == "east-basin"] == ["links-down", "links-down"]


# --- component-winter


def test_troubles_are_few_and_each_is_seen_in_the_values() -> None:
    played = loaded("component-winter")
    world = played.world
    assert isinstance(world, Winter)
    events = world.events()
    covers = sum("open" in unit.fleet.measure for unit in played.units)
    opened = [e for e in events if (e.kind, e.state) == ("cover-open", "begin")]
    assert len(played.units) == 10_000
    assert 0.004 * covers < len(opened) < 0.016 * covers
    units = {unit.id: unit for unit in played.units}
    for event in opened[:20]:
        unit = units[event.what]
        assert world.value(unit, "open", event.second + 1) == 1
        assert world.value(unit, "open", event.second - 1) == 0
    stolen = [e for e in events if e.kind == "stolen"]
    assert stolen
    assert not any(world.alive(units[e.what], e.second + 1) for e in stolen)
    assert all(1 <= e.second / 3600 % 24 <= 5 for e in stolen)
    dead = [e for e in events if (e.kind, e.state) == ("battery-dead", "begin")]
    assert dead
    assert np.mean([world.celsius(e.second) for e in dead]) < 0


def test_it_is_coldest_in_the_middle_of_the_spell_before_dawn() -> None:
    world = Winter()
    temperatures = [world.celsius(3600 * hour) for hour in range(24 * 7)]
    coldest = int(np.argmin(temperatures))
    assert 3 <= coldest / 24 <= 4.5
    assert 1 <= coldest % 24 <= 6
    assert min(temperatures) < -8


# --- places


def test_a_ground_is_flat_and_leads_back_to_degrees() -> None:
    ground = Ground(120.0, 31.0)
    lon, lat = ground.degrees(1000, 2000)
    assert lat - 31.0 == pytest.approx(2000 / 111_320, abs=1e-6)
    assert (lon - 120.0) * math.cos(math.radians(31)) == pytest.approx(1000 / 111_320, abs=1e-6)


def test_points_along_a_line_and_within_an_area() -> None:
    line = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)]
    assert length(line) == 20
    assert [along(line, m) for m in (-1, 5, 12, 99)] == [(0, 0), (5, 0), (10, 2), (10, 10)]
    area = ring(0, 0, 10, 10)
    assert all(inside(area, x, y) for x, y in spread(area, 50, Random(1)))
    assert not inside(box(0, 0, 2, 2), 1.5, 0)


# --- papers


def test_the_device_list_is_what_the_hub_imports() -> None:
    file = io.StringIO()
    papers.devices(loaded("flood-night"), file)
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert list(rows[0]) == [
        "id", "name", "department", "profile", "gateway", "lon", "lat", "counts_zone", "address",
    ]  # fmt: skip
    ids = [row["id"] for row in rows]
    assert len(ids) == len(set(ids)) == len(loaded("flood-night").units) + 1
    by_id = {row["id"]: row for row in rows}
    assert by_id["gauge-007"]["address"] == "sl651:0032100007"
    assert by_id["rain-007"]["address"] == "sl651:0032200007"
    assert by_id["cover-016"]["address"] == "chirpstack:a840410001810010"
    assert {row["gateway"] for row in rows} <= {"", *ids}
    assert all(120 < float(row["lon"]) < 121 for row in rows)


def test_the_gateways_file_has_a_driver_for_each_protocol() -> None:
    text = papers.gateway(loaded("flood-night"), "", "mqtt://127.0.0.1:1883", "home", 8481)
    plan = tomllib.loads(text)
    assert plan["gateway"]["id"] == "gateway-01"
    drivers = {driver["kind"]: driver for driver in plan["driver"]}
    assert set(drivers) == {"sl651", "sl427", "hj212", "modbus", "sdi12"}
    assert len(plan["driver"]) == 5
    assert len({driver.get("listen") or driver["connect"] for driver in plan["driver"]}) == 5
    assert drivers["sl651"]["stations"]["0032100007"] == "gauge-007"
    assert "connect" in drivers["modbus"]
    with pytest.raises(ValueError, match="gateway-99"):
        papers.gateway(loaded("flood-night"), "gateway-99", "", "", 1)


@pytest.mark.parametrize("name", STORIES)
def test_zones_are_sound_and_cameras_count_in_one_of_them(name: str) -> None:
    played = loaded(name)
    assert played.world is not None
    document = json.dumps({"type": "FeatureCollection", "features": played.world.zones()})
    parsed = parse_zones(document.encode())
    assert parsed.notes == []
    keys = {zone.key for zone in parsed.zones}
    assert {unit.counts_zone for unit in played.units} - {""} <= keys


# --- the command


def sim(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from firmware_sim.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=90, check=False
    )


def test_a_printed_night_has_every_protocol_and_its_truth_beside(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    done = sim(
        "run", "flood-night", "--print", "--speed", "max", "--for", "10000", "--truth", str(truth)
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"sl651", "sl651-ascii", "slt427", "hj212"} == {
        line["protocol"] for line in lines if "hex" in line
    }
    assert any("topic" in line for line in lines)
    assert f"wrote {len(lines)} lines" in done.stderr
    events = [json.loads(line) for line in truth.read_text().splitlines()]
    assert {"second", "ts", "kind", "state", "what"} <= set(events[0])
    seconds = [event["second"] for event in events if event["kind"] != "reboot"]
    assert seconds == sorted(seconds)
    assert max(seconds) < 10000
    assert "pump-failed" in {event["kind"] for event in events}


BAD = "world: {kind: basin}\nfleets:\n  - {id: 'g-{n}', count: 2, protocol: sl651}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BAD.replace("basin", "moon"), "moon"),
        (BAD.replace("basin}", "basin, depth: 3}"), "depth"),
        (BAD.replace("basin}", "basin, river_km: long}"), "long"),
        (BAD.replace("sl651", "telex"), "telex"),
        (BAD.replace("'g-{n}'", "g"), "{n}"),
        (BAD.replace("count: 2", "count: none"), "count"),
        (BAD.replace("protocol: sl651", "deviations: [a, z]"), "z"),
        (BAD.replace("protocol: sl651", "layout: {along: street}"), "street"),
        (BAD.replace("protocol: sl651", "layout: {at: [1]}"), "points"),
        (BAD.replace("protocol: sl651", "colour: red"), "colour"),
        (BAD.replace("'g-{n}'", "'G-{n}'"), "G-1"),
        (BAD + BAD.splitlines()[-1] + "\n", "twice"),
        (BAD + "times: never\n", "never"),
        ("world: {kind: basin}\nfleets: 3\n", "fleets"),
        ("fleets: []\n", "world"),
    ],
)
def test_a_fleet_at_fault_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario.parse(text, "mine.yaml")
    assert words in str(caught.value) + caught.value.hint
    assert "mine.yaml" in str(caught.value)


def test_the_bench_counts_what_a_run_prints() -> None:
    printed = len(sim("run", "demo", "--print", "--for", "20", "--speed", "max").stdout.splitlines())
    measured = json.loads(sim("bench", "demo", "--for", "20").stdout)
    assert (measured["messages"], measured["devices"]) == (printed, 16)
