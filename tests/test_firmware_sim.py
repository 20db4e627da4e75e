"""Simulated firmware: the story its devices tell, and that no line is lost on the way to a gateway."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from itertools import pairwise, takewhile
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon, union_all
from typer.testing import CliRunner

from firmware_sim import backlog, scenario, wire
from firmware_sim.cli import app
from firmware_sim.crowd import arrivals
from firmware_sim.field import Sample, samples
from firmware_sim.run import Calendar
from firmware_sim.track import Story, Track
from geo.area import area_m2, areas_m2
from geo.locate import Locator
from geo.zones import Zone, parse

DEMO = Path(__file__).parents[1] / "deploy" / "demo"
# Generous: a loaded machine takes its time; only a broken program takes this long.
PATIENCE_S = 60


def told(name: str = "demo", for_s: float = 150, seed: int = 0) -> list[Sample]:
    return list(takewhile(lambda s: s.second < for_s, samples(scenario.load(name), seed)))


def metric(story: list[Sample], device: str, name: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Columns second and value (n, 2)."""
    return np.array([(s.second, s.values[name]) for s in story if s.device == device], dtype=np.float64)


def between(
    column: np.ndarray[tuple[int, int], np.dtype[np.float64]], start: float, end: float
) -> list[float]:
    return [value for second, value in column.tolist() if start <= second < end]


# --- the story


@pytest.mark.parametrize("name", ["demo", "quiet"])
def test_a_seed_decides_every_value(name: str) -> None:
    assert told(name, 700, seed=3) == told(name, 700, seed=3)
    assert told(name, 700, seed=3) != told(name, 700, seed=4)


def test_one_more_device_changes_nobody_elses_noise() -> None:
    parts = scenario.load("demo")
    fewer = scenario.Scenario(parts.parts[:3], parts.cycle_s, parts.drift_s, parts.swing)
    kept = {part.id for part in fewer.parts}
    some = list(takewhile(lambda s: s.second < 60, samples(fewer, 0)))
    assert some == [s for s in told(for_s=60) if s.device in kept]


def test_the_wave_passes_its_levels_in_order_and_falls_again() -> None:
    story = told(for_s=300)
    for gauge, levels, end_s in (("river-01", (3.5, 4.5, 5.5, 6.5), 52), ("river-02", (3.0, 4.0, 5.0), 62)):
        stage = metric(story, gauge, "level")
        passed = [next(second for second, value in stage.tolist() if value > level) for level in levels]
        assert passed == sorted(passed)
        assert passed[0] > 12
        assert passed[-1] < end_s
        # Smooth: a wave, not a jump; a second never brings more than a tenth of the rise.
        assert max(abs(later - earlier) for earlier, later in pairwise(stage[:, 1].tolist())) < 0.45
        assert max(stage[:, 1]) < 7.5
        assert max(between(stage, 0, 10)) < levels[0] - 0.5
        assert max(between(stage, 250, 300)) < levels[0] - 0.5


def test_the_forecourt_fills_to_orange_and_empties() -> None:
    people = metric(told(), "camera-01", "people")
    assert max(between(people, 0, 12)) < 80
    assert 395 < float(np.median(between(people, 60, 78))) < 445
    assert max(between(people, 110, 150)) < 140


def test_what_came_and_left_explains_who_is_there() -> None:
    story = told()
    people, came, left = (metric(story, "camera-01", name)[:, 1] for name in ("people", "in", "out"))
    there = people[0] + np.cumsum(came[1:] - left[1:])
    assert np.abs(people[1:] - there).max() < 15  # a camera miscounts by half a percent


def test_a_cover_is_opened_and_closed_and_the_others_lie_still() -> None:
    story = told()
    opened = metric(story, "cover-01", "open")
    assert (between(opened, 0, 20), between(opened, 46, 150)) == (
        [0] * 20,
        [0] * len(between(opened, 46, 150)),
    )
    assert set(between(opened, 20, 45)) == {1}
    assert min(between(metric(story, "cover-01", "tilt"), 24, 44)) > 60
    assert max(max(metric(story, f"cover-0{n}", "tilt")[:, 1]) for n in range(2, 7)) < 6
    assert min(metric(story, "cover-02", "water")[:, 1]) < 90
    assert min(metric(story, "cover-05", "water")[:, 1]) > 170


def test_one_lamp_fails_and_is_repaired() -> None:
    story = told(for_s=300)
    for number in range(1, 7):
        lamp, power = (metric(story, f"lamp-0{number}", name) for name in ("lamp", "power"))
        failed = number == 3
        assert min(between(lamp, 0, 30)) == 1
        assert set(between(lamp, 34, 239)) == {0 if failed else 1}
        assert (max(between(power, 34, 239)) < 5) == failed
        assert min(between(lamp, 241, 300)) == 1


def test_the_event_comes_again_varied_and_quiet_lies_between() -> None:
    stage = metric(told(for_s=1900), "river-01", "level")
    peaks = [max(between(stage, start, start + 200)) for start in (0, 600, 1200)]
    assert all(6 < peak < 7.7 for peak in peaks)
    assert len({round(peak, 1) for peak in peaks}) > 1
    assert max(between(stage, 330, 600) + between(stage, 940, 1200)) < 3


def test_a_quiet_day_stays_quiet() -> None:
    day = told("quiet", 86400)
    assert max(max(metric(day, gauge, "level")[:, 1]) for gauge in ("river-01", "river-02")) < 3.2
    assert max(metric(day, "camera-01", "people")[:, 1]) < 110
    assert {s.values["open"] for s in day if s.device.startswith("cover")} == {0}
    lit = metric(day, "lamp-01", "lamp")
    assert (set(between(lit, 0, 21000)), set(between(lit, 22000, 64000))) == ({1}, {0})
    rain = metric(day, "river-01", "rain")
    assert 3 < rain[:, 1].sum() < 12


@given(st.floats(0.0, 80.0), st.integers())
def test_arrivals_are_never_negative(mean: float, seed: int) -> None:
    assert arrivals(mean, Random(seed)) >= 0


@pytest.mark.parametrize("mean", [0.5, 8.0, 29.0, 60.0])
def test_arrivals_have_the_mean_and_spread_of_a_poisson_process(mean: float) -> None:
    chance = Random(5)
    drawn = [arrivals(mean, chance) for _ in range(20_000)]
    assert np.mean(drawn) == pytest.approx(mean, rel=0.03)
    assert np.var(drawn) == pytest.approx(mean, rel=0.06)


def test_a_track_is_smooth_or_held_and_swings_about_its_rest() -> None:
    smooth = Track(((10, 2), (20, 6)))
    assert [smooth.at(s) for s in (0, 10, 15, 20, 99)] == [2, 2, 4, 6, 6]
    assert smooth.at(20, swing=1.5) == 8
    assert [Track(((0, 0), (10, 1)), held=True).at(s, 1.5) for s in (0, 9.9, 10)] == [0, 0, 1]
    assert Story(600, 40, 0.1, 1).place(599) == (599, 1.0)
    second, swing = Story(600, 40, 0.1, 1).place(700)
    assert 60 <= second <= 100
    assert 0.9 <= swing <= 1.1


# --- the demo city


@pytest.fixture(scope="module")
def city() -> dict[str, Zone]:
    parsed = parse((DEMO / "zones.geojson").read_bytes())
    assert parsed.notes == []
    return {zone.key: zone for zone in parsed.zones}


@pytest.fixture(scope="module")
def devices() -> list[dict[str, str]]:
    with (DEMO / "devices.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_districts_share_their_borders_without_gap_or_overlap(city: dict[str, Zone]) -> None:
    districts = [zone.geometry for zone in city.values() if zone.kind == "district"]
    assert len(districts) == 6
    whole = union_all(districts)
    assert isinstance(whole, Polygon)
    assert len(whole.interiors) == 0
    assert area_m2(whole) == pytest.approx(float(areas_m2(districts).sum()), rel=1e-9)


def test_the_device_list_is_that_of_the_scenario(devices: list[dict[str, str]]) -> None:
    assert list(devices[0]) == ["id", "name", "department", "profile", "gateway", "lon", "lat", "counts_zone"]
    # Those of the market square are the scenario `square`'s, which test_firmware_sim_square.py holds.
    devices = [row for row in devices if "square-gateway" not in (row["id"], row["gateway"])]
    played = {(part.id, part.profile) for part in scenario.load("demo").parts}
    assert {(row["id"], row["profile"]) for row in devices} == played | {("gateway-01", "gateway")}
    assert len(devices) == len(played) + 1
    departments = {"river-gauge": "water", "counting-camera": "police"}
    for row in devices:
        assert row["department"] == departments.get(row["profile"], "municipal")
        assert row["gateway"] == ("" if row["profile"] == "gateway" else "gateway-01")
        assert bool(row["counts_zone"]) == (row["profile"] == "counting-camera")
    assert {part.id for part in scenario.load("quiet").parts} == {
        part.id for part in scenario.load("demo").parts
    }


def test_every_device_stands_in_one_district_and_in_the_zone_it_is_for(
    city: dict[str, Zone], devices: list[dict[str, str]]
) -> None:
    lon, lat = (np.array([float(row[axis]) for row in devices]) for axis in ("lon", "lat"))
    keys = list(city)
    point, zone = Locator([city[key].geometry for key in keys]).locate(lon, lat)
    inside = {row["id"]: {keys[j] for j in zone[point == i]} for i, row in enumerate(devices)}
    for row in devices:
        kinds = sorted(city[key].kind for key in inside[row["id"]])
        assert kinds.count("district") == 1
        if row["profile"] == "river-gauge":
            assert "flood" in kinds
        if row["counts_zone"]:
            assert row["counts_zone"] in inside[row["id"]]
    assert {min(inside[f"lamp-0{n}"]) for n in range(1, 7)} == {"station"}


def test_the_demo_crowd_is_orange_on_the_forecourt_and_nothing_on_the_square(city: dict[str, Zone]) -> None:
    for key, camera, low, high in (
        ("station-forecourt", "camera-01", 3.5, 5.0),
        ("riverside-square", "camera-02", 0.0, 1.0),
    ):
        zone = city[key]
        assert zone.usable_m2 is not None
        assert zone.usable_m2 < area_m2(zone.geometry)
        density = max(metric(told(), camera, "people")[:, 1]) / zone.usable_m2
        assert low < density < high


# --- lines


def test_lines_are_valid_and_short() -> None:
    for sample in told(for_s=30):
        line = wire.encode(sample.device, 1_790_000_000_000, sample.values)
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        message = json.loads(line)
        assert set(message) == {"device", "ts", "values"}
        assert all(isinstance(v, int | float) for v in message["values"].values())


def test_a_line_that_json_or_the_protocol_does_not_have_is_not_written() -> None:
    with pytest.raises(wire.WireError, match="river-01"):
        wire.encode("river-01", 0, {"level": float("nan")})
    with pytest.raises(wire.WireError, match="65536"):
        wire.encode("river-01", 0, {"x" * 70_000: 1.0})


def test_answers_are_read_and_nothing_else() -> None:
    assert wire.answer(b"ok 17\r") == wire.Answer(accepted=True, number=17)
    assert wire.answer("error 3 gerät unbekannt".encode()) == wire.Answer(False, 3, "gerät unbekannt")
    for odd in (b"", b"ok", b"ok -1", b"ok 1 2", b"error x", b"ok " + b"9" * 40, b"\xff"):
        with pytest.raises(wire.WireError):
            wire.answer(odd)


def test_a_device_never_says_a_time_twice_and_a_fast_run_never_the_future() -> None:
    fast = Calendar(1000, speed=5000)
    assert [fast.ts_ms("a", second) for second in (0, 0.1, 0.2, 100)] == [1000, 1001, 1002, 1020]
    assert Calendar(1000, speed=float("inf")).ts_ms("a", 2.5) == 3500


# --- the backlog

steps = st.lists(
    st.one_of(
        st.just(("offer", 0)),
        st.just(("take", 0)),
        st.tuples(st.just("ok"), st.integers(0, 12)),
        st.tuples(st.just("error"), st.integers(1, 12)),
        st.just(("cut", 0)),
    ),
    max_size=80,
)


@given(steps)
def test_every_line_ends_acknowledged_refused_dropped_or_waiting(moves: list[tuple[str, int]]) -> None:
    kept = backlog.Backlog(limit=5)
    accepted: list[int] = []  # lines offered and kept
    offered = 0
    here: list[int] = []  # lines of this connection, in order
    settled: set[int] = set()
    seen: set[int] = set()
    for move, number in moves:
        if move == "offer":
            offered += 1
            if kept.offer(b"%d\n" % offered):
                accepted.append(offered)
        elif move == "take":
            here += [int(line) for line in kept.take(3).splitlines()]
            seen.update(here)
        elif move == "cut":
            kept.rewind()
            here = []
        elif number > len(here):
            with pytest.raises(wire.WireError):
                kept.acknowledge(number) if move == "ok" else kept.refuse(number)
        elif move == "ok":
            kept.acknowledge(number)
            settled.update(here[:number])
        else:
            kept.refuse(number)
            settled.add(here[number - 1])
        assert kept.acknowledged + kept.refused + kept.waiting == len(accepted)
        assert kept.acknowledged + kept.refused == len(settled)
        assert kept.dropped == offered - len(accepted)
        assert kept.sent - kept.resent == len(seen)
    # What is left goes out on the next connection, in order, and nothing else.
    kept.rewind()
    assert kept.take(99) == b"".join(b"%d\n" % line for line in accepted if line not in settled)


# --- the wire


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from firmware_sim.cli import main; main()", *arguments]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def summary(stderr: str) -> dict[str, int]:
    found = re.search(
        r"sent (\d+) lines \((\d+) of them again\), acknowledged (\d+), refused (\d+), dropped (\d+), "
        r"without an answer (\d+)\s*$",
        stderr,
    )
    assert found, stderr
    names = ("sent", "again", "acknowledged", "refused", "dropped", "waiting")
    return dict(zip(names, map(int, found.groups()), strict=True))


def expected(for_s: float, seed: int) -> list[tuple[str, dict[str, float]]]:
    return [(s.device, dict(s.values)) for s in told(for_s=for_s, seed=seed)]


def test_lines_cut_off_before_their_answer_arrive_on_the_next_connection() -> None:
    received: list[tuple[str, dict[str, float]]] = []
    connections = 0

    def gateway(door: socket.socket) -> None:
        """Takes 40 lines, answers for 25, cuts; the third time it takes everything."""
        nonlocal connections
        while True:
            link, _ = door.accept()
            connections += 1
            with closing(link), link.makefile("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    message = json.loads(line)
                    received.append((message["device"], message["values"]))
                    if connections < 3 and number == 40:
                        link.sendall(b"ok 10\nok 2")
                        link.sendall(b"5\n")
                        # Half closed first: the answer must not be lost in a reset, or the counts below vary.
                        link.shutdown(socket.SHUT_WR)
                        break
                    if connections >= 3:
                        link.sendall(b"ok %d\n" % number)
                else:
                    return
                while lines.read(1):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(PATIENCE_S)
        thread = threading.Thread(target=gateway, args=(door,), daemon=True)
        thread.start()
        port = str(door.getsockname()[1])
        done = run("run", "demo", "--to", f"127.0.0.1:{port}", "--for", "12", "--speed", "max", "--seed", "5")
        thread.join(PATIENCE_S)
    assert done.returncode == 0, done.stderr
    whole = expected(12, 5)
    assert connections == 3
    # In order, at least once: 40 of the first connection, 40 from the 26th on, the rest from the 51st on.
    assert received == whole[:40] + whole[25:65] + whole[50:]
    counted = summary(done.stderr)
    assert counted["acknowledged"] == len(whole)
    assert (counted["refused"], counted["dropped"], counted["waiting"]) == (0, 0, 0)
    assert counted["again"] >= 30


def test_a_refused_line_is_not_sent_again_and_its_reason_is_shown() -> None:
    received: list[str] = []

    def gateway(door: socket.socket) -> None:
        link, _ = door.accept()
        with closing(link), link.makefile("rb") as lines:
            for number, line in enumerate(lines, start=1):
                device = json.loads(line)["device"]
                received.append(device)
                link.sendall(
                    b"error %d who is lamp-03?\n" % number if device == "lamp-03" else b"ok %d\n" % number
                )

    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(PATIENCE_S)
        thread = threading.Thread(target=gateway, args=(door,), daemon=True)
        thread.start()
        done = run(
            "run", "demo", "--to", f"127.0.0.1:{door.getsockname()[1]}", "--for", "4", "--speed", "max"
        )
        thread.join(PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert summary(done.stderr)["refused"] == received.count("lamp-03") == 4
    assert summary(done.stderr)["acknowledged"] == len(received) - 4
    assert "refused: who is lamp-03?" in done.stderr


def test_a_term_signal_ends_in_order_with_a_summary() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(PATIENCE_S)
        port = str(door.getsockname()[1])
        with subprocess.Popen(
            command("run", "demo", "--to", f"127.0.0.1:{port}"), stderr=subprocess.PIPE
        ) as sim:
            try:
                link, _ = door.accept()
                with closing(link), link.makefile("rb") as lines:
                    link.settimeout(PATIENCE_S)
                    answered = 0
                    for line in lines:
                        assert json.loads(line)["device"]
                        answered += 1
                        link.sendall(b"ok %d\n" % answered)
                        if answered == 5:
                            sim.send_signal(signal.SIGTERM)
                _, errors = sim.communicate(timeout=PATIENCE_S)
            finally:
                sim.kill()
    assert sim.returncode == 0
    counted = summary(errors.decode())
    assert counted["acknowledged"] == counted["sent"] == answered
    assert answered >= 5


def test_printed_lines_are_those_that_would_be_sent() -> None:
    done = run("run", "demo", "--print", "--for", "5", "--speed", "max", "--seed", "2")
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(m["device"], m["values"]) for m in messages] == expected(5, 2)
    assert done.stderr == f"wrote {len(messages)} lines\n"
    times = [m["ts"] for m in messages if m["device"] == "river-01"]
    assert times == sorted(set(times))


def test_a_reader_that_has_seen_enough_ends_the_printing() -> None:
    with subprocess.Popen(
        command("run", "demo", "--print", "--for", "20000", "--speed", "max"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as sim:
        assert sim.stdout is not None
        assert sim.stdout.readline()
        sim.stdout.close()
        assert sim.stderr is not None
        errors = sim.stderr.read()
        assert sim.wait(PATIENCE_S) == 0
    assert b"Traceback" not in errors


# --- operator mistakes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nowhere", "--print"], "nowhere"),
        (["run", "nowhere.yaml", "--print"], "nowhere.yaml"),
        (["run", "demo"], "--to or --print"),
        (["run", "demo", "--print", "--to", "localhost:1"], "--to or --print"),
        (["run", "demo", "--to", "localhost"], "localhost"),
        (["run", "demo", "--to", "localhost:99999"], "99999"),
        (["run", "demo", "--print", "--speed", "fast"], "fast"),
        (["run", "demo", "--print", "--speed", "-1"], "-1"),
        (["run", "demo", "--print", "--speed", "max"], "--for"),
        (["run", "demo", "--print", "--for", "0"], "--for"),
        (["run", "demo", "--print", "--for", "soon"], "--for"),
        (["run", "--print"], "scenario"),
        (["walk"], "walk"),
    ],
)
def test_a_mistake_of_the_operator_says_what_to_try_and_exits_2(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit)
    assert "Error: " in done.stderr
    assert "Try" in done.stderr
    assert words in done.stderr
    assert done.stdout == ""


def test_a_mistake_of_the_operator_leaves_the_process_without_a_traceback() -> None:
    done = run("run", "nowhere.yaml", "--print")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


ONE = "devices:\n  - {id: lamp-01, profile: street-light, every_s: 1}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "YAML"),
        ("7", "no devices"),
        ("devices: []", "no devices"),
        ("devices: [3]", "not a device"),
        (ONE + "cycles: 3\n", "cycles"),
        (ONE + "cycle_s: 0\n", "cycle_s"),
        (ONE + "cycle_s: .nan\n", "cycle_s"),
        (ONE + "begin: noon\n", "begin"),
        (ONE.replace("lamp-01", "Lamp 1"), "Lamp 1"),
        (ONE.replace("lamp-01", "[]"), "device id"),
        (ONE.replace("street-light", "toaster"), "toaster"),
        (ONE.replace("every_s: 1", "every_s: 0"), "every_s"),
        (ONE.replace("every_s: 1", "every_s: yes"), "every_s"),
        (ONE.replace("every_s: 1", "every_s: 1, model: {colour: 3}"), "colour"),
        (ONE.replace("every_s: 1", "every_s: 1, model: {rated_w: much}"), "rated_w"),
        (ONE.replace("every_s: 1", "every_s: 1, model: 3"), "model"),
        (ONE.replace("every_s: 1", "every_s: 1, drive: {people: [[0, 1]]}"), "people"),
        (ONE.replace("every_s: 1", "every_s: 1, drive: {lit: []}"), "point"),
        (ONE.replace("every_s: 1", "every_s: 1, drive: {lit: [[0]]}"), "point"),
        (ONE.replace("every_s: 1", "every_s: 1, drive: {lit: [[5, 1], [5, 0]]}"), "ascend"),
        (ONE + ONE.splitlines()[1] + "\n", "twice"),
    ],
)
def test_a_scenario_at_fault_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(scenario.ScenarioError, match=re.escape(words)) as caught:
        scenario.parse(text, "mine.yaml")
    assert "mine.yaml" in str(caught.value)
    assert caught.value.hint


def test_a_scenario_is_found_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(ONE, encoding="utf-8")
    assert [part.id for part in scenario.load(str(path)).parts] == ["lamp-01"]
    assert {"demo", "quiet"} <= set(scenario.names())
    assert os.fspath(path) not in scenario.names()
