"""Checks: what a profile may ask of a metric's readings, each named as IOOS QARTOD names it (docs/checks/quality.md)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

Span = tuple[float, float]
Month = Annotated[int, Field(ge=1, le=12)]
Hour = Annotated[int, Field(ge=0, le=23)]
Positive = Annotated[float, Field(gt=0)]
Model = TypeVar("Model", bound="Strict")


class Strict(BaseModel):
    """Nothing unknown, nothing changed afterwards, no infinities."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Bounds(Strict):
    """Outside `fail` a value fails, outside `suspect` it is suspect."""

    fail: Span | None = None
    suspect: Span | None = None

    @model_validator(mode="after")
    def _nested(self) -> Bounds:
        fail = self.fail or self.suspect
        if fail is None:
            raise ValueError("give fail or suspect, each [low, high]")
        low, high = self.suspect or fail
        if not (self.fail is None or self.fail[0] <= low < high <= self.fail[1]) or not low < high:
            raise ValueError("write [low, high] with suspect inside fail")
        return self


class GrossRange(Bounds):
    """Outside `fail` the sensor cannot measure, outside `suspect` nobody has seen it."""

    fail: Span


class Spike(Strict):
    """How far a reading may lie outside the span of the two before it, in the metric's unit."""

    suspect: Positive
    fail: Positive | None = None
    within_s: Positive | None = None  # older ones say nothing

    @model_validator(mode="after")
    def _in_order(self) -> Spike:
        return _ordered(self, "fail", self.fail, "suspect", self.suspect)


class RateOfChange(Strict):
    """The greatest change in units per second."""

    per_s: Positive
    fail_per_s: Positive | None = None

    @model_validator(mode="after")
    def _in_order(self) -> RateOfChange:
        return _ordered(self, "fail_per_s", self.fail_per_s, "per_s", self.per_s)


class FlatLine(Strict):
    """How long readings may stay within less than a tolerance of each other."""

    tolerance: Positive
    suspect_s: Positive
    fail_s: Positive | None = None

    @model_validator(mode="after")
    def _in_order(self) -> FlatLine:
        return _ordered(self, "fail_s", self.fail_s, "suspect_s", self.suspect_s)


class AttenuatedSignal(Strict):
    """The least that readings must vary in a window of time, highest less lowest."""

    window_s: Positive
    suspect: Positive
    fail: Positive | None = None

    @model_validator(mode="after")
    def _in_order(self) -> AttenuatedSignal:
        if self.fail is None:
            return self
        return _ordered(self, "suspect", self.suspect, "fail", self.fail)


class Season(Bounds):
    """What is usual in some months, some hours, or both; [11, 2] goes around the end of the year."""

    months: tuple[Month, Month] | None = None
    hours: tuple[Hour, Hour] | None = None

    @model_validator(mode="after")
    def _limited(self) -> Season:
        if self.months is None and self.hours is None:
            raise ValueError("give months or hours; what holds always is a gross_range")
        return self


class Climatology(Strict):
    """What is usual by month and hour, counted by a clock that many hours ahead of UTC."""

    spans: Annotated[tuple[Season, ...], Field(min_length=1)]
    utc_offset_h: Annotated[float, Field(ge=-14, le=14)] = 0


class Gap(Strict):
    """How long a series may be silent; the reading that ends a longer silence is flagged."""

    suspect_s: Positive | None = None
    fail_s: Positive | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Gap:
        if self.suspect_s is None and self.fail_s is None:
            raise ValueError("give suspect_s or fail_s")
        if self.suspect_s is None:
            return self
        return _ordered(self, "fail_s", self.fail_s, "suspect_s", self.suspect_s)


class Band(Bounds):
    """While the other metric lies within `when`, these bounds hold."""

    when: Span


class MultiVariate(Strict):
    """A range that depends on another metric of the same device; of bands that overlap the first one holds."""

    other: Annotated[str, Field(alias="with")]
    max_age_s: Positive
    ranges: Annotated[tuple[Band, ...], Field(min_length=1)]


class Checks(Strict):
    """The quality checks of one metric."""

    gross_range: GrossRange | None = None
    spike: Spike | None = None
    rate_of_change: RateOfChange | None = None
    flat_line: FlatLine | None = None
    attenuated_signal: AttenuatedSignal | None = None
    climatology: Climatology | None = None
    gap: Gap | None = None
    duplicate_time: Literal["suspect", "fail"] | None = None
    multivariate: MultiVariate | None = None


def _ordered(model: Model, above: str, high: float | None, below: str, low: float) -> Model:
    if high is not None and high <= low:
        raise ValueError(f"{above} ({high:g}) must be more than {below} ({low:g})")
    return model
