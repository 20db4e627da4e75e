"""A hub with one fault put in by FAULT, so that the oracle can be seen to catch it; none where it is empty."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import orjson

from cityhub.hub import Hub, Plan
from cityhub.signals import stop_on_signals
from ingest.batch import Batch
from ingest.store import Store
from ingest.writer import Writer


def early_ack() -> None:
    """Got it, so say so: acknowledged and called committed before it is."""
    put, commit = Writer.put, Store.commit

    def put_and_acknowledge(self: Writer, batch: Batch) -> None:
        self._inbox.acknowledge(batch.messages)
        for device_id, boot, _, seq in batch.progress:
            department, device = batch.senders[device_id, boot]
            said = orjson.dumps({"boot": boot, "seq": seq})
            self._inbox.tell(f"city/v1/{department}/{device}/committed", said)
        put(self, batch)

    def commit_slowly(self: Store, batch: Batch) -> None:
        time.sleep(0.3)  # so that a kill finds a batch in hand
        commit(self, batch)

    Writer.put = put_and_acknowledge  # type: ignore[method-assign]
    Store.commit = commit_slowly  # type: ignore[method-assign]


FAULTS: dict[str, Any] = {"": lambda: None, "early_ack": early_ack}

if __name__ == "__main__":
    FAULTS[os.environ["FAULT"]]()
    plan = Plan(
        os.environ["CITYHUB_DATABASE_URL"],
        os.environ["CITYHUB_MQTT_URL"],
        rule_folders=(Path(os.environ["CITYHUB_RULES"]),),
    )
    Hub(plan, stop_on_signals()).run()
