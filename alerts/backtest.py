"""The back-test: what rules would have done with readings of the past, through the kernels of the hub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerts.bound import bound
from alerts.checks.anomaly import Anomaly
from alerts.checks.quality import Quality
from alerts.rule import Of, Rule
from alerts.rulebook import Subject, Version
from alerts.watch import Watches
from edge.reading import FAIL, MISSING, READING, UNEVALUATED, Rows

PAGED_FROM = 3
"""Orange and red wake somebody."""

WEEK_US = 7 * 86_400_000_000


@dataclass(slots=True)
class Episode:
    """An alarm that would have been: from its first level until it returned; times in microseconds."""

    rule: str
    raised_at: int
    level: int
    worst_value: float
    steps: list[tuple[int, int]] = field(default_factory=list)
    """When it came to which level."""
    returned_at: int | None = None
    """None: it stood at the end."""

    @property
    def pages(self) -> list[int]:
        """When somebody would have been woken: each time that it came from below orange to orange or red."""
        before = [0, *(level for _, level in self.steps)]
        return [
            at for last, (at, level) in zip(before, self.steps, strict=False) if last < PAGED_FROM <= level
        ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the readings: by row its flag (in `rows`), level and score, and the alarms."""

    rows: Rows
    level: NDArray[np.uint8]
    score: NDArray[np.float64]
    episodes: list[Episode]

    @property
    def weeks(self) -> float:
        """From the first reading to the last."""
        return float(np.ptp(self.rows["time"])) / WEEK_US if len(self.rows) else 0.0

    @property
    def pages(self) -> list[int]:
        """When somebody would have been woken, over all alarms."""
        return sorted(at for episode in self.episodes for at in episode.pages)


def recorded(samples: Sequence[tuple[int, float]], checks: dict[str, Any]) -> tuple[Rows, NDArray[np.bool_]]:
    """Readings of a recording with their flags, and which of them continue their series.

    As in the hub, a value that is missing is flagged so, and an infinite one is refused: here it is failed.
    """
    rows = np.array([(at, 1, value, UNEVALUATED) for at, value in samples], READING)
    rows["flag"][np.isnan(rows["value"])] = MISSING
    infinite = np.isinf(rows["value"])
    newer = heard(rows) & ~infinite
    quality = Quality()
    quality.configure(np.array([1]), checks)
    quality.mark(rows, newer)
    rows["flag"][infinite] = FAIL
    return rows, newer


def heard(rows: Rows) -> NDArray[np.bool_]:
    """Which rows of one series are newer than all before them; the others no rule hears."""
    newest = np.maximum.accumulate(rows["time"])
    return np.concatenate([np.ones(min(len(rows), 1), np.bool_), newest[1:] > newest[:-1]])


def judge(rows: Rows, newer: NDArray[np.bool_], versions: Sequence[Version], subject: Subject) -> Outcome:
    """Let rule versions judge flagged readings of one series, each as if it were alone with the people it pages."""
    rows = rows.copy()
    rows["series"] = subject.slot
    scores = Anomaly().score(rows, newer)["score"].astype(np.float64)
    level = np.zeros(len(rows), np.uint8)
    episodes: list[Episode] = []
    columns: dict[Of, NDArray[np.float64]] = {"value": rows["value"], "anomaly": scores}
    for of, judged in columns.items():
        watches = Watches(versions, of)
        watches.reach(subject.slot)
        for place in range(len(watches.versions)):
            watches.bind(place, subject)
        fed = rows.copy()
        fed["value"] = judged
        events = watches.observe(fed, newer, ~newer)
        for watch in range(watches.count):
            mine = events[events["watch"] == watch]
            stands = np.zeros(len(rows), np.int64)
            stands[mine["row"]] = mine["to_level"] - mine["from_level"]
            level = np.maximum(level, np.cumsum(stands).astype(np.uint8))
            episodes += _episodes(watches.rule_of(watch).rule, subject.device, mine, fed)
    episodes.sort(key=lambda episode: episode.raised_at)
    return Outcome(rows, level, scores, episodes)


def _episodes(rule: Rule, device: str, events: NDArray[Any], rows: Rows) -> list[Episode]:
    episodes: list[Episode] = []
    first_row = 0
    for event in events:
        row, level, at = int(event["row"]), int(event["to_level"]), int(event["at"])
        if event["from_level"] == 0:
            episodes.append(Episode(rule.rule, at, level, float(rows["value"][row])))
            first_row = row
        episode = episodes[-1]
        episode.level = max(episode.level, level)
        episode.steps.append((at, level))
        if level == 0:
            episode.returned_at = at
            episode.worst_value = _worst(rule, device, rows[first_row:row])
    if episodes and episodes[-1].returned_at is None:
        episodes[-1].worst_value = _worst(rule, device, rows[first_row:])
    return episodes


def _worst(rule: Rule, device: str, rows: Rows) -> float:
    """The highest value of an alarm, or the lowest where the first one speaks of that side."""
    sound = rows["value"][(rows["flag"] != FAIL) & (rows["flag"] != MISSING)]
    limits = bound(rule, device, -1)
    low = (sound[0] <= limits["below"] + limits["deadband"]).any()
    high = (sound[0] >= limits["above"]).any() or rule.rise is not None
    return float(sound.min() if low or (rule.fall is not None and not high) else sound.max())
