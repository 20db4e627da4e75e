"""Which atlas holds: made at the start, anew when a request finds that zones have changed, and for the past."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, NamedTuple, TypeVar

import anyio
import anyio.to_thread
import psycopg
import structlog
from fastapi import Depends, Request

from api.atlas import Atlas
from api.database import Connections, aside
from geo import table

log = structlog.get_logger(__name__)

T = TypeVar("T")

AT_ONCE = 2
"""Questions of many points at one time: each takes a core."""
PATIENCE_S = 2.0
"""So long a question waits for zones that have changed; then it is answered by those before, and says so."""
EVERY_S, AWAY_S = 2.0, 15.0
"""Between two looks whether zones have changed; longer where the database is away."""
PAST = 2
"""Atlases of the past that are kept."""

AS_NOW = """
select not exists (select from zone_history where valid_from > %(at)s or valid_to > %(at)s) as as_now,
       (select min(valid_from) from zone_history) as begins"""


class Made(NamedTuple):
    """An atlas, the number of changes that it knows, and when it was read."""

    atlas: Atlas
    changes: int
    at: datetime


class Survey:
    """Keeps the newest atlas. Lives on the event loop; what takes long is done in threads."""

    def __init__(self, pool: Connections) -> None:
        self._pool = pool
        self._limiter = anyio.CapacityLimiter(AT_ONCE)
        self._newest: Made | None = None
        self._making: asyncio.Task[None] | None = None
        self._past: OrderedDict[tuple[int, datetime], asyncio.Task[Atlas]] = OrderedDict()

    async def run(self) -> None:
        """Keep the newest atlas as new as the zones, beside what is asked."""
        while True:
            try:
                await self._up_to_date()
            except psycopg.Error:
                await asyncio.sleep(AWAY_S)
            await asyncio.sleep(EVERY_S)

    async def now(self) -> tuple[Atlas, datetime | None]:
        """Give the zones as they are committed now, and None; or those before them, and of when they are.

        Where zones have changed, a question waits `PATIENCE_S` at most for the new ones.
        """
        if self._newest is None:
            return (await self._up_to_date()).atlas, None
        try:
            async with asyncio.timeout(PATIENCE_S):
                return (await self._up_to_date()).atlas, None
        except TimeoutError:
            return self._newest.atlas, self._newest.at

    async def _up_to_date(self) -> Made:
        changes = await self._changes()
        while self._newest is None or self._newest.changes < changes:
            if self._making is None or self._making.done():
                self._making = asyncio.create_task(self._renew(), name="survey")
                # Said here: those who waited may have gone.
                self._making.add_done_callback(_say)
            # Whoever goes away does not take along what others wait for.
            await asyncio.shield(self._making)
        return self._newest

    async def _renew(self) -> None:
        changes, at = await self._changes(), datetime.now(UTC)
        self._newest = Made(await self._read(table.zones), changes, at)

    async def on(self, at: datetime) -> tuple[Atlas, datetime | None]:
        """Give the zones as they were at a moment, and since when the history of zones is known."""
        changes = await self._changes()
        async with self._pool.connection() as connection:
            found = await (await connection.execute(AS_NOW, {"at": at})).fetchone()
        if found is None or found["as_now"]:
            return (await self._up_to_date()).atlas, None if found is None else found["begins"]
        # Moments between two changes have one atlas: the later change names it, of the past none comes between.
        name = changes, await self._since(at)
        made = self._past.pop(name, None)
        if made is None or _failed(made):
            made = asyncio.create_task(
                self._read(partial(table.fences_on, moment=at)), name="survey of the past"
            )
            made.add_done_callback(_say)
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

    async def _read(self, zones: Callable[[psycopg.Cursor[Any]], Any]) -> Atlas:
        def read(connection: psycopg.Connection[Any]) -> Any:
            with connection.cursor() as cursor:
                return zones(cursor)

        found = await aside(self._pool, read)
        # Many zones take ten seconds: the end of the server does not wait for them.
        return await anyio.to_thread.run_sync(Atlas, found, abandon_on_cancel=True)


def _say(made: asyncio.Task[Any]) -> None:
    if _failed(made) and not made.cancelled():
        log.error("zones could not be read", error=repr(made.exception()))


def _failed(made: asyncio.Task[Any]) -> bool:
    return made.done() and (made.cancelled() or made.exception() is not None)


def _survey(request: Request) -> Survey:
    found: Survey = request.app.state.survey
    return found


SurveyOf = Annotated[Survey, Depends(_survey)]
