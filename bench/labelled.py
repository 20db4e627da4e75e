"""Labelled recordings: the anomaly check held against published detectors, and marks against technicians' labels."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerts.checks.anomaly import Anomaly, Tuning
from bench import heldout, machine
from bench.errors import BenchError
from bench.marks import THRESHOLD, anomaly_marks, either, flag_marks, in_order, recording
from edge.reading import READING, Rows

OPTIONS: tuple[str, ...] = ("data",)
DATA = Path(__file__).parents[2] / "shared"
PROFILES = ("standard", "reward_low_FP_rate", "reward_low_FN_rate")
PUBLISHED = {
    "contextOSE": (78.5, 75.8, 81.4),
    "ARTime": (77.9, 69.7, 82.8),
    "numenta": (72.2, 65.6, 77.0),
    "htmjava": (69.3, 61.9, 74.1),
    "randomCutForest": (55.5, 38.1, 64.9),
    "relativeEntropy": (55.4, 47.8, 59.9),
    "skyline": (43.6, 33.5, 50.9),
    "windowedGaussian": (43.2, 27.2, 52.0),
    "bayesChangePt": (25.4, 13.5, 38.1),
}
"""On the same 30 series by the same scorer, by profile; none of them publishes its score of a single series."""
NEAR_US = 3_600_000_000
"""A mark this near to a labelled row belongs to it; marks further apart than this are two events."""
SERIES, BATCH = 1_000, 50_000


def run(seconds: float, runs: int, say: Callable[[str], None], data: Path | None = None) -> dict[str, object]:
    """Score, perturb, hold out, and measure; `data` is the folder that holds recordings and scorer."""
    data = data or DATA
    scorer, nab = _scorer(data), data / "data" / "nab"
    corpus = scorer.Corpus.load(str(nab))
    say("scoring")
    scores = anomaly_scores(corpus)
    found = {profile: corpus.score(scores, profile) for profile in PROFILES}
    series = found["standard"].per_file
    say("perturbing and holding out")
    held = heldout.judge(corpus, lambda tuning: anomaly_scores(corpus, tuning))
    say("technicians' labels")
    labels = {
        name: against_labels(data, mark)
        for name, mark in (("anomaly", anomaly_marks), ("flags", flag_marks), ("either", either))
    }
    say("speed")
    return {
        **{profile: round(result.nab, 1) for profile, result in found.items()},
        "threshold": round(found["standard"].threshold, 3),
        f"standard_at_{THRESHOLD}": round(corpus.score(scores, "standard", THRESHOLD).nab, 1),
        "readings_per_s": round(median(speed(seconds) for _ in range(runs))),
        "bytes_per_series": Anomaly().state.itemsize,
        "published": {name: list(figures) for name, figures in PUBLISHED.items()},
        "published_whole_benchmark": {
            name: round(each["standard"], 1)
            for name, each in json.loads((nab / "final_results.json").read_text()).items()
        },
        "series": {
            name: f"{each['raw']:.2f} of {each['windows']}, {each['found']} found, {each['fp']} false rows"
            for name, each in series.items()
        },
        **held,
        "labels": labels,
        "machine": machine.describe("none", "none"),
    }


def anomaly_scores(corpus: Any, tuning: Tuning | None = None) -> dict[str, NDArray[np.float64]]:
    """The check's score of every row of every series, by the series' name."""
    scores = {}
    for name, series in corpus.series.items():
        rows = recording(series.time, series.value)
        scores[name] = Anomaly(tuning=tuning).score(rows, in_order(rows))["score"].astype(np.float64)
    return scores


def against_labels(data: Path, mark: Callable[[Rows], NDArray[np.bool_]]) -> dict[str, str]:
    """Precision, recall and F1 of `mark` on each recording with technicians' labels, by rows and by events."""
    found = {}
    for path in sorted((data / "data" / "hydro").glob("lro_*.csv.gz")):
        with gzip.open(path, "rt") as file:
            lines = list(csv.DictReader(file))
        times = np.array([line["time"].rstrip("Z") for line in lines], "datetime64[us]")
        rows = recording(times, np.array([float(line["value"]) for line in lines]))
        labels = np.array([line["labelled_anomaly"] == "1" for line in lines])
        marks = mark(rows)
        by_row = agreement(labels[marks], marks[labels])
        by_event = event_agreement(rows["time"], labels, marks)
        found[path.name.partition(".")[0]] = f"rows {by_row}; events {by_event}"
    return found


def event_agreement(times: NDArray[np.int64], labels: NDArray[np.bool_], marks: NDArray[np.bool_]) -> str:
    """Events are rows at most NEAR_US apart; one agrees when the other side has a row no further from one of its own."""
    return agreement(
        _each_event(times, marks, _near(times, labels)), _each_event(times, labels, _near(times, marks))
    )


def agreement(right: NDArray[np.bool_], caught: NDArray[np.bool_]) -> str:
    """Precision, recall and F1 in words: `right` says it for each mark, `caught` for each label."""
    precision = right.mean() if len(right) else 0.0
    recall = caught.mean() if len(caught) else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return (
        f"precision {precision:.2f} ({right.sum()}/{len(right)}), "
        f"recall {recall:.2f} ({caught.sum()}/{len(caught)}), F1 {f1:.2f}"
    )


def speed(seconds: float) -> float:
    """Readings a second of the kernel on one core: noisy days of 1,000 series, in batches, past its beginning."""
    noise = np.random.default_rng(4).normal(size=BATCH)
    turn, slot = divmod(np.arange(BATCH), SERIES)
    rows, newer, check = np.zeros(BATCH, READING), np.ones(BATCH, np.bool_), Anomaly()
    rows["series"], step_us = slot + 1, 300_000_000
    begun, done, spent = 1_700_000_000_000_000, 0, 0.0
    while spent < seconds:
        rows["time"] = begun + turn * step_us
        rows["value"] = 10 * np.sin(rows["time"] / 86_400e6 * 2 * np.pi) + np.roll(noise, done // SERIES)
        before = time.perf_counter()
        check.score(rows, newer)
        if done >= 10 * BATCH:
            spent += time.perf_counter() - before
        done += BATCH
        begun += BATCH // SERIES * step_us
    return (done - 10 * BATCH) / spent


def _near(times: NDArray[np.int64], rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which times lie at most NEAR_US from one of the rows."""
    chosen = np.concatenate([[np.iinfo(np.int64).min // 2], times[rows], [np.iinfo(np.int64).max // 2]])
    after = np.searchsorted(chosen, times)
    return np.asarray(np.minimum(chosen[after] - times, times - chosen[after - 1]) <= NEAR_US)


def _each_event(
    times: NDArray[np.int64], rows: NDArray[np.bool_], agreed: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """For each event of the rows whether any of them is agreed."""
    chosen = times[rows]
    if not len(chosen):
        return np.zeros(0, np.bool_)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(chosen) > NEAR_US) + 1])
    return np.logical_or.reduceat(agreed[rows], starts)


def _scorer(data: Path) -> ModuleType:
    """The benchmark's scorer beside the recordings; it is no part of this project. Raises BenchError."""
    path = data / "tools" / "score_anomalies.py"
    if not path.is_file():
        raise BenchError(
            f"there are no labelled recordings: {path} is missing", "name their folder with --data"
        )
    spec = importlib.util.spec_from_file_location("score_anomalies", path)
    if spec is None or spec.loader is None:
        raise BenchError(f"{path} cannot be imported", "name another folder with --data")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module
