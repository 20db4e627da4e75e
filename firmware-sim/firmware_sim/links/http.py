"""Telemetry by HTTP POST: one connection, one request at a time, kept until it is taken."""

from __future__ import annotations

import http.client
import time
from collections import deque

LIMIT = 10_000
TIMEOUT_S = 5.0
RETRY_S = 2.0
AT_ONCE = 50


class Poster:
    """Posts documents to one path; what the hub could not take is posted again, what it refuses is not."""

    def __init__(self, host: str, port: int, token: str, path: str = "/api/v1/telemetry") -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        self._head = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        self._path = path
        self._queue: deque[tuple[str, bytes]] = deque()
        self._retry_at = 0.0
        self.taken = self.refused = self.dropped = 0

    def offer(self, device: str, document: bytes) -> None:
        """Keep a document of a device, or count it as dropped."""
        if len(self._queue) >= LIMIT:
            self.dropped += 1
        else:
            self._queue.append((device, document))

    def work(self) -> None:
        """Post what waits."""
        if time.monotonic() < self._retry_at:
            return
        for _ in range(min(AT_ONCE, len(self._queue))):
            device, document = self._queue[0]
            try:
                self._connection.request("POST", f"{self._path}?device={device}", document, self._head)
                answer = self._connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                self._connection.close()
                self._retry_at = time.monotonic() + RETRY_S
                return
            if answer.status >= 500 or answer.status == 429:  # noqa: PLR2004 - the hub is not able just now
                self._retry_at = time.monotonic() + RETRY_S
                return
            self._queue.popleft()
            if answer.status < 300:  # noqa: PLR2004 - taken
                self.taken += 1
            else:
                self.refused += 1

    @property
    def waiting(self) -> int:
        """Documents not settled."""
        return len(self._queue)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()
