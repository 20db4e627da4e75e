"""What a codec finds in the bytes of an uplink: fields, each with the bytes that it was read from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Field:
    """One value of an uplink. `at_us` is set where the device itself says when."""

    metric: str
    value: float
    unit: str | None
    raw: bytes
    meaning: str
    at_us: int | None = None


@dataclass(slots=True)
class Uplink:
    """The fields of one uplink, and what of its bytes could not be read."""

    fields: list[Field] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


Codec = Callable[[bytes, int], Uplink]
"""The payload (decrypted) and its port; never raises: what cannot be read is noted."""
