"""The plots of docs/checks/: made-up series through the hub's own kernels; `python -m bench.plots` draws them anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from alerts.checks.anomaly import Anomaly
from alerts.checks.forecast import Forecasts
from edge.reading import PASS, READING, Rows

FOLDER = Path(__file__).parents[1] / "docs" / "checks"
MINUTE_US = 60_000_000
BEGIN_US = 1_790_000_000_000_000 // (1440 * MINUTE_US) * 1440 * MINUTE_US
DAYS = 24
SHOWN = 10
FLOODS = 40
LEVEL = 1.8
MOMENTS = {505, 540}


def rows_of(values: NDArray[np.float64], minutes: int) -> Rows:
    """Readings of one series, evenly spaced."""
    rows = np.zeros(len(values), READING)
    rows["time"] = BEGIN_US + np.arange(len(values)) * minutes * MINUTE_US
    rows["series"], rows["value"], rows["flag"] = 1, values, PASS
    return rows


def anomaly() -> None:
    """Days of a made-up street: a peak that is missing, a spike, and a new level."""
    dice = np.random.default_rng(3)
    hour = np.arange(DAYS * 288) / 12
    values = 200 + 160 * np.exp(-(((hour % 24) - 17.5) ** 2) / 8) + dice.normal(0, 8, len(hour))
    values[(hour > 17 * 24 + 14) & (hour < 17 * 24 + 21)] = 200
    values[(19 * 24 + 4) * 12] = 480
    values[hour > 21 * 24 + 9] += 120
    scores = Anomaly().score(rows_of(values, 5), np.ones(len(values), np.bool_))["score"]
    shown = hour >= (DAYS - SHOWN) * 24
    figure, (above, below) = plt.subplots(2, sharex=True, figsize=(9, 3.6), height_ratios=(2, 1))
    above.plot(hour[shown] / 24, values[shown], color="#345", linewidth=0.7)
    above.set_ylabel("vehicles")
    below.vlines(hour[shown] / 24, 0, scores[shown], color="#c00", linewidth=1.2)
    below.set(ylim=(0, 1), ylabel="score", xlabel="day")
    keep(figure, "anomaly.png")


def forecast() -> None:
    """The last of many made-up floods, and what was expected of it at three moments."""
    dice = np.random.default_rng(5)
    minutes = np.arange(0, FLOODS * 900, 5)
    values = np.full(len(minutes), 0.6) + dice.normal(0, 0.002, len(minutes))
    for flood in range(FLOODS):
        since = minutes - 900 * flood - 560
        rise = 1 / (1 + np.exp(-np.clip(since / dice.uniform(30, 60), -50, 50)))
        values += dice.uniform(1.5, 3) * rise * np.exp(-np.clip(since - 60, 0, None) / 120)
    forecasts = Forecasts()
    forecasts.add(1)
    rows, last = rows_of(values, 5), 900 * (FLOODS - 1)
    figure, axes = plt.subplots(figsize=(9, 3.2))
    axes.plot(minutes - last, values, color="#345", linewidth=1)
    axes.axhline(LEVEL, color="#e07b00", linewidth=0.8)
    for place in range(len(rows)):
        forecasts.observe(rows[place : place + 1], np.ones(1, np.bool_))
        now = minutes[place] - last
        if now in MOMENTS:
            ahead, reach = forecasts.ahead(1)[:4], forecasts.time_to(1, LEVEL)
            at = [now, *(now + each.after_s / 60 for each in ahead)]
            for edge, style in (("median", "-"), ("low", ":"), ("high", ":")):
                course = [values[place], *(getattr(each, edge) for each in ahead)]
                axes.plot(at, course, style, color="#08a", linewidth=1)
            axes.annotate(str(reach) if reach else "no word", (now, values[place]), (-6, 4), ha="right",
                          textcoords="offset points", fontsize=8)  # fmt: skip
    axes.set(xlim=(280, 900), xlabel="minutes", ylabel="level, m")
    keep(figure, "forecast.png")


def keep(figure: Any, name: str) -> None:
    """Write a plot."""
    figure.tight_layout()
    figure.savefig(FOLDER / name, dpi=100, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    mpl.use("Agg")
    anomaly()
    forecast()
