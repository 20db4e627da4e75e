"""What every source of JSON does first: bound the bytes, parse them, and read times and numbers as platforms write them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from edge.wire import READINGS_LIMIT, Malformed, shown
from ingest import limits

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEPTH = 16  # a scene of ONVIF nests twice as deep as telemetry does
NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?", re.ASCII)
WORDS = {
    "true": 1.0, "on": 1.0, "open": 1.0, "opened": 1.0, "yes": 1.0, "tilt": 1.0, "trigger": 1.0, "leak": 1.0,
    "false": 0.0, "off": 0.0, "close": 0.0, "closed": 0.0, "no": 0.0, "normal": 0.0,
}  # fmt: skip
"""Words that decoders of sensors write for a state, and the number that it is stored as."""


def parse(payload: bytes) -> Any:
    """The JSON of a payload; raises Malformed."""
    limits.check_size(payload)
    limits.check_json_depth(payload, DEPTH)
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error}") from error


def parse_object(payload: bytes) -> dict[str, Any]:
    """The same of a payload that must be one object."""
    document = parse(payload)
    if not isinstance(document, dict):
        raise Malformed(f"{shown(document)} where an object is expected")
    return document


def number(value: object) -> float | None:
    """A number, quoted or not; a truth value as 1 or 0. None where it is neither, or is infinite."""
    if isinstance(value, str):
        text = value.strip().lower()
        if NUMBER.fullmatch(text):
            value = float(text)
        elif text in ("true", "false"):
            return float(text == "true")
    if not isinstance(value, int | float):
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def state(value: object) -> float | None:
    """A number as above, or a word for a state (WORDS)."""
    if isinstance(value, str) and (word := value.strip().lower()) in WORDS:
        return WORDS[word]
    return number(value)


def instant(value: object, *, zone_missing: timedelta | None = None) -> int:
    """RFC 3339 as microseconds since 1970, cut below them; raises Malformed.

    `zone_missing` is the offset of a time that names none; without it such a time is refused.
    """
    if not isinstance(value, str):
        raise Malformed(f"time {shown(value)} is no text of RFC 3339")
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise Malformed(f"time {value!r:.80} is no RFC 3339 time") from error
    if at.tzinfo is None:
        if zone_missing is None:
            raise Malformed(f"time {value!r:.80} has no time zone; write Z or +08:00")
        # In this order: the first of the year 1 has no day before it.
        return (at.replace(tzinfo=UTC) - EPOCH - zone_missing) // timedelta(microseconds=1)
    return (at - EPOCH) // timedelta(microseconds=1)


def epoch_seconds(value: object) -> int:
    """Seconds since 1970, whole or not, as microseconds; raises Malformed."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**40:
        raise Malformed(f"time {shown(value)} is no epoch in seconds")
    return round(value * 1_000_000)


def epoch_ms(value: object) -> int:
    """Milliseconds since 1970 as microseconds; raises Malformed."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**50:
        raise Malformed(f"time {shown(value)} is no epoch in milliseconds")
    return round(value * 1_000)


def at_most(count: int) -> None:
    """Raise Malformed where one message holds more readings than a batch may."""
    if count > READINGS_LIMIT:
        raise Malformed(f"{count} readings in one message; at most {READINGS_LIMIT}")


def not_kept(why: Malformed) -> bytes:
    """What is stored of a payload that cannot be read, and of which nobody can tell what it would show."""
    return f"not kept: {why}".encode()
