"""A run: samples at their time, to the devices' firmware, until it is over or someone says stop."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from firmware_sim.field import samples

if TYPE_CHECKING:
    from firmware_sim.scenario import Scenario
    from firmware_sim.town import Town

# How often a waiting run looks whether it is to stop.
LOOK_S = 0.2
# How long samples may come without a look at the links.
TURN_S = 0.002
# How long a run that is over waits for answers: its own end, and an end that someone waits for.
LINGER_S = 30.0
STOPPING_S = 2.0


class Stop:
    """Set by a signal: once to end in order, twice to end at once."""

    def __init__(self) -> None:
        self.asked = 0

    def ask(self, *_: object) -> None:
        """Ask for the end; fits as a signal handler."""
        self.asked += 1


class Calendar:
    """Times of samples: the wall clock's where a run is paced, the story's own where it is not."""

    def __init__(self, start_ms: int, speed: float) -> None:
        self.start_ms = start_ms
        self.speed = 1.0 if math.isinf(speed) else speed
        self._last: dict[str, int] = {}

    def true_s(self, second: float) -> float:
        """Seconds since 1970 at a second of the story."""
        return self.start_ms / 1000 + second / self.speed

    def ts_ms(self, device: str, second: float) -> int:
        """Milliseconds since 1970; a device never says the same one twice, however fast the run is."""
        ts = self.start_ms + round(second / self.speed * 1000)
        ts = max(ts, self._last.get(device, ts - 1) + 1)
        self._last[device] = ts
        return ts


def begin_s(scenario: Scenario, start_ms: int) -> float:
    """Second of the story at which a run that starts at this time begins."""
    if not scenario.local_time:
        return 0.0
    return (start_ms / 1000 + scenario.utc_offset_h * 3600) % 86400


def calendar(scenario: Scenario, *, speed: float, for_s: float) -> Calendar:
    """The times of a run that starts now.

    A story in its own time (`times: story`), and one that is sent at once, end now; nothing is ever in the future.
    """
    now_ms = time.time_ns() // 1_000_000
    if math.isinf(speed):
        return Calendar(now_ms - int(for_s * 1000), speed)
    if scenario.story_time and math.isfinite(for_s):
        return Calendar(now_ms - int((for_s - for_s / speed) * 1000), 1.0)
    return Calendar(now_ms, speed)


def run(
    scenario: Scenario,
    town: Town,
    stop: Stop,
    times: Calendar,
    *,
    seed: int,
    speed: float,
    for_s: float,
) -> None:
    """Run a scenario to its end, then wait a little for what is not settled.

    Args:
        scenario: the devices and their story.
        town: takes the samples.
        stop: looked at several times a second.
        times: of the samples.
        seed: of all noise.
        speed: how many times faster than the wall clock; infinity is as fast as `town` takes them, with the
            times of the last `for_s` seconds.
        for_s: seconds of the story; infinity runs until it is stopped.
    """
    at_once = math.isinf(speed)
    started = worked = time.monotonic()
    for sample in samples(scenario, seed, begin_s(scenario, times.start_ms)):
        if sample.second >= for_s:
            break
        due = started if at_once else started + sample.second / speed
        # Thousands of samples in one go share a look at the sockets.
        if time.monotonic() - worked > TURN_S:
            town.work(0)
            worked = time.monotonic()
        while not stop.asked and ((left := due - time.monotonic()) > 0 or (at_once and town.full)):
            town.work(LOOK_S if at_once else min(left, LOOK_S))
        if stop.asked:
            break
        town.sampled(sample, times.ts_ms(sample.device, sample.second), times.true_s(sample.second))
    deadline = time.monotonic() + (STOPPING_S if stop.asked else LINGER_S)
    while town.waiting and stop.asked < 2 and time.monotonic() < deadline:  # noqa: PLR2004 - twice
        town.work(LOOK_S)
