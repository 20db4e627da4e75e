"""The beat: what a running hub says of itself once a second, counted from what was committed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from uuid import UUID

import psycopg

from ingest import store
from ingest.batch import Batch
from ingest.inbox import Inbox
from ingest.quota import Quotas
from ingest.records import from_us
from ingest.registry import Registry
from ingest.writer import Writer

COLUMNS = ("messages", "received", "stored", "flagged", "late", "duplicate", "quarantined", "rejected")


class Beat:
    """Counts of this run; `count` is called in the writer's thread, `say` in the main one."""

    def __init__(
        self,
        run: UUID,
        inbox: Inbox,
        quotas: Quotas,
        registry: Registry,
        writer: Writer,
        unread: Callable[[], int],
    ) -> None:
        """`unread` counts the reads of zones that failed."""
        self._run, self._inbox, self._quotas, self._registry, self._writer = (
            run, inbox, quotas, registry, writer,
        )  # fmt: skip
        self._unread = unread
        self._counts: Counter[str] = Counter()
        self._before: tuple[float, int] = (time.monotonic(), 0)
        self._newest_us = 0

    def count(self, batch: Batch) -> None:
        """Add a committed batch."""
        for column in COLUMNS:
            self._counts[column] += batch.ledger.total(column)
        self._counts["alarms"] += len(batch.events)
        self._counts["fixes"] += len(batch.fixes)
        self._counts["crossings"] += len(batch.crossings)
        if batch.newer.any():
            self._newest_us = max(self._newest_us, int(batch.rows["time"][batch.newer].max()))

    def say(self, connection: psycopg.Connection) -> None:
        """Write the status of this run."""
        now, received = time.monotonic(), self._counts["received"]
        before_s, before = self._before
        self._before = now, received
        status = {
            **self._counts,
            "readings_per_s": round((received - before) / max(now - before_s, 1e-3), 1),
            "newest_at": from_us(self._newest_us).isoformat() if self._newest_us else None,
            "queue": self._inbox.waiting,
            "held": int(self._quotas.held.sum()),
            "connected": self._inbox.connected,
            "series": len(self._registry.series),
            "waits": self._writer.waits,
            "zone_reads_failed": self._unread(),
        }
        store.beat(connection, self._run, status)
