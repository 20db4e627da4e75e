"""City components: their 16-digit codes, taken apart and held against a city's table of classes."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, NamedTuple

import yaml
from pydantic import Field, ValidationError, model_validator

from ingest.checks import Strict

SHIPPED = Path(__file__).parent / "components"
CODE = re.compile(r"([0-9]{6})([0-9]{2})([0-9]{2})([0-9]{6})")
PROVINCES = frozenset(
    str(number)
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 82))
    for number in range(first, last + 1)
)
"""What the code of a division may begin with (GB/T 2260)."""

Pair = Annotated[str, Field(pattern=r"^[0-9]{2}$")]


class ComponentError(ValueError):
    """A table of classes that cannot be used; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Minor(Strict):
    """A class of components."""

    name: str
    zh: str = ""


class Major(Minor):
    """A group of classes."""

    minors: dict[Pair, Minor]


class Table(Strict):
    """The classes of one city: data with a source and the days for which they hold, for cities number differently."""

    table: str
    name: str
    source: Annotated[str, Field(min_length=1)]
    valid_from: date
    valid_to: date | None = None
    admins: dict[Annotated[str, Field(pattern=r"^[0-9]{6}$")], str] = Field(
        default_factory=dict
    )  # none: every admin code is taken
    majors: Annotated[dict[Pair, Major], Field(min_length=1)]

    @model_validator(mode="after")
    def _forward(self) -> Table:
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("valid_to must come after valid_from")
        return self


class Code(NamedTuple):
    """The parts of a code."""

    admin: str  # GB/T 2260
    major: str
    minor: str
    sequence: int  # within the minor class


def parse(text: str) -> Code:
    """Take a code apart; raises ValueError with what is wrong."""
    found = CODE.fullmatch(text)
    if found is None:
        digits = text.isascii() and text.isdigit()
        raise ValueError(
            f"{text!r:.40} has {len(text)} digits, a component code has 16"
            if digits
            else f"{text!r:.40} is not 16 digits: 6 of the district, 2 major, 2 minor, 6 of the sequence"
        )
    code = Code(found[1], found[2], found[3], int(found[4]))
    if code.sequence == 0:
        raise ValueError(f"{text}: the sequence begins at 000001")
    return code


def kind_of(code: Code, table: Table) -> str:
    """The class of a component in words; raises ValueError where the table does not know it, or its district."""
    if table.admins and code.admin not in table.admins:
        raise ValueError(f"{code.admin} is no district of {table.table}: {', '.join(table.admins)}")
    if code.admin[:2] not in PROVINCES:
        raise ValueError(
            f"{code.admin} is no division: no province has the code {code.admin[:2]} (GB/T 2260)"
        )
    major = table.majors.get(code.major)
    if major is None:
        raise ValueError(f"{table.table} has no major class {code.major}; it has {', '.join(table.majors)}")
    minor = major.minors.get(code.minor)
    if minor is None:
        raise ValueError(f"{table.table} has no class {code.major}{code.minor} ({major.name})")
    return minor.name


def load(*folders: Path) -> list[Table]:
    """Read the tables of some folders; raises ComponentError."""
    return [read(path) for folder in (folders or (SHIPPED,)) for path in sorted(folder.glob("*.yaml"))]


def read(path: Path) -> Table:
    """Read one table; raises ComponentError naming the file and what was wanted."""
    try:
        return Table.model_validate(yaml.load(path.read_bytes(), yaml.CSafeLoader))
    except (OSError, yaml.YAMLError) as error:
        raise ComponentError(
            f"cannot read {path}: {error}", "name a YAML file; check quotes and indentation"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "table"
        raise ComponentError(
            f"{path}: {where}: {first['msg']}", f"see {SHIPPED} for the form; codes stand in quotes"
        ) from error


def holding(tables: list[Table], day: date) -> Table:
    """The table that holds on a day, of several the one that began last; raises ComponentError."""
    fit = [
        table
        for table in tables
        if table.valid_from <= day and (table.valid_to is None or day < table.valid_to)
    ]
    if not fit:
        raise ComponentError(
            f"no table of component classes holds on {day}",
            "add one with a valid_from before that day",
        )
    return max(fit, key=lambda table: table.valid_from)
