"""A message as it came from the broker, and what became of it where it could not be taken."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple

from edge import wire

TOPIC = re.compile(r"city/v1/([a-z0-9][a-z0-9-]{0,63})/([a-z0-9][a-z0-9-]{0,63})/([a-z]+)")


OURS = 0
"""The epoch of messages that no connection has brought."""


class Message(NamedTuple):
    """One delivery. `mid` may be acknowledged only on the connection of the same `epoch`; 0 is never acknowledged."""

    topic: str
    payload: bytes
    mid: int
    epoch: int
    arrived_us: int


@dataclass(slots=True)
class DeadLetter:
    """What could not be taken of one message, for one reason: so many `readings`, so many `times`.

    `name` names it where its bytes do not: one of many.
    """

    message: Message
    device_id: int | None
    reason: str
    detail: str
    readings: int
    times: int = 1
    name: bytes = b""

    @property
    def digest(self) -> bytes:
        """Names these bytes on this topic: a redelivery is the same dead letter seen once more."""
        said = self.name or wire.without_base(self.message.payload)
        return hashlib.blake2b(self.message.topic.encode() + b"\0" + said, digest_size=16).digest()
