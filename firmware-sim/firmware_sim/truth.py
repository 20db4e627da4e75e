"""The truth of a scenario: what really happened, with time and place, to judge alarms by."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from firmware_sim.run import Calendar
    from firmware_sim.scenario import Scenario


def write(scenario: Scenario, calendar: Calendar, for_s: float, file: TextIO) -> int:
    """Write the events before `for_s`, a JSON object a line; how many there are.

    Each has `second` of the story, `ts` in ms as the devices' own times, `kind`, `state` (begin, end, once), `what`
    (a device or a place), `lon`, `lat` (WGS-84), and a `value` where there is one.
    """
    count = 0
    for event in scenario.world.events() if scenario.world else ():
        if event.second >= for_s:
            continue
        told: dict[str, object] = {
            "second": round(event.second, 1),
            "ts": round(calendar.true_s(event.second) * 1000),
            "kind": event.kind,
            "state": event.state,
            "what": event.what,
            "lon": event.lon,
            "lat": event.lat,
        }
        if not math.isnan(event.value):
            told["value"] = round(event.value, 3)
        file.write(json.dumps(told) + "\n")
        count += 1
    return count


def reboot(device: str, second: float, calendar: Calendar, file: TextIO) -> None:
    """A device began anew: chance decided it during the run."""
    ts = round(calendar.true_s(second) * 1000)
    told = {"second": round(second, 1), "ts": ts, "kind": "reboot", "state": "once", "what": device}
    file.write(json.dumps(told) + "\n")
