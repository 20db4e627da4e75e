"""Strangers: links on which no station has said a frame yet, and who of them has to go, so that stations find room."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

GREETING_S = 120.0  # a station says something when it connects, or a heartbeat within 40 s or so
EACH = 256  # of one address: a thousand stations may stand behind one, but they speak
GRACE_S = 5.0  # they may all have connected just now

L = TypeVar("L", bound=Hashable)


class Strangers(Generic[L]):
    """Who has connected and said nothing that is a frame; each is known by its address. Times in seconds, monotonic."""

    def __init__(self, greeting_s: float = GREETING_S, each: int = EACH) -> None:
        """`greeting_s`: how long one may stay; `each`: how many of one address may."""
        self._greeting_s, self._each = greeting_s, each
        self._all: dict[L, tuple[str, float]] = {}  # in the order in which they came
        self._of: dict[str, dict[L, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, link: L, address: str, now: float) -> None:
        """One has connected."""
        self._all[link] = address, now
        self._of.setdefault(address, {})[link] = None

    def forget(self, link: L) -> None:
        """One has said a frame, or is gone; nothing where it was no stranger."""
        address, _ = self._all.pop(link, ("", 0.0))
        if of := self._of.get(address):
            of.pop(link, None)
            if not of:
                del self._of[address]

    def in_the_way(self, address: str, now: float, *, full: bool) -> L | None:
        """Who has to go when another comes from `address`.

        Where its address has too many already, the oldest of these, if it had the time to speak or there is no room;
        else, where there is no room, the oldest of all.
        """
        of = self._of.get(address, {})
        if len(of) >= self._each:
            oldest = next(iter(of))
            return oldest if full or now - self._all[oldest][1] > GRACE_S else None
        return next(iter(self._all), None) if full else None

    def overdue(self, now: float) -> list[L]:
        """Those whose time is up."""
        found = []
        for link, (_, since) in self._all.items():
            if now - since <= self._greeting_s:
                break
            found.append(link)
        return found
