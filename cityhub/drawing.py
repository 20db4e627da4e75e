"""The picture of a back-test: the series, its limits, its alarms, and when somebody would have been paged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from numpy.typing import NDArray

from alerts.backtest import Outcome
from alerts.rule import NUMERALS
from edge.reading import FAIL, MISSING, SUSPECT

COLOURS = ("#8b98a4", "#2f7fd6", "#c9a800", "#e07b00", "#d92b24")
"""By level, as in the console, darker for white paper."""

POINTS = 4_000
"""More than a picture has columns; of each group of readings the lowest and the highest are drawn."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One series to draw; `limits` are `(side, level, value)`."""

    title: str
    unit: str
    outcome: Outcome
    limits: list[tuple[str, int, float]]


def draw(path: Path, panels: list[Panel]) -> None:
    """Write a PNG with the panels one below the other."""
    figure = Figure(figsize=(12, 1.2 + 4.2 * len(panels)), layout="constrained")
    for axes, panel in zip(np.atleast_1d(figure.subplots(len(panels), 1)), panels, strict=True):
        _draw(axes, panel)
    figure.savefig(path, dpi=110)


def _draw(axes: Axes, panel: Panel) -> None:
    rows = panel.outcome.rows
    good = rows[(rows["flag"] != FAIL) & (rows["flag"] != MISSING)]
    times, values = _thinned(good["time"], good["value"])
    axes.plot(_moments(times), values, color="#333c44", linewidth=0.8)
    doubted = rows[rows["flag"] == SUSPECT]
    axes.plot(_moments(doubted["time"]), doubted["value"], "x", color="#8b98a4", markersize=4)
    for side, level, limit in panel.limits:
        axes.axhline(limit, color=COLOURS[level], linewidth=0.9, linestyle="--")
        axes.annotate(
            f"{NUMERALS[level]} {side} {limit:.4g}",
            (1.0, limit),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=COLOURS[level],
        )
    end = rows["time"][-1:]
    for episode in panel.outcome.episodes:
        until = episode.returned_at if episode.returned_at is not None else int(end[0])
        first, last = _moments(np.array([episode.raised_at, until]))
        axes.axvspan(first, last, color=COLOURS[episode.level], alpha=0.3, linewidth=0.8)
    paged = panel.outcome.pages
    top = float(values.max()) if len(values) else 0.0
    axes.plot(_moments(np.array(paged, np.int64)), [top] * len(paged), "v", color="#14191d", markersize=6)
    axes.set_title(
        f"{panel.title}: {len(panel.outcome.episodes)} alarms (shaded in the colour of their highest level),"
        f" {len(paged)} page{'s' if len(paged) != 1 else ''} (triangles)",
        loc="left",
        fontsize=10,
    )
    axes.set_ylabel(panel.unit)
    locator = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    axes.set_xlabel("UTC")
    axes.spines[["top", "right"]].set_visible(False)


def _moments(times: NDArray[np.int64]) -> Any:
    return [datetime.fromtimestamp(at / 1e6, UTC) for at in times.tolist()]


def _thinned(times: NDArray[np.int64], values: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    if len(times) <= POINTS:
        return times, values
    groups = np.array_split(np.arange(len(times)), POINTS // 2)
    kept = np.unique([
        place
        for group in groups
        for place in (group[np.argmin(values[group])], group[np.argmax(values[group])])
    ])  # fmt: skip
    return times[kept], values[kept]
