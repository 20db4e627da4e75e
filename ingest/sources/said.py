"""What a message on a foreign topic says of a device, and what a source of such messages is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

Sample = tuple[str, int, float, str | None]
"""Metric, time in us, value, unit (UCUM, or None where the source states none)."""


@dataclass(slots=True)
class Said:
    """What one message says of one device, which it names by an address of its own."""

    address: str  # in the source's scheme: a devEui, group/edge/device, a topic prefix
    samples: list[Sample]
    notes: list[str] = field(default_factory=list)  # what of it could not be taken, and why
    late: bool = False  # the source calls these samples history: stored, but they page nobody


class Source(Protocol):
    """A platform that publishes on topics of its own."""

    @property
    def scheme(self) -> str:
        """Names the source in `device_address`, in the archive and in the settings."""

    @property
    def filters(self) -> Sequence[str]:
        """The topics to subscribe to."""

    def read(self, topic: str, payload: bytes, arrived_us: int) -> list[Said]:
        """Read one message; nothing where it says nothing measurable. Raises edge.wire.Malformed."""


@runtime_checkable
class InOrder(Protocol):
    """A source whose messages mean nothing out of their order: none is set aside while others pass."""

    in_order: bool


@runtime_checkable
class Discreet(Protocol):
    """A source whose messages hold more than may be stored: cameras that recognise faces and number plates."""

    def kept(self, topic: str, payload: bytes) -> bytes:
        """What of a message may be stored, all that `read` needs among it.

        Of what cannot be read: why, which cannot be read either.
        """
