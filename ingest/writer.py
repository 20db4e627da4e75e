"""The writer thread: commits batch after batch, and only then acknowledges; no failure of it goes unseen."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable

import orjson
import structlog

from ingest.batch import Batch
from ingest.inbox import Inbox
from ingest.store import Store, Unavailable

log = structlog.get_logger("ingest.writer")

PAUSE_S = (0.2, 15.0)


class Writer:
    """Takes batches in order. `fault` holds what stopped it: nothing is acknowledged after that."""

    def __init__(self, store: Store, inbox: Inbox, after: Callable[[Batch], None]) -> None:
        self._store, self._inbox, self._after = store, inbox, after
        # One batch is being written, one waits, one is being assembled: more would only add delay.
        self._batches: queue.Queue[Batch | None] = queue.Queue(maxsize=1)
        self._idle = threading.Condition()
        self._open = 0
        self._abandon = threading.Event()
        self.fault: Exception | None = None
        self.waits = ""  # why the database does not take the batch in hand
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, batch: Batch) -> None:
        """Hand over a batch; waits while two are open."""
        with self._idle:
            self._open += 1
        while self.fault is None:
            try:
                self._batches.put(batch, timeout=0.5)
            except queue.Full:
                continue
            return

    def drain(self) -> bool:
        """Wait until everything handed over is committed; False when it never will be."""
        with self._idle:
            self._idle.wait_for(lambda: self._open == 0 or self.fault is not None or self._abandon.is_set())
        return self._open == 0

    def abandon(self) -> None:
        """Stop trying: the database is away and the hub must end. What is not acknowledged comes again."""
        self._abandon.set()
        with self._idle:
            self._idle.notify_all()

    def close(self) -> None:
        """Write what was handed over, then end the thread."""
        while self.fault is None and self._thread.is_alive():
            try:
                self._batches.put(None, timeout=0.5)
            except queue.Full:
                continue
            break
        self._thread.join()

    def _run(self) -> None:
        try:
            while (batch := self._batches.get()) is not None and self._commit(batch):
                self._inbox.acknowledge(batch.messages)
                for device_id, boot, seq, beyond in batch.committed:
                    department, device = batch.senders[device_id, boot]
                    said = {"boot": boot, "seq": seq} | ({"also": beyond} if beyond else {})
                    self._inbox.tell(f"city/v1/{department}/{device}/committed", orjson.dumps(said))
                self._after(batch)
                with self._idle:
                    self._open -= 1
                    self._idle.notify_all()
        except Exception as error:
            log.exception("the writer stops; nothing is acknowledged any more")
            self.fault = error
        with self._idle:
            self._idle.notify_all()

    def _commit(self, batch: Batch) -> bool:
        """Commit, trying again for as long as the database is away; False when told to give up."""
        pause = PAUSE_S[0]
        while not self._abandon.is_set():
            try:
                self._store.commit(batch)
            except Unavailable as error:
                self.waits = str(error)
                log.warning(
                    "database does not take the batch, it is kept",
                    reason=self.waits,
                    again_in_s=round(pause, 1),
                )
                self._abandon.wait(pause * random.uniform(0.5, 1))  # noqa: S311 -- jitter, no secret
                pause = min(2 * pause, PAUSE_S[1])
            else:
                self.waits = ""
                return True
        return False
