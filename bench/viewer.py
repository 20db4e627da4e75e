"""A viewer of the live stream: signs in as a person would and notes when each alarm's step is seen."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime

import httpx

Step = tuple[str, int]
"""Device, and the time in ms of the reading that moved its alarm."""


class Viewer:
    """Follows /api/v1/stream in a thread; `seen` holds the moment of every step, `fault` what ended the stream."""

    def __init__(self, url: str, password: str) -> None:
        self.seen: dict[Step, float] = {}
        self.repeated = 0
        self.fault: Exception | None = None
        self.ready = threading.Event()
        self._client = httpx.Client(base_url=url, timeout=30)
        self._client.post("/api/v1/session", json={"name": "admin", "password": password}).raise_for_status()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="viewer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Turn away from the stream."""
        self._closing = True
        self._thread.join(10)  # a status comes every two seconds
        self._client.close()

    def _run(self) -> None:
        try:
            with self._client.stream("GET", "/api/v1/stream") as answer:
                answer.raise_for_status()
                kind = ""
                for line in answer.iter_lines():
                    if self._closing:
                        return
                    if line.startswith("event:"):
                        kind = line[6:].strip()
                        self.ready.set()
                    elif line.startswith("data:") and kind == "alarm":
                        self._note(json.loads(line[5:]))
                raise ConnectionError("the API has ended the stream")  # noqa: TRY301 -- as any other end
        except Exception as error:  # noqa: BLE001 -- whoever waits for steps must hear why none come
            self.fault = error
            self.ready.set()

    def _note(self, alarm: dict[str, object]) -> None:
        now = time.monotonic()
        step = alarm["transition"]
        if isinstance(step, dict) and step.get("reading_time"):
            at = datetime.fromisoformat(str(step["reading_time"]))
            place = (str(alarm["device"]), round(at.timestamp() * 1000))
            self.repeated += place in self.seen
            self.seen.setdefault(place, now)
