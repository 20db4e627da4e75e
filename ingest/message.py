"""A message as it came from the broker, and what is kept of it beside readings: a report, or a dead letter."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from edge import wire

TELEMETRY, POSITION = "telemetry", "position"
TOPIC = re.compile(r"city/v1/([a-z0-9][a-z0-9-]{0,63})/([a-z0-9][a-z0-9-]{0,63})/([a-z]+)")


OURS, UNASKED = 0, -1
"""The epochs of messages whose acknowledgement nobody awaits: our own, and those that came another way than the inbox's."""


def digest_of(topic: str, said: bytes) -> bytes:
    """Names these bytes on this topic."""
    return hashlib.blake2b(topic.encode() + b"\0" + said, digest_size=16).digest()


class Message(NamedTuple):
    """One delivery. `mid` may be acknowledged only on the connection of the same `epoch`; 0 is never acknowledged."""

    topic: str
    payload: bytes
    mid: int
    epoch: int
    arrived_us: int

    @property
    def digest(self) -> bytes:
        """Names these bytes on this topic."""
        return digest_of(self.topic, self.payload)


@dataclass(frozen=True, slots=True)
class Report:
    """What a device says of itself: an event (`name` is its type) or a status (`name` is the state)."""

    kind: Literal["event", "status"]
    device_id: int
    name: str
    at_us: int
    body: dict[str, Any]
    message: Message


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
        return digest_of(self.message.topic, self.name or wire.without_base(self.message.payload))
