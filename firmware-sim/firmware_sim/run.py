"""A run: samples at their time, into an uplink or onto paper, until it is over or someone says stop."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Protocol

from firmware_sim.field import samples
from firmware_sim.wire import encode

if TYPE_CHECKING:
    from firmware_sim.scenario import Scenario

# How often a waiting run looks whether it is to stop.
LOOK_S = 0.2
# How long a run that is over waits for answers: its own end, and an end that someone waits for.
LINGER_S = 10.0
STOPPING_S = 2.0


class Way(Protocol):
    """Where lines go: an uplink with its backlog, or stdout."""

    def offer(self, line: bytes) -> None:
        """Take a line, or count it as dropped."""

    def work(self, wait_s: float) -> None:
        """Bring lines on their way, for at most so long."""

    @property
    def full(self) -> bool:
        """Whether the next line would be dropped."""

    @property
    def waiting(self) -> int:
        """Lines that are not settled yet."""


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


def run(scenario: Scenario, way: Way, stop: Stop, *, seed: int, speed: float, for_s: float) -> None:
    """Run a scenario to its end, then wait a little for what is not settled.

    Args:
        scenario: the devices and their story.
        way: takes the lines.
        stop: looked at several times a second.
        seed: of all noise.
        speed: how many times faster than the wall clock; infinity is as fast as `way` takes them, with the
            times of the last `for_s` seconds.
        for_s: seconds of the story; infinity runs until it is stopped.
    """
    at_once = math.isinf(speed)
    start_ms = time.time_ns() // 1_000_000 - (int(for_s * 1000) if at_once else 0)
    started = time.monotonic()
    calendar = Calendar(start_ms, speed)
    for sample in samples(scenario, seed, begin_s(scenario, start_ms)):
        if sample.second >= for_s:
            break
        due = started if at_once else started + sample.second / speed
        way.work(0)
        while not stop.asked and ((left := due - time.monotonic()) > 0 or (at_once and way.full)):
            way.work(LOOK_S if at_once else min(left, LOOK_S))
        if stop.asked:
            break
        way.offer(encode(sample.device, calendar.ts_ms(sample.device, sample.second), sample.values))
    deadline = time.monotonic() + (STOPPING_S if stop.asked else LINGER_S)
    while way.waiting and stop.asked < 2 and time.monotonic() < deadline:  # noqa: PLR2004 - twice
        way.work(LOOK_S)
