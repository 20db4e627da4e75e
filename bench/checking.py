"""The bench `checks`: every quality check and a four-level rule on every series, beside ioos_qc and river."""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerts import rulebook
from alerts.checks.company import Neighbour
from alerts.checks.quality import Quality
from alerts.rulebook import Subject
from alerts.watch import Watches
from bench import machine
from bench.errors import BenchError
from edge.reading import READING, UNEVALUATED, Rows

Say = Callable[[str], None]

OPTIONS = ()
BATCH = 50_000
INTERVAL_US = 300_000_000
BEGIN_US = 1_790_000_000_000_000
PEER_READINGS = 200_000
SCORED = 10_000
GRACE = 101

FOUR: dict[str, Any] = {
    "gross_range": {"fail": (-5, 30), "suspect": (-1, 15)},
    "spike": {"suspect": 2.5, "fail": 5},
    "rate_of_change": {"per_s": 0.01, "fail_per_s": 0.02},
    "flat_line": {"tolerance": 0.01, "suspect_s": 10_800, "fail_s": 21_600},
}
ALL: dict[str, Any] = {
    **FOUR,
    "attenuated_signal": {"window_s": 86_400, "suspect": 0.05, "fail": 0.01},
    "climatology": {"utc_offset_h": 8, "spans": [{"months": (1, 12), "suspect": (0, 12)}]},
    "gap": {"suspect_s": 3_600},
    "duplicate_time": "suspect",
}
# One series in ten has a neighbour as well, another one a range that depends on the series before it.
SOME = {**ALL, "multivariate": {"max_age_s": 900, "ranges": [{"when": (-100, 100), "suspect": (-1, 15)}]}}
TENTH = 10
RULE = """
rule: level
title: Level
applies_to: {metric: level}
above: {blue: 4, yellow: 5, orange: 6, red: 7}
deadband: 0.2
on_delay_s: 300
off_delay_s: 900
"""


class Fleet:
    """Gauges that all report every five minutes, in an order that has nothing to do with their slots."""

    def __init__(self, series: int) -> None:
        self.series = series
        self._chance = np.random.default_rng(1)
        self._order = self._chance.permutation(np.arange(1, series + 1, dtype=np.int32))
        # Millimetres around three metres: one in a few thousand goes beyond the blue level.
        self._noise = 3 + np.round(self._chance.normal(0, 0.3, 40 * BATCH), 3)
        self._sent = 0

    def batch(self) -> Rows:
        """The next batch."""
        place = self._sent + np.arange(BATCH)
        rows = np.zeros(BATCH, READING)
        rows["series"] = self._order[place % self.series]
        rows["time"] = BEGIN_US + place // self.series * INTERVAL_US
        rows["value"] = self._noise[place % len(self._noise)]
        rows["flag"] = UNEVALUATED
        self._sent += BATCH
        return rows


def run(seconds: float, runs: int, say: Say) -> dict[str, object]:
    """Measure; a run lasts so many seconds of CPU time. Raises BenchError where a peer is not installed."""
    qartod, anomaly = _peer("ioos_qc.qartod"), _peer("river.anomaly")
    described = machine.describe("none", "none")
    rates: dict[str, list[float]] = {}
    kernels: dict[str, dict[str, float]] = {}
    for name, series in (("per_s_10k", 10_000), ("per_s_1m", 1_000_000)):
        say(f"{series:,} series")
        rates[name], kernels[name] = measure(series, seconds, runs)
    say("ioos_qc and river")
    here, there = [], []
    for _ in range(runs):
        here.append(four_of_ours())
        there.append(four_of(qartod))
    scored = [scores(anomaly) for _ in range(runs)]
    return {
        **{name: round(median(found)) for name, found in rates.items()},
        "vs_ioos_qc": round(median(here) / median(there), 1),
        "vs_river": round(median(rates["per_s_10k"]) / median(scored), 1),
        "four_tests_per_s": round(median(here)),
        "ioos_qc_per_s": round(median(there)),
        "river_per_s": round(median(scored)),
        "ns_a_reading": kernels,
        "machine": described,
        "load": {
            "series": "eight quality checks and a four-level rule with deadband and delays on every series; one in ten "
            "has a neighbour as well, another one in ten a multi-variate range",
            "readings": f"batches of {BATCH:,}, all series in turn in random order, every five minutes",
            "ioos_qc": f"gross range, spike, rate of change, flat line on {PEER_READINGS:,} readings of one series",
            "river": f"GaussianScorer, one for each of {SCORED:,} series, score_one and learn_one",
            "time": "CPU time of this process; one core",
            "run_s": seconds,
        },
        "runs": {name: [round(each) for each in found] for name, found in rates.items()},
    }


def measure(series: int, seconds: float, runs: int) -> tuple[list[float], dict[str, float]]:
    """Readings a second of each run, and what each kernel takes of a reading in nanoseconds."""
    fleet, quality, watches = Fleet(series), judging(series), watching(series)
    newer, late = np.ones(BATCH, np.bool_), np.zeros(BATCH, np.bool_)
    taken = np.zeros(3)  # marking, observing, readings

    def step() -> NDArray[np.float64]:
        rows = fleet.batch()
        begun = time.process_time()
        quality.mark(rows, newer)
        marked = time.process_time()
        watches.observe(rows, newer, late)
        return np.array([marked - begun, time.process_time() - marked, BATCH])

    for _ in range(2 * max(series, 10 * BATCH) // BATCH):  # warm: compiled, and every series known
        step()
    rates = []
    for _ in range(runs):
        this = np.zeros(3)
        while this[:2].sum() < seconds:
            this += step()
        rates.append(this[2] / this[:2].sum())
        taken += this
    mark, observe = taken[:2] / taken[2] * 1e9
    return rates, {"mark": round(mark, 1), "observe": round(observe, 1)}


def judging(series: int) -> Quality:
    """The quality checks of a fleet."""
    quality, slots = Quality(), np.arange(1, series + 1)
    several = slots[slots % TENTH == 1]
    quality.configure(slots, ALL)
    quality.configure(several, SOME)
    for slot in several[1:]:
        quality.follow(int(slot), int(slot) - 1)
    quality.compare((slot, slot - 1, Neighbour(1.5, 900.0)) for slot in range(TENTH, series, TENTH))
    return quality


def watching(series: int) -> Watches:
    """A rule with four levels on each series of a fleet."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "level.yaml").write_text(RULE)
        watches = Watches(rulebook.load(Path(folder)))
    for slot in range(1, series + 1):
        watches.add(Subject(slot, "level", "gauge", "water", f"gauge-{slot}"))
    return watches


def four_of_ours() -> float:
    """Readings a second of one series through the four tests that ioos_qc has too."""
    quality, rows = Quality(), one_series()
    quality.configure(np.array([1]), FOUR)
    newer = np.ones(len(rows), np.bool_)
    begun = time.process_time()
    quality.mark(rows, newer)
    return len(rows) / (time.process_time() - begun)


def four_of(qartod: Any) -> float:
    """The same four tests by ioos_qc."""
    rows = one_series()
    values, times = rows["value"].copy(), rows["time"].astype("datetime64[us]")
    gross, spike, rate, flat = FOUR.values()
    begun = time.process_time()
    qartod.gross_range_test(values, gross["fail"], gross["suspect"])
    qartod.spike_test(values, spike["suspect"], spike["fail"])
    qartod.rate_of_change_test(values, times, rate["per_s"], rate["fail_per_s"])
    qartod.flat_line_test(values, times, flat["suspect_s"], flat["fail_s"], flat["tolerance"])
    return len(rows) / (time.process_time() - begun)


def scores(anomaly: Any) -> float:
    """Readings a second of river's scorer, one for each series; each reading is scored, then learned."""
    fleet = Fleet(SCORED)
    scorers = {slot: anomaly.GaussianScorer() for slot in range(1, SCORED + 1)}
    learned = 0
    while True:
        rows = fleet.batch()
        slots, values = rows["series"].tolist(), rows["value"].tolist()
        begun = time.process_time()
        for slot, value in zip(slots, values, strict=True):
            scorer = scorers[slot]
            scorer.score_one(None, value)
            scorer.learn_one(None, value)
        taken = time.process_time() - begun
        learned += BATCH
        if learned > GRACE * SCORED:  # before that it scores nothing
            return BATCH / taken


def one_series() -> Rows:
    """Readings of a single gauge."""
    fleet = Fleet(1)
    return np.concatenate([fleet.batch() for _ in range(PEER_READINGS // BATCH)])


def _peer(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise BenchError(f"{name.partition('.')[0]} is not installed", "`make peers` installs it") from error
