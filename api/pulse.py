"""What streams repeat every two seconds, the status and the standing values, read once for all clients of one reach."""

import asyncio
import time

import structlog

from api.database import Connections
from api.feed import Feed
from api.standing import Standing
from api.status import Census, census, status_of
from api.subscriber import event

log = structlog.get_logger(__name__)

EVERY_S = 2.0
CENSUS_EVERY_S = 10.0


class Pulse:
    """Beats as long as the server runs; a beat that fails is logged and the next one comes."""

    def __init__(self, feed: Feed, pool: Connections) -> None:
        self._feed = feed
        self._pool = pool
        self._counted: dict[int | None, tuple[float, Census]] = {}
        self._standing: dict[int | None, Standing] = {}

    async def run(self) -> None:
        """Beat for ever."""
        failing = False
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self._beat()
                failing = False
            except Exception as error:  # noqa: BLE001 -- a failed beat must not be the last
                if not failing:
                    log.warning("status or values could not be read", error=type(error).__name__)
                failing = True

    async def _beat(self) -> None:
        reaches = {subscriber.reach for subscriber in self._feed.subscribers}
        self._standing = {reach: self._standing.get(reach) or Standing(reach) for reach in reaches}
        for reach, standing in self._standing.items():
            self._show(reach, "status", await self.written(reach))
            async with self._pool.connection() as connection:
                changed = await standing.look(connection)
            if changed is not None:
                self._show(reach, "values", event("values", changed))

    def _show(self, reach: int | None, kind: str, written: bytes) -> None:
        for subscriber in self._feed.subscribers:
            if subscriber.reach == reach:
                subscriber.show(kind, written)

    async def written(self, reach: int | None) -> bytes:
        """Read the status and write it as an event."""
        async with self._pool.connection() as connection:
            at, counted = self._counted.get(reach, (-CENSUS_EVERY_S, None))
            if counted is None or time.monotonic() - at > CENSUS_EVERY_S:
                counted = await census(connection, reach)
                self._counted[reach] = time.monotonic(), counted
            status = await status_of(connection, reach, counted)
        return event("status", status.model_dump_json().encode())
