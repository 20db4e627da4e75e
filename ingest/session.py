"""The main thread's database session: opened again when it is lost, patient while the database is away."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TypeVar

import psycopg
import structlog

from ingest.connection import Line

log = structlog.get_logger("ingest.session")

T = TypeVar("T")
PAUSE_S = (0.2, 15.0)


class Stopped(Exception):
    """The hub is ending while the database is away."""


class Session:
    """Runs pieces of work on one connection; work that was interrupted is run again from its beginning."""

    def __init__(self, database_url: str, stopping: threading.Event, listen: str) -> None:
        self._line = Line(database_url, "cityhub main")
        self._stopping, self._listen = stopping, listen
        self._connection: psycopg.Connection | None = None
        self._told = True  # at first, and after every loss, something may have changed

    def run(self, work: Callable[[psycopg.Connection], T]) -> T:
        """Run work that may be repeated; raises Stopped."""
        pause = PAUSE_S[0]
        while True:
            try:
                return work(self._open())
            except psycopg.OperationalError as error:
                self.close()
                if self._stopping.is_set():
                    raise Stopped from error
                log.warning("database away, waiting", reason=str(error).strip(), again_in_s=round(pause, 1))
                self._stopping.wait(pause * random.uniform(0.5, 1))  # noqa: S311 -- jitter, no secret
                pause = min(2 * pause, PAUSE_S[1])

    def changed(self) -> bool:
        """Whether somebody has notified the channel since the last call, or may have while we were away."""
        told, self._told = self._told, False
        return self.run(lambda connection: any(True for _ in connection.notifies(timeout=0))) or told

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._line.open()
            self._connection.execute(f"listen {self._listen}")
            self._told = True
        return self._connection
