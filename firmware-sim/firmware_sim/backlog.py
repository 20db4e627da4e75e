"""The backlog: lines that the gateway has not settled yet, kept over connections, bounded."""

from __future__ import annotations

from collections import deque
from itertools import islice

from firmware_sim.wire import WireError

LIMIT = 10_000


class Backlog:
    """Lines in order of sampling, and how far this connection got with them.

    Every line offered ends in exactly one of `acknowledged`, `refused`, `dropped`, or is still `waiting`.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.sent = 0  # lines handed to a connection, repeats included
        self.resent = 0
        self.acknowledged = 0
        self.refused = 0
        self.dropped = 0
        self._lines: deque[bytes | None] = deque()  # None: refused, its number still counts
        self._settled = 0  # lines of this connection that are gone from the front
        self._taken = 0  # lines at the front that this connection has been given
        self._tried = 0  # lines at the front that some connection has been given

    @property
    def waiting(self) -> int:
        """Lines without an answer."""
        return len(self._lines) - self._lines.count(None)

    @property
    def unanswered(self) -> int:
        """Lines this connection was given and has not answered."""
        return self._taken

    @property
    def full(self) -> bool:
        """Whether the next line would be dropped."""
        return len(self._lines) >= self.limit

    def offer(self, line: bytes) -> bool:
        """Keep a new line; False where there is no room: it is counted as dropped."""
        if self.full:
            self.dropped += 1
            return False
        self._lines.append(line)
        return True

    def take(self, most: int = 64) -> bytes:
        """Hand the next lines of this connection out, at most so many; empty where none are left."""
        lines = list(islice(self._lines, self._taken, self._taken + most))
        self.sent += len(lines)
        self.resent += max(min(self._tried, self._taken + len(lines)) - self._taken, 0)
        self._taken += len(lines)
        self._tried = max(self._tried, self._taken)
        # Beyond what this connection was given nothing is refused yet.
        return b"".join(line for line in lines if line is not None)

    def acknowledge(self, number: int) -> None:
        """Settle the first `number` lines of this connection (raises `WireError` for lines never sent)."""
        self._known(number)
        while self._settled < number:
            self.acknowledged += self._lines[0] is not None
            self._forget_first()

    def refuse(self, number: int) -> None:
        """Take line `number` of this connection, from 1, out of the repeats (raises `WireError`)."""
        self._known(number)
        place = number - self._settled - 1
        if place < 0 or self._lines[place] is None:
            return
        self._lines[place] = None
        self.refused += 1
        while self._taken and self._lines[0] is None:
            self._forget_first()

    def rewind(self) -> None:
        """A connection ended: what it did not settle is to be sent again, counted from 1."""
        gone = self._lines.count(None)
        self._lines = deque(line for line in self._lines if line is not None)
        self._tried -= gone
        self._settled = self._taken = 0

    def _known(self, number: int) -> None:
        if number > self._settled + self._taken:
            raise WireError(f"the gateway answered line {number} of {self._settled + self._taken}")

    def _forget_first(self) -> None:
        self._lines.popleft()
        self._settled += 1
        self._taken -= 1
        self._tried -= 1
