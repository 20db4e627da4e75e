"""The window: records that wait or are under way to the hub, which of them goes next, and which goes again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edge.journal import Record

BACKLOG_SHARE = 0.5


class Sent(NamedTuple):
    """A record under way: when it went, and the queue that it came from."""

    record: Record
    at: float
    queue: deque[Record]


class Window:
    """At most `size` records are under way; after an outage what is new goes first. Belongs to whoever holds its lock.

    What waited through an outage is the backlog: it is sent in its own order, and BACKLOG_SHARE of the window is
    its own, so that neither it nor what is new can shut the other out.
    """

    def __init__(self, size: int, pending: Iterable[Record] = (), backlog: Iterable[Record] = ()) -> None:
        self.size = size
        self._pending, self._backlog = deque(pending), deque(backlog)
        self._sent: dict[tuple[str, int], Sent] = {}

    def __len__(self) -> int:
        """Records not yet committed."""
        return len(self._pending) + len(self._backlog) + len(self._sent)

    def offer(self, record: Record) -> None:
        """A record that the journal has just accepted."""
        self._pending.append(record)

    def waited_long(self) -> None:
        """An outage is over: what came in it is backlog."""
        self._backlog += self._pending
        self._pending.clear()

    def turn(self) -> deque[Record] | None:
        """The queue whose turn it is: what is new, or the backlog where that has room left of its own share."""
        share = max(int(self.size * BACKLOG_SHARE), 1)
        late = sum(sent.queue is self._backlog for sent in self._sent.values())
        kept_free = max(late, share) if self._backlog else late
        if self._pending and len(self._sent) - late < max(self.size - kept_free, 1):
            return self._pending
        return self._backlog if self._backlog and late < share else None

    def send(self, queue: deque[Record]) -> Sent:
        """The first of a queue is under way from now on."""
        record = queue.popleft()
        sent = self._sent[record.boot, record.seq] = Sent(record, time.monotonic(), queue)
        return sent

    def forget(self, record: Record) -> None:
        """It is not under way any more, and need not be."""
        self._sent.pop((record.boot, record.seq), None)

    def put_back(self, sent: Sent) -> None:
        """It could not be sent: it is the first of its queue again."""
        self.forget(sent.record)
        sent.queue.appendleft(sent.record)

    def take_back(self, older_than_s: float) -> int:
        """Put what was sent, but never committed, back in front of the queue; returns how many records that were."""
        limit = time.monotonic() - older_than_s
        back = [self._sent.pop(key) for key, sent in list(self._sent.items()) if sent.at <= limit]
        for sent in reversed(back):
            sent.queue.appendleft(sent.record)
        return len(back)

    def commit(self, boot: str, seq: int, also: Sequence[tuple[int, int]]) -> None:
        """The hub has committed a boot's records up to `seq`, and those in the spans beyond it.

        What is committed beyond a gap stays in the journal, but need not be sent again.
        """
        spans = [(0, seq), *also]
        for key in [key for key in self._sent if key[0] == boot and any(a <= key[1] <= b for a, b in spans)]:
            del self._sent[key]
        # Those behind another boot's are found to be pruned when their turn comes.
        for queue in (self._pending, self._backlog):
            while queue and queue[0].boot == boot and queue[0].seq <= seq:
                queue.popleft()
