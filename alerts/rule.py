"""The form of a rule: what it applies to, its limits by level, its delays, window, repeats and schedule."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from alerts.checks.trail import MOST_TIMES

IDENTIFIER = r"^[a-z0-9][a-z0-9-]{0,63}$"
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)

Level = Literal["blue", "yellow", "orange", "red"]
LEVEL_NAMES: tuple[str, ...] = ("normal", "blue", "yellow", "orange", "red")
NUMERALS: tuple[str, ...] = ("", "IV", "III", "II", "I")
"""By level, as people are shown it."""

Name = Annotated[str, Field(pattern=IDENTIFIER)]
Positive = Annotated[float, Field(gt=0)]
Limit = dict[Level, float]
Scales = dict[Name, tuple[float, float]]
Hour = Annotated[int, Field(ge=0, le=24)]


Of = Literal["value", "anomaly"]


class Strict(BaseModel):
    """Unknown fields and infinite numbers are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Scope(Strict):
    """Which series a rule speaks of: all that match what is given."""

    metric: str | None = None
    profile: str | None = None
    department: str | None = None
    zone: str | None = None
    device: str | None = None

    @property
    def precision(self) -> int:
        """The more is given, the more precise; a device beats a zone, that a department, that a profile."""
        named = (self.profile, self.department, self.zone, self.device)
        return sum(1 << place for place, given in enumerate(named) if given is not None)


class Selector(Scope):
    """A scope within one metric: a limit means something only in its unit."""

    everything: bool = False

    @model_validator(mode="after")
    def _meant(self) -> Selector:
        if self.metric is None and not (self.everything and self.precision == 0):
            raise ValueError(
                "name the metric that the limits are for; a rule that shall judge every series of the city"
                " says `everything: true` and nothing else"
            )
        if self.metric is not None and self.everything:
            raise ValueError("everything: true stands alone; leave it out, or leave out the metric")
        return self


class Change(Strict):
    """How much a value may rise or fall within a window, by level, in the metric's unit."""

    within_s: Positive
    beyond: float | None = None
    """A rise counts only where the value is at or above this, a fall only at or below it."""
    blue: Positive | None = None
    yellow: Positive | None = None
    orange: Positive | None = None
    red: Positive | None = None

    @property
    def limits(self) -> Limit:
        """The limit of each level that has one."""
        return {name: limit for name in LEVEL_NAMES[1:] if (limit := getattr(self, name)) is not None}  # type: ignore[misc]

    @model_validator(mode="after")
    def _in_order(self) -> Change:
        if not self.limits:
            raise ValueError("give at least one level a limit, like orange: 0.5")
        _ascend(self.limits, 1)
        return self


class Repeat(Strict):
    """A condition counts when it has come `times` times within the window."""

    times: Annotated[int, Field(ge=2, le=MOST_TIMES)]
    within_s: Positive


class Schedule(Strict):
    """When the rule is open, on a clock of one fixed offset; outside no condition is met."""

    utc_offset: str
    hours: list[tuple[Hour, Hour]] = [(0, 24)]
    weekdays: list[Weekday] = list(WEEKDAYS)
    months: list[Annotated[int, Field(ge=1, le=12)]] = list(range(1, 13))

    @property
    def offset_s(self) -> int:
        """The offset in seconds."""
        hours, minutes = self.utc_offset[1:].split(":")
        return (-1 if self.utc_offset[0] == "-" else 1) * (int(hours) * 3600 + int(minutes) * 60)

    @field_validator("utc_offset", mode="before")
    @classmethod
    def _an_offset(cls, given: Any) -> Any:
        if not isinstance(given, str) or not re.fullmatch(r"[+-](0\d|1[0-4]):[0-5]\d", given):
            raise ValueError('write the offset of the local clock in quotes, like "+08:00"')
        return given

    @model_validator(mode="after")
    def _opens(self) -> Schedule:
        if not (self.hours and self.weekdays and self.months):
            raise ValueError("an empty list leaves no time at which the rule is open; leave the field out")
        for first, end in self.hours:
            if first == end:
                raise ValueError(
                    f"hours: [{first}, {end}] is no time; write [from, to], the whole day is [0, 24]"
                )
        return self


class Thresholds(Strict):
    """Where the limits come from: a table of levels, and of its windows one."""

    table: Name
    within_s: Positive | None = None


class Limits(Strict):
    """The limits of a series, in the metric's unit, or as shares where the rule says `between`."""

    above: Limit = {}
    below: Limit = {}
    rise: Change | None = None
    fall: Change | None = None
    deadband: Annotated[float, Field(ge=0)] = 0

    @field_validator("above", "below")
    @classmethod
    def _in_order(cls, given: Limit, info: ValidationInfo) -> Limit:
        _ascend(given, -1 if info.field_name == "below" else 1)
        above = info.data.get("above")
        if info.field_name == "below" and given and above and min(above.values()) <= max(given.values()):
            raise ValueError("must end lower than above begins: between them lies what is normal")
        return given

    @field_validator("fall")
    @classmethod
    def _one_window(cls, given: Change | None, info: ValidationInfo) -> Change | None:
        rise = info.data.get("rise")
        if given and rise and given.within_s != rise.within_s:
            raise ValueError(
                f"rise and fall look back over one window: give both within_s: {rise.within_s:g}"
            )
        return given


class Own(Limits):
    """Limits of a single device: what is given stands in place of the rule's own."""


class Rule(Limits):
    """Up to four levels above and below, and of rise and fall."""

    rule: Name
    title: str
    source: str | None = None
    mode: Literal["live", "shadow"] = "live"
    of: Of = "value"
    """What the limits are for: the value, or its anomaly score from 0 to 1."""
    applies_to: Selector
    thresholds: Thresholds | None = None
    """The table that above or below were taken from; what a rule writes itself stands in place of it."""
    unit: str | None = None
    """UCUM; a series in another unit is not judged."""
    datum: Name | None = None
    """What levels are counted from, as the registry names it; a series that counts from anything else is not judged."""
    between: Scales | None = None
    """By device, the values that stand for 0 and 1: every limit is then a share of the way from one to the other."""
    single: Annotated[dict[Name, Own], Field(alias="for")] = {}
    """By device, limits that stand in place of the rule's own."""
    on_delay_s: Annotated[float, Field(ge=0)] = 0
    off_delay_s: Annotated[float, Field(ge=0)] = 0
    repeat: Repeat | None = None
    schedule: Schedule | None = None
    suspect_up_to: Literal["none", "blue", "yellow", "orange", "red"] = "orange"

    @field_validator("between")
    @classmethod
    def _upward(cls, given: Scales | None) -> Scales | None:
        for device, (usual, worst) in (given or {}).items():
            if not usual < worst:
                raise ValueError(f"{device}: write [usual, worst], the lower value first")
        return given

    @field_validator("single")
    @classmethod
    def _fits(cls, given: dict[str, Own], info: ValidationInfo) -> dict[str, Own]:
        for device, own in given.items():
            try:
                _merged(info.data, own)
            except ValidationError as error:
                fault = error.errors()[0]
                said = fault["msg"].removeprefix("Value error, ")
                raise ValueError(
                    f"{device}: with the rule's other limits, {fault['loc'][0]}: {said}"
                ) from error
        return given

    @model_validator(mode="after")
    def _limited(self) -> Rule:
        if not (self.above or self.below or self.rise or self.fall or self.single):
            raise ValueError("give at least one limit: above, below, rise or fall")
        return self

    def limits_of(self, device: str | None) -> Limits:
        """The limits for a device: its own where `for` names them, else the rule's."""
        return _merged(self.__dict__, self.single.get(device or "", Own()))

    def speaks_of_unit(self, unit: str) -> bool:
        """Whether the limits mean something for values in this unit; "" is not known."""
        return self.of == "anomaly" or self.unit is None or unit in {"", self.unit}

    def refuses(self, unit: str, datum: str) -> str:
        """Why the limits mean nothing for a series in this unit and datum ("": not known); "" where they do."""
        if not self.speaks_of_unit(unit):
            return f"measured in {unit}, the rule speaks of {self.unit}"
        if self.of == "value" and self.datum is not None and self.datum != datum:
            return f"its zero is {datum or 'of a datum that nobody has said'}, the rule's limits are in {self.datum}"
        return ""


class NoData(Strict):
    """A series that says nothing for so many of its intervals, and for so long at least."""

    kind: Literal["no_data"]
    rule: Name
    title: str
    source: str | None = None
    mode: Literal["live"] = "live"
    applies_to: Scope = Scope()
    level: Level = "blue"
    after_intervals: Annotated[float, Field(ge=1)] = 3
    after_s: Annotated[float, Field(ge=1)] = 60


def _merged(rule: dict[str, Any], own: Own) -> Limits:
    """A rule's limits with a device's own in their place; raises ValidationError where they make no sense together."""
    given = {name: rule[name] for name in Limits.model_fields if name in rule}
    return Limits.model_validate({**given, **{name: getattr(own, name) for name in own.model_fields_set}})


def _ascend(limits: Limit, sign: int) -> None:
    """Refuse limits that do not grow with the level; raises ValueError."""
    given = [(name, limits[name]) for name in LEVEL_NAMES if name in limits]
    for (lower, first), (higher, second) in pairwise(given):
        if sign * second <= sign * first:
            raise ValueError(f"{higher} ({second:g}) must lie beyond {lower} ({first:g})")
