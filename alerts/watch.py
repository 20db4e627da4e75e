"""The watch: rules bound to series, fed with rows, answering with events."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from alerts.checks.threshold import EVENT, LEVELS, STATE_FIELDS, WATCH, observe
from alerts.rule import LEVEL_NAMES, NoData, Rule, Subject, Version, applying
from edge.reading import Rows

SAVED = np.dtype(
    [
        ("sha256", "S64"),
        ("series", "i4"),
        *((name, WATCH[name].base, WATCH[name].shape) for name in STATE_FIELDS),
    ]
)


class Watches:
    """Every rule on every series that it applies to, and where each stands."""

    def __init__(self, versions: list[Version]) -> None:
        self.versions = [version for version in versions if isinstance(version.rule, Rule)]
        self.watches: NDArray[Any] = np.zeros(64, WATCH)
        self.count = 0
        self._first: NDArray[np.int32] = np.full(1, -1, np.int32)
        self._most = 1  # watches on one series

    def add(self, subject: Subject) -> None:
        """Bind the rules that apply to a series that is new here."""
        if len(self._first) <= subject.slot:
            room = max(subject.slot + 1, 2 * len(self._first)) - len(self._first)
            self._first = np.pad(self._first, (0, room), constant_values=-1)
        versions = applying(self.versions, subject)
        self._most = max(self._most, len(versions))
        for version in versions:
            if self.count == len(self.watches):
                self.watches = np.concatenate([self.watches, np.zeros(self.count, WATCH)])
            self.watches[self.count] = _bound(
                version, self.versions.index(version), subject.slot, self._first[subject.slot]
            )
            self._first[subject.slot] = self.count
            self.count += 1

    def observe(self, rows: Rows, newer: NDArray[np.bool_], late: NDArray[np.bool_]) -> NDArray[Any]:
        """Feed rows; returns an array of EVENT."""
        events = np.empty(len(rows) * self._most, EVENT)
        found = observe(
            rows["series"],
            rows["time"],
            rows["value"],
            rows["flag"],
            newer,
            late,
            self._first,
            self.watches,
            events,
        )
        return events[:found]

    def rule_of(self, watch: int) -> Version:
        """The rule version behind an event."""
        return self.versions[int(self.watches["rule"][watch])]

    def state(self) -> NDArray[Any]:
        """What each watch remembers, with its series and rule hash, to be saved."""
        saved = np.zeros(self.count, SAVED)
        for field in ("series", *STATE_FIELDS):
            saved[field] = self.watches[field][: self.count]
        saved["sha256"] = [self.rule_of(index).sha256.encode() for index in range(self.count)]
        return saved

    def restore(self, saved: NDArray[Any]) -> None:
        """Take up what `state` gave; a watch whose rule has changed begins anew."""
        if saved.dtype != SAVED:
            return
        places = {(int(row["series"]), row["sha256"].decode()): place for place, row in enumerate(saved)}
        for index in range(self.count):
            place = places.get((int(self.watches["series"][index]), self.rule_of(index).sha256))
            if place is not None:
                for field in STATE_FIELDS:
                    self.watches[field][index] = saved[field][place]

    def set_told(self, standing: dict[tuple[int, str], int]) -> None:
        """What the alarms in the database say, by series and rule: events go on from there."""
        for index in range(self.count):
            key = (int(self.watches["series"][index]), self.rule_of(index).rule.rule)
            self.watches["told"][index] = standing.get(key, 0)


def threshold_of(version: Version, level: int, value: float) -> float | None:
    """The limit that a value at a level has passed; None where the rule itself names none."""
    if isinstance(version.rule, NoData):
        return None
    above: float | None = dict(version.rule.above).get(LEVEL_NAMES[level])  # type: ignore[call-overload]
    below: float | None = dict(version.rule.below).get(LEVEL_NAMES[level])  # type: ignore[call-overload]
    if above is None or below is None:
        return above if below is None else below
    return above if abs(value - above) < abs(value - below) else below


def _bound(version: Version, place: int, slot: int, following: int) -> NDArray[Any]:
    rule = cast("Rule", version.rule)
    watch = np.zeros((), WATCH)
    watch["series"], watch["next"], watch["rule"] = slot, following, place
    for side in ("above", "below"):
        given = getattr(rule, side)
        watch[side] = [given.get(name, np.nan) for name in LEVEL_NAMES[1 : LEVELS + 1]]
    watch["deadband"] = rule.deadband
    watch["on_delay"], watch["off_delay"] = round(rule.on_delay_s * 1e6), round(rule.off_delay_s * 1e6)
    watch["suspect_up_to"] = ("none", *LEVEL_NAMES[1:]).index(rule.suspect_up_to)
    return watch
