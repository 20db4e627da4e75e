"""The agent's own health, once a minute, as readings of its gateway like any other; and its notes, as an event."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from edge import clock
from edge.agent import Agent
from edge.journal import JournalBroken, JournalFull
from edge.notes import Notes
from edge.reading import now_us

log = structlog.get_logger("edge.health")

EVERY_S = 60.0
PAGE = os.sysconf("SC_PAGE_SIZE")


class Driver(Protocol):
    """What every driver tells of itself."""

    fault: Exception | None

    @property
    def refused(self) -> int:
        """Frames that said nothing."""

    def links(self) -> Sequence[object]:
        """The links that are open."""


class Health:
    """Says what waits, what the journal has lost or dropped, and how the machine is."""

    def __init__(
        self,
        agent: Agent,
        drivers: Callable[[], Sequence[Driver]] = tuple,
        notes: Notes | None = None,
        suppressed: Callable[[], int] = lambda: 0,
    ) -> None:
        """`drivers`: those there are now; `suppressed`: how many readings report by exception has held back."""
        self._agent, self._drivers, self._notes, self._suppressed = agent, drivers, notes, suppressed
        self._used = (time.monotonic(), time.process_time())
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edge health", daemon=True)

    def start(self) -> None:
        """Say it now, and then every minute."""
        self._thread.start()

    def close(self) -> None:
        """Say no more."""
        self._stopping.set()
        if self._thread.is_alive():
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
            except OSError as error:  # the disk under the journal does not answer
                log.warning("cannot say how we are", reason=str(error))
            except Exception:
                log.exception("cannot say how we are")  # a bug; a minute later it may be another
            if self._notes is not None:
                self._notes.tell(self._agent.publisher.say)
            self._stopping.wait(EVERY_S)

    def _samples(self) -> list[tuple[str, int, float]]:
        agent, at_us = self._agent, now_us()
        disk = os.statvfs(agent.journal.folder)
        values: dict[str, float | None] = {
            "edge-waiting": agent.publisher.waiting,
            "edge-damaged": agent.journal.damaged,
            "edge-dropped": agent.journal.dropped,
            "edge-disk-free": disk.f_bavail * disk.f_frsize / 1e6,
            "edge-memory": _resident_bytes() / 1e6,
            "edge-cpu": self._cpu_percent(),
        }
        if drivers := self._drivers():
            values["edge-links"] = sum(len(driver.links()) for driver in drivers)
            values["edge-drivers-failed"] = sum(driver.fault is not None for driver in drivers)
            values["edge-rejected"] = sum(driver.refused for driver in drivers)
            values["edge-suppressed"] = self._suppressed()
        told = clock.ask()
        values["edge-clock-synchronised"] = told.synchronised
        values["edge-clock-offset"] = told.offset_s
        return [
            (f"{agent.device}/{name}", at_us, float(value))
            for name, value in values.items()
            if value is not None
        ]

    def _cpu_percent(self) -> float:
        """Of one core, since the last time."""
        before, self._used = self._used, (time.monotonic(), time.process_time())
        passed = self._used[0] - before[0]
        return 100 * (self._used[1] - before[1]) / passed if passed > 0 else 0.0


def _resident_bytes() -> int:
    """Memory that this process holds; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        return 0
