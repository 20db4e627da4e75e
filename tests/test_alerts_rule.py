"""Rules as people write them: a mistake is named with its file and field, and the most precise rule applies."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from alerts.rule import SHIPPED, Rule, RuleError, Subject, Version, applying, load, read

SOUND: dict[str, Any] = {
    "rule": "river-high",
    "title": "River high",
    "applies_to": {"metric": "level"},
    "above": {"blue": 2.0, "red": 5.0},
}


def written(folder: Path, name: str = "river.yaml", **changes: Any) -> Path:
    """A rule's file: the sound rule with some of its fields changed; None leaves one out."""
    body = {key: value for key, value in {**SOUND, **changes}.items() if value is not None}
    path = folder / name
    path.write_text(yaml.safe_dump(body, sort_keys=False), encoding="utf-8")
    return path


def test_the_shipped_rules_are_sound() -> None:
    versions = load(SHIPPED)
    assert len(versions) == len(list(SHIPPED.glob("*.yaml"))) > 0


def test_a_version_is_named_by_the_hash_of_its_file(tmp_path: Path) -> None:
    path = written(tmp_path)
    version = read(path)
    assert version.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert isinstance(version.rule, Rule)
    assert version.rule.above == {"blue": 2.0, "red": 5.0}
    assert version.body["title"] == "River high"


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"rule": None}, "rule", "Field required"),
        ({"title": None}, "title", "Field required"),
        ({"applies_to": None}, "applies_to", "Field required"),
        ({"applies_to": {"profile": "gauge"}}, "applies_to.metric", "Field required"),
        ({"applies_to": {"metric": "level", "zone": "x"}}, "applies_to.zone", "Extra inputs are not permitted"),
        ({"rule": "River High"}, "rule", "String should match pattern"),
        ({"above": {"purple": 3}}, "above.purple.[key]", "Input should be 'blue', 'yellow', 'orange' or 'red'"),
        ({"above": {"red": "high"}}, "above.red", "Input should be a valid number"),
        ({"above": {"red": float("nan")}}, "above.red", "Input should be a finite number"),
        ({"below": {"red": float("-inf")}}, "below.red", "Input should be a finite number"),
        ({"deadband": -1}, "deadband", "Input should be greater than or equal to 0"),
        ({"deadband": float("inf")}, "deadband", "Input should be a finite number"),
        ({"on_delay_s": float("inf")}, "on_delay_s", "Input should be a finite number"),
        ({"off_delay_s": -0.5}, "off_delay_s", "Input should be greater than or equal to 0"),
        ({"suspect_up_to": "purple"}, "suspect_up_to", "Input should be 'none', 'blue', 'yellow', 'orange' or 'red'"),
        ({"off_delay": 5}, "off_delay", "Extra inputs are not permitted"),
        ({"above": None}, "rule", "give at least one threshold, above or below"),
        ({"above": {"blue": 5, "red": 5}}, "rule", "above: red (5) must lie beyond blue (5)"),
        ({"above": {"red": 2, "blue": 5}}, "rule", "above: red (2) must lie beyond blue (5)"),
        ({"below": {"blue": 0, "yellow": 1}}, "rule", "below: yellow (1) must lie beyond blue (0)"),
        ({"below": {"blue": 2}}, "rule", "above must begin higher than below: between them lies what is normal"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_file_and_field(
    tmp_path: Path, changes: dict[str, Any], field: str, said: str
) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(RuleError) as found:
        load(tmp_path)
    assert str(found.value).startswith(f"{path}: {field}: ")
    assert said in str(found.value)
    assert str(SHIPPED) in found.value.hint


@pytest.mark.parametrize("text", ["rule: [", "a: b: c", "\t- x", "\x00"])
def test_what_is_no_yaml_is_said_with_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "river.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RuleError, match="river.yaml: not YAML: ") as found:  # noqa: RUF043 -- a file's name
        load(tmp_path)
    assert found.value.hint == "check indentation and quotes"


@pytest.mark.parametrize("text", ["", "just a text", "- a\n- b", "5"])
def test_a_file_that_holds_no_rule_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "river.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RuleError, match=r"river\.yaml: rule: "):
        load(tmp_path)


def test_a_later_folder_replaces_a_rule_by_its_name(tmp_path: Path) -> None:
    for name, title in (("shipped", "theirs"), ("own", "ours")):
        (tmp_path / name).mkdir()
        written(tmp_path / name, title=title)
    assert [version.rule.title for version in load(tmp_path / "shipped", tmp_path / "own")] == ["ours"]


def test_two_rules_of_one_name_in_a_folder_are_a_mistake(tmp_path: Path) -> None:
    written(tmp_path, "a.yaml")
    written(tmp_path, "b.yaml", title="Another")
    with pytest.raises(RuleError, match=r"b\.yaml: rule: .*a\.yaml has the name river-high too"):
        load(tmp_path)


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="nowhere is no folder"):
        load(SHIPPED, tmp_path / "nowhere")


def version(name: str, **selector: str) -> Version:
    rule = Rule.model_validate({**SOUND, "rule": name, "applies_to": {"metric": "level", **selector}})
    return Version(rule, {}, name)


EVERY = [
    version("metric"),
    version("profile", profile="gauge"),
    version("department", department="water"),
    version("department-profile", department="water", profile="gauge"),
    version("device", device="river-1"),
    version("device-profile", device="river-1", profile="gauge"),
    version("device-department", device="river-1", department="water"),
    version("all", device="river-1", department="water", profile="gauge"),
]
MINE = Subject(1, "level", "gauge", "water", "river-1")


def test_of_all_that_match_the_most_precise_applies() -> None:
    # A device beats a department, that a profile; from the least precise to the most.
    order = [
        "metric",
        "profile",
        "department",
        "department-profile",
        "device",
        "device-profile",
        "device-department",
        "all",
    ]
    left = list(EVERY)
    for expected in reversed(order):
        assert [found.rule.rule for found in applying(left, MINE)] == [expected]
        left = [found for found in left if found.rule.rule != expected]
    assert applying(left, MINE) == []


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        (Subject(1, "level", "gauge", "water", "river-2"), "department-profile"),
        (Subject(1, "level", "gauge", "roads", "tunnel-1"), "profile"),
        (Subject(1, "level", "tank", "water", "tank-1"), "department"),
        (Subject(1, "level", "tank", "roads", "tank-2"), "metric"),
        (Subject(1, "flow", "gauge", "water", "river-1"), None),
    ],
)
def test_a_rule_speaks_only_of_what_it_names(subject: Subject, name: str | None) -> None:
    assert [found.rule.rule for found in applying(EVERY, subject)] == ([name] if name else [])


def test_rules_of_the_same_precision_apply_together() -> None:
    both = [version("a", profile="gauge"), version("b", profile="gauge"), version("c")]
    assert [found.rule.rule for found in applying(both, MINE)] == ["a", "b"]


@given(st.permutations(EVERY), st.integers(0, 8))
def test_the_order_in_which_rules_were_read_does_not_matter(rules: list[Version], many: int) -> None:
    some = rules[:many]
    precisions = {"metric": 0, "profile": 1, "department": 2, "department-profile": 3, "device": 4,
                  "device-profile": 5, "device-department": 6, "all": 7}  # fmt: skip
    best = max(some, key=lambda found: precisions[found.rule.rule], default=None)
    assert applying(some, MINE) == ([best] if best else [])
