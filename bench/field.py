"""Edge agents under load, a process of their own: journal, publisher and wire format as a gateway runs them.

Reads JSON lines: first the order (see `Order`), then `{"stop": true}`. When everything is committed, or time is up,
prints one JSON line.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import meters
from edge import wire
from edge.journal import Journal
from edge.publisher import Publisher
from edge.reading import READING, UNEVALUATED, Readings, now_us

SAMPLES = 8  # of each series in one batch
STEP_US = 1_000
WAITING = 8  # batches of one agent: accepted, and not yet committed
LAST_COMMIT_S = 60.0


@dataclass(slots=True)
class Order:
    """What to do: `agents` is a table of gateways and the devices behind them."""

    url: str
    folder: str
    agents: dict[str, list[str]]
    stop: bool = False


def batches(names: list[str]) -> Iterator[Readings]:
    """What one gateway gathers: every series in turn, each turn a step later, never before its time."""
    turn, place = divmod(np.arange(len(names) * SAMPLES), len(names))
    rows = np.zeros(len(turn), READING)
    rows["series"], rows["flag"] = place, UNEVALUATED
    at, number = 0, 0
    while True:
        at = max(at + STEP_US, now_us() - STEP_US * SAMPLES)
        rows["time"] = at + STEP_US * turn
        at += STEP_US * (SAMPLES - 1)
        rows["value"] = 200 + (place + number) % 50
        number += 1
        yield Readings(names, rows)


class Agent:
    """One gateway: the parts of edge.agent, fed with columns as a driver of a fast bus would."""

    def __init__(self, order: Order, key: str, devices: list[str]) -> None:
        self._journal = Journal(Path(order.folder) / key)
        self.publisher = Publisher(self._journal, order.url, meters.DEPARTMENT, key)
        self._batches = batches([f"{device}/{metric}" for device in devices for metric in meters.METRICS])
        self.accepted = 0
        self.publisher.start()

    def fill(self) -> bool:
        """Accept a batch, where not too many wait; whether there was room."""
        if self.publisher.waiting >= WAITING:
            return False
        readings = next(self._batches)
        self.publisher.offer(self._journal.append(wire.body(readings)))
        self.accepted += len(readings.rows)
        return True

    def close(self) -> None:
        """Stop sending."""
        self.publisher.close()
        self._journal.close()


def listen(order: Order) -> None:
    """Stop when told, or when the bench's end of the pipe closes."""
    for line in sys.stdin:
        order.stop = order.stop or bool(json.loads(line).get("stop"))
    order.stop = True


def main() -> None:
    """Follow one order to its end."""
    order = Order(**json.loads(sys.stdin.readline()))
    threading.Thread(target=listen, args=(order,), daemon=True).start()
    agents = [Agent(order, key, devices) for key, devices in order.agents.items()]
    while not order.stop:
        if not sum(agent.fill() for agent in agents):
            time.sleep(0.002)
    until = time.monotonic() + LAST_COMMIT_S
    settled = all(agent.publisher.wait_committed(max(until - time.monotonic(), 0)) for agent in agents)
    for agent in agents:
        agent.close()
    used = resource.getrusage(resource.RUSAGE_SELF)
    said = {
        "accepted": sum(agent.accepted for agent in agents),
        "settled": settled,
        "resent": sum(agent.publisher.counts.resent for agent in agents),
        "cpu_s": used.ru_utime + used.ru_stime,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
