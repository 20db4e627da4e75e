"""The reading: the one row type that everything else carries, checks and stores."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

READING = np.dtype([("time", "<i8"), ("series", "<i4"), ("value", "<f8"), ("flag", "u1")])
"""time: microseconds since 1970 UTC; series: slot or place in a table of names; value: in the series' unit."""

# IOOS QARTOD flags.
PASS, UNEVALUATED, SUSPECT, FAIL, MISSING = 1, 2, 3, 4, 9

Rows = NDArray[np.void]
"""A structured array of dtype READING."""


class Readings(NamedTuple):
    """Readings as they leave a device: `rows["series"]` counts into `names`, each `device/metric`."""

    names: list[str]
    rows: Rows


def now_us() -> int:
    """The wall clock in microseconds since 1970 UTC."""
    return time.time_ns() // 1_000


def gather(samples: Iterable[tuple[str, int, float]]) -> Readings:
    """Turn samples `(device/metric, time in us, value)` into columns, names in order of first sight."""
    places: dict[str, int] = {}
    rows = np.array(
        [(at, places.setdefault(name, len(places)), value, UNEVALUATED) for name, at, value in samples],
        dtype=READING,
    )
    return Readings(list(places), rows)
