"""Profiles: what a kind of device measures, read from YAML and checked before anything believes it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from ingest.checks import Checks, Strict
from ingest.ucum import is_unit

SHIPPED = Path(__file__).parent / "profiles"
IDENTIFIER = r"^[a-z0-9][a-z0-9-]{0,63}$"

Label = Annotated[str, Field(pattern=r"^[^*]{0,64}(\*[^*]{0,64}){0,3}$", min_length=3)]
Key = Annotated[str, Field(pattern=IDENTIFIER)]


PERSONS = ("{person}", "1")
"""The units in which people are counted."""


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
    # People: in view now, or come in or gone out since the reading before. The census counts with them.
    counts: Literal["view", "in", "out"] | None = None

    @model_validator(mode="after")
    def _counts_people(self) -> Metric:
        if self.counts is not None and self.unit not in PERSONS:
            raise ValueError(
                f"counts: {self.counts} is a number of people: write the unit as {{person}} or 1"
            )
        return self


class DerivedMetric(Metric):
    """A metric computed from another one of the same device (docs/profiles.md).

    Over `zone-area`: divided by the area of the zone that the device counts. Over `counter`: what a running counter has
    grown by since its last reading; `most_per_s` is how fast it can grow, `wraps_at` where it begins anew at 0.
    """

    source: Annotated[str, Field(alias="from")]
    over: Literal["zone-area", "counter"]
    wraps_at: Annotated[float, Field(gt=0)] | None = None
    most_per_s: Annotated[float, Field(gt=0)] | None = None
    on_reset: Literal["count", "skip"] = "count"

    @model_validator(mode="after")
    def _of_a_counter(self) -> DerivedMetric:
        said = self.model_fields_set & {"wraps_at", "most_per_s", "on_reset"}
        if self.over != "counter" and said:
            raise ValueError(f"{', '.join(sorted(said))}: only for what is derived over counter")
        if self.wraps_at is not None and self.most_per_s is None:
            raise ValueError("wraps_at needs most_per_s: without it a reset looks like going round")
        return self


class Allowance(Strict):
    """What a device of this kind may send: messages a second for ever, and `burst` of them at once."""

    messages_per_s: Annotated[float, Field(gt=0)]
    burst: Annotated[float, Field(ge=1)]


# What any device may have, whatever its profile says: an edge agent's own health, what its platform says of it, and
# what the hub finds of it.
EDGE_METRICS = {
    "edge-waiting": Metric(
        unit="1", quantity="batches in the edge journal, not yet committed", interval_s=60
    ),
    "edge-damaged": Metric(
        unit="1", quantity="accepted batches that the edge journal has lost", interval_s=60
    ),
    "edge-dropped": Metric(unit="1", quantity="readings dropped because the journal was full", interval_s=60),
    "edge-rejected": Metric(
        unit="1", quantity="frames that the edge's drivers could not take", interval_s=60
    ),
    "edge-suppressed": Metric(
        unit="1", quantity="readings that report by exception has held back", interval_s=60
    ),
    "edge-drivers-failed": Metric(
        unit="1", quantity="drivers of the edge that cannot run and are tried again", interval_s=60
    ),
    "edge-links": Metric(unit="1", quantity="links of the field that are open", interval_s=60),
    "edge-disk-free": Metric(unit="MB", quantity="room on the disk under the edge journal", interval_s=60),
    "edge-memory": Metric(unit="MB", quantity="resident memory of the edge agent", interval_s=60),
    "edge-cpu": Metric(unit="%", quantity="work of the edge agent, of one core", interval_s=60),
    "edge-clock-synchronised": Metric(
        unit="1", quantity="whether the gateway's clock is kept right (1) or not (0)", interval_s=60
    ),
    "edge-clock-offset": Metric(
        unit="s", quantity="what the gateway's clock is still to be corrected by", interval_s=60
    ),
    "online": Metric(
        unit="1", quantity="whether its platform says that it is there (1) or not (0)", interval_s=86_400
    ),
}
HUB_METRICS = {
    "over-quota": Metric(unit="1", quantity="messages beyond the quota, refused", interval_s=10),
    "clock-apart": Metric(
        unit="s", quantity="how far its clock is off, while its counts are left out for it", interval_s=10
    ),
}


class Profile(Strict):
    """A kind of device."""

    profile: Key
    name: str
    version: Annotated[int, Field(ge=1)] = 1  # counted up with every change of what the file says
    metrics: dict[Key, Metric]
    derived: dict[Key, DerivedMetric] = Field(default_factory=dict)
    quota: Allowance | None = None
    # What stands on the labels of such devices, * for anything and ? for one character; see ingest/label.py.
    labels: Annotated[list[Label], Field(max_length=50)] = Field(default_factory=list)
    codec: str | None = None  # how the bytes of its LoRaWAN uplinks are read

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
            if name in self.metrics:
                raise ValueError(f"derived.{name}: the device measures {name} itself")
        sources = [derived.source for derived in self.derived.values()]
        if len(sources) > len(set(sources)):
            raise ValueError("derived: two of them come from the same metric")
        counted = [metric.counts for metric in (self.metrics | self.derived).values() if metric.counts]
        if len(counted) > len(set(counted)):
            raise ValueError(
                "counts: two metrics count the same, and whoever is counted twice is added twice"
            )
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
        body = yaml.load(text, yaml.CSafeLoader)
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
