"""Notes on their way to the hub: what stations do wrong, counted by code and told once a minute as one event."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import orjson

from edge.drivers.conversation import printable
from edge.drivers.dialogue import Note
from edge.reading import now_us

CODES = 100  # told apart in one minute; what is beyond is counted under "other"
TEXT = 300

Say = Callable[[str, bytes], bool]
"""edge.publisher.Publisher.say."""


def event(kind: str, data: dict[str, Any], at_us: int | None = None) -> bytes:
    """The wire form of an event: `{"type","ts","data"}`, time in ms."""
    return orjson.dumps({"type": kind, "ts": (now_us() if at_us is None else at_us) // 1_000, "data": data})


class Notes:
    """Gathers notes from any thread. What could not be told is kept, so that nothing is left out of the counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, dict[str, Any]] = {}
        self._since_us = now_us()
        self.total = 0

    def take(self, link: str, note: Note) -> None:
        """One note; its code's first is the example."""
        with self._lock:
            self.total += 1
            code = note.code if note.code in self._found or len(self._found) < CODES else "other"
            known = self._found.get(code)
            if known is None:
                self._found[code] = {
                    "code": code,
                    "count": 1,
                    "station": printable(note.station),
                    "link": link,
                    "text": printable(note.text, TEXT),
                }
            else:
                known["count"] += 1

    def tell(self, say: Say) -> bool:
        """Say what has gathered; False where there was nothing, or nobody to hear it."""
        with self._lock:
            if not self._found:
                self._since_us = now_us()
                return False
            data = {"since": self._since_us // 1_000, "notes": list(self._found.values())}
            if not say("event", event("notes", data)):
                return False
            self._found, self._since_us = {}, now_us()
            return True
