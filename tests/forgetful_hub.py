"""A hub with a fault of choice: one that remembers nobody after a restart, or that dies between commit and acknowledgement."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from typing import Any

from cityhub.following import Following
from cityhub.hub import Hub, Plan
from cityhub.signals import stop_on_signals
from ingest.inbox import Inbox
from ingest.message import Message


def remember_nobody(self: Following, saved: Mapping[str, Any]) -> None:
    """What people write: positions come every second, so what."""


def die(self: Inbox, messages: Iterable[Message]) -> None:
    """A power cut in the worst moment: committed, and the broker does not know."""
    del self
    if any(message.topic.endswith("/position") for message in messages):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if os.environ["FAULT"] == "forgets":
        Following.take_up = remember_nobody  # type: ignore[method-assign]
    else:
        Inbox.acknowledge = die  # type: ignore[method-assign]
    Hub(Plan(os.environ["CITYHUB_DATABASE_URL"], os.environ["CITYHUB_MQTT_URL"]), stop_on_signals()).run()
