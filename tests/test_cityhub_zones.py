"""`cityhub zone` as an operator types it."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fix_services import Private
from test_api_zones import BOWTIE, collection, feature, line, square
from typer.testing import CliRunner, Result

from cityhub.commands.zone import app
from cityhub.processes import command


@pytest.fixture
def typed(database: Private, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Typed:
    monkeypatch.setenv("CITYHUB_DATABASE_URL", database.url)
    monkeypatch.setenv("CITYHUB_MQTT_URL", "mqtt://127.0.0.1:1")
    monkeypatch.setenv("COLUMNS", "200")
    return Typed(tmp_path)


class Typed:
    """The command line of one database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, content: bytes) -> str:
        path = self.folder / "zones.geojson"
        path.write_bytes(content)
        return str(path)

    def run(self, *words: str) -> str:
        ended = self.ended(*words)
        assert ended.exit_code == 0, ended.output + repr(ended.exception)
        return ended.output

    def ended(self, *words: str) -> Result:
        return CliRunner().invoke(app, list(words))


def test_zones_and_lines_live_at_the_command_line(typed: Typed) -> None:
    first = typed.file(
        collection(
            feature("market", name="Market"),
            feature("park", kind="restricted"),
            line("gate", kind="counting-line", into_zone="market", width_m=3),
        )
    )
    looked = typed.run("import", first, "--dry-run")
    assert "It would be: 3 new, 0 changed, 0 the same, 0 retired" in looked
    assert "new: market, park, gate" in looked
    assert "3 new, 0 changed, 0 the same, 0 retired" in typed.run("import", first)
    assert "0 new, 0 changed, 3 the same, 0 retired" in typed.run("import", first)
    second = typed.file(collection(feature("market", square(side=0.02), name="Market square", capacity=400)))
    kept = typed.run("import", second, "--replace")
    assert "retired: park, gate" in kept
    assert "0 new, 1 changed, 0 the same, 2 retired" in kept
    listed = typed.run("list")
    assert "market" in listed
    assert "park" not in listed
    shown = typed.run("show", "market")
    assert "market: Market square, crowd, version 2" in shown
    assert "capacity    400" in shown
    assert "RETIRED" in typed.run("show", "park")
    told = typed.run("history", "market")
    assert "name Market -> Market square" in told
    assert "import of zones.geojson" in told
    assert "market is retired" in typed.run("retire", "market", "--because", "rebuilt")
    assert "rebuilt" in typed.run("history", "market")
    gone = typed.ended("retire", "market")
    assert "no zone or line market in service" in str(gone.exception)
    today = datetime.now(UTC)
    assert "version" in typed.run("show", "market", "--at", f"{today:%Y-%m-%d}")
    early = typed.ended("show", "market", "--at", f"{today - timedelta(days=2):%Y-%m-%d}")
    assert "was not in the hub" in str(early.exception)
    assert "no zone or line nowhere" in str(typed.ended("show", "nowhere").exception)


def test_a_check_needs_no_hub_and_tells_every_fault_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "zones.geojson"
    file.write_bytes(
        collection(
            feature("good"),
            feature("open", square()[:-1]),
            feature("crossed", BOWTIE),
            feature("late", valid_from="tomorrow", capacity=-1),
            line("door", kind="counting-line", into_zone="a", from_zone="a"),
        )
    )
    ended = subprocess.run(
        command("zone", "check", str(file)),
        env={**os.environ, "CITYHUB_HOME": "/nowhere"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: 4 faults, nothing was imported:\n")
    told = ended.stderr.splitlines()
    assert "feature 1 'open': its ring is open, at [120.6, 31.3]. Repeat the first position" in told[1]
    assert "feature 3 'late': its valid_from is 'tomorrow'" in ended.stderr
    assert "feature 3 'late': its capacity is -1" in ended.stderr
    assert "feature 4 'door': it leads from 'a' into the same" in ended.stderr
    assert told[-1].startswith("Try: ")
    file.write_bytes(
        collection(feature("crossed", BOWTIE), feature("a", kind="grid"), feature("b", kind="grid"))
    )
    sound = subprocess.run(
        command("zone", "check", str(file)), capture_output=True, text=True, timeout=60, check=True
    )
    assert (
        "Note: feature 0 'crossed': its outline was repaired (Self-intersection at [120.605, 31.305])"
        in sound.stdout
    )
    assert "'a' and 'b' are both a grid and overlap by 1,05" in sound.stdout
    assert "3 zones and 0 lines can be imported" in sound.stdout
