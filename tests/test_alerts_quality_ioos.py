"""Flags against ioos_qc, on every evenly spaced stretch of the shared recordings; docs/checks/quality.md explains."""

from __future__ import annotations

import csv
import gzip
import io
import warnings
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from alerts.checks.quality import Quality
from edge.reading import MISSING, READING, SUSPECT, UNEVALUATED

SHARED = Path(__file__).parents[2] / "shared" / "data"
RECORDINGS = [
    path
    for path in sorted([*SHARED.glob("hydro/*.csv*"), *SHARED.glob("nab/data/*/*.csv")])
    if "stations" not in path.name and "events" not in path.name
]
SHORTEST = 100
FORGOTTEN = 0.001  # of the readings; where a tolerance holds more than nine levels, a run may begin too late

qartod = pytest.importorskip("ioos_qc.qartod", reason="`make peers` installs ioos_qc")
pytestmark = pytest.mark.skipif(not RECORDINGS, reason="needs the recordings of the shared folder")


class Stretch(NamedTuple):
    """Readings at even times, and limits of the right size for them."""

    time: NDArray[np.int64]
    value: NDArray[np.float64]
    step_s: float
    jump: float  # the change between two readings that one in a thousand exceeds


@pytest.fixture(scope="module", params=RECORDINGS, ids=lambda path: path.name.split(".")[0])
def stretches(request: pytest.FixtureRequest) -> list[Stretch]:
    raw = request.param.read_bytes()
    text = (gzip.decompress(raw) if request.param.suffix == ".gz" else raw).decode()
    rows = csv.DictReader(io.StringIO(text))
    times, values = [], []
    for row in rows:
        at = datetime.fromisoformat(row.get("time") or row["timestamp"])
        times.append(round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e6))
        values.append(float(row["value"] or "nan"))
    time, value = np.array(times), np.array(values)
    step = np.median(np.diff(time))
    cuts = [0, *(np.flatnonzero(np.diff(time) != step) + 1), len(time)]
    return [
        Stretch(
            time[a:b], value[a:b], step / 1e6, max(np.nanquantile(np.abs(np.diff(value[a:b])), 0.999), 1e-6)
        )
        for a, b in pairwise(cuts)
        if b - a >= SHORTEST
    ]


def ours(one: Stretch, checks: dict[str, Any]) -> NDArray[np.int64]:
    quality = Quality()
    quality.configure(np.array([1]), checks)
    rows = np.zeros(len(one.time), READING)
    rows["time"], rows["value"], rows["series"], rows["flag"] = one.time, one.value, 1, UNEVALUATED
    quality.mark(rows, np.ones(len(rows), np.bool_))
    return rows["flag"].astype(np.int64)


def theirs(test: str, *arguments: Any, **options: Any) -> NDArray[np.int64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.ma.filled(getattr(qartod, test)(*arguments, **options), MISSING).astype(np.int64)


def test_gross_range_agrees_on_every_reading(stretches: list[Stretch]) -> None:
    for one in stretches:
        fail, suspect = np.nanquantile(one.value, (0.001, 0.999)), np.nanquantile(one.value, (0.02, 0.98))
        found = ours(one, {"gross_range": {"fail": tuple(fail), "suspect": tuple(suspect)}})
        assert found.tolist() == theirs("gross_range_test", one.value, tuple(fail), tuple(suspect)).tolist()


def test_rate_of_change_agrees_but_for_the_first_reading_which_has_none(stretches: list[Stretch]) -> None:
    for one in stretches:
        per_s = one.jump / one.step_s
        found = ours(one, {"rate_of_change": {"per_s": per_s, "fail_per_s": 2 * per_s}})
        wanted = theirs("rate_of_change_test", one.value, one.time.astype("M8[us]"), per_s, 2 * per_s)
        assert found[0] == UNEVALUATED
        assert found[1:].tolist() == wanted[1:].tolist()


@pytest.mark.parametrize("steps", [0.5, 5])
def test_flat_line_agrees_and_where_it_forgets_levels_it_is_milder(
    stretches: list[Stretch], steps: float
) -> None:
    for one in stretches:
        moves = np.abs(np.diff(one.value))
        tolerance = steps * (np.quantile(moves[moves > 0], 0.05) if (moves > 0).any() else 1.0)
        flat = {"tolerance": tolerance, "suspect_s": 6 * one.step_s, "fail_s": 36 * one.step_s}
        found = ours(one, {"flat_line": flat})[1:]
        times = one.time.astype("M8[us]")
        wanted = theirs("flat_line_test", one.value, times, *list(flat.values())[1:], tolerance)[1:]
        assert (found <= wanted).all()
        assert (found != wanted).sum() <= FORGOTTEN * len(found)


def test_a_spike_from_level_ground_is_one_for_both(stretches: list[Stretch]) -> None:
    # Ours cannot know the reading that follows: it looks at the two before. Where those and the one after lie close
    # together, the two heights differ by no more than that distance.
    for one in stretches:
        suspect = one.jump
        found = ours(one, {"spike": {"suspect": suspect}})[2:-1] == SUSPECT
        wanted = theirs("spike_test", one.value, suspect)[2:-1] == SUSPECT
        before, previous, here, following = (
            one.value[place : len(one.value) - 3 + place] for place in range(4)
        )
        around = np.stack([before, previous, following])
        distance = around.max(0) - around.min(0)
        their_height = np.abs(here - (previous + following) / 2)
        our_height = np.abs(here - (before + previous) / 2) - np.abs(before - previous) / 2
        slack = distance + 1e-9 * suspect
        assert found[their_height > suspect + slack].all()
        assert wanted[our_height > suspect + slack].all()
