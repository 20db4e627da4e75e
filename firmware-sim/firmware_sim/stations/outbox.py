"""The outbox of a station: messages kept until the centre has acknowledged them, repeated, given up for a while."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

Make = Callable[[int], bytes]
"""The bytes of a message for its try number 0, 1, 2."""


@dataclass(slots=True)
class Kept:
    """A message and the key that its acknowledgement names."""

    key: object
    make: Make
    sent_before: bool = False  # in an earlier session


@dataclass(slots=True)
class Outbox:
    """One message at a time on the line (M2): sent, waited for, sent again, then the line is left.

    Every message offered ends in exactly one of `acknowledged`, `dropped`, `forgotten`, or is `waiting`.
    """

    limit: int = 500
    repeats: int = 2
    patience_s: float = 10.0
    pause_s: float = 30.0  # after three tries without an answer, until the link is made anew
    sent: int = 0
    resent: int = 0
    acknowledged: int = 0
    dropped: int = 0  # the store was full: the oldest goes
    forgotten: int = 0  # lost with the RAM at a reboot
    given_up: int = 0  # sessions ended after three tries
    _kept: deque[Kept] = field(default_factory=deque, init=False)
    _tries: int = field(default=0, init=False)
    _deadline: float = field(default=0.0, init=False)
    _not_before: float = field(default=0.0, init=False)

    @property
    def waiting(self) -> int:
        """Messages without an acknowledgement."""
        return len(self._kept)

    def put(self, key: object, make: Make) -> None:
        """Keep a message until it is acknowledged."""
        if len(self._kept) >= self.limit:
            # While the first is on the line it is the second that goes.
            on_line = self._kept.popleft() if self._tries else None
            self._kept.popleft()
            if on_line:
                self._kept.appendleft(on_line)
            self.dropped += 1
        self._kept.append(Kept(key, make))

    def due(self, now: float) -> bytes:
        """The bytes to send now; empty where there is nothing, or the answer is still waited for."""
        if not self._kept or now < self._not_before or (self._tries and now < self._deadline):
            return b""
        if self._tries > self.repeats:
            self.given_up += 1
            self._not_before = now + self.pause_s
            self._tries = 0
            return b""
        first = self._kept[0]
        self.sent += 1
        self.resent += self._tries > 0 or first.sent_before
        first.sent_before = True
        message = first.make(self._tries)
        self._tries += 1
        self._deadline = now + self.patience_s
        return message

    def left_the_line(self, now: float) -> bool:
        """Whether three tries went unanswered: the station hangs up for a while."""
        return now < self._not_before

    def acknowledge(self, key: object) -> bool:
        """Take the message on the line out, if it is this one."""
        if not self._kept or self._kept[0].key != key:
            return False
        self._kept.popleft()
        self._tries = 0
        self.acknowledged += 1
        return True

    def drained(self) -> bytes:
        """The next message, taken as acknowledged: for paper, where nobody answers."""
        if not self._kept:
            return b""
        self.sent += 1
        self.acknowledged += 1
        return self._kept.popleft().make(0)

    def acknowledge_first(self, function: int) -> bool:
        """Take the message on the line out where an answer names its function alone (SL/T 427)."""
        first = self._kept[0].key if self._kept and self._tries else None
        return isinstance(first, tuple) and first[0] == function and self.acknowledge(first)

    def link_lost(self) -> None:
        """The link broke: what was not acknowledged is sent again on the next one."""
        self._tries = 0

    def link_made(self) -> None:
        """A new link: the first try of its first message is now."""
        self._tries = 0
        self._not_before = 0.0

    def reboot(self) -> None:
        """RAM is gone."""
        self.forgotten += len(self._kept)
        self._kept.clear()
        self._tries = 0
