"""What a journal keeps, by kind: readings or positions. Which topic it goes to, how it is sealed, how many it holds."""

from __future__ import annotations

import cbor2

from edge import positions, wire
from edge.wire import Envelope

TELEMETRY, POSITION = "telemetry", "position"
_POSITIONS = cbor2.dumps(positions.FIRST)


def topic(kept: bytes) -> str:
    """The last level of the topic on which a kept body goes out."""
    return POSITION if kept.startswith(_POSITIONS) else TELEMETRY


def seal(boot: str, seq: int, base: int, kept: bytes) -> bytes:
    """The message of a kept body."""
    if topic(kept) == POSITION:
        return positions.seal(Envelope(boot, seq, base), kept)
    return wire.seal(boot, seq, base, kept)


def count(kept: bytes) -> int:
    """How many readings or fixes a kept body holds."""
    return positions.count(kept) if topic(kept) == POSITION else wire.count(kept)
