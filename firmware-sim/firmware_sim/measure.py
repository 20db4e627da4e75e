"""How fast a scenario is played: all its devices in one process, written to nowhere."""

from __future__ import annotations

import math
import os
import resource
import time
from pathlib import Path
from typing import Any

from firmware_sim.run import Stop, calendar, run
from firmware_sim.scenario import Scenario
from firmware_sim.town import Town, Ways


def measure(scenario: Scenario, for_s: float, seed: int = 0) -> dict[str, Any]:
    """Play so many seconds at once; messages, seconds and memory as one JSON object's values."""
    with Path(os.devnull).open("wb") as nowhere:
        town = Town(scenario, Ways(paper=nowhere), seed, settable=False)
        began, used = time.monotonic(), time.process_time()
        times = calendar(scenario, speed=math.inf, for_s=for_s)
        run(scenario, town, Stop(), times, seed=seed, speed=math.inf, for_s=for_s)
        seconds, cpu_s = time.monotonic() - began, time.process_time() - used
        town.close()
    return {
        "devices": len(scenario.units) + len(scenario.parts),
        "story_s": for_s,
        "messages": town.printed,
        "seconds": round(seconds, 2),
        "cpu_s": round(cpu_s, 2),
        "messages_per_cpu_s": round(town.printed / max(cpu_s, 1e-9)),
        "times_real_time": round(for_s / max(seconds, 1e-9)),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
