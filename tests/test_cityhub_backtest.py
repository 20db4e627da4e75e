"""Back-tests as an operator runs them: on a file, on what is stored; and the proof of an alarm."""

from __future__ import annotations

import csv
import gzip
import time
from pathlib import Path
from typing import Any

import pytest
from fix_hub import House, wait_for
from test_cityhub_commands import run

from cityhub.commands.backtest import backtest
from cityhub.commands.rule import check
from cityhub.settings import OperatorError

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "urban-stream.yaml"
RULE = """
rule: stage
title: Stage
applies_to: {profile: river-gauge, metric: level}
unit: m
above: {yellow: 2, orange: 3}
deadband: 0.2
"""
WAVE = [1.0, 2.5, 3.5, 2.9, 1.0, 99.0, 1.0, 2.5, 1.0]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A wave to orange, a value that no gauge can have, and a wave to yellow; an hour apart."""
    path = tmp_path / "gauge.csv.gz"
    lines = [f"{1_780_488_000_000 + place * 3_600_000},{value}" for place, value in enumerate(WAVE)]
    path.write_bytes(gzip.compress("\n".join(["time,value", *lines, "1780530000000,"]).encode()))
    return path


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    path = tmp_path / "rules" / "stage.yaml"
    path.parent.mkdir()
    path.write_text(RULE)
    return path


@pytest.fixture(autouse=True)
def _own_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYHUB_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")


def test_a_recording_is_judged_by_the_rules_of_its_profile_and_written_line_by_line(
    recording: Path, rule: Path, tmp_path: Path
) -> None:
    results, picture = tmp_path / "out.csv", tmp_path / "out.png"
    ended = run(
        "backtest", str(recording), "--profile", "river-gauge", "--metric", "level",
        "--out", str(results), "--picture", str(picture), CITYHUB_RULES=str(rule.parent),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "readings 10, from 2026-06-03 12:00Z to 2026-06-03 23:40Z (11.7 hours)" in ended.stdout
    assert "flags   pass 8, fail 1, missing 1" in ended.stdout
    assert "alarms  2 raised; somebody would have been paged 1 time, for orange or red" in ended.stdout
    assert "by highest level: orange II 1, yellow III 1" in ended.stdout
    assert "by hour raised, UTC: 13h 1  19h 1" in ended.stdout
    assert "longest 3.0 h, from 2026-06-03 13:00Z" in ended.stdout
    with results.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["level"] for line in lines] == ["0", "2", "3", "3", "0", "0", "0", "2", "0", "0"]
    assert [line["flag"] for line in lines] == ["1"] * 5 + ["4"] + ["1"] * 3 + ["9"]
    assert lines[1] == {
        "time": "2026-06-03T13:00:00Z",
        "value": "2.5",
        "flag": "1",
        "level": "2",
        "score": "0",
    }
    assert lines[-1]["value"] == ""
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_without_a_profile_there_are_no_rules_and_it_says_so(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backtest(recording)
    said = capsys.readouterr().out
    assert "rules   none: name one with --rule, or say what the values are with --profile" in said
    assert "no alarm" in said


def test_limits_for_a_wanted_number_of_alarms_are_proposed_as_a_rule_to_copy(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backtest(recording, per_week=30)
    said = capsys.readouterr().out
    assert "proposed for 30 orange alarms a week:" in said
    assert "  above: {" in said
    assert "With it these readings would have raised" in said


@pytest.mark.parametrize(
    ("options", "error", "hint"),
    [
        ({"profile_key": "river-guage"}, "no profile river-guage", "river-gauge"),
        ({"profile_key": "river-gauge"}, "which metric the values are is not said", "level, rain, battery"),
        ({"profile_key": "river-gauge", "metric": "levl"}, "river-gauge measures no levl", "level, rain, battery"),
        ({"rules": [EXAMPLE]}, "has limits for my-gauge, not for recording", "--device"),
        ({"rules": [EXAMPLE], "device": "my-gauge", "profile_key": "river-gauge", "metric": "rain"},
         "urban-stream speaks of m, the metric is in mm", "unit"),
    ],
)  # fmt: skip
def test_a_back_test_that_cannot_be_is_refused_with_a_way_out(
    recording: Path, options: dict[str, Any], error: str, hint: str
) -> None:
    with pytest.raises(OperatorError, match=error) as refused:
        backtest(recording, **options)
    assert hint in refused.value.hint


def test_a_template_of_shares_is_tried_on_a_recording_by_saying_what_stands_for_0_and_1(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backtest(recording, profile_key="river-gauge", metric="level", rules=[EXAMPLE], between=(1.0, 3.5))
    said = capsys.readouterr().out
    assert "alarms  2 raised; somebody would have been paged 1 time" in said
    assert "3.5 m" in said
    with pytest.raises(OperatorError, match=r"3\.5 and 1 are not usual and worst"):
        backtest(recording, profile_key="river-gauge", metric="level", rules=[EXAMPLE], between=(3.5, 1.0))


def test_an_empty_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("time,value\n")
    with pytest.raises(OperatorError, match=r"empty\.csv has no readings"):
        backtest(tmp_path / "empty.csv")


def test_a_rule_check_names_every_mistake_and_what_the_rules_would_judge(
    rule: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (rule.parent / "lost.yaml").write_text(RULE.replace("metric: level", "metric: levle"))
    (rule.parent / "feet.yaml").write_text(RULE.replace("unit: m", 'unit: "[ft_i]"'))
    check([rule.parent])
    said = capsys.readouterr().out
    assert "No hub is running: held against the profiles" in said
    assert "could judge 1: river-gauge level" in said
    assert "Warning: matches nothing; check metric, profile" in said
    assert "does not judge river-gauge level: measured in m, the rule speaks of [ft_i]" in said
    (rule.parent / "all.yaml").write_text("rule: all\ntitle: All\napplies_to: {}\nabove: {red: 1, blue: 2}\n")
    with pytest.raises(OperatorError) as refused:
        check([rule.parent])
    assert f"{rule.parent}/all.yaml:4: above: red (1) must lie beyond blue (2)" in str(refused.value)
    assert f"{rule.parent}/all.yaml:3: applies_to: name the metric" in str(refused.value)


def test_what_is_stored_is_judged_by_a_rule_on_trial_and_an_alarm_is_proved(house: House, rule: Path) -> None:
    house.city()
    house.start_hub(CITYHUB_RULES=str(rule.parent))
    device = house.publisher()
    now = round(time.time() * 1000)
    for place, value in enumerate(WAVE):
        stamp = now - (len(WAVE) - place) * 30_000
        house.send(device, "city/v1/water/river-01/telemetry", {"ts": stamp, "values": {"level": value}})
    wait_for(lambda: house.ask("select 1 from reading having count(*) = 9"), "the readings")
    found = {"CITYHUB_DATABASE_URL": house.database.url, "CITYHUB_MQTT_URL": house.broker.url}

    ended = run("rule", "check", str(rule), **found)
    assert "judges 2: river-01 level, river-02 level" in ended.stdout, ended.stderr
    ended = run("rule", "backtest", str(rule), "--since", "1d", "--device", "river-01", **found)
    assert ended.returncode == 0, ended.stderr
    assert "flags   pass 8, fail 1" in ended.stdout
    assert "alarms  2 raised; somebody would have been paged 1 time" in ended.stdout
    ended = run("rule", "backtest", "stage", "--since", "1m", **found, CITYHUB_RULES=str(rule.parent))
    assert (
        "Error: --since 1m is no span of time\nTry: write a number and h, d or w: 12h, 30d, 8w"
        in ended.stderr
    )
    ended = run("rule", "backtest", "stage", "--device", "lamp-01", **found, CITYHUB_RULES=str(rule.parent))
    assert "Error: stage matches no series of lamp-01" in ended.stderr

    ((alarm, level),) = house.ask("select id, peak_level from alarm order by id limit 1")
    ended = run("rule", "prove", str(alarm), **found)
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.count("the same verdict") >= 2
    with house.connect() as connection:
        connection.execute("update reading set value = 0.5 where value = 3.5")
    ended = run("rule", "prove", str(alarm), **found)
    assert ended.returncode == 1
    assert "ANOTHER verdict" in ended.stdout
    assert level == 3


def test_a_recording_in_another_unit_than_the_profile_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "feet.csv"
    path.write_text("time,value,unit\n2026-01-01T00:00:00Z,3.1,ft\n2026-01-01T00:05:00Z,3.2,ft\n")
    asked = ("backtest", str(path), "--profile", "river-gauge", "--metric", "level")
    assert "Warning: the file says ft, the metric is in m" in run(*asked).stdout
    assert "Warning" not in run(*asked, "--scale", "0.3048").stdout
