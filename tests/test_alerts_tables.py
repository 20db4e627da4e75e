"""Tables of levels: what they must hold, and rules that take their limits from one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts import rulebook, table
from alerts.rulebook import RuleError
from alerts.table import Table, TableError
from ingest import profile

SOUND: dict[str, Any] = {
    "table": "depth", "name": "Depth", "source": "the water office", "unit": "cm", "side": "above",
    "steps": [{"level": "yellow", "limit": 15}, {"level": "orange", "limit": 25}],
}  # fmt: skip


def rule(tmp_path: Path, text: str) -> rulebook.Version:
    path = tmp_path / "rule.yaml"
    path.write_text(f"rule: r\ntitle: R\napplies_to: {{metric: depth}}\n{text}\n")
    return rulebook.read_limits(path)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"source": ""}, "source"),
        ({"steps": []}, "steps"),
        ({"unit": None}, "unit"),
        ({"steps": [{"level": "orange", "limit": 25}, {"level": "yellow", "limit": 35}]}, "mildest first"),
        ({"steps": [{"level": "yellow", "limit": 15}, {"level": "orange", "limit": 15}]}, "must lie beyond"),
        ({"side": "below"}, "must lie beyond"),
        ({"steps": [{"level": "yellow", "grade": "wet", "limit": 15}]}, "give a level"),
        ({"steps": [{"level": "yellow"}]}, "give a limit"),
        ({"steps": [{"level": "yellow", "mark": "WRZ"}]}, "say what WRZ is"),
        ({"valid_from": "2020-01-01", "valid_to": "2019-01-01"}, "valid_to"),
        ({"colour": "red"}, "colour"),
        (
            {"steps": [{"level": "blue", "limit": 50, "within_s": 3600}, {"level": "red", "limit": 90, "within_s": 7200}]},
            "must lie beyond",
        ),
    ],
)  # fmt: skip
def test_a_table_that_makes_no_sense_is_refused_with_its_file(
    tmp_path: Path, change: dict[str, Any], wanted: str
) -> None:
    path = tmp_path / "depth.yaml"
    path.write_text(yaml.safe_dump(SOUND))
    assert table.read(path).table.table == "depth"  # the control
    path.write_text(yaml.safe_dump({**SOUND, **change}))
    with pytest.raises(TableError, match=wanted) as caught:
        table.read(path)
    assert str(path) in str(caught.value)


def test_every_shipped_table_is_sound_and_every_profile_names_one_that_is_there() -> None:
    found = table.load()
    assert {
        "flood-signal",
        "low-water-signal",
        "rainstorm-signal",
        "rain-grade-24h",
        "rain-grade-12h",
    } <= set(found)
    assert {"crowd-density", "fruin-walkway", "still-crowd", "scenic-capacity", "waterlogging-local"} <= set(
        found
    )
    for one in profile.load():
        for metric in (one.profile.metrics | one.profile.derived).values():
            if metric.table is not None:
                named = found[metric.table].table
                assert named.unit in (None, metric.unit), (one.profile.profile, metric)


def test_a_rule_takes_its_limits_from_a_table_and_its_own_stand_in_place(tmp_path: Path) -> None:
    taken = rule(tmp_path, "thresholds: {table: waterlogging-local}")
    assert (taken.rule.above, taken.rule.unit) == ({"yellow": 15, "orange": 25}, "cm")
    assert taken.body["above"] == {"yellow": 15, "orange": 25}  # what an alarm is proved by stands by itself
    own = rule(tmp_path, "thresholds: {table: waterlogging-local}\nabove: {orange: 27, red: 40}")
    assert own.rule.above == {"yellow": 15, "orange": 27, "red": 40}
    of_three_hours = rule(tmp_path, "thresholds: {table: rainstorm-signal, within_s: 10800}")
    assert of_three_hours.rule.above == {"orange": 50, "red": 100}


@pytest.mark.parametrize(
    ("thresholds", "wanted"),
    [
        ("{table: nowhere}", "there is no table nowhere"),
        ("{table: rainstorm-signal}", "limits within 10800, 21600, 43200 s"),
        ("{table: flood-signal}", "marks of each station"),
        ("{table: still-crowd}", "or grades"),
        ("{table: waterlogging-local, level: red}", "level"),
        ("waterlogging-local", "thresholds"),
    ],
)
def test_a_rule_that_cannot_take_a_table_says_so_with_its_line(
    tmp_path: Path, thresholds: str, wanted: str
) -> None:
    with pytest.raises(RuleError, match=wanted) as caught:
        rule(tmp_path, f"thresholds: {thresholds}")
    assert "rule.yaml:4" in str(caught.value)


def test_a_changed_table_is_another_version_of_the_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "thresholds: {table: depth}"
    folder = tmp_path / "tables"
    folder.mkdir()
    monkeypatch.setattr(table, "SHIPPED", folder)
    (folder / "depth.yaml").write_text(yaml.safe_dump(SOUND))
    before = rule(tmp_path, text)
    assert rule(tmp_path, text).sha256 == before.sha256
    (folder / "depth.yaml").write_text(yaml.safe_dump({**SOUND, "source": "another office"}))
    assert rule(tmp_path, text).sha256 != before.sha256
    (folder / "depth.yaml").write_text(yaml.safe_dump({**SOUND, "valid_to": "2020-01-01"}))
    with pytest.raises(RuleError, match="depth has held until 2020-01-01"):
        rule(tmp_path, text)


def test_the_shipped_rule_of_crowds_is_what_its_table_says() -> None:
    [crowd] = [one for one in rulebook.load(rulebook.SHIPPED) if one.rule.rule == "crowd-density"]
    assert isinstance(crowd, rulebook.Version)
    assert crowd.rule.above == {"blue": 1.0, "yellow": 2.0, "orange": 3.5, "red": 5.0}
    assert Table.model_validate(SOUND).limits() == {"yellow": 15, "orange": 25}
