"""Remembering: what the hub knows beyond the tables is saved now and then, and taken up by the next run."""

from __future__ import annotations

import psycopg
import structlog

from alerts import outlook
from cityhub.crowd.census import Census
from cityhub.following import Following
from cityhub.kernels import Kernels
from edge.reading import Rows
from ingest import checkpoint
from ingest.clock import Clocks
from ingest.latest import upsert
from ingest.order import Newest
from ingest.registry import Registry
from ingest.session import Session

log = structlog.get_logger("cityhub.remembering")


class Remembering:
    """In the main thread. What is saved is of one moment: nothing may be on its way to the writer meanwhile."""

    def __init__(
        self,
        session: Session,
        registry: Registry,
        newest: Newest,
        clocks: Clocks,
        kernels: Kernels,
        following: Following,
        census: Census,
    ) -> None:
        self._session, self._registry, self._newest, self._clocks = session, registry, newest, clocks
        self._kernels, self._following, self._census = kernels, following, census

    def take_up(self) -> None:
        """Begin where the last run's commits ended: load the checkpoint, feed what was stored after it."""
        saved = self._session.run(checkpoint.load)
        self._kernels.take_up(saved)
        self._following.take_up(saved)
        self._census.take_up(saved)
        fed = 0
        for rows in self._session.run(
            lambda connection: list(
                checkpoint.stored_since(connection, self._newest.times, sorted(self._registry.series))
            )
        ):
            self._kernels.replay(rows)
            self._census.replay(rows)
            self._session.run(lambda connection, rows=rows: _upsert_latest(connection, rows))  # type: ignore[misc]
            fed += len(rows)
        self._session.run(lambda connection: self._kernels.go_on_from(connection, saved))
        log.info("resumed", checkpoint="newest" in saved, fed=fed)

    def save(self) -> None:
        """Write the checkpoint, and what is expected and known of clocks."""
        arrays = self._kernels.saved() | self._following.saved() | self._census.saved()
        self._session.run(lambda connection: checkpoint.save(connection, arrays))
        expected = self._kernels.expected()
        self._session.run(lambda connection: outlook.write(connection, expected))
        recorded = {device.id for device in self._registry.devices.values() if device.recorded}
        self._session.run(lambda connection: self._clocks.write(connection, recorded))


def _upsert_latest(connection: psycopg.Connection, rows: Rows) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        upsert(cursor, rows)
