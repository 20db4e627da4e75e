"""Rivers: does the rule for urban streams page before the crest of a flood, and how often does it page for nothing."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from alerts import rulebook
from alerts.backtest import PAGED_FROM, Episode, Outcome, judge, recorded
from alerts.rulebook import Subject, Version
from edge.drivers.recording import read
from ingest import profile

ROOT = Path(__file__).parents[1]
RIVERS = ROOT.parent / "shared" / "data" / "hydro"
TEMPLATE = ROOT / "docs" / "examples" / "urban-stream.yaml"
OPTIONS: tuple[str, ...] = ()

MINUTE_US = 60_000_000
EARLY_US, AFTER_US = 6 * 60 * MINUTE_US, 60 * MINUTE_US
"""A flood is near from six hours before it passes its threshold until an hour after it has fallen below it."""

GAUGES = {
    "usgs_plumtree_run_gage_height_2016_2018.csv.gz": 0.3048,
    "usgs_dead_run_gage_height_2018_06.csv": 0.3048,
    "lro_MainStreet2019_stage.csv.gz": 0.01,
    "lro_TonyGrove2019_stage.csv.gz": 0.01,
}
"""Recordings of a river stage, and what makes metres of them."""


def run(_seconds: float, _runs: int, say: Callable[[str], object]) -> dict[str, Any]:
    """By gauge: floods, those paged for before the crest, the lead of each in minutes, pages and false pages."""
    result: dict[str, Any] = {"rule": str(TEMPLATE.relative_to(ROOT))}
    for name, scale in GAUGES.items():
        say(name)
        floods = _floods(name)
        samples = [(at, value * scale) for at, value in read(RIVERS / name, value="value")]
        outcome = judged(samples, floods[0]["threshold"] * scale)
        result[name.split(".")[0]] = score(outcome, floods)
    return result


def judged(samples: list[tuple[int, float]], flood: float) -> Outcome:
    """The template with this gauge's own two values: its usual water, the median, and its flood stage."""
    version = rulebook.read_limits(TEMPLATE)
    usual = float(np.nanmedian([value for _, value in samples]))
    rule = version.rule.model_copy(update={"between": {"gauge": (usual, flood)}})
    gauge = next(one.profile for one in profile.load() if one.profile.profile == "river-gauge")
    rows, newer = recorded(samples, gauge.metrics["level"].checks.model_dump(exclude_none=True))
    return judge(
        rows, newer, [Version(rule, {}, "")], Subject(1, "level", "river-gauge", "water", "gauge", unit="m")
    )


def score(outcome: Outcome, floods: list[dict[str, Any]]) -> dict[str, Any]:
    """Hold what was paged against floods.

    A flood was paged for if orange or red stood when it passed its threshold, or came later and still before its crest;
    the lead is from that page to the crest. A page is false if no flood was near while its alarm stood.
    """
    stood = [
        span for episode in outcome.episodes for span in _spans(episode, int(outcome.rows["time"].max()))
    ]
    leads = [
        next(
            (
                (flood["crest"] - page) // MINUTE_US
                for page, end in stood
                if end >= flood["start"] and page < flood["crest"]
            ),
            None,
        )
        for flood in floods
    ]
    false = [
        page
        for page, end in stood
        if not any(page <= flood["end"] + AFTER_US and end >= flood["start"] - EARLY_US for flood in floods)
    ]
    months = outcome.weeks / 52.1775 * 12
    return {
        "floods": len(floods),
        "paged_before_crest": sum(lead is not None for lead in leads),
        "lead_min": leads,
        "months": round(months, 1),
        "pages": len(stood),
        "false_pages": len(false),
        "false_pages_a_month": round(len(false) / months, 2),
    }


def _spans(episode: Episode, end: int) -> list[tuple[int, int]]:
    """From each page of an alarm until its level is below orange again."""
    steps = [*episode.steps, (end, 0)]
    return [
        (page, next(at for at, level in steps if at >= page and level < PAGED_FROM)) for page in episode.pages
    ]


def _floods(name: str) -> list[dict[str, Any]]:
    with (RIVERS / "events_over_threshold.csv").open(newline="") as file:
        return [
            {
                "threshold": float(row["threshold"]),
                "start": _us(row["start"]),
                "crest": _us(row["peak_time"]),
                "end": _us(row["end"]),
            }
            for row in csv.DictReader(file)
            if row["file"] == name
        ]


def _us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)
