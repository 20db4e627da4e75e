"""Which atlas holds: made anew beside the event loop when a request finds that zones have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Request

from api.atlas import Atlas, read
from api.database import Connections, aside

T = TypeVar("T")

AT_ONCE = 2
"""Questions of many points at one time: each takes a core."""


class Survey:
    """Keeps the newest atlas. Lives on the event loop; what takes long is done in threads."""

    def __init__(self, pool: Connections) -> None:
        self._pool = pool
        self._limiter = anyio.CapacityLimiter(AT_ONCE)
        self._made: asyncio.Task[Atlas] | None = None
        self._of = -1

    async def now(self) -> Atlas:
        """Give the zones as they are committed now; waits where they have changed since they were last asked for."""
        async with self._pool.connection() as connection:
            found = await (await connection.execute("select count(*) as changes from zone_change")).fetchone()
        # Counted before the zones are read: at worst the same ones are read twice, never old ones kept.
        changes = found["changes"] if found else 0
        if self._made is None or changes > self._of or _failed(self._made):
            self._made = asyncio.create_task(self._make(), name="survey")
            self._made.add_done_callback(_failed)
            self._of = changes
        # Whoever goes away does not take along what others wait for.
        return await asyncio.shield(self._made)

    async def ask(self, question: Callable[[], T]) -> T:
        """Answer a question of many points in a thread."""
        return await anyio.to_thread.run_sync(question, limiter=self._limiter)

    async def _make(self) -> Atlas:
        atlas = await aside(self._pool, read)
        return await anyio.to_thread.run_sync(atlas.built)


def _failed(made: asyncio.Task[Atlas]) -> bool:
    """Say whether an atlas could not be made; to those who waited for it, it was told."""
    return made.done() and (made.cancelled() or made.exception() is not None)


def _survey(request: Request) -> Survey:
    found: Survey = request.app.state.survey
    return found


SurveyOf = Annotated[Survey, Depends(_survey)]
