"""One client of the live stream: what waits for it, and when it is given up."""

import asyncio
from collections import deque
from typing import Any

import orjson

WAITING = 512
"""Events that may wait for one client; a flood of alarms beyond that is fetched after a reconnect."""


def event(kind: str, data: Any, number: int | None = None) -> bytes:
    """Write one server-sent event."""
    body = data if isinstance(data, bytes) else orjson.dumps(data)
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {kind}\ndata: ".encode() + body + b"\n\n"


class Subscriber:
    """A bounded queue of events. Used on the event loop only."""

    def __init__(self, reach: int | None, account: int) -> None:
        self.reach = reach
        self.account = account
        self.closed = False
        self.seen: set[int] = set()
        """Transitions that a replay has already sent."""
        self._events: deque[tuple[int, bytes]] = deque()
        self._shown: dict[str, bytes] = {}
        self._wake = asyncio.Event()

    def offer(self, number: int, written: bytes) -> None:
        """Queue an alarm's transition; a client that lets too many wait is closed and comes back."""
        if len(self._events) >= WAITING:
            self.close()
        else:
            self._events.append((number, written))
            self._wake.set()

    def show(self, kind: str, written: bytes) -> None:
        """Set the event of this kind to send next: only the newest is of interest."""
        self._shown[kind] = written
        self._wake.set()

    def close(self) -> None:
        """End the stream after what is being sent."""
        self.closed = True
        self._wake.set()

    async def take(self, wait_s: float) -> bytes:
        """Wait for something to send, nothing at the end of the wait."""
        if not self._wake.is_set():
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                return b""
        self._wake.clear()
        parts = [written for number, written in self._events if number not in self.seen]
        self._events.clear()
        parts += self._shown.values()
        self._shown.clear()
        return b"".join(parts)
