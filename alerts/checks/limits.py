"""Limits: what a profile asks of a metric, as one row of numbers; equal configurations share a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerts.checks import climatology
from alerts.checks.bounds import BOUNDS, set_bounds
from alerts.checks.outcome import (
    ATTENUATED,
    CLIMATOLOGY,
    DOUBTED,
    DUPLICATE,
    FAILED,
    FLAT,
    GAP,
    GROSS,
    MULTIVARIATE,
    RATE,
    SPIKE,
    TESTED,
)

LIMITS = np.dtype(
    [
        ("asked", "i8"),  # which checks, as bits
        *((name, "f8") for name in BOUNDS.names or ()),
        ("spike_suspect", "f8"),
        ("spike_fail", "f8"),
        ("spike_within", "i8"),  # microseconds, as all times
        ("rate_suspect", "f8"),  # per second
        ("rate_fail", "f8"),
        ("flat_tolerance", "f8"),
        ("flat_suspect", "i8"),
        ("flat_fail", "i8"),
        ("spread_suspect", "f8"),
        ("spread_fail", "f8"),
        ("spread_over", "i8"),
        ("gap_suspect", "i8"),
        ("gap_fail", "i8"),
        ("climate", "i8"),  # first of its table in the climatologies
        ("climate_offset", "i8"),  # from UTC to the clock that its hours go by
        ("duplicate", "i4"),  # the outcome of a second reading of the same time
        ("bands", "i4"),  # first of the bands of the multi-variate range
        ("bands_end", "i4"),
        ("with_age", "i8"),
    ]
)

BAND = np.dtype([("when_low", "f8"), ("when_high", "f8"), *((name, "f8") for name in BOUNDS.names or ())])
"""While the other metric lies within `when`, the value's bounds are these."""

EVER = np.iinfo(np.int64).max
OUTCOMES = {"suspect": TESTED | DUPLICATE | DOUBTED, "fail": TESTED | DUPLICATE | FAILED}


class Limits:
    """Rows of limits and the tables that they point into; row 0 asks for nothing."""

    def __init__(self) -> None:
        self.rows: NDArray[Any] = np.zeros(1, LIMITS)
        self.bands: NDArray[Any] = np.zeros(0, BAND)
        self.climates: NDArray[Any] = np.zeros(0, BOUNDS)
        set_bounds(self.rows[0], {})
        self._known: dict[str, int] = {"{}": 0}

    def row_of(self, checks: Mapping[str, Any]) -> int:
        """The row of a set of checks, in the form in which a profile writes them."""
        key = repr(checks)
        if key not in self._known:
            self._known[key] = len(self.rows)
            self.rows = np.append(self.rows, self._row(checks))
        return self._known[key]

    def _row(self, checks: Mapping[str, Any]) -> NDArray[Any]:
        row = np.zeros(1, LIMITS)
        set_bounds(row[0], checks.get("gross_range") or {})
        asked = 0
        if "gross_range" in checks:
            asked |= GROSS
        if spike := checks.get("spike"):
            asked |= SPIKE
            row["spike_suspect"], row["spike_fail"] = spike["suspect"], spike.get("fail", np.inf)
            row["spike_within"] = _us(spike.get("within_s"))
        if rate := checks.get("rate_of_change"):
            asked |= RATE
            row["rate_suspect"], row["rate_fail"] = rate["per_s"], rate.get("fail_per_s", np.inf)
        if flat := checks.get("flat_line"):
            asked |= FLAT
            row["flat_tolerance"] = flat["tolerance"]
            # A run as long as allowed is one too many; the other limits may be reached.
            row["flat_suspect"], row["flat_fail"] = _us(flat["suspect_s"]) - 1, _us(flat.get("fail_s")) - 1
        if spread := checks.get("attenuated_signal"):
            asked |= ATTENUATED
            row["spread_suspect"], row["spread_fail"] = spread["suspect"], spread.get("fail", -np.inf)
            row["spread_over"] = _us(spread["window_s"])
        if climate := checks.get("climatology"):
            asked |= CLIMATOLOGY
            row["climate"] = len(self.climates)
            row["climate_offset"] = round(climate.get("utc_offset_h", 0) * climatology.HOUR_US)
            self.climates = np.concatenate([self.climates, climatology.table(climate)])
        if gap := checks.get("gap"):
            asked |= GAP
            row["gap_suspect"], row["gap_fail"] = _us(gap.get("suspect_s")), _us(gap.get("fail_s"))
        if duplicate := checks.get("duplicate_time"):
            asked |= DUPLICATE
            row["duplicate"] = OUTCOMES[duplicate]
        if several := checks.get("multivariate"):
            asked |= MULTIVARIATE
            row["bands"], row["with_age"] = len(self.bands), _us(several["max_age_s"])
            self.bands = np.concatenate([self.bands, *map(_band, several["ranges"])])
            row["bands_end"] = len(self.bands)
        row["asked"] = asked
        return row


def _band(given: Mapping[str, Any]) -> NDArray[Any]:
    band = np.zeros(1, BAND)
    band["when_low"], band["when_high"] = given["when"]
    set_bounds(band[0], given)
    return band


def _us(seconds: float | None) -> int:
    return EVER if seconds is None else round(seconds * 1e6)
