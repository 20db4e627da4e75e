"""Profiles: what a kind of device measures, read from YAML and checked before anything believes it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, model_validator

from ingest.checks import Checks, Strict
from ingest.ucum import is_unit

SHIPPED = Path(__file__).parent / "profiles"
IDENTIFIER = r"^[a-z0-9][a-z0-9-]{0,63}$"

Key = Annotated[str, Field(pattern=IDENTIFIER)]


class ProfileError(ValueError):
    """A profile that cannot be used; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Metric(Strict):
    """One thing that the device measures."""

    unit: str
    quantity: str
    interval_s: Annotated[float, Field(gt=0)]
    resolution: Annotated[float, Field(gt=0)] | None = (
        None  # the smallest step that the sensor tells, in the unit
    )
    checks: Checks = Checks()
    table: Key | None = None  # the table of levels that a standard or a practice gives for it (alerts/tables)
    forecast: bool = False  # look ahead for where it goes: levels, counts


class DerivedMetric(Metric):
    """A metric computed from another one of the same device."""

    source: Annotated[str, Field(alias="from")]
    over: Annotated[str, Field(pattern="^zone-area$")]


class Allowance(Strict):
    """What a device of this kind may send: messages a second for ever, and `burst` of them at once."""

    messages_per_s: Annotated[float, Field(gt=0)]
    burst: Annotated[float, Field(ge=1)]


# What any device has, whatever its profile says: an edge agent's own health, and what the hub finds of a device.
EDGE_METRICS = {
    "edge-waiting": Metric(
        unit="1", quantity="batches in the edge journal, not yet committed", interval_s=60
    ),
    "edge-damaged": Metric(
        unit="1", quantity="accepted batches that the edge journal has lost", interval_s=60
    ),
    "edge-dropped": Metric(unit="1", quantity="readings dropped because the journal was full", interval_s=60),
}
HUB_METRICS = {
    "over-quota": Metric(unit="1", quantity="messages beyond the quota, refused", interval_s=10),
}


class Profile(Strict):
    """A kind of device."""

    profile: Key
    name: str
    version: Annotated[int, Field(ge=1)] = 1  # counted up with every change of what the file says
    metrics: dict[Key, Metric]
    derived: dict[Key, DerivedMetric] = Field(default_factory=dict)
    quota: Allowance | None = None

    @property
    def all_metrics(self) -> dict[str, Metric]:
        """Everything that a device of this kind may have, by name."""
        return {**HUB_METRICS, **EDGE_METRICS, **self.derived, **self.metrics}

    def metric(self, name: str) -> Metric | None:
        """What this name means on a device of this kind."""
        return self.all_metrics.get(name)

    @property
    def all_checks(self) -> dict[str, Any]:
        """The checks of every metric, as they are written."""
        return {
            name: metric.checks.model_dump(mode="json", exclude_none=True)
            for name, metric in (self.metrics | self.derived).items()
        }

    @model_validator(mode="after")
    def _names_exist(self) -> Profile:
        for name, derived in self.derived.items():
            if derived.source not in self.metrics:
                raise ValueError(
                    f"derived.{name}.from names {derived.source}, which the profile does not measure"
                )
            if derived.checks.multivariate is not None:
                raise ValueError(f"derived.{name}: a derived metric has no multivariate check")
        for name, metric in self.metrics.items():
            several = metric.checks.multivariate
            if several is not None and (several.other not in self.metrics or several.other == name):
                raise ValueError(
                    f"metrics.{name}.checks.multivariate.with names {several.other}, which is no other metric here"
                )
        return self


@dataclass(frozen=True, slots=True)
class Loaded:
    """A profile with its written form and the hash that names this version."""

    profile: Profile
    body: dict[str, Any]
    sha256: str


def load(folder: Path = SHIPPED) -> list[Loaded]:
    """Read every profile of a folder; raises ProfileError naming the file and what was wanted."""
    return [read(path) for path in sorted(folder.glob("*.yaml"))]


def read(path: Path) -> Loaded:
    """Read one profile."""
    text = path.read_bytes()
    try:
        body = yaml.safe_load(text)
        profile = Profile.model_validate(body)
    except yaml.YAMLError as error:
        raise ProfileError(f"{path}: not YAML: {error}", "check indentation and quotes") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "profile"
        raise ProfileError(
            f"{path}: {where}: {first['msg']}", f"see the profiles in {SHIPPED} for the form"
        ) from error
    for name, metric in (profile.metrics | profile.derived).items():
        if not is_unit(metric.unit):
            raise ProfileError(
                f"{path}: metrics.{name}.unit: {metric.unit!r:.40} is no unit of UCUM",
                "write it like m, mm, m3/s, ug/m3, Cel, dB[SPL], {person}, 1",
            )
    return Loaded(profile, body, hashlib.sha256(text).hexdigest())
