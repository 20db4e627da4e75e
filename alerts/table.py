"""Tables of levels: what a standard or a practice says deserves which level, as data with its source."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from alerts.rule import LEVEL_NAMES, Level, Limit, Name, Positive, Strict

SHIPPED = Path(__file__).parent / "tables"


class TableError(ValueError):
    """A table that cannot be used; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Step(Strict):
    """From where on a level or a grade holds: a number, or a mark that every station has of its own."""

    level: Level | None = None
    grade: str | None = None
    limit: float | None = None
    mark: str | None = None
    within_s: Positive | None = None  # the limit is for the sum or the change within this time
    words: str = ""
    zh: str = ""

    @property
    def name(self) -> str:
        """The level or grade."""
        return self.level or self.grade or ""

    @model_validator(mode="after")
    def _one(self) -> Step:
        if (self.level is None) == (self.grade is None):
            raise ValueError("give a level, or a grade where nobody is alarmed")
        if self.limit is None and self.mark is None and not self.words:
            raise ValueError("give a limit, a mark of the station, or words")
        return self


class Table(Strict):
    """Steps in order, the mildest first."""

    table: Name
    name: str
    source: Annotated[str, Field(min_length=1)]
    valid_from: date | None = None  # not known where the source does not say it
    valid_to: date | None = None
    unit: str | None = None
    side: Literal["above", "below"]
    steps: Annotated[list[Step], Field(min_length=1)]
    marks: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ascending(self) -> Table:
        sign = 1 if self.side == "above" else -1
        for lower, higher in pairwise(self.steps):
            if lower.level and higher.level and _rank(higher.level) <= _rank(lower.level):
                raise ValueError(f"{higher.name} stands after {lower.name}: write the mildest first")
            if lower.limit is None or higher.limit is None:
                continue
            # Within windows of different lengths it is the intensity that must grow.
            one, other = lower.limit / (lower.within_s or 1), higher.limit / (higher.within_s or 1)
            if sign * other <= sign * one:
                raise ValueError(
                    f"{higher.name} ({higher.limit:g}) must lie beyond {lower.name} ({lower.limit:g})"
                )
        unknown = [step.mark for step in self.steps if step.mark and step.mark not in self.marks]
        if unknown:
            raise ValueError(f"marks: say what {unknown[0]} is")
        if self.unit is None and any(step.limit is not None for step in self.steps):
            raise ValueError("unit: a limit means nothing without it")
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValueError("valid_to must come after valid_from")
        return self

    def limits(self, within_s: float | None = None) -> Limit:
        """The limit of each level, of one window where the table has several; raises TableError."""
        windows = sorted({step.within_s for step in self.steps if step.within_s})
        if windows and within_s not in windows:
            said = ", ".join(f"{window:g}" for window in windows)
            raise TableError(f"{self.table} has limits within {said} s", "name one of them: within_s")
        found = {
            step.level: step.limit
            for step in self.steps
            if step.level and step.limit is not None and (not windows or step.within_s == within_s)
        }
        if not found:
            raise TableError(
                f"{self.table} has no numbers for levels: they are marks of each station, or grades",
                "write the limits of the station in `for:`, or choose another table",
            )
        return found


@dataclass(frozen=True, slots=True)
class Loaded:
    """A table and the hash that names this version."""

    table: Table
    sha256: str


def load(*folders: Path) -> dict[str, Loaded]:
    """Read the tables of some folders, by name; a later folder may replace a shipped one. Raises TableError."""
    found: dict[str, Loaded] = {}
    for folder in folders or (SHIPPED,):
        for path in sorted(folder.glob("*.yaml")):
            loaded = read(path)
            found[loaded.table.table] = loaded
    return found


def read(path: Path) -> Loaded:
    """Read one table; raises TableError naming the file and what was wanted."""
    try:
        text = path.read_bytes()
        return Loaded(
            Table.model_validate(yaml.load(text, yaml.CSafeLoader)), hashlib.sha256(text).hexdigest()
        )
    except (OSError, yaml.YAMLError) as error:
        raise TableError(
            f"cannot read {path}: {error}", "name a YAML file; check quotes and indentation"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "table"
        said = first["msg"].removeprefix("Value error, ")
        raise TableError(f"{path}: {where}: {said}", f"see the tables in {SHIPPED}") from error


def filled(body: Any) -> tuple[Any, bytes]:
    """A rule's body with the limits of the table that its `thresholds` name, and what to add to its hash.

    What a rule says itself stands in place of the table's. Raises TableError.
    """
    asked = body.get("thresholds") if isinstance(body, dict) else None
    name = asked.get("table") if isinstance(asked, dict) else None
    if not isinstance(name, str) or not isinstance(asked, dict):
        return body, b""
    tables = load()
    if name not in tables:
        raise TableError(f"there is no table {name}", f"there are {', '.join(sorted(tables))}")
    table = tables[name].table
    if table.valid_to is not None and table.valid_to <= datetime.now(UTC).date():
        raise TableError(f"{name} has held until {table.valid_to}", "take the table that follows it")
    limits = table.limits(asked.get("within_s"))
    own = body.get(table.side)
    given = {**limits, **own} if isinstance(own, dict) else limits
    return {"unit": table.unit, **body, table.side: given}, tables[name].sha256.encode()


def _rank(level: str) -> int:
    return LEVEL_NAMES.index(level)
