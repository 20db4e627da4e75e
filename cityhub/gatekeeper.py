"""The gatekeeper: tells the broker who may enter whenever credentials or the registry have changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import psycopg
import structlog

from ingest.connection import Line
from ingest.credentials import CHANNEL, Grant, grants, note_admitted

log = structlog.get_logger("cityhub.gatekeeper")

# A notification is heard at once; without one it looks all the same, in case a connection was lost between.
LOOK_S = 30.0
STOP_S = 0.5
# Changes that come together (a list of devices) are told together: each telling is a reload of the broker.
GATHER_S = 0.05
AGAIN_S = 2.0


class Gatekeeper:
    """One thread with a database connection of its own, in the process that owns the broker.

    `admit` is given everybody who may enter; what it raises is told in the log, and it is called again.
    """

    def __init__(self, database_url: str, admit: Callable[[Sequence[Grant]], None]) -> None:
        self._line, self._admit = Line(database_url, "cityhub gatekeeper"), admit
        self._told: list[Grant] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gatekeeper", daemon=True)

    def start(self) -> None:
        """Begin; returns when the broker has been told for the first time, or after a few seconds in vain."""
        self._first = threading.Event()
        self._thread.start()
        self._first.wait(10.0)

    def close(self) -> None:
        """Stop listening; the broker keeps what it was told."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._line.open() as connection:
                    connection.execute(f"listen {CHANNEL}")
                    connection.execute("listen cityhub_registry")
                    while not self._stopping.is_set():
                        self._tell(connection)
                        self._wait(connection)
            except Exception as error:  # whatever it is: without this thread nobody revoked is thrown out
                expected = isinstance(error, psycopg.Error | OSError)
                log.warning(
                    "the broker is not told of changes, trying again",
                    reason=str(error).strip(),
                    exc_info=not expected,
                )
                self._told = None
                self._stopping.wait(AGAIN_S)

    def _tell(self, connection: psycopg.Connection) -> None:
        found = grants(connection)
        if found != self._told:
            self._admit(found)
            self._told = found
            note_admitted(connection, [grant.id for grant in found])
        self._first.set()

    def _wait(self, connection: psycopg.Connection) -> None:
        """Until something has changed, or it is time to look."""
        waited = 0.0
        while waited < LOOK_S and not self._stopping.is_set():
            if any(True for _ in connection.notifies(timeout=STOP_S, stop_after=1)):
                self._stopping.wait(GATHER_S)
                for _ in connection.notifies(timeout=0):
                    pass
                return
            waited += STOP_S
