"""The keeper: a thread of the hub that runs tally and aggregates every minute and retention every hour."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import structlog

from ingest import aggregates
from ingest.lifecycle import Retention, keep

log = structlog.get_logger("ingest.keeper")

AGGREGATE_EVERY_S = 60.0
KEEP_EVERY_S = 3600.0


class Keeper:
    """Works on a connection of its own; what fails is said and tried again at the next turn."""

    def __init__(
        self, database_url: str, retention: Retention, fold: Callable[[psycopg.Connection], object]
    ) -> None:
        self._url, self._retention, self._fold = database_url, retention, fold
        self._stopping = threading.Event()
        self._keep_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin; the first turn is at once."""
        self._thread.start()

    def close(self) -> None:
        """End after the portion in hand."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                self._turn()
            except psycopg.OperationalError as error:
                log.warning("aggregates and retention wait for the database", reason=str(error).strip())
            except Exception:
                log.exception("aggregates or retention failed; readings are not touched by it")
            self._stopping.wait(max(1.0, AGGREGATE_EVERY_S - (time.monotonic() - begun)))

    def _turn(self) -> None:
        with psycopg.connect(
            self._url, autocommit=True, application_name="cityhub keeper", connect_timeout=10
        ) as connection:
            self._fold(connection)
            begun = time.monotonic()
            done = aggregates.run(connection, stop=self._stopping.is_set)
            if done.repaired:
                log.info(
                    "aggregates repaired", hours=done.repaired, seconds=round(time.monotonic() - begun, 2)
                )
            if time.monotonic() >= self._keep_at:
                keep(connection, self._retention, stop=self._stopping.is_set)
                self._keep_at = time.monotonic() + KEEP_EVERY_S
