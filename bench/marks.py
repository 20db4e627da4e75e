"""What the checks mark on recordings of which no profile is known: the same constants, or the same way to them, for all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alerts.checks.anomaly import Anomaly
from alerts.checks.quality import Quality
from edge.reading import FAIL, READING, SUSPECT, UNEVALUATED, Rows

THRESHOLD = 0.5
"""Score from which a reading is reported."""
SPIKE_STEPS = 3.0
"""A spike is higher than so many times the step that one reading in a hundred surpasses."""
FLAT_S = 6 * 3600.0
"""A line is flat when it stays so long within half of the smallest step there is."""


def anomaly_marks(rows: Rows) -> NDArray[np.bool_]:
    """Rows that score at least THRESHOLD."""
    return np.asarray(Anomaly().score(rows, in_order(rows))["score"] >= THRESHOLD)


def recording(times: NDArray[np.datetime64], values: NDArray[np.float64]) -> Rows:
    """One series as rows of slot 1."""
    rows = np.zeros(len(times), READING)
    rows["time"], rows["series"], rows["value"] = times.astype("datetime64[us]").astype(np.int64), 1, values
    rows["flag"] = UNEVALUATED
    return rows


def in_order(rows: Rows) -> NDArray[np.bool_]:
    """Which rows of one series are newer than all before them."""
    newest = np.maximum.accumulate(rows["time"])
    return np.concatenate([[True], rows["time"][1:] > newest[:-1]])


def flag_marks(rows: Rows) -> NDArray[np.bool_]:
    """Which rows of one recording the checks call suspect or failed."""
    steps = np.abs(np.diff(rows["value"]))
    smallest = float(np.min(steps[steps > 0], initial=np.inf))
    usual = max(float(np.nanquantile(steps, 0.99)), smallest)
    quality, flagged = Quality(), rows.copy()
    quality.configure(
        np.unique(rows["series"]),
        {
            "spike": {"suspect": SPIKE_STEPS * usual},
            "flat_line": {"tolerance": smallest / 2, "suspect_s": FLAT_S, "fail_s": 2 * FLAT_S},
        },
    )
    flagged["flag"] = UNEVALUATED
    quality.mark(flagged, in_order(rows))
    return np.isin(flagged["flag"], (SUSPECT, FAIL))


def either(rows: Rows) -> NDArray[np.bool_]:
    """Which rows are flagged, or reported by the anomaly check."""
    return flag_marks(rows) | anomaly_marks(rows)
