"""The load: agents that are fed readings without pause, and a record on disk of what they accepted.

As a program (`load.py '{...}'`) it runs until SIGTERM, then until everything is committed; it may be killed at any moment.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from faults import walkers, wrong_agents
from faults.walkers import Walkers

from edge import publisher
from edge.agent import Agent
from edge.journal import JournalFull, Record
from edge.positions import Fix
from edge.reading import now_us

Sample = tuple[str, int, float]

GATEWAY = ("municipal", "gateway-01")
STATION = ("water", "river-01")
# What each agent reports, in turn; `cover-01/open` goes up and down and moves an alarm.
NAMES = {
    "gateway-01": [
        "lamp-01/current",
        "lamp-02/current",
        "river-02/level",
        "camera-01/people",
        "cover-01/open",
    ],
    "river-01": ["level", "rain", "battery"],
}
ALARMING = "cover-01/open"
UP_FOR = 4  # batches


@dataclass(slots=True)
class Order:
    """What the load is to do; plain, so that it can be handed to a program."""

    folder: str
    broker: str
    record: str
    each: int = 12
    every_s: float = 0.03
    resend_after_s: float = 3.0
    mend_clock_us: int = 0  # added to every reading's time
    agents: list[tuple[str, str]] = field(default_factory=lambda: [GATEWAY, STATION])
    walkers: list[str] = field(default_factory=list)  # whose places the first agent tells, once a step
    patch: str = ""  # the fault of a control


class Ledger:
    """The generator's own record: what was offered is noted before, what was accepted after, both on disk."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._life, self._number = f"{time.time_ns():x}", 0

    def offer(self, samples: list[Sample], fixes: list[Fix]) -> str:
        """About to hand these over."""
        self._number += 1
        mark = f"{self._life}.{self._number}"
        places = [(walkers.key(name), at, (lon, lat)) for name, at, lon, lat, _ in fixes]
        self._note({"offer": mark, "samples": [*samples, *places]})
        return mark

    def accept(self, mark: str, places: Iterable[tuple[str, int]]) -> None:
        """The agent has said yes."""
        self._note({"accept": mark, "places": list(places)})

    def close(self) -> None:
        self._file.close()

    def _note(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        os.fdatasync(self._file.fileno())


class Load:
    """Agents under way. `step` hands each of them one batch."""

    def __init__(self, order: Order) -> None:
        self.order, self.refused, self.accepted, self._step = order, 0, 0, 0
        self._last_us = 0
        self.ledger = Ledger(Path(order.record))
        self._places: list[tuple[str, int]] = []
        self.agents = [self._agent(department, device) for department, device in order.agents]
        self._walkers = Walkers(order.walkers)

    def start(self) -> None:
        """Let them send."""
        for agent in self.agents:
            agent.start()

    def mend_clock(self, offset_us: int) -> None:
        """Set the clock by which readings are stamped."""
        self.order.mend_clock_us, self._last_us = offset_us, 0

    def step(self) -> None:
        """One batch each."""
        for agent in self.agents:
            self.hand(
                agent, self.samples(agent.device), self._walkers.step() if agent is self.agents[0] else []
            )
        self._step += 1

    def hand(self, agent: Agent, samples: list[Sample], fixes: Iterable[Fix] = ()) -> bool:
        """Offer samples and fixes, and note what became of it; False where the journal was full."""
        named = [(_full(agent.device, name), at, value) for name, at, value in samples]
        mark = self.ledger.offer(named, list(fixes))
        self._places.clear()
        try:
            agent.accept(samples, fixes)
        except JournalFull:
            self.refused += 1
            return False
        self.ledger.accept(mark, self._places)
        self.accepted += 1
        return True

    def samples(self, device: str) -> list[Sample]:
        """The next batch of a device: times never repeat, and every value is another."""
        names = NAMES[device]
        made = []
        for place in range(self.order.each):
            self._last_us = max(self._last_us + 1, now_us() + self.order.mend_clock_us)
            name = names[place % len(names)]
            value = float(self._step // UP_FOR % 2) if name == ALARMING else self._last_us % 10**10 / 1_000
            made.append((name, self._last_us, value))
        return made

    def drain(self, timeout_s: float) -> bool:
        """Wait until the hub has committed everything."""
        limit = time.monotonic() + timeout_s
        return all(
            agent.publisher.wait_committed(max(0.0, limit - time.monotonic())) for agent in self.agents
        )

    def close(self) -> None:
        for agent in self.agents:
            agent.close()
        self.ledger.close()

    def _agent(self, department: str, device: str) -> Agent:
        agent = Agent(Path(self.order.folder) / device, self.order.broker, department, device)
        agent.publisher._patience_s = self.order.resend_after_s
        append = agent.journal.append

        def noted(body: bytes) -> Record:
            record = append(body)
            self._places.append((record.boot, record.seq))
            return record

        agent.journal.append = noted  # type: ignore[method-assign]
        return agent


def _full(device: str, name: str) -> str:
    return name if "/" in name else f"{device}/{name}"


def main(order: Order) -> int:
    """Run until told to stop and everything is committed."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    publisher.RESEND_AFTER_S = order.resend_after_s
    if order.patch:
        wrong_agents.PATCHES[order.patch]()
    load = Load(order)
    load.start()
    while not stopping.is_set():
        load.step()
        stopping.wait(order.every_s)
    while not load.drain(1.0):
        pass  # whoever waits for us has the limit
    load.close()
    return 0


def command(order: Order) -> list[str]:
    """The command line of this program."""
    return [sys.executable, "-P", __file__, json.dumps(asdict(order))]


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    given["agents"] = [(department, device) for department, device in given["agents"]]
    sys.exit(main(Order(**given)))
