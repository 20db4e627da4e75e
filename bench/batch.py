"""Edge batches through the whole hub, held against a bare COPY of the same rows into the same kind of table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np

from bench import balance, copying, field, fleet, meters
from bench.errors import Mismatch
from bench.generator import Generator
from bench.progress import Progress
from bench.rig import Rig
from edge.reading import Rows

GATEWAYS = 8
READINGS = fleet.METERS_A_GATEWAY * len(meters.METRICS) * field.SAMPLES


@dataclass(slots=True)
class Found:
    """What the runs showed: readings a second of each, rows a second of the bare COPY before and after."""

    rates: list[float]
    copies: list[float]
    cpu: dict[str, float]
    measured: int
    accepted: int

    @property
    def rate(self) -> float:
        """The median of the runs."""
        return median(self.rates)

    @property
    def copy(self) -> float:
        """The median of the bare copies."""
        return median(self.copies)


def measure(rig: Rig, gateways: int, seconds: float, runs: int) -> Found:
    """Let edge agents send as fast as they get `committed`; raises Mismatch unless all is stored once."""
    copies = [bare_copy(rig, gateways, seconds / 2)]
    agents = {fleet.gateway(number): fleet.behind(number) for number in range(gateways)}
    load = Generator("bench.field", url=rig.broker.field_url, folder=str(rig.home / "edge"), agents=agents)
    try:
        progress = Progress(lambda: balance.stored(rig.connection), lambda _: None)
        rig.say("edge batches: warming up")
        begun = progress.look()
        progress.follow(min(seconds, 3))
        meter, before = rig.meter(generator=load.pid), progress.look()
        rates = []
        for number in range(runs):
            rig.say(f"edge batches, run {number + 1} of {runs}")
            rates.append(progress.follow(seconds))
        cpu, measured = meter.read(), progress.look() - before
        load.tell(stop=True)
        said = load.finish()
    finally:
        load.kill()
    rig.say("counting what is stored")
    progress.wait(begun + said["accepted"])
    if not said["settled"] or said["resent"]:
        raise Mismatch(f"the edge agents were not told of every commit: {said}")
    balance.check_ledger(rig.connection, begun + said["accepted"])
    copies.append(bare_copy(rig, gateways, seconds / 2))
    return Found(rates, copies, cpu, measured, said["accepted"])


def bare_copy(rig: Rig, gateways: int, seconds: float) -> float:
    """Rows a second of a bare COPY of what the agents send; the hub waits meanwhile."""
    rig.say("the same rows by a bare COPY")
    copying.make_table(rig.connection, index=True)
    reached = copying.rate(rig.connection, same_rows(gateways), seconds)
    rig.connection.execute(f"drop table {copying.TABLE}".encode())
    return reached


def same_rows(gateways: int) -> Iterator[Rows]:
    """The agents' batches in turn, with series numbered as the hub would, about 50,000 rows at a time."""
    names = [str(place) for place in range(fleet.METERS_A_GATEWAY * len(meters.METRICS))]
    sources = [field.batches(names) for _ in range(gateways)]
    each = len(names) * field.SAMPLES
    rounds = max(round(copying.ROWS_A_BATCH / (each * gateways)), 1)
    while True:
        parts = []
        for _ in range(rounds):
            for number, source in enumerate(sources):
                rows = next(source).rows.copy()
                rows["series"] += 1 + number * len(names)
                parts.append(rows)
        yield np.concatenate(parts)
