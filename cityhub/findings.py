"""What a back-test found, in words for the person who has to decide on a rule."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from rich.console import Console
from rich.table import Table

from alerts.backtest import Episode, Outcome
from alerts.propose import Proposal
from alerts.rule import LEVEL_NAMES, NUMERALS
from edge.reading import FAIL, MISSING, PASS, SUSPECT, UNEVALUATED

FLAGS = {PASS: "pass", UNEVALUATED: "not evaluated", SUSPECT: "suspect", FAIL: "fail", MISSING: "missing"}
WORST = 10
WEEKS_WORTH_A_RATE = 1.0
SHORT_H, LONG_H = 2, 48
"""Below the one a time is told in minutes, above the other in days."""


def tell(out: Console, outcome: Outcome, *, unit: str = "") -> None:
    """The readings, the alarms that would have been, when, how long, and the worst."""
    tell_readings(out, outcome)
    episodes = outcome.episodes
    if not episodes:
        out.print("no alarm")
        return
    out.print(f"alarms  {_rate(len(episodes), outcome, 'raised')}; {_pages(outcome)}")
    counts = np.bincount([episode.level for episode in episodes], minlength=5)
    out.print("        by highest level: " + ", ".join(
        f"{LEVEL_NAMES[level]} {NUMERALS[level]} {counts[level]}" for level in (4, 3, 2, 1) if counts[level]
    ))  # fmt: skip
    _tell_hours(out, episodes)
    longest = max(episodes, key=lambda episode: _end(episode, outcome) - episode.raised_at)
    out.print(f"longest {_lasting(longest, outcome)}, from {_time(longest.raised_at)}")
    table = Table("worst", "rule", "raised", "paged", "lasted", "value", box=None, pad_edge=False)
    for episode in worst(outcome):
        table.add_row(
            f"{LEVEL_NAMES[episode.level]} {NUMERALS[episode.level]}",
            episode.rule,
            _time(episode.raised_at),
            _time(episode.pages[0]) if episode.pages else "-",
            _lasting(episode, outcome),
            f"{episode.worst_value:.4g} {unit}".rstrip(),
        )
    out.print(table)


def tell_readings(out: Console, outcome: Outcome) -> None:
    """How many readings there are, from when to when, and their flags."""
    rows = outcome.rows
    flags = ", ".join(
        f"{word} {count:,}" for flag, word in FLAGS.items() if (count := int((rows["flag"] == flag).sum()))
    )
    days = outcome.weeks * 7
    span = f"{days:,.0f} days" if days >= 3 else f"{days * 24:,.1f} hours"  # noqa: PLR2004 -- as people say it
    out.print(
        f"readings {len(rows):,}, from {_time(int(rows['time'].min()))} to {_time(int(rows['time'].max()))} ({span})"
    )
    out.print(f"flags   {flags}")


def tell_proposal(out: Console, proposal: Proposal, per_week: float, unit: str = "") -> None:
    """The limits that would have given the wanted number of alarms, as a rule to copy, and what it would have done."""
    body = proposal.version.body
    side = "above" if "above" in body else "below"
    limits = ", ".join(f"{level}: {limit:g}" for level, limit in body[side].items())
    out.print(f"\nproposed for {per_week:g} orange alarm{'s' if per_week != 1 else ''} a week:")
    out.print(f"  {side}: {{{limits}}}\n  deadband: {body['deadband']:g}")
    outcome = proposal.outcome
    out.print(
        f"With it these readings would have raised {_rate(len(outcome.episodes), outcome, 'alarms')}; {_pages(outcome)}."
    )
    table = Table("deadband", f"orange {side}", "alarms", "again within 30 min", box=None, pad_edge=False)
    for trial in proposal.trials:
        table.add_row(
            f"{trial.deadband:g} {unit}".rstrip(),
            f"{trial.limit:g}",
            str(trial.alarms),
            str(trial.came_again),
        )
    out.print("tried, orange alone:")
    out.print(table)


def worst(outcome: Outcome) -> list[Episode]:
    """The alarms of the highest level, longest first, no more than ten."""
    ordered = sorted(
        outcome.episodes,
        key=lambda episode: (episode.level, _end(episode, outcome) - episode.raised_at),
        reverse=True,
    )
    return ordered[:WORST]


def _tell_hours(out: Console, episodes: list[Episode]) -> None:
    hours = np.bincount([episode.raised_at // 3_600_000_000 % 24 for episode in episodes], minlength=24)
    out.print(
        "        by hour raised, UTC: "
        + "  ".join(f"{hour:02}h {hours[hour]}" for hour in range(24) if hours[hour])
    )


def _rate(count: int, outcome: Outcome, what: str) -> str:
    return f"{count:,} {what}" + (
        f" ({count / outcome.weeks:.2g} a week)" if outcome.weeks >= WEEKS_WORTH_A_RATE else ""
    )


def _pages(outcome: Outcome) -> str:
    count = len(outcome.pages)
    if not count:
        return "nobody would have been paged"
    return f"somebody would have been paged {_rate(count, outcome, 'times' if count != 1 else 'time')}, for orange or red"


def _end(episode: Episode, outcome: Outcome) -> int:
    return episode.returned_at if episode.returned_at is not None else int(outcome.rows["time"].max())


def _lasting(episode: Episode, outcome: Outcome) -> str:
    hours = (_end(episode, outcome) - episode.raised_at) / 3.6e9
    said = (
        f"{hours * 60:.0f} min"
        if hours < SHORT_H
        else f"{hours:.1f} h"
        if hours < LONG_H
        else f"{hours / 24:.1f} d"
    )
    return said if episode.returned_at is not None else f"{said}, and stands at the end"


def _time(us: int) -> str:
    return f"{datetime.fromtimestamp(us / 1e6, UTC):%Y-%m-%d %H:%M}Z"
