"""Progress as the database has it: how many readings are committed, and how fast they become more."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.errors import BenchError

POLL_S = 0.1


@dataclass
class Progress:
    """Committed counts by time. `count` asks for the total; `allow` is told of it at every look."""

    count: Callable[[], int]
    allow: Callable[[int], None]
    seen: list[tuple[float, int]] = field(default_factory=list)

    def look(self) -> int:
        """Ask once; kept when it has become more."""
        asked = time.monotonic()
        now = self.count()
        if not self.seen or now > self.seen[-1][1]:
            self.seen.append((asked, now))
        self.allow(now)
        return now

    def follow(self, seconds: float) -> float:
        """Readings a second over this time, measured from one commit to another: a batch is large."""
        begun = time.monotonic()
        first = len(self.seen)
        while time.monotonic() - begun < seconds or len(self.seen) < first + 2:
            time.sleep(POLL_S)
            self.look()
            if time.monotonic() - begun > 3 * seconds + 30:
                raise BenchError("the hub commits nothing")
        (from_at, from_count), (to_at, to_count) = self.seen[max(first - 1, 0)], self.seen[-1]
        return (to_count - from_count) / (to_at - from_at)

    def wait(self, total: int, patience_s: float = 60.0) -> None:
        """Wait until this many are committed, for as long as they become more."""
        moved = time.monotonic()
        before = self.look()
        while before < total:
            time.sleep(POLL_S)
            if (now := self.look()) > before:
                before, moved = now, time.monotonic()
            if time.monotonic() - moved > patience_s:
                return  # the balance will say what is missing
