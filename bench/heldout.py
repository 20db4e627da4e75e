"""Held out: what the anomaly check scores where its constants were not chosen, and when each of them is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerts.checks.anomaly import Tuning

CANDIDATES, SPLITS = 60, 50
THRESHOLDS = np.arange(0.2, 0.8, 0.025)
PERTURBED = (0.7, 1.3)


def judge(corpus: Any, score: Callable[[Tuning], dict[str, Any]]) -> dict[str, object]:
    """Scores (standard) with each constant 30 % off, and on series that had no part in choosing constants.

    Constants are chosen among 60 sets, each constant drawn between half and twice what it is, and with them a
    threshold; by categories left out one by one, and by random halves. What is chosen never sees what is scored.
    """
    perturbed = {
        f"{name} x {factor}": round(corpus.score(score(_times(name, factor))).nab, 1)
        for name in Tuning._fields
        for factor in PERTURBED
    }
    names = list(corpus.series)
    windows = np.array([len(corpus.series[name].windows) for name in names])
    raw = np.array([_raw(corpus, score(tuning)) for tuning in _drawn()])
    kinds = np.array([name.partition("/")[0] for name in names])
    outside = sum(_chosen_elsewhere(raw, kinds != kind) for kind in np.unique(kinds))
    draw, halves = np.random.default_rng(4), []
    for _ in range(SPLITS):
        chosen_on = np.isin(np.arange(len(names)), draw.permutation(len(names))[: len(names) // 2])
        others = windows[~chosen_on].sum()
        halves.append(50 * (_chosen_elsewhere(raw, chosen_on) + others) / others)
    return {
        "perturbed": {"least": min(perturbed.values()), **perturbed},
        "category_left_out": round(float(50 * (outside + windows.sum()) / windows.sum()), 1),
        "other_half": {
            "mean": round(float(np.mean(halves)), 1),
            "deviation": round(float(np.std(halves)), 1),
        },
    }


def _times(name: str, factor: float) -> Tuning:
    tuning = Tuning()
    return tuning._replace(**{name: getattr(tuning, name) * factor})


def _drawn() -> Iterator[Tuning]:
    draw = np.random.default_rng(4)
    for _ in range(CANDIDATES):
        yield Tuning(*(each * float(2 ** draw.uniform(-1, 1)) for each in Tuning()))


def _raw(corpus: Any, scores: dict[str, Any]) -> list[list[float]]:
    """By threshold and series."""
    return [
        [each["raw"] for each in corpus.score(scores, "standard", threshold).per_file.values()]
        for threshold in THRESHOLDS
    ]


def _chosen_elsewhere(raw: NDArray[np.float64], chosen_on: NDArray[np.bool_]) -> float:
    """The raw score of the other series under the constants and threshold that are best on these."""
    candidate, threshold = np.unravel_index(raw[:, :, chosen_on].sum(axis=2).argmax(), raw.shape[:2])
    return float(raw[candidate, threshold, ~chosen_on].sum())
