"""Held out: what the anomaly check scores where its constants were not chosen, and when each of them is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerts.checks.anomaly import Tuning

CANDIDATES, SPLITS = 40, 50
THRESHOLDS = np.arange(0.3, 0.75, 0.05)
PERTURBED = (0.7, 1.3)


def judge(corpus: Any, score: Callable[[Tuning], dict[str, Any]]) -> dict[str, object]:
    """Scores (standard) with each constant 30 % off, and on series that had no part in choosing constants.

    Constants are chosen among 40 sets, each constant drawn between half and twice what it is, and with them a
    threshold: on all categories but one, for each in turn, and on random halves. The benchmark itself lets every
    detector choose its threshold on what is scored: so the halves are given both ways.
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
    outside = sum(_elsewhere(raw, kinds != kind)[0] for kind in np.unique(kinds))
    draw, halves = np.random.default_rng(4), []
    for _ in range(SPLITS):
        chosen_on = np.isin(np.arange(len(names)), draw.permutation(len(names))[: len(names) // 2])
        halves.append([_of_100(each, windows[~chosen_on].sum()) for each in _elsewhere(raw, chosen_on)])
    (fixed, own), (fixed_by, own_by) = np.mean(halves, axis=0).round(1), np.std(halves, axis=0).round(1)
    return {
        "perturbed": {"least": min(perturbed.values()), **perturbed},
        "held_out": {
            "category, threshold chosen elsewhere": round(_of_100(outside, windows.sum()), 1),
            "half, threshold chosen elsewhere": [float(fixed), float(fixed_by)],
            "half, its own threshold": [float(own), float(own_by)],
        },
    }


def _of_100(raw: float, windows: int) -> float:
    """The benchmark's scale: 0 for finding nothing, 100 for each window at its beginning and nothing else."""
    return float(50 * (raw + windows) / windows)


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


def _elsewhere(raw: NDArray[np.float64], chosen_on: NDArray[np.bool_]) -> tuple[float, float]:
    """Raw scores of the other series under the constants that are best on these: with their threshold, with its own."""
    candidate, threshold = np.unravel_index(raw[:, :, chosen_on].sum(axis=2).argmax(), raw.shape[:2])
    others = raw[candidate][:, ~chosen_on].sum(axis=1)
    return float(others[threshold]), float(others.max())
