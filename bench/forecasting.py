"""How good the forecasts are on recorded rivers and crowds: `python -m bench.forecasting ../shared/data`."""

from __future__ import annotations

import csv
import gzip
import json
import sys
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from alerts.checks import forecast
from alerts.checks.forecast import HORIZONS, STATE

SETTLE = 200  # readings before anything is counted
HOUR_US = 3_600_000_000
AHEAD_US, AFTER_US = 3 * HOUR_US, 6 * HOUR_US


def main(folder: Path) -> dict[str, Any]:
    """Every recording with the same parameters."""
    found: dict[str, Any] = {}
    for name, (at, value) in _recordings(folder).items():
        looks, ns = _looks(at, value)
        found[name] = {
            "readings": len(at),
            "ns_per_reading": round(ns),
            "horizons": _errors(at, value, looks),
        }
        if name.startswith("usgs"):
            found[name]["floods"] = {f"{level:g}": _floods(at, value, looks, level) for level in (2.0, 3.0)}
    return found


def _recordings(folder: Path) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    kept: dict[str, dict[int, float]] = defaultdict(dict)
    for path in (
        folder / "hydro" / "usgs_plumtree_run_gage_height_2016_2018.csv.gz",
        *sorted((folder / "crowd").glob("*_hourly_*.csv.gz")),
    ):
        with gzip.open(path, "rt") as file:
            for row in csv.DictReader(file):
                if row["value"]:
                    name = path.name.split(".")[0] if "hydro" in str(path) else row["station"]
                    at = round(datetime.fromisoformat(row["time"]).timestamp()) * 1_000_000
                    kept[name].setdefault(at, float(row["value"]))
    return {
        name: (np.array(sorted(each)), np.array([each[at] for at in sorted(each)]))
        for name, each in kept.items()
    }


def _looks(at: NDArray[np.int64], value: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """What was said after each reading: low, median, high by horizon."""
    looks = np.zeros((len(at), len(HORIZONS), 3))
    _run(at[:3], value[:3], np.zeros(1, STATE)[0], looks[:3])
    begun = time.perf_counter()
    _run(at, value, np.zeros(1, STATE)[0], looks)
    return looks, (time.perf_counter() - begun) / len(at) * 1e9


@njit
def _run(at: Any, value: Any, state: Any, looks: Any) -> None:
    for row in range(len(at)):
        forecast._learn(state, at[row], value[row])  # noqa: SLF001 -- the kernel itself is measured
        for place in range(looks.shape[1] if row > 0 else 0):
            _, looks[row, place, 0], looks[row, place, 1], looks[row, place, 2] = forecast._look(state, place)  # noqa: SLF001


def _errors(
    at: NDArray[np.int64], value: NDArray[np.float64], looks: NDArray[np.float64]
) -> list[dict[str, float]]:
    step = np.median(np.diff(at))
    restless = np.r_[0, np.abs(np.diff(value))]
    lively = restless > np.quantile(restless, 0.99)
    rows = []
    for place, ahead in enumerate(HORIZONS.tolist()):
        here = np.arange(SETTLE, len(at) - ahead)
        here = here[np.abs((at[here + ahead] - at[here]) / (ahead * step) - 1) < 0.01]  # noqa: PLR2004
        came, (low, median, high) = value[here + ahead], looks[here, place].T
        line = value[here] + (value[here] - value[here - 1]) * ahead
        inside, moving = (came >= low) & (came <= high), lively[here]
        rows.append({
            "minutes": ahead * step / 60e6,
            "mae": np.abs(came - median).mean(),
            "mae_persistence": np.abs(came - value[here]).mean(),
            "mae_line": np.abs(came - line).mean(),
            "pinball": np.mean([_pinball(came, said, q) for q, said in ((0.1, low), (0.5, median), (0.9, high))]),
            "pinball_persistence": _pinball(came, value[here], 0.5),
            "coverage": inside.mean(),
            "coverage_moving": inside[moving].mean(),
            "mae_moving": np.abs(came - median)[moving].mean(),
            "mae_moving_persistence": np.abs(came - value[here])[moving].mean(),
        })  # fmt: skip
    return [{name: round(float(number), 5) for name, number in row.items()} for row in rows]


def _pinball(came: NDArray[np.float64], said: NDArray[np.float64], quantile: float) -> float:
    off = came - said
    return float(np.maximum(quantile * off, (quantile - 1) * off).mean())


def _floods(
    at: NDArray[np.int64], value: NDArray[np.float64], looks: NDArray[np.float64], level: float
) -> dict[str, float]:
    """As Forecasts.time_to says it: the median reaches the level, and the lower bound there lies above the present."""
    over = np.flatnonzero(value >= level)
    first = over[np.r_[True, np.diff(at[over]) > AFTER_US]]
    crossings = [int(row) for row in first if row > SETTLE and at[row] - at[row - 1] < HOUR_US / 3]
    reached = looks[:, :, 1] >= level
    low_there = looks[np.arange(len(at)), reached.argmax(axis=1), 0]
    said = np.flatnonzero(reached.any(axis=1) & (value < level) & (low_there > value))
    said = said[said > SETTLE]
    leads = []
    for crossing in crossings:
        before = said[(said < crossing) & (at[said] >= at[crossing] - AHEAD_US)]
        if len(before):
            leads.append((at[crossing] - at[before[0]]) / 60e6)
    begins = said[np.r_[True, np.diff(at[said]) > AHEAD_US]]
    following = np.searchsorted(at[over], at[begins])
    comes = np.array(
        [n < len(over) and at[over[n]] - at[b] <= AHEAD_US for n, b in zip(following, begins, strict=True)]
    )
    return {
        "crossings": len(crossings),
        "said_before": len(leads),
        "lead_minutes_median": round(float(np.median(leads)), 1),
        "times_said": len(begins),
        "cried_wolf": int((~comes).sum()),
        "months": round(float(at[-1] - at[0]) / 30.4 / 24 / HOUR_US, 1),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1])), indent=1))
