"""Proposals: limits and deadband for a wanted number of alarms, found by letting the kernel judge each candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerts.backtest import Outcome, judge
from alerts.rule import Level, Rule
from alerts.rulebook import Subject, Version
from edge.reading import FAIL, MISSING, Rows

SHARES: dict[Level, float] = {"yellow": 3.0, "orange": 1.0, "red": 1 / 3}
"""Alarms of each level for one that is wanted of orange, the first that pages."""

CANDIDATES = 60
REFINEMENTS = 8
AGAIN_US = 30 * 60 * 1_000_000
"""An alarm that comes again within this time after its return was not over: the deadband is too small."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A deadband that was tried: the limit that goes with it, and what the two would have done."""

    deadband: float
    limit: float
    alarms: int
    came_again: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """Limits by level and a deadband as a rule, what it would have done, and what was tried on the way."""

    version: Version
    outcome: Outcome
    trials: list[Trial]


def propose(
    rows: Rows, newer: NDArray[np.bool_], subject: Subject, per_week: float, side: str = "above"
) -> Proposal | None:
    """Limits on one side; None where the readings hold no value that could be told apart from the rest."""
    sound = rows[newer & (rows["flag"] != FAIL) & (rows["flag"] != MISSING)]
    values = sound["value"] if side == "above" else -sound["value"]
    if len(values) < 2 or not np.ptp(values) or not np.ptp(sound["time"]):  # noqa: PLR2004 -- a span needs two ends
        return None
    search = _Search(rows, newer, subject, side, values)
    # What two readings in a row differ by, mostly: the noise that a deadband must swallow.
    steps = np.abs(np.diff(values))
    noise = float(np.median(steps[steps > 0]))
    deadbands = sorted({search.rounded(factor * noise) for factor in (0, 1, 2, 4, 8, 16)})
    trials = [search.trial(deadband, per_week) for deadband in deadbands]
    chosen = next(
        (trial for trial in trials if trial.came_again <= trial.alarms / 20),
        min(trials, key=lambda trial: trial.came_again / max(trial.alarms, 1)),
    )
    limits = {level: search.trial(chosen.deadband, per_week * share).limit for level, share in SHARES.items()}
    version = search.version(limits, chosen.deadband)
    return Proposal(version, judge(rows, newer, [version], subject), trials)


class _Search:
    """Tries limits on the same readings."""

    def __init__(
        self, rows: Rows, newer: NDArray[np.bool_], subject: Subject, side: str, values: NDArray[np.float64]
    ) -> None:
        self._rows, self._newer, self._subject, self._side = rows, newer, subject, side
        spread = float(np.ptp(values))
        self._digits = 3 - int(np.floor(np.log10(spread)))
        # More candidates where values are rare: that is where limits lie.
        tail = 1 - np.geomspace(1 / len(values), 0.5, CANDIDATES)
        self._candidates = np.unique(np.quantile(values, tail))[::-1]

    def rounded(self, value: float) -> float:
        """To a thousandth of the spread, as a person would write it."""
        return round(float(value), self._digits)

    def trial(self, deadband: float, per_week: float) -> Trial:
        """The limit nearest to the median up to which no limit gives more alarms than wanted."""
        good, most, beyond = float(self._candidates[0]), 0.0, None
        for candidate in self._candidates:
            rate = self._rate(candidate, deadband)
            if rate > per_week:
                beyond = float(candidate)
                break
            if rate > most:  # farther in, alarms only grow together
                good, most = float(candidate), rate
        for _ in range(REFINEMENTS if beyond is not None else 0):
            between = (good + beyond) / 2  # type: ignore[operator]
            if self._rate(between, deadband) > per_week:
                beyond = between
            else:
                good = between
        limit = self.rounded(good)
        outcome = self._judge({"orange": limit}, deadband)
        again = [
            1
            for before, after in zip(outcome.episodes, outcome.episodes[1:], strict=False)
            if before.returned_at is not None and after.raised_at - before.returned_at < AGAIN_US
        ]
        sign = 1 if self._side == "above" else -1
        return Trial(deadband, sign * limit + 0.0, len(outcome.episodes), len(again))

    def _rate(self, limit: float, deadband: float) -> float:
        outcome = self._judge({"orange": limit}, deadband)
        return len(outcome.episodes) / outcome.weeks

    def _judge(self, limits: dict[Level, float], deadband: float) -> Outcome:
        sign = 1 if self._side == "above" else -1
        version = self.version({level: sign * limit for level, limit in limits.items()}, deadband)
        return judge(self._rows, self._newer, [version], self._subject)

    def version(self, limits: dict[Level, float], deadband: float) -> Version:
        """A rule with these limits; yellow and red are left out where they do not differ from orange."""
        sign = 1 if self._side == "above" else -1
        kept = {
            level: limit
            for level, limit in limits.items()
            if level == "orange" or (sign * limit > sign * limits["orange"]) == (level == "red")
            if level == "orange" or limit != limits["orange"]
        }
        body: dict[str, Any] = {
            "rule": "proposed",
            "title": f"Proposed from {len(self._rows):,} readings",
            "applies_to": {"metric": self._subject.metric},
            self._side: kept,
            "deadband": deadband,
        }
        return Version(Rule.model_validate(body), body, "")
