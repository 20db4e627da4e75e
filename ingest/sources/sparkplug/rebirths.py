"""Whom to ask for a new birth, and when: never all at once, and no one again and again."""

from __future__ import annotations

AGAIN_US = 10 * 1_000_000
LONGEST_US = 3600 * 1_000_000
DOUBLINGS = 9
CALM_US = 2 * LONGEST_US  # an edge node that was not asked for so long is asked at once again


class Rebirths:
    """Who is still to be asked. An edge node that answers and at once gives cause again waits twice as long each time."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._due: dict[str, int] = {}
        self._asked: dict[str, tuple[int, int]] = {}  # when last, and how often
        self._tokens, self._seen_us = 0.0, 0

    def want(self, address: str, now_us: int) -> bool:
        """Ask this edge node as soon as may be; False where it is to be asked already."""
        if address in self._due:
            return False
        last, tries = self._asked.get(address, (-CALM_US, 0))
        if now_us - last >= CALM_US:
            tries = 0
        self._due[address] = max(now_us, last + _wait_us(tries)) if tries else now_us
        return True

    def born(self, address: str) -> None:
        """It has given birth."""
        self._due.pop(address, None)

    def forget(self, address: str) -> None:
        """It is no longer known."""
        self._due.pop(address, None)
        self._asked.pop(address, None)

    def take(self, now_us: int) -> list[str]:
        """Those to ask now; who does not answer is due again later."""
        passed = max(now_us - self._seen_us, 0) * 1e-6 if self._seen_us else 1.0
        self._tokens, self._seen_us = min(self._tokens + passed * self._per_s, max(self._per_s, 1.0)), now_us
        turn: list[str] = []
        for address, due_us in self._due.items():
            if len(turn) + 1 > self._tokens:
                break
            if due_us <= now_us:
                turn.append(address)
        self._tokens -= len(turn)
        for address in turn:
            last, tries = self._asked.get(address, (-CALM_US, 0))
            tries = 1 if now_us - last >= CALM_US else min(tries + 1, DOUBLINGS)
            self._asked[address] = now_us, tries
            del self._due[
                address
            ]  # to the end of the line: who does not answer must not stand before the others
            self._due[address] = now_us + _wait_us(tries)
        return turn

    def __len__(self) -> int:
        return len(self._due)


def _wait_us(tries: int) -> int:
    return int(min(AGAIN_US << tries - 1, LONGEST_US))
