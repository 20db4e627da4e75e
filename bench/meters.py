"""Simulated smart meters: what message number m says; written out by hand, so that no codec of ours mirrors itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DEPARTMENT = "power"
METRICS = ("voltage", "power", "energy")


def key(device: int) -> str:
    """The id of a meter."""
    return f"meter-{device:06d}"


def topic(device: int) -> bytes:
    """Where a meter publishes."""
    return f"city/v1/{DEPARTMENT}/{key(device)}/telemetry".encode()


def payload(device: int, turn: int, at_ms: int) -> bytes:
    """A meter's message of one turn: plain JSON, three readings."""
    return b'{"ts":%d,"values":{"voltage":%.1f,"power":%.1f,"energy":%.1f}}' % (
        at_ms,
        (2200 + (7 * device + 3 * turn) % 200) / 10,
        (10_000 + (13 * device + 11 * turn) % 30_000) / 10,
        (1_000_000 + turn) / 10,
    )


def expected(devices: int, messages: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What the table must hold after the first `messages` messages, sent turn by turn: counts and sums.

    Count of messages by device; sum of tenths by device and metric.
    """
    counts = messages // devices + (np.arange(devices) < messages % devices)
    sums = np.zeros((devices, len(METRICS)), np.int64)
    device = np.arange(devices)
    for turn in range(int(counts.max(initial=0))):
        sent = counts > turn
        sums[:, 0] += sent * (2200 + (7 * device + 3 * turn) % 200)
        sums[:, 1] += sent * (10_000 + (13 * device + 11 * turn) % 30_000)
        sums[:, 2] += sent * (1_000_000 + turn)
    return counts.astype(np.int64), sums
