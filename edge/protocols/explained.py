"""What `cityhub decode` prints of a protocol of the field: a field and a message have the same shape in all of them."""

from __future__ import annotations

import math
from typing import Any

Explained = dict[str, Any]
"""A message, or a field of one, as it is printed."""

SHOWN = 512  # characters of what stands in a frame, of a picture above all


def field(
    name: str, raw: bytes | str, value: object, meaning: str = "", unit: str = "", metric: str = ""
) -> Explained:
    """One field: `raw` as it stands in the frame (bytes: in hexadecimal), `unit` in UCUM, `metric` where it is a reading.

    A number that is missing (NaN) is null, and said so.
    """
    if isinstance(value, float) and math.isnan(value):
        value, meaning = None, f"{meaning}; missing" if meaning else "missing"
    made = {"name": name, "raw": _shown(raw), "value": value, "unit": unit, "meaning": meaning}
    return {**made, "metric": metric} if metric else made


def document(
    protocol: str,
    /,
    understood: list[Explained],
    not_understood: list[str],
    notes: list[str],
    **more: object,
) -> Explained:
    """One message; `more` is what it says of itself as a whole."""
    return {
        "format": protocol,
        **more,
        "understood": understood,
        "not_understood": not_understood,
        "notes": notes,
    }


def nothing(protocol: str, why: str, raw: bytes | str, **more: object) -> Explained:
    """A stretch that is no message, with what stands there."""
    return {**document(protocol, [], [why], [], **more), "raw": _shown(raw)}


def _shown(raw: bytes | str) -> str:
    text = raw if isinstance(raw, str) else raw[:SHOWN].hex().upper()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
