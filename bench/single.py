"""Single devices: meters that each publish plain JSON, through the whole hub, every reading accounted for."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from bench import balance, meters
from bench.generator import Generator
from bench.progress import Progress
from bench.rig import Rig

READINGS = len(meters.METRICS)
DEVICES = 10_000
# Enough that the hub never waits for the generator between two looks at the ledger, little enough that the
# broker's regular save of its store stays small.
BACKLOG = 15_000


@dataclass(slots=True)
class Found:
    """What the runs showed: messages a second of each, CPU seconds by process, messages that the CPU went into."""

    rates: list[float]
    cpu: dict[str, float]
    measured: int
    sent: int
    again: int  # readings that were delivered twice, and stored once

    @property
    def rate(self) -> float:
        """The median of the runs."""
        return median(self.rates)

    def cpu_per_1000(self) -> dict[str, float]:
        """CPU seconds per 1,000 messages."""
        return {name: round(1000 * spent / max(self.measured, 1), 4) for name, spent in self.cpu.items()}


def measure(rig: Rig, devices: int, seconds: float, runs: int, first: int = 0) -> Found:
    """Load the hub to its limit; raises Mismatch unless all that was sent is stored once.

    `first` messages came from an earlier call.
    """
    load = Generator("bench.load", url=rig.broker.field_url, devices=devices, first=first)
    try:
        progress = Progress(
            lambda: balance.stored(rig.connection),
            lambda done: load.tell(limit=done // READINGS + BACKLOG),
        )
        rig.say("warming up: every meter becomes known")
        begun = progress.look()
        progress.wait(begun + READINGS * (devices + BACKLOG))
        progress.follow(min(seconds, 3))
        meter, before = rig.meter(generator=load.pid), progress.look()
        rates = []
        for number in range(runs):
            rig.say(f"single devices, run {number + 1} of {runs}")
            rates.append(progress.follow(seconds) / READINGS)
        cpu, measured = meter.read(), (progress.look() - before) // READINGS
        progress.allow = lambda _: None
        load.tell(stop=True)
        said = load.finish()
    finally:
        load.kill()
    rig.say("counting what is stored")
    progress.wait(begun + READINGS * said["sent"])
    balance.check_meters(rig.connection, devices, first + said["sent"])
    again = balance.check_ledger(rig.connection, begun + READINGS * said["sent"])
    return Found(rates, cpu, measured, said["sent"], again)
