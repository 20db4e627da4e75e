"""Every kernel compiled, or loaded, before the first reading comes: after an installation that takes half a minute.

A city that pours at that moment must not wait for a compiler. `python -m cityhub.warming` does it beforehand.
"""

from __future__ import annotations

import time

import numpy as np
import structlog
from shapely import box

from alerts.checks.anomaly import Anomaly
from alerts.checks.forecast import Forecasts
from alerts.checks.quality import Quality
from alerts.checks.silence import Wheel
from alerts.checks.tally import Tally, checked_by
from alerts.days import Days
from alerts.watch import Watches
from edge.reading import READING, Rows
from geo.crossing import Crossings
from geo.fence import Fence
from ingest.counters import Counters
from ingest.fixes import FIX, Fixes
from ingest.order import Newest
from ingest.quota import Quotas

log = structlog.get_logger("cityhub.warming")


def warm() -> None:
    """Pass something that means nothing through each kernel; nothing of it stays."""
    begun = time.monotonic()
    for count in (2, 1):  # to numba the column of one row is another type than that of many
        _readings(np.zeros(count, READING))
        _fixes(np.zeros(count, FIX))
    log.info("kernels are warm", seconds=round(time.monotonic() - begun, 1))


def _readings(rows: Rows) -> None:
    slots, times = rows["series"], rows["time"]
    newer = Newest().advance(slots, times)
    late, apart = ~newer, slots.copy()
    Quotas().admit(apart, times.copy(), times.copy())
    Counters().differences(rows)
    checked = checked_by(Quality().mark(rows, newer))
    tally = Tally(Days("UTC"))
    tally.gather(rows, tally.mark(rows, newer, late, checked))
    tally.place(rows, 0)
    Watches([]).observe(rows, newer, late)
    Anomaly(0).score(rows, newer)
    forecasts = Forecasts()
    forecasts.add(0)
    forecasts.observe(rows, newer)
    forecasts.ahead(0)
    wheel = Wheel(0)
    wheel.add(0, 1, 0)
    wheel.hear(apart, 1)
    wheel.due(2)


def _fixes(fixes: Fixes) -> None:
    Newest().advance(fixes["track"].copy(), fixes["time"])
    crossings = Crossings([box(0, 0, 1, 1)], Fence())
    crossings.feed(fixes["track"], fixes["time"], fixes["lon"], fixes["lat"], fixes["accuracy"])


if __name__ == "__main__":
    warm()
