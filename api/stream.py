"""The live stream: server-sent events, from a hello to the end of the session."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

import psycopg
import structlog
from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from api.access import SignedIn, still
from api.database import Pool
from api.feed import NUMBER, Feed
from api.status import version
from api.subscriber import Subscriber, event
from api.values import Instant

log = structlog.get_logger(__name__)

router = APIRouter(tags=["stream"])

HEARTBEAT_S = 15.0
SEND_S = 30.0
"""A client that takes nothing for so long is gone or stuck; it reconnects with Last-Event-ID."""
RETRY_MS = 2000


class Stream(Response):
    """Sends what a subscriber is offered until either side ends it."""

    media_type = "text/event-stream"

    def __init__(
        self, opening: bytes, subscriber: Subscriber, feed: Feed, allowed: Callable[[], Awaitable[bool]]
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._opening = opening
        self._subscriber = subscriber
        self._feed = feed
        self._allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI
        """Answer the request; returns when the stream is over."""
        leaving = asyncio.create_task(self._left(receive), name="stream-left")
        try:
            await self._send(send)
        except TimeoutError:
            log.info("a stream's client takes nothing, closed")
        finally:
            self._feed.leave(self._subscriber)
            leaving.cancel()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body, beat = self._opening, time.monotonic()
        while True:
            if body:
                async with asyncio.timeout(SEND_S):
                    await send({"type": "http.response.body", "body": body, "more_body": True})
            if self._subscriber.closed:
                break
            body = await self._subscriber.take(max(beat + HEARTBEAT_S - time.monotonic(), 0.0))
            if time.monotonic() >= beat + HEARTBEAT_S:
                beat = time.monotonic()
                if not await self._allowed():
                    break
                body += b": heartbeat\n\n"
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _left(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._subscriber.close()


class Hello(BaseModel):
    """The first event: whether what was missed could be replayed whole."""

    time: Instant
    version: str
    replayed: int
    complete: bool


@router.get(
    "/api/v1/stream",
    status_code=200,
    response_class=Stream,
    responses={
        200: {
            "description": "Events `hello`, `status`, `alarm`, `values`.",
            "content": {"text/event-stream": {}},
        }
    },
)
async def stream(
    request: Request,
    caller: SignedIn,
    pool: Pool,
    last: Annotated[str | None, Header(alias="Last-Event-ID", max_length=64)] = None,
) -> Stream:
    """Follow alarms, the status, and what the standing alarms measure.

    `values` is an object of `{alarm id: {value, time, flag, trend}}`, told when any of them has
    changed; a `trend` of null is not known yet. Each alarm event is delivered at least once: after a reconnect with `Last-Event-ID` those that
    were missed come first. Where `complete` is false there were too many: read the lists again.
    """
    feed: Feed = request.app.state.feed

    async def allowed() -> bool:
        try:
            return await still(pool, caller)
        except psycopg.OperationalError:
            # Without the database nothing flows that could be withheld; the next check decides.
            return True

    subscriber = feed.join(caller.reach, caller.account_id)
    try:
        after = int(last) if last is not None and NUMBER.fullmatch(last) else None
        missed, complete = ([], True) if after is None else await feed.missed(after, caller.reach)
        subscriber.seen.update(number for number, _ in missed)
        hello = Hello(time=datetime.now(UTC), version=version(), replayed=len(missed), complete=complete)
        # With the newest id from the start, a stream that breaks before its first alarm misses none.
        first = event("hello", hello.model_dump_json().encode(), feed.newest if after is None else None)
        opening = [f"retry: {RETRY_MS}\n".encode(), first, *(text for _, text in missed)]
        opening.append(await request.app.state.pulse.written(caller.reach))
    except BaseException:
        feed.leave(subscriber)
        raise
    return Stream(b"".join(opening), subscriber, feed, allowed)
