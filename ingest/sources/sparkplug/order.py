"""The order of an edge node's messages by their sequence numbers, 0 to 255 and round again."""

from __future__ import annotations

from enum import Enum

ROUND = 256
# What is further ahead than this is taken to be behind.
AHEAD = ROUND // 2


class Turn(Enum):
    """Where a message stands in the order of its edge node."""

    HERE = "it is its turn"
    AHEAD = "others are missing before it"
    BEHIND = "its number has been before: it comes again, or too late"


class Order:
    """Which number comes next, which have come before their turn, and since when one is missing."""

    def __init__(self, first: int) -> None:
        self.next = (first + 1) % ROUND
        self.ahead: set[int] = set()
        self.since_us: int | None = None  # the reorder timer's start; None: nothing is missing

    def take(self, seq: int, arrived_us: int) -> Turn:
        """Whether this number's turn has come. If not, a timer runs until the order is whole again."""
        if seq == self.next:
            self.next = (self.next + 1) % ROUND
            while self.next in self.ahead:
                self.ahead.remove(self.next)
                self.next = (self.next + 1) % ROUND
            if not self.ahead:
                self.since_us = None
            return Turn.HERE
        if self.since_us is None:
            self.since_us = arrived_us
        if (seq - self.next) % ROUND >= AHEAD:
            return Turn.BEHIND
        self.ahead.add(seq)
        return Turn.AHEAD

    def give_up(self) -> int:
        """Go on after the last that came; returns how many are missing."""
        base = self.next
        last = max(((seq - base) % ROUND for seq in self.ahead), default=-1)
        missing = last + 1 - len(self.ahead)
        self.next = (base + last + 1) % ROUND
        self.ahead.clear()
        self.since_us = None
        return missing
