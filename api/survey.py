"""Which atlas holds: made anew beside the event loop when a request finds that zones have changed, or asks for the past."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypeVar

import anyio
import anyio.to_thread
import psycopg
from fastapi import Depends, Request

from api.atlas import Atlas
from api.database import Connections, aside
from geo import table

T = TypeVar("T")

AT_ONCE = 2
"""Questions of many points at one time: each takes a core."""
PAST = 2
"""Atlases of the past that are kept."""

AS_NOW = """
select not exists (select from zone_history where valid_from > %(at)s or valid_to > %(at)s) as as_now,
       (select min(valid_from) from zone_history) as begins"""


class Survey:
    """Keeps the newest atlas. Lives on the event loop; what takes long is done in threads."""

    def __init__(self, pool: Connections) -> None:
        self._pool = pool
        self._limiter = anyio.CapacityLimiter(AT_ONCE)
        self._made: asyncio.Task[Atlas] | None = None
        self._of = -1
        self._past: OrderedDict[tuple[int, datetime], asyncio.Task[Atlas]] = OrderedDict()

    async def now(self) -> Atlas:
        """Give the zones as they are committed now; waits where they have changed since they were last asked for."""
        changes = await self._changes()
        if self._made is None or changes > self._of or _failed(self._made):
            self._made = self._make(table.zones)
            self._of = changes
        # Whoever goes away does not take along what others wait for.
        return await asyncio.shield(self._made)

    async def on(self, at: datetime) -> tuple[Atlas, datetime | None]:
        """Give the zones as they were at a moment, and since when the history of zones is known."""
        changes = await self._changes()
        async with self._pool.connection() as connection:
            found = await (await connection.execute(AS_NOW, {"at": at})).fetchone()
        if found is None or found["as_now"]:
            return await self.now(), None if found is None else found["begins"]
        # Moments between two changes have one atlas: the later change names it, of the past none comes between.
        name = changes, await self._since(at)
        made = self._past.pop(name, None)
        if made is None or _failed(made):
            made = self._make(partial(table.fences_on, moment=at))
        self._past[name] = made
        while len(self._past) > PAST:
            self._past.popitem(last=False)
        return await asyncio.shield(made), found["begins"]

    async def ask(self, question: Callable[[], T]) -> T:
        """Answer a question of many points in a thread."""
        return await anyio.to_thread.run_sync(question, limiter=self._limiter)

    async def _changes(self) -> int:
        # Counted before the zones are read: at worst the same ones are read twice, never old ones kept.
        async with self._pool.connection() as connection:
            found = await (await connection.execute("select count(*) as changes from zone_change")).fetchone()
        return 0 if found is None else int(found["changes"])

    async def _since(self, at: datetime) -> datetime:
        """Since when the zones were as they were at a moment, by their history and by their own validity."""
        async with self._pool.connection() as connection:
            found = await (
                await connection.execute(
                    """select max(turn) as since from (
                           select valid_from as turn from zone_history union all select valid_to from zone_history
                           union all select (record ->> 'valid_from')::timestamptz from zone_history
                           union all select (record ->> 'valid_to')::timestamptz from zone_history) as turns
                       where turn <= %s""",
                    (at,),
                )
            ).fetchone()
        since: datetime | None = found["since"] if found else None
        return since or at

    def _make(self, zones: Callable[[psycopg.Cursor[Any]], Any]) -> asyncio.Task[Atlas]:
        async def making() -> Atlas:
            def read(connection: psycopg.Connection[Any]) -> Any:
                with connection.cursor() as cursor:
                    return zones(cursor)

            return await anyio.to_thread.run_sync(Atlas, await aside(self._pool, read))

        made = asyncio.create_task(making(), name="survey")
        # Looked at here too: those who waited may have gone.
        made.add_done_callback(_failed)
        return made


def _failed(made: asyncio.Task[Atlas]) -> bool:
    return made.done() and (made.cancelled() or made.exception() is not None)


def _survey(request: Request) -> Survey:
    found: Survey = request.app.state.survey
    return found


SurveyOf = Annotated[Survey, Depends(_survey)]
