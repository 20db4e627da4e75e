"""Rules: thresholds as data, read from YAML, each version named by its hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

SHIPPED = Path(__file__).parent / "rules"
IDENTIFIER = r"^[a-z0-9][a-z0-9-]{0,63}$"

Level = Literal["blue", "yellow", "orange", "red"]
LEVEL_NAMES: tuple[str, ...] = ("normal", "blue", "yellow", "orange", "red")


class RuleError(ValueError):
    """A rule that cannot be used; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Scope(_Strict):
    """Which series a rule speaks of: all that match what is given."""

    metric: str | None = None
    profile: str | None = None
    department: str | None = None
    device: str | None = None

    @property
    def precision(self) -> int:
        """The more is given, the more precise; a device beats a department, that a profile."""
        return 4 * (self.device is not None) + 2 * (self.department is not None) + (self.profile is not None)


class Selector(Scope):
    """A scope within one metric: a threshold means something only in its unit."""

    metric: str


class Rule(_Strict):
    """Up to four levels above and below, in the metric's unit."""

    rule: Annotated[str, Field(pattern=IDENTIFIER)]
    title: str
    source: str | None = None
    applies_to: Selector
    above: dict[Level, float] = {}
    below: dict[Level, float] = {}
    deadband: Annotated[float, Field(ge=0)] = 0
    on_delay_s: Annotated[float, Field(ge=0)] = 0
    off_delay_s: Annotated[float, Field(ge=0)] = 0
    suspect_up_to: Literal["none", "blue", "yellow", "orange", "red"] = "orange"

    @model_validator(mode="after")
    def _in_order(self) -> Rule:
        if not self.above and not self.below:
            raise ValueError("give at least one threshold, above or below")
        for side, sign in (("above", 1), ("below", -1)):
            given = [(name, getattr(self, side)[name]) for name in LEVEL_NAMES if name in getattr(self, side)]
            for (lower, first), (higher, second) in pairwise(given):
                if sign * second <= sign * first:
                    raise ValueError(f"{side}: {higher} ({second:g}) must lie beyond {lower} ({first:g})")
        if self.above and self.below and min(self.above.values()) <= max(self.below.values()):
            raise ValueError("above must begin higher than below: between them lies what is normal")
        return self


class NoData(_Strict):
    """A series that says nothing for so many of its intervals, and for so long at least."""

    kind: Literal["no_data"]
    rule: Annotated[str, Field(pattern=IDENTIFIER)]
    title: str
    source: str | None = None
    applies_to: Scope = Scope()
    level: Level = "blue"
    after_intervals: Annotated[float, Field(ge=1)] = 3
    after_s: Annotated[float, Field(ge=1)] = 60


@dataclass(frozen=True, slots=True, eq=False)  # one is looked for among all, for every series
class Version:
    """A rule as it was written, and the hash that names it."""

    rule: Rule | NoData
    body: dict[str, Any]
    sha256: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule may know of a series."""

    slot: int
    metric: str
    profile: str
    department: str
    device: str


def load(*folders: Path) -> list[Version]:
    """Read every rule of the folders; raises RuleError naming the file and what was wanted."""
    versions: dict[str, Version] = {}
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


def read(path: Path) -> Version:
    """Read one rule."""
    text = path.read_bytes()
    try:
        body = yaml.safe_load(text)
        kind = NoData if isinstance(body, dict) and body.get("kind") == "no_data" else Rule
        rule = kind.model_validate(body)
    except yaml.YAMLError as error:
        raise RuleError(f"{path}: not YAML: {error}", "check indentation and quotes") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "rule"
        raise RuleError(
            f"{path}: {where}: {first['msg']}", f"see the rules in {SHIPPED} for the form"
        ) from error
    return Version(rule, body, hashlib.sha256(text).hexdigest())


def applying(versions: list[Version], subject: Subject) -> list[Version]:
    """The rules for one series: of all that match, the most precise."""
    matching = [
        version
        for version in versions
        if all(
            wanted is None or wanted == having
            for wanted, having in (
                (version.rule.applies_to.metric, subject.metric),
                (version.rule.applies_to.profile, subject.profile),
                (version.rule.applies_to.department, subject.department),
                (version.rule.applies_to.device, subject.device),
            )
        )
    ]
    best = max((version.rule.applies_to.precision for version in matching), default=0)
    return [version for version in matching if version.rule.applies_to.precision == best]
