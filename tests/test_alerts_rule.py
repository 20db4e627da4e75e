"""Rules as people write them: a mistake is named with its file and field, and the most precise rule applies."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from alerts.rule import Rule
from alerts.rulebook import SHIPPED, RuleError, Subject, Version, applying, load, read
from alerts.watch import Watches

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
    ("changes", "line", "field", "said"),
    [
        ({"rule": None}, 1, "rule", "is missing"),
        ({"title": None}, 1, "title", "is missing"),
        ({"applies_to": None}, 1, "applies_to", "is missing"),
        ({"applies_to": {}}, 3, "applies_to", "a rule that shall judge every series of the city says `everything: true`"),
        ({"applies_to": {"profile": "gauge"}}, 3, "applies_to", "name the metric that the limits are for"),
        ({"applies_to": {"everything": True, "profile": "gauge"}}, 3, "applies_to", "and nothing else"),
        ({"applies_to": {"everything": True, "metric": "level"}}, 3, "applies_to", "stands alone"),
        ({"applies_to": {"metric": "level", "zones": "x"}}, 5, "applies_to.zones", "is not known here; did you mean zone?"),
        ({"rule": "River High"}, 1, "rule", "write small letters, digits and hyphens"),
        ({"above": {"purple": 3}}, 6, "above.purple", "should be 'blue', 'yellow', 'orange' or 'red'"),
        ({"above": {"blue": 1, "red": "high"}}, 7, "above.red", "should be a valid number"),
        ({"above": {"red": float("nan")}}, 6, "above.red", "should be a finite number"),
        ({"below": {"red": float("-inf")}}, 9, "below.red", "should be a finite number"),
        ({"deadband": -1}, 8, "deadband", "should be greater than or equal to 0"),
        ({"deadband": float("inf")}, 8, "deadband", "should be a finite number"),
        ({"on_delay_s": float("inf")}, 8, "on_delay_s", "should be a finite number"),
        ({"off_delay_s": -0.5}, 8, "off_delay_s", "should be greater than or equal to 0"),
        ({"suspect_up_to": "purple"}, 8, "suspect_up_to", "should be 'none', 'blue', 'yellow', 'orange' or 'red'"),
        ({"off_delay": 5}, 8, "off_delay", "is not known here; did you mean off_delay_s?"),
        ({"mode": "silent"}, 8, "mode", "should be 'live' or 'shadow'"),
        ({"above": None}, 1, "rule", "give at least one limit: above, below, rise or fall"),
        ({"above": {"blue": 5, "red": 5}}, 5, "above", "red (5) must lie beyond blue (5)"),
        ({"above": {"red": 2, "blue": 5}}, 5, "above", "red (2) must lie beyond blue (5)"),
        ({"below": {"blue": 0, "yellow": 1}}, 8, "below", "yellow (1) must lie beyond blue (0)"),
        ({"below": {"blue": 2}}, 8, "below", "between them lies what is normal"),
        ({"rise": {"within_s": 60}}, 8, "rise", "give at least one level a limit, like orange: 0.5"),
        ({"rise": {"orange": 1}}, 8, "rise.within_s", "is missing"),
        ({"rise": {"within_s": 60, "blue": 2, "orange": 1}}, 8, "rise", "orange (1) must lie beyond blue (2)"),
        ({"rise": {"within_s": 60, "oragne": 1}}, 10, "rise.oragne", "did you mean orange?"),
        ({"rise": {"within_s": 60, "red": 1}, "fall": {"within_s": 61, "red": 1}}, 11, "fall", "give both within_s: 60"),
        ({"repeat": {"times": 1, "within_s": 60}}, 9, "repeat.times", "greater than or equal to 2"),
        ({"schedule": {"utc_offset": "8"}}, 9, "schedule.utc_offset", 'in quotes, like "+08:00"'),
        ({"schedule": {"utc_offset": 600}}, 9, "schedule.utc_offset", 'in quotes, like "+08:00"'),
        ({"schedule": {"utc_offset": "+08:00", "hours": [[8, 8]]}}, 8, "schedule", "the whole day is [0, 24]"),
        ({"schedule": {"utc_offset": "+08:00", "months": []}}, 8, "schedule", "leaves no time"),
        ({"schedule": {"utc_offset": "+08:00", "weekdays": ["mon", "someday"]}}, 12, "schedule.weekdays.1", "should be 'mon'"),
        ({"between": {"river-1": [3, 1]}}, 8, "between", "river-1: write [usual, worst], the lower value first"),
        ({"for": {"river-1": {"below": {"blue": 9}}}}, 8, "for", "river-1: with the rule's other limits, below: "),
        ({"for": {"river-1": {"abov": {"blue": 9}}}}, 10, "for.river-1.abov", "did you mean above?"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_file_line_and_field(
    tmp_path: Path, changes: dict[str, Any], line: int, field: str, said: str
) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(RuleError) as found:
        load(tmp_path)
    assert str(found.value).startswith(f"{path}:{line}: {field}: ")
    assert said in str(found.value)
    assert str(SHIPPED) in found.value.hint


def test_all_mistakes_of_a_file_are_named_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, deadband=-1, off_delay=5)
    with pytest.raises(RuleError) as found:
        load(tmp_path)
    assert [said.split(": ")[:2] for said in str(found.value).splitlines()] == [
        [f"{path}:8", "deadband"],
        [f"{path}:9", "off_delay"],
    ]


def test_a_field_that_is_written_twice_is_a_mistake(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text() + "above: {red: 9}\n")
    with pytest.raises(RuleError, match=r"river\.yaml:8: above is written twice"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "line"), [("rule: [", 1), ("rule: r\na: b: c", 2), ("\t- x", 1), ("\x00", 1)]
)
def test_what_is_no_yaml_is_said_with_file_and_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "river.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RuleError, match=f"river.yaml:{line}: not YAML: ") as found:
        load(tmp_path)
    assert found.value.hint == "check indentation, quotes and brackets"


@pytest.mark.parametrize("text", ["", "just a text", "- a\n- b", "5"])
def test_a_file_that_holds_no_rule_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "river.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RuleError, match=r"river\.yaml:1: rule: "):
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


# From the least precise to the most: a device beats a zone, that a department, that a profile.
PARTS = {"profile": "gauge", "department": "water", "zone": "harbour", "device": "river-1"}
EVERY = [
    version(
        f"rule-{place:02}",
        **{part: name for bit, (part, name) in enumerate(PARTS.items()) if place >> bit & 1},
    )
    for place in range(16)
]
MINE = Subject(1, "level", "gauge", "water", "river-1", frozenset({"harbour", "old-town"}))


def test_of_all_that_match_the_most_precise_applies() -> None:
    left = list(EVERY)
    for expected in reversed(EVERY):
        assert applying(left, MINE) == [expected]
        left.remove(expected)
    assert applying(left, MINE) == []


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        (Subject(1, "level", "gauge", "water", "river-2"), "rule-03"),
        (Subject(1, "level", "gauge", "roads", "tunnel-1"), "rule-01"),
        (Subject(1, "level", "tank", "water", "tank-1"), "rule-02"),
        (Subject(1, "level", "tank", "roads", "tank-2"), "rule-00"),
        (Subject(1, "level", "tank", "roads", "tank-2", frozenset({"harbour"})), "rule-04"),
        (Subject(1, "flow", "gauge", "water", "river-1"), None),
    ],
)
def test_a_rule_speaks_only_of_what_it_names(subject: Subject, name: str | None) -> None:
    assert [found.rule.rule for found in applying(EVERY, subject)] == ([name] if name else [])


def test_rules_of_the_same_precision_apply_together() -> None:
    both = [version("a", profile="gauge"), version("b", profile="gauge"), version("c")]
    assert [found.rule.rule for found in applying(both, MINE)] == ["a", "b"]


@given(st.permutations(EVERY), st.integers(0, 16))
def test_the_order_in_which_rules_were_read_does_not_matter(rules: list[Version], many: int) -> None:
    some = rules[:many]
    best = max(some, key=lambda found: found.rule.rule, default=None)
    assert applying(some, MINE) == ([best] if best else [])


def test_a_rule_on_trial_stands_beside_the_one_that_it_may_replace() -> None:
    live, trial = version("live"), version("trial", device="river-1")
    shadow = Version(trial.rule.model_copy(update={"mode": "shadow"}), {}, "shadow")
    assert applying([live, shadow], MINE) == [live, shadow]
    assert applying([live, trial], MINE) == [trial]


def test_a_rule_for_everything_says_so_and_speaks_of_every_metric() -> None:
    rule = Rule.model_validate({**SOUND, "applies_to": {"everything": True}})
    assert applying([Version(rule, {}, "")], Subject(1, "flow", "tank", "roads", "tank-2"))


def test_limits_in_another_unit_are_not_held_against_a_series() -> None:
    rule = Rule.model_validate({**SOUND, "unit": "m"})
    watches = Watches([Version(rule, {}, "")])
    series = [
        Subject(slot, "level", "g", "w", "d", unit=unit) for slot, unit in ((1, "m"), (2, "ft"), (3, ""))
    ]
    assert [len(watches.add(subject)) for subject in series] == [0, 1, 0]
    assert watches.count == 2
