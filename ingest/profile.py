"""Profiles: what a kind of device measures, read from YAML and checked before anything believes it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

SHIPPED = Path(__file__).parent / "profiles"
IDENTIFIER = r"^[a-z0-9][a-z0-9-]{0,63}$"

Key = Annotated[str, Field(pattern=IDENTIFIER)]
Span = tuple[float, float]


class ProfileError(ValueError):
    """A profile that cannot be used; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GrossRange(_Strict):
    """QARTOD gross range: outside `fail` the sensor cannot measure, outside `suspect` nobody has seen it."""

    fail: Span
    suspect: Span | None = None

    @model_validator(mode="after")
    def _nested(self) -> GrossRange:
        low, high = self.suspect or self.fail
        if not self.fail[0] <= low < high <= self.fail[1]:
            raise ValueError("write [low, high] with suspect inside fail")
        return self


class RateOfChange(_Strict):
    """QARTOD rate of change: a faster change than this, in units per second, is suspect."""

    per_s: Annotated[float, Field(gt=0)]


class Checks(_Strict):
    """The quality checks of one metric."""

    gross_range: GrossRange | None = None
    rate_of_change: RateOfChange | None = None


class Metric(_Strict):
    """One thing that the device measures."""

    unit: str
    quantity: str
    interval_s: Annotated[float, Field(gt=0)]
    checks: Checks = Checks()
    forecast: bool = False  # look ahead for where it goes: levels, counts


class DerivedMetric(Metric):
    """A metric computed from another one of the same device."""

    source: Annotated[str, Field(alias="from")]
    over: Annotated[str, Field(pattern="^zone-area$")]


class Allowance(_Strict):
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


class Profile(_Strict):
    """A kind of device."""

    profile: Key
    name: str
    metrics: dict[Key, Metric]
    derived: dict[Key, DerivedMetric] = {}
    quota: Allowance | None = None

    def metric(self, name: str) -> Metric | None:
        """What this name means on a device of this kind."""
        return (
            self.metrics.get(name)
            or self.derived.get(name)
            or EDGE_METRICS.get(name)
            or HUB_METRICS.get(name)
        )

    @property
    def all_checks(self) -> dict[str, Any]:
        """The checks of every metric, as they are written."""
        return {
            name: metric.checks.model_dump(mode="json", exclude_none=True)
            for name, metric in (self.metrics | self.derived).items()
        }

    @model_validator(mode="after")
    def _sources_exist(self) -> Profile:
        for name, metric in self.derived.items():
            if metric.source not in self.metrics:
                raise ValueError(
                    f"derived.{name}.from names {metric.source}, which the profile does not measure"
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
    return Loaded(profile, body, hashlib.sha256(text).hexdigest())
