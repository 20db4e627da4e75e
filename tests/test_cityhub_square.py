"""A festival square from its cameras to the alarms: it fills, is said to be full soon, goes orange, and empties."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from fix_hub import House, wait_for

import firmware_sim
from cityhub.commands.device import import_devices
from cityhub.commands.sim import simulator
from cityhub.commands.zone import import_zones
from firmware_sim import scenario
from firmware_sim.field import samples
from firmware_sim.worlds.world import Moving
from ingest.enrolment import enrol_hub

SOAK = float(os.environ.get("CITYHUB_SOAK") or 0) > 0
SPEED = 3.0 if SOAK else 30.0
STORY_S = 840.0  # everybody has gone, and every delay is over
LEAD_S = 100.0  # of the wall clock: the longest that a hub may take to start, its kernels not compiled yet
SHIPPED = Path(firmware_sim.__file__).parent / "scenarios" / "square.yaml"
SQUARE, QUIET = "zone-market-square", "zone-quiet-market-square"

pytestmark = pytest.mark.timeout(600 if SOAK else 200)


class Step(NamedTuple):
    """A step of an alarm, at the time of the reading that moved it."""

    rule: str
    kind: str
    level: int
    at: float


def story(file: Path, prefix: str, **world: float) -> Path:
    """The scenario in a file of its own, its devices renamed, its track camera speaking as often as the others."""
    played = yaml.safe_load(SHIPPED.read_text())
    played["world"] |= {"length_s": STORY_S + LEAD_S * SPEED} | world
    for fleet in played["fleets"]:
        fleet["every_s"] = max(fleet["every_s"], 5)
        fleet |= {key: prefix + fleet[key] for key in ("id", "gateway") if key in fleet}
    file.write_text(yaml.safe_dump(played))
    return file


def register(house: House, scenario_file: Path, prefix: str) -> None:
    """Import the papers that the simulator writes for itself; the zones of the quiet square under names of their own."""
    papers = {}
    for kind in ("zones", "devices"):
        program = [simulator("x", [])[0], kind, str(scenario_file)]
        papers[kind] = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    for name in ("market-square", "gate-north-line", "gate-south-line"):
        papers["zones"] = papers["zones"].replace(f'"{name}"', f'"{prefix}{name}"')
    with house.connect() as connection:
        for kind, ending, take in (("zones", "geojson", import_zones), ("devices", "csv", import_devices)):
            file = scenario_file.with_suffix(f".{ending}")
            file.write_text(papers[kind])
            take(connection, file)


def play(house: House, file: Path, url: str, at: float, for_s: float) -> subprocess.Popen[bytes]:
    """Start a simulator that begins its story then."""
    begin = datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
    options = (f"--speed={SPEED:g}", "--times=story", f"--for={for_s:.3f}", f"--at={begin}")
    return house.start_sim(file, *options, f"--truth={file.with_suffix('.truth')}", mqtt=url)


def ended(house: House, file: Path, played: subprocess.Popen[bytes]) -> int:
    """Stop a simulator; how many messages it has published."""
    played.terminate()
    assert played.wait(60) == 0
    said = (house.home / f"{file.stem}.log").read_text()
    found = re.search(r"published (\d+) messages, dropped 0", said)
    assert found, said
    return int(found[1])


def steps(house: House, device: str) -> list[Step]:
    rows = house.ask(
        """select alarm.rule, alarm_transition.kind, to_level, extract(epoch from reading_time)::float8
           from alarm_transition join alarm on alarm.id = alarm_id join device on device.id = device_id
           where device.key = %s order by alarm_transition.id""",
        device,
    )
    return [Step(*row) for row in rows]


def series(house: House, device: str, metric: str) -> list[tuple[float, float]]:
    return house.ask(
        """select extract(epoch from time)::float8, value from reading join series on series.id = series_id
           join device on device.id = device_id where device.key = %s and metric = %s order by time""",
        device, metric,
    )  # fmt: skip


def standing(house: House) -> list[tuple[Any, ...]]:
    """What stands of the squares themselves."""
    return house.ask(
        """select rule, level from alarm join device on device.id = device_id
           where returned_at is null and device.key = any(%s)""",
        [SQUARE, QUIET],
    )


def positions_told(file: Path, device: str) -> int:
    """How many places a camera tells until everybody has gone, worked out a second time."""
    played = scenario.load(str(file))
    assert isinstance(played.world, Moving)
    (unit,) = (unit for unit in played.units if unit.id == device)
    mine = (sample for sample in samples(played, 0) if sample.device == device)
    return sum(len(played.world.fixes(unit, s.second)) for s in takewhile(lambda s: s.second < STORY_S, mine))


def test_a_square_is_said_to_be_full_soon_before_it_is_orange_and_returns_when_all_have_gone(
    house: House, tmp_path: Path
) -> None:
    busy, quiet = (
        story(tmp_path / "busy.yaml", ""),
        story(tmp_path / "quiet.yaml", "quiet-", people=0, lon=120.59),
    )
    register(house, busy, "")
    register(house, quiet, "quiet-")
    with house.connect() as connection:
        enrol_hub(connection)
    house.keep_the_gate()
    urls = [house.enrolled(gateway).url for gateway in ("square-gateway", "quiet-square-gateway")]
    meets = time.time() + LEAD_S + STORY_S / SPEED
    hub = [sys.executable, "-P", str(Path(__file__).with_name("hastened_hub.py"))]
    house.start_hub(hub, HASTE=str(SPEED), HASTE_MEETS=str(meets))
    wait_for(lambda: series(house, QUIET, "seen"), "the first word of the census", LEAD_S)
    at = time.time() + 3
    for_s = (meets - at) * SPEED
    running = [
        (file, play(house, file, url, at, for_s)) for file, url in zip((busy, quiet), urls, strict=True)
    ]
    over = at + STORY_S / SPEED
    wait_for(lambda: time.time() > over and not standing(house), "everybody to go", STORY_S / SPEED + 60)
    published = sum(ended(house, *one) for one in running)

    told = steps(house, SQUARE)
    soon = [step for step in told if step.rule == "time-to-capacity"]
    orange = [step for step in told if step.rule in ("crowd-density", "zone-capacity") and step.level >= 3]
    assert soon, told
    assert {step.rule for step in orange} == {"crowd-density", "zone-capacity"}, told
    assert soon[0].kind == "raised"
    assert soon[0].at < min(step.at for step in orange) - 30
    for rule in ("time-to-capacity", "crowd-density", "zone-capacity"):
        assert [step.kind for step in told if step.rule == rule][-1] == "returned", told
    # It is not called full soon while people are leaving.
    truth = [json.loads(line) for line in busy.with_suffix(".truth").read_text().splitlines()]
    thinning = next(e["ts"] / 1000 for e in truth if (e["kind"], e["state"]) == ("density-3.5", "end"))
    assert soon[-1].at < thinning, told

    # As many as there are: cameras miss some, and a number is of the last half minute; on a busy machine of the last.
    there = [(event["ts"] / 1000, event["value"]) for event in truth if event["kind"] == "persons"]
    found = series(house, SQUARE, "persons")
    assert len(found) > 60
    for moment, persons in found:
        lately = [value for ts, value in there if moment - 60 <= ts <= moment + 10]
        if lately:
            assert 0.93 * min(lately) - 25 <= persons <= 1.03 * max(lately) + 25, (moment, persons, lately)
    assert max(persons for _, persons in found) > 2450

    # Where nobody came nobody was counted, and nothing was told.
    assert {persons for _, persons in series(house, QUIET, "persons")} == {0.0}
    assert steps(house, QUIET) == []

    # Nothing was lost on the way, and nobody is known by the number that a camera gave them.
    assert house.ask("select reason, detail from dead_letter") == []
    assert house.ask(
        "select (sum(received) - sum(stored + duplicate + quarantined + rejected))::int from ledger_minute"
    ) == [(0,)]
    archived = (
        "select count(*)::int from message join device on device.id = device_id where device.key <> 'hub'"
    )
    wait_for(lambda: house.ask(archived) == [(published,)], "every message in the archive")
    stored = dict(
        house.ask(
            """select device.key, count(*)::int from fix join track on track.id = track_id
               join device on device.id = device_id group by 1"""
        )
    )
    assert stored["square-camera-stage"] == positions_told(busy, "square-camera-stage")
    assert stored["steward-gates"] == len(series(house, "steward-gates", "battery-level"))
    names: Any = dict(
        house.ask(
            "select device.key, min(track.name) from track join device on device.id = device_id group by 1"
        )
    )
    assert names["steward-gates"] == "steward-gates"
    assert not names["square-camera-stage"].isdigit()
