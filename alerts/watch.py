"""The watch: rules bound to series, fed with rows, answering with events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerts.bound import bound, opening
from alerts.checks.schedule import SCHEDULE
from alerts.checks.threshold import EVENT, LIMITS, STATE, WATCH, observe
from alerts.checks.trail import REPEAT, TRAIL, empty_trails, remember
from alerts.rule import Of
from alerts.rulebook import AnyVersion, Subject, Version, applying, with_limits
from edge.reading import Rows

OF = [("sha256", "S64"), ("series", "i4")]
SAVED = {
    "watches": np.dtype([*OF, ("kept", STATE)]),
    "trails": np.dtype([*OF, ("kept", TRAIL)]),
    "repeats": np.dtype([*OF, ("kept", REPEAT)]),
}
"""What is saved: of every watch its state, and apart from it what few have."""


class Watches:
    """Every rule on every series that it applies to, and where each stands.

    What every reading touches is small and apart from what is rarely needed; the arrays grow by doubling.
    """

    def __init__(self, versions: Sequence[AnyVersion], of: Of = "value") -> None:
        self.versions = [version for version in with_limits(versions) if version.rule.of == of]
        self.watches: NDArray[Any] = np.zeros(64, WATCH)
        self.states: NDArray[Any] = np.zeros(64, STATE)
        self.count = 0
        self._series: NDArray[np.int32] = np.zeros(64, np.int32)
        self._rule: NDArray[np.int32] = np.zeros(64, np.int32)
        self._first: NDArray[np.int32] = np.full(1, -1, np.int32)
        self._on: NDArray[np.int32] = np.zeros(1, np.int32)  # by slot: watches on the series
        self._most = 1  # the greatest of these: the events that one row can bring about
        self._limits: NDArray[Any] = np.zeros(8, LIMITS)
        self._limits_of: dict[tuple[int, str | None], int] = {}
        self._schedules: NDArray[Any] = np.zeros(0, SCHEDULE)
        self._trails, self._repeats = empty_trails(1), np.zeros(1, REPEAT)
        self._trail_count = self._repeat_count = 0
        self._resting: dict[tuple[int, int], int] = {}  # by rule and series: watches that judge no more

    def add(self, subject: Subject) -> list[Version]:
        """Bind the rules that apply to a series, and no others; returns those that refuse its unit or datum.

        A watch whose rule applied before goes on with what it remembers; one whose rule comes back begins anew.
        """
        self.reach(subject.slot)
        versions = applying(self.versions, subject)
        foreign = [version for version in versions if version.rule.refuses(subject.unit, subject.datum)]
        wanted = [self.versions.index(version) for version in versions if version not in foreign]
        bound = self._rest(subject.slot, set(wanted))
        for place in wanted:
            if place not in bound:
                self.bind(place, subject)
        return foreign

    def judges(self, series: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of these series any rule judges."""
        return self._on[series] > 0

    def judged_by(self, series: int) -> set[str]:
        """The names of the rules that judge a series."""
        known = series < len(self._first)
        return {self.rule_of(watch).rule.rule for watch in self._chain(series)} if known else set()

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
            self.states,
            self._limits,
            self._trails,
            self._repeats,
            self._schedules,
            events,
        )
        return events[:found]

    def rule_of(self, watch: int) -> Version:
        """The rule version behind an event."""
        return self.versions[int(self._rule[watch])]

    def threshold_of(self, watch: int, level: int, value: float) -> float | None:
        """The limit of a level that a value at it has passed; None where it rose or fell too fast instead."""
        limits = self._limits[self.watches["limits"][watch]]
        if level == 0:
            return None
        above, below = float(limits["above"][level - 1]), float(limits["below"][level - 1])
        # A rule may have limits on one side alone: the other's are NaN, and nearer to nothing.
        nearer = below if np.isnan(above) or abs(value - above) > abs(value - below) else above
        passed = value >= above - limits["deadband"] or value <= below + limits["deadband"]
        changes = limits["rise"][level - 1] > 0 or limits["fall"][level - 1] > 0
        return None if np.isnan(nearer) or (changes and not passed) else nearer

    def state(self) -> dict[str, NDArray[Any]]:
        """What the watches remember, by name of SAVED, to be saved."""
        hashes = np.array([version.sha256.encode() for version in self.versions], "S64")
        awake = np.ones(self.count, np.bool_)
        awake[list(self._resting.values())] = False
        saved = {}
        for name, (kept, places) in self._kept().items():
            having = np.flatnonzero((places >= 0) & awake)
            saved[name] = np.zeros(len(having), SAVED[name])
            saved[name]["series"], saved[name]["kept"] = self._series[having], kept[places[having]]
            saved[name]["sha256"] = hashes[self._rule[having]]
        return saved

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Take up what `state` gave; a watch whose rule has changed begins anew."""
        if any(name not in saved or saved[name].dtype != dtype for name, dtype in SAVED.items()):
            return
        places = {
            (int(self._series[index]), self.rule_of(index).sha256): index for index in range(self.count)
        }
        for name, (kept, place_of) in self._kept().items():
            for row in saved[name]:
                index = places.get((int(row["series"]), row["sha256"].decode()))
                if index is not None:
                    kept[place_of[index]] = row["kept"]
        self._unsettle()

    def _kept(self) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        """By name of SAVED: what is remembered, and by watch its place there; -1: none."""
        watches = self.watches[: self.count]
        return {
            "watches": (self.states, np.arange(self.count)),
            "trails": (self._trails, watches["trail"]),
            "repeats": (self._repeats, watches["repeat"]),
        }

    def _unsettle(self) -> None:
        """Make the bands empty; the next reading of each watch lays its band anew."""
        self.watches["low"], self.watches["high"] = np.inf, -np.inf

    def begin(self, watch: int, held: int, told: int) -> None:
        """Let a watch stand as if the levels `held` (one bit each) had taken part for long, and `told` had been told."""
        self.states[watch] = np.zeros((), STATE)
        state = self.states[watch]
        state["met"] = state["active"] = state["held"] = held
        state["level"], state["told"], state["quiet"] = held.bit_length(), told, 1
        if self.watches["repeat"][watch] >= 0:
            self._repeats["crossed"][self.watches["repeat"][watch]] = held

    def go_back(self, series: NDArray[np.int32], now: int) -> None:
        """The clock of whoever speaks of these series was set back: what began in its future has begun now."""
        watches = np.flatnonzero(np.isin(self._series[: self.count], series))
        for column in ("since", "level_at"):
            self.states[column][watches] = np.minimum(self.states[column][watches], now)
        trails, repeats = self.watches["trail"][watches], self.watches["repeat"][watches]
        self._trails[trails[trails >= 0]] = empty_trails(1)[0]
        at = self._repeats["at"]
        at[repeats[repeats >= 0]] = np.minimum(at[repeats[repeats >= 0]], now)

    def remember(self, watch: int, time: int, value: float) -> None:
        """Take a sound value as one from which a rise or fall may be measured, and as nothing else."""
        window = self._limits["window"][self.watches["limits"][watch]]
        remember(self._trails[self.watches["trail"][watch]], window, time, value)

    def set_told(self, standing: dict[tuple[int, str], int], mode: str = "live") -> None:
        """What was told of the rules of a mode, by series and rule: events go on from there."""
        for index in range(self.count):
            rule = self.rule_of(index).rule
            if rule.mode == mode:
                self.states["told"][index] = standing.get((int(self._series[index]), rule.rule), 0)
        self._unsettle()

    def bind(self, place: int, subject: Subject) -> None:
        """Let one version judge a series, whatever it says it applies to."""
        self.reach(subject.slot)
        index = self._resting.pop((place, subject.slot), None)
        if index is None:
            index = self._make(place, subject)
        else:
            self._empty(index)
        self.watches["next"][index] = self._first[subject.slot]
        self._first[subject.slot] = index
        self._on[subject.slot] += 1
        self._most = max(self._most, int(self._on[subject.slot]))

    def reach(self, slot: int) -> None:
        """Make room for a series; the kernel must not meet one that is unknown here."""
        if len(self._first) <= slot:
            room = max(slot + 1, 2 * len(self._first)) - len(self._first)
            self._first = np.pad(self._first, (0, room), constant_values=-1)
            self._on = np.pad(self._on, (0, room))

    def _chain(self, slot: int) -> list[int]:
        """The watches on a series."""
        chain, watch = [], int(self._first[slot])
        while watch >= 0:
            chain.append(watch)
            watch = int(self.watches["next"][watch])
        return chain

    def _rest(self, slot: int, wanted: set[int]) -> set[int]:
        """Let the watches on a series rest whose rules, by place, are not wanted; returns those that go on."""
        going = []
        for watch in self._chain(slot):
            if int(self._rule[watch]) in wanted:
                going.append(watch)
            else:
                self._resting[int(self._rule[watch]), slot] = watch
        for watch, following in zip(going, [*going[1:], -1], strict=False):
            self.watches["next"][watch] = following
        self._first[slot], self._on[slot] = going[0] if going else -1, len(going)
        return {int(self._rule[watch]) for watch in going}

    def _empty(self, index: int) -> None:
        """Let a watch forget what it remembers."""
        self.begin(index, 0, 0)
        watch = self.watches[index]
        watch["low"], watch["high"] = np.inf, -np.inf
        if watch["trail"] >= 0:
            self._trails[watch["trail"]] = empty_trails(1)[0]
        if watch["repeat"] >= 0:
            self._repeats[watch["repeat"]] = np.zeros((), REPEAT)

    def _make(self, place: int, subject: Subject) -> int:
        if self.count == len(self.watches):
            self.watches, self.states, self._series, self._rule = (
                np.concatenate([array, np.zeros_like(array)])
                for array in (self.watches, self.states, self._series, self._rule)
            )
        rule = self.versions[place].rule
        watch = self.watches[self.count]
        watch["low"], watch["high"] = np.inf, -np.inf
        watch["limits"] = self._shared_limits(place, subject.device)
        watch["trail"] = watch["repeat"] = -1
        if (self._limits[watch["limits"]]["window"]) > 0:
            watch["trail"], self._trail_count = self._trail_count, self._trail_count + 1
            if self._trail_count > len(self._trails):
                self._trails = np.concatenate([self._trails, empty_trails(len(self._trails))])
        if rule.repeat is not None:
            watch["repeat"], self._repeat_count = self._repeat_count, self._repeat_count + 1
            if self._repeat_count > len(self._repeats):
                self._repeats = np.concatenate([self._repeats, np.zeros_like(self._repeats)])
        self.states[self.count]["quiet"] = 1
        self._series[self.count], self._rule[self.count] = subject.slot, place
        self.count += 1
        return self.count - 1

    def _shared_limits(self, place: int, device: str) -> int:
        """The place of a rule's limits for a device; all devices without limits of their own share one."""
        rule = self.versions[place].rule
        own = device if device in rule.single or rule.between is not None else None
        if (place, own) not in self._limits_of:
            schedule = -1
            if rule.schedule is not None:
                schedule = len(self._schedules)
                self._schedules = np.append(self._schedules, opening(rule.schedule))
            here = self._limits_of[place, own] = len(self._limits_of)
            if here == len(self._limits):
                self._limits = np.concatenate([self._limits, np.zeros_like(self._limits)])
            self._limits[here] = bound(rule, own, schedule)
        return self._limits_of[place, own]
