"""The bench `flood`: `latency` of the others while one device sends a hundred times its quota."""

from __future__ import annotations

from bench import latency, single
from bench.rig import Say
from ingest.quota import DEVICE

OPTIONS = latency.OPTIONS
TIMES = 100


def run(
    seconds: float, runs: int, say: Say, devices: int = single.DEVICES, rate: float | None = None
) -> dict[str, object]:
    """Measure; raises Mismatch when a reading of the others is lost, or a message of the runaway device uncounted."""
    flood = TIMES * DEVICE.messages_per_s
    found = latency.run(seconds, runs, say, devices, rate, flood)
    return found | {"load": f"{found['load']}; beside them one device with {flood:,.0f} messages a second"}
