"""Silence as people are told of it: one word for a sender through which nothing comes, one for a series of its own.

A sender is the device that publishes: a gateway, or a device without one. A series that is late is held until its
sender has spoken after the deadline; only then the fault is its own. Where the sender does not speak either, one of
its series stands for all, and the others are suppressed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from alerts.checks.silence import Wheel
from alerts.rule import LEVEL_NAMES
from alerts.rulebook import AnyVersion, NoDataVersion, Subject, applying

STALL_S = 5.0
"""Between two ticks further apart than this the hub did something else and heard nobody."""
HELD_S = 10.0
"""A series that is late is looked at again after this, until its sender has spoken or is silent too."""
SENDERS_ROUND = 64
"""Senders are looked at once a minute at least: a new series may make one due earlier than it was."""


@dataclass(frozen=True, slots=True)
class Word:
    """What is to be told: a series has been silent for so long, or (level 0) is heard again."""

    version: NoDataVersion
    series: int
    level: int
    silent_s: float
    allowed_s: float


@dataclass(slots=True)
class _Sender:
    members: list[int] = field(default_factory=list)  # its own series before those behind it
    own: int = 0  # how many of them are its own
    spokesman: int = 0  # the series whose alarm stands for all; 0: none does


class Silence:
    """Which series are waited for, and of which people know. `now` is a monotonic clock's, in seconds.

    `in_service` says whether a series still belongs to a device; nobody misses the others.
    """

    def __init__(self, versions: list[AnyVersion], now: float, in_service: Callable[[int], bool]) -> None:
        self._versions = [version for version in versions if isinstance(version, NoDataVersion)]
        self._in_service = in_service
        self._series, self._through = Wheel(now), Wheel(now, SENDERS_ROUND)
        self._senders: dict[int, _Sender] = {}
        self._rules: dict[int, NoDataVersion] = {}
        self._sender_of: NDArray[np.int32] = np.zeros(1, np.int32)
        self._told: set[int] = set()  # series whose own alarm stands
        self._ticked = now

    def add(self, subject: Subject, interval_s: float, sender: int, *, own: bool, now: float) -> None:
        """Wait for a series as the rule says that applies to it now, if one does; `own`: it is of the device that sends it.

        Where that is another rule than before, the series has its whole time again.
        """
        series = subject.slot
        if len(self._sender_of) <= series:
            room = max(series + 1, 2 * len(self._sender_of)) - len(self._sender_of)
            self._sender_of = np.pad(self._sender_of, (0, room))
            self._series.reach(len(self._sender_of) - 1)
        versions = applying(self._versions, subject)
        if series in self._rules:
            if self._rules[series] in versions[:1]:
                return
            self._drop(series, now)
        self._sender_of[series] = sender
        self._through.reach(sender)
        if not versions:
            return
        rule = versions[0].rule
        allowed = round(max(rule.after_s, rule.after_intervals * interval_s), 3)
        self._rules[series] = versions[0]
        known = self._senders.setdefault(sender, _Sender())
        known.members.insert(known.own if own else len(known.members), series)
        known.own += own
        self._series.add(series, allowed, now)
        self._through.add(sender, allowed, now)

    def judged_by(self, series: int) -> set[str]:
        """The name of the rule by which a series is waited for, if any."""
        return {self._rules[series].rule.rule} if series in self._rules else set()

    def set_told(self, standing: Iterable[tuple[int, str]], spokesmen: Iterable[int]) -> None:
        """Go on from the alarms that stand in the database, by series and rule; some of them stand for a sender."""
        speaking = set(spokesmen)
        for series, rule in standing:
            if series not in self._rules or self._rules[series].rule.rule != rule:
                continue
            self._series.silence(series)
            sender = int(self._sender_of[series])
            if series not in speaking:
                self._told.add(series)
                continue
            self._senders[sender].spokesman = series
            self._through.silence(sender)
            for member in self._senders[sender].members:
                self._series.silence(member)

    def spokesmen(self) -> NDArray[np.int32]:
        """The series whose alarms stand for their senders; to be saved for `set_told`."""
        return np.array([known.spokesman for known in self._senders.values() if known.spokesman], np.int32)

    def hear(self, series: NDArray[np.int32], now: float) -> list[Word]:
        """Readings have come, of whatever time; returns whose silence has ended."""
        if not len(series) or not self._rules:
            return []
        series = series[series < len(self._sender_of)]
        ended = []
        before = {int(one): self._silent_s(int(one), now) for one in np.unique(series[self._quiet(series)])}
        woken = set(self._series.hear(series, now).tolist())
        for sender in self._through.hear(self._sender_of[series], now).tolist():
            known = self._senders[sender]
            if known.spokesman:
                silent_s = before.get(known.spokesman, self._silent_s(known.spokesman, now))
                ended.append(self._word(known.spokesman, 0, silent_s))
                known.spokesman = 0
            for member in known.members:
                # What was not missed while its sender was silent has its whole time again.
                if self._series.nodes["silent"][member] and member not in self._told:
                    self._series.grant(member, now + float(self._series.nodes["allowed"][member]))
        for one in sorted(woken & self._told):
            ended.append(self._word(one, 0, before[one]))
            self._told.discard(one)
        return ended

    def tick(self, now: float, *, away: bool) -> list[Word]:
        """Call about once a second; `away`: nobody can be heard. Returns who has fallen silent."""
        if away or now - self._ticked > STALL_S:
            self._series.forgive(now)
            self._through.forgive(now)
        self._ticked = now
        words = []
        for sender in self._through.due(now).tolist():
            known = self._senders[sender]
            free = (one for one in known.members if one not in self._told and self._in_service(one))
            known.spokesman = next(free, 0)
            if known.spokesman:
                words.append(self._word(known.spokesman, None, self._silent_s(known.spokesman, now)))
        for series in self._series.due(now).tolist():
            sender = int(self._sender_of[series])
            if self._through.nodes["silent"][sender] or not self._in_service(series):
                continue
            if self._through.nodes["heard"][sender] > self._series.expected(series):
                words.append(self._word(series, None, self._silent_s(series, now)))
                self._told.add(series)
            else:
                self._series.grant(series, min(self._through.deadline(sender), now + HELD_S))
        return words

    def _drop(self, series: int, now: float) -> None:
        """Wait for a series no more; who keeps the alarms ends what stands of it."""
        del self._rules[series]
        self._told.discard(series)
        sender = int(self._sender_of[series])
        known = self._senders[sender]
        place = known.members.index(series)
        known.own -= place < known.own
        del known.members[place]
        self._series.drop(series)
        if not known.members:
            self._through.drop(sender)
        else:
            self._through.allow(sender, float(self._series.nodes["allowed"][known.members].min()))
            if known.spokesman == series:  # another speaks for a sender that is silent still
                self._through.grant(sender, now)
        if known.spokesman == series:
            known.spokesman = 0

    def _word(self, series: int, level: int | None, silent_s: float) -> Word:
        version = self._rules[series]
        if level is None:
            level = LEVEL_NAMES.index(version.rule.level)
        return Word(version, series, level, silent_s, float(self._series.nodes["allowed"][series]))

    def _quiet(self, series: NDArray[np.int32]) -> NDArray[np.bool_]:
        quiet: NDArray[np.bool_] = self._series.nodes["silent"][series] == 1
        return quiet

    def _silent_s(self, series: int, now: float) -> float:
        return now - float(self._series.nodes["heard"][series])
