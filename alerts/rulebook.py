"""The rule book: rules read from YAML, each version named by its hash, and which of them apply to a series."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from alerts import table
from alerts.rule import Change, NoData, Own, Repeat, Rule, Schedule, Selector, Strict, Thresholds
from alerts.table import TableError

SHIPPED = Path(__file__).parent / "rules"

FORMS: dict[str, type[Strict]] = {
    "applies_to": Selector,
    "rise": Change,
    "fall": Change,
    "repeat": Repeat,
    "schedule": Schedule,
    "thresholds": Thresholds,
}
"""By field of a rule, the form of what is written there."""


class RuleError(ValueError):
    """A rule that cannot be used; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True, eq=False)  # one is looked for among all, for every series
class Version:
    """A rule as it was written, and the hash that names it."""

    rule: Rule
    body: dict[str, Any]
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class NoDataVersion:
    """The same of a rule about silence."""

    rule: NoData
    body: dict[str, Any]
    sha256: str


AnyVersion = Version | NoDataVersion
V = TypeVar("V", Version, NoDataVersion)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule may know of a series; `zones` are those that its device stands in and the one it speaks of."""

    slot: int
    metric: str
    profile: str
    department: str
    device: str
    zones: frozenset[str] = frozenset()
    unit: str = ""
    datum: str = ""  # what its readings count from; "" is not known


def load(*folders: Path) -> list[AnyVersion]:
    """Read every rule of the folders; raises RuleError naming the file, the line and what was wanted."""
    versions: dict[str, AnyVersion] = {}
    for folder in folders:
        if not folder.is_dir():
            raise RuleError(f"{folder} is no folder", "name the folder that holds your rules (*.yaml)")
        here: dict[str, Path] = {}
        for path in sorted(folder.glob("*.yaml")):
            version = read(path)
            name = version.rule.rule
            if name in here:
                raise RuleError(f"{path}: rule: {here[name]} has the name {name} too", "give it another name")
            here[name] = path
            versions[name] = version  # a later folder may replace a shipped rule by its name
    return list(versions.values())


def read(path: Path) -> AnyVersion:
    """Read one rule; raises RuleError with a line for each mistake."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise RuleError(
            f"cannot read {path}: {error.strerror}", "check the path and its permissions"
        ) from error
    try:
        tree = yaml.compose(text, yaml.SafeLoader)
        twice = _written_twice(tree)
        if twice is not None:
            line, key = twice
            raise RuleError(f"{path}:{line}: {key} is written twice", "leave one of them")
        body = yaml.safe_load(text)
        if isinstance(body, dict) and "kind" in body:
            return NoDataVersion(NoData.model_validate(body), body, hashlib.sha256(text).hexdigest())
        body, more = table.filled(body)
        rule = Rule.model_validate(body)
    except TableError as error:
        raise RuleError(f"{path}:{_line(tree, ('thresholds',))}: thresholds: {error}", error.hint) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RuleError(
            f"{path}:{line}: not YAML: {problem}", "check indentation, quotes and brackets"
        ) from error
    except ValidationError as error:
        faults = [
            f"{path}:{_line(tree, fault['loc'])}: {_place(fault['loc'])}: {_said(fault)}"
            for fault in error.errors()
        ]
        raise RuleError(
            "\n".join(faults), f"see docs/rules.md, and the rules in {SHIPPED}, for the form"
        ) from error
    # A changed table is a changed rule.
    return Version(rule, body, hashlib.sha256(text + more).hexdigest())


def read_limits(path: Path) -> Version:
    """Read one rule that judges values; raises RuleError."""
    version = read(path)
    if isinstance(version, NoDataVersion):
        raise RuleError(f"{path} is about silence and judges no values", "name a rule that has limits")
    return version


def with_limits(versions: Iterable[AnyVersion]) -> list[Version]:
    """Those that judge values."""
    return [version for version in versions if isinstance(version, Version)]


def matches(rule: Rule | NoData, subject: Subject) -> bool:
    """Whether a rule speaks of a series at all."""
    asked = rule.applies_to
    return (
        asked.metric in {None, subject.metric}
        and asked.profile in {None, subject.profile}
        and asked.department in {None, subject.department}
        and asked.device in {None, subject.device}
        and (asked.zone is None or asked.zone in subject.zones)
        and (isinstance(rule, NoData) or rule.between is None or subject.device in rule.between)
    )


def applying(versions: list[V], subject: Subject) -> list[V]:
    """The rules for one series: of all that match the most precise, and apart from them the same of those in shadow.

    A rule on trial must not take the place of one that people rely on.
    """
    found: list[V] = []
    for mode in ("live", "shadow"):
        matching = [
            version for version in versions if version.rule.mode == mode and matches(version.rule, subject)
        ]
        best = max((version.rule.applies_to.precision for version in matching), default=0)
        found += [version for version in matching if version.rule.applies_to.precision == best]
    return found


def _said(fault: ErrorDetails) -> str:
    """A fault in words: what was wanted."""
    if fault["type"] == "missing":
        return "is missing"
    if fault["type"] == "extra_forbidden":
        *parents, name = [str(part) for part in fault["loc"]]
        form = FORMS.get(parents[-1], Own) if parents else Rule
        known = [field.alias or key for key, field in form.model_fields.items()]
        close = difflib.get_close_matches(name, known, 1)
        return "is not known here; " + (
            f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
        )
    if fault["type"] == "string_pattern_mismatch":
        return "write small letters, digits and hyphens, like river-stage"
    return fault["msg"].removeprefix("Value error, ").removeprefix("Input ")


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc if part != "[key]") or "rule"


def _line(tree: yaml.Node | None, loc: tuple[int | str, ...]) -> int:
    """The line of what a fault speaks of, or of the nearest thing around it that is written."""
    line = 1
    for part in loc:
        if isinstance(tree, yaml.MappingNode):
            pair = next(((key, value) for key, value in tree.value if key.value == str(part)), None)
            if pair is None:
                break
            line, tree = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(tree, yaml.SequenceNode) and isinstance(part, int) and part < len(tree.value):
            tree = tree.value[part]
            line = tree.start_mark.line + 1
        else:
            break
    return line


def _written_twice(node: yaml.Node | None) -> tuple[int, str] | None:
    """The first key that a mapping holds twice: YAML would take the last one and say nothing."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                return key.start_mark.line + 1, str(key.value)
            seen.add(str(key.value))
            found = _written_twice(value)
            if found:
                return found
    if isinstance(node, yaml.SequenceNode):
        return next((found for item in node.value if (found := _written_twice(item))), None)
    return None
