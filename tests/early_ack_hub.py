"""A hub that acknowledges before it commits: the control which the kill test must catch losing readings."""

from __future__ import annotations

import os
import time

import orjson

from cityhub.hub import Hub, Plan
from cityhub.signals import stop_on_signals
from ingest.batch import Batch
from ingest.store import Store
from ingest.writer import Writer

put, commit = Writer.put, Store.commit


def put_and_acknowledge(self: Writer, batch: Batch) -> None:
    """What people write: got it, so say so."""
    self._inbox.acknowledge(batch.messages)
    for device_id, boot, _, seq in batch.progress:
        department, device = batch.senders[device_id, boot]
        self._inbox.tell(f"city/v1/{department}/{device}/committed", orjson.dumps({"boot": boot, "seq": seq}))
    put(self, batch)


def commit_slowly(self: Store, batch: Batch) -> None:
    """A database with something else to do, so that the kill finds a batch in hand."""
    time.sleep(0.3)
    commit(self, batch)


if __name__ == "__main__":
    if os.environ["EARLY"] == "yes":
        Writer.put = put_and_acknowledge  # type: ignore[method-assign]
    Store.commit = commit_slowly  # type: ignore[method-assign]
    Hub(Plan(os.environ["CITYHUB_DATABASE_URL"], os.environ["CITYHUB_MQTT_URL"]), stop_on_signals()).run()
