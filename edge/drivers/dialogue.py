"""The dialogue: one link's protocol as bytes in, samples and answers out; whoever owns the socket calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from edge.positions import Fix

Sample = tuple[str, int, float]
"""`device/metric`, time in us, value."""


class Note(NamedTuple):
    """What a station did that its standard does not say, and how it was taken."""

    station: str  # the device's id where it is known, else the link's name
    code: str  # the kind of deviation, a short name that can be counted
    text: str


class Picture(NamedTuple):
    """A picture as a station sent it."""

    device: str
    at_us: int
    jpeg: bytes
    whole: bool  # it begins and ends as a JPEG does


@dataclass(slots=True)
class Heard:
    """What a stretch of bytes came to. The answer is sent when samples and fixes are durable, and not before."""

    samples: list[Sample] = field(default_factory=list)
    fixes: list[Fix] = field(default_factory=list)
    reply: bytes = b""
    notes: list[Note] = field(default_factory=list)
    frames: int = 0  # read whole
    refused: int = 0  # frames, or stretches of noise, that said nothing
    hang_up: bool = False  # the link is of no further use
    keep: dict[str, bytes | None] | None = None  # for edge.drivers.kept, on disk before the answer goes out
    pictures: list[Picture] = field(default_factory=list)

    @property
    def readings(self) -> int:
        """How much is to be made durable; a fix counts as a reading."""
        return len(self.samples) + len(self.fixes)


class Listed(dict[str, str]):
    """Addresses as a protocol looks them up -> devices; made once, for every link of a driver goes by it."""


class Dialogue(Protocol):
    """One link's side of a protocol, without I/O. Never raises for what the other end sends."""

    def hear(self, data: bytes, arrived_us: int) -> Heard:
        """Take what has come; it may end anywhere in a frame."""

    def tick(self, now_us: int) -> Heard:
        """Once a second: what is to be said because nothing came (a resend, a query, the clock to be set)."""

    def stations(self) -> list[str]:
        """The stations heard on this link, by their own addresses."""


MakeDialogue = Callable[[], Dialogue]
"""A new link begins a dialogue of its own."""
