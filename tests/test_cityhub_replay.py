"""Recordings through the whole path: their own times, their alarms as exercises, killed and started again."""

from __future__ import annotations

import math
import os
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from fix_hub import House, wait_for

from cityhub.processes import command
from cityhub.settings import as_environment

SHARED = Path(__file__).parents[2] / "shared" / "data"
FLOOD = """
rule: flood
title: River stage
applies_to: {device: recording-01, metric: level}
above: {blue: 2, yellow: 3, orange: 4, red: 5}
deadband: 0.2
on_delay_s: 600
"""


def replay(house: House, file: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("replay", str(file), *arguments),
        env={**os.environ, **as_environment(house.settings), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stored(house: House, rows: int) -> bool:
    return bool(house.ask("select count(*) >= %s from reading", rows)[0][0])


def write_flood(file: Path, rows: int) -> None:
    """A year that is long past: a level every five minutes, one flood in the middle."""
    begin = datetime(2018, 6, 1, tzinfo=UTC)
    lines = ["time,value"]
    for row in range(rows):
        level = 1 + 4.5 * math.exp(-(((row - rows / 2) / 40) ** 2))
        lines.append(f"{(begin + timedelta(minutes=5 * row)).isoformat()},{level:.3f}")
    file.write_text("\n".join(lines))


def test_a_recording_of_2018_raises_exercise_alarms_in_its_own_time_through_two_kills_of_the_hub(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "flood.yaml").write_text(FLOOD)
    rows = 3_000
    write_flood(tmp_path / "flood.csv", rows)
    house.start_hub(CITYHUB_RULES=str(tmp_path))
    # 300 s a row; about 1,000 rows a second, so that the kills hit the middle.
    running = replay(
        house, tmp_path / "flood.csv", "--device", "recording-01", "--metric", "level", "--speed", "300000"
    )
    for part in (rows // 3, 2 * rows // 3):
        wait_for(partial(stored, house, part), f"{part} readings")
        house.kill_hub()
        house.start_hub(CITYHUB_RULES=str(tmp_path))
    said, _ = running.communicate(timeout=150)
    assert running.returncode == 0, said
    assert house.ask("select count(*), count(distinct time) from reading") == [(rows, rows)]
    assert "stored 3,000" in said
    steps = house.ask(
        """select kind, to_level, extract(epoch from at - timestamptz '2018-06-01')::int / 300
           from alarm_transition order by id"""
    )
    # By the formula: the row at which each level has been passed for ten minutes, and the way back.
    levels = [1 + 4.5 * math.exp(-(((row - rows / 2) / 40) ** 2)) for row in range(rows)]
    up = [
        next(row for row, level in enumerate(levels) if round(level, 3) >= limit) + 2
        for limit in (2, 3, 4, 5)
    ]
    down = [
        next(row for row, level in enumerate(levels) if row > rows / 2 and round(level, 3) < limit - 0.2)
        for limit in (5, 4, 3, 2)
    ]
    wanted = [
        *zip(["raised", "escalated", "escalated", "escalated"], (1, 2, 3, 4), up, strict=True),
        *zip(["lowered", "lowered", "lowered", "returned"], (3, 2, 1, 0), down, strict=True),
    ]
    assert steps == wanted
    assert house.ask("select exercise, peak_level from alarm") == [(True, 4)]


def test_a_recording_that_was_sent_already_is_recognised_whole(house: House, tmp_path: Path) -> None:
    write_flood(tmp_path / "flood.csv", 500)
    house.start_hub()
    for wanted in ("stored 500", "duplicate 500"):
        said, _ = replay(
            house, tmp_path / "flood.csv", "--device", "recording-01", "--metric", "level"
        ).communicate(timeout=100)
        assert wanted in said
    assert house.ask("select count(*) from reading") == [(500,)]


def test_a_replay_that_is_killed_goes_on_with_what_its_journal_kept(house: House, tmp_path: Path) -> None:
    write_flood(tmp_path / "flood.csv", 2_000)
    house.start_hub()
    arguments = ("--device", "recording-01", "--metric", "level")
    running = replay(house, tmp_path / "flood.csv", *arguments, "--speed", "300000")
    wait_for(lambda: house.ask("select count(*) from reading")[0][0] > 300, "some readings")
    running.send_signal(signal.SIGKILL)
    running.communicate()
    said, _ = replay(house, tmp_path / "flood.csv", *arguments).communicate(timeout=100)
    assert house.ask("select count(*) from reading") == [(2_000,)], said


def test_a_live_device_takes_no_recording(house: House, tmp_path: Path) -> None:
    house.city()
    write_flood(tmp_path / "flood.csv", 10)
    house.start_hub()
    running = replay(house, tmp_path / "flood.csv", "--device", "river-01", "--metric", "level")
    said, _ = running.communicate(timeout=100)
    assert running.returncode == 2
    assert "Error: river-01 is a live device" in said


@pytest.mark.parametrize(
    ("file", "arguments", "rows"),
    [
        ("hydro/usgs_dead_run_gage_height_2018_06.csv", ("--metric", "level", "--scale", "0.3048"), 8_928),
        (
            "crowd/auckland_pedestrian_hourly_4_stations_2022_2025.csv.gz",
            ("--metric", "passed", "--profile", "pedestrian-counter", "--where", "station=1 Courthouse Lane"),
            35_040,
        ),
        ("nab/data/realTraffic/speed_7578.csv", ("--metric", "speed", "--profile", "traffic-loop"), 1_127),
    ],
)
def test_a_real_recording_goes_through_whole_and_the_book_balances(
    house: House, file: str, arguments: tuple[str, ...], rows: int
) -> None:
    if not SHARED.exists():
        pytest.skip("the real recordings are not beside this checkout")
    house.start_hub()
    running = replay(house, SHARED / file, "--device", "recording-01", *arguments)
    said, _ = running.communicate(timeout=150)
    assert running.returncode == 0, said
    received, settled = house.ask(
        "select sum(received), sum(stored + duplicate + quarantined + rejected) from ledger_minute"
    )[0]
    assert received == settled == rows
