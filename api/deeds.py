"""Deeds: rare changes that a part does synchronously, done for a request on a thread and a connection of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import anyio
import anyio.to_thread
import psycopg
from fastapi import Depends, Request

from api.database import CONNECT

T = TypeVar("T")

AT_ONCE = 4
STATEMENT_S = 10


class Deeds:
    """Runs deeds, a few at a time: they hash secrets and pictures, which would hold up the event loop."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._limiter = anyio.CapacityLimiter(AT_ONCE)

    async def do(self, deed: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Run a deed and return what it found; psycopg's errors are answered like those of any route."""

        def run() -> T:
            with psycopg.connect(self._url, autocommit=True, **CONNECT) as connection:
                connection.execute(f"set statement_timeout = '{STATEMENT_S}s'")
                connection.execute("set timezone = 'UTC'")
                return deed(connection)

        return await anyio.to_thread.run_sync(run, limiter=self._limiter)


def _deeds(request: Request) -> Deeds:
    found: Deeds = request.app.state.deeds
    return found


DeedsOf = Annotated[Deeds, Depends(_deeds)]
