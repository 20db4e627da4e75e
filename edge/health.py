"""The agent's own health, once a minute, as readings of its gateway like any other."""

from __future__ import annotations

import threading

import structlog

from edge.agent import Agent
from edge.journal import JournalBroken, JournalFull
from edge.reading import now_us

log = structlog.get_logger("edge.health")

EVERY_S = 60.0


class Health:
    """Says what waits, what the journal has lost, and what it has dropped because it was full."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edge health", daemon=True)

    def start(self) -> None:
        """Say it now, and then every minute."""
        self._thread.start()

    def close(self) -> None:
        """Say no more."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._agent.accept(self._samples())
            except JournalFull as error:
                log.warning("no room to say how we are", reason=str(error))
            except JournalBroken as error:
                log.critical("journal broken, health is not said any more", error=str(error))
                return
            self._stopping.wait(EVERY_S)

    def _samples(self) -> list[tuple[str, int, float]]:
        agent, at_us = self._agent, now_us()
        values = {
            "edge-waiting": agent.publisher.waiting,
            "edge-damaged": agent.journal.damaged,
            "edge-dropped": agent.journal.dropped,
        }
        return [(f"{agent.device}/{name}", at_us, float(value)) for name, value in values.items()]
