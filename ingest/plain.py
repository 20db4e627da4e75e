"""Plain JSON telemetry: `{"ts", "values": {...}}`, `{"metric": value, ...}`, or an array of those."""

from __future__ import annotations

import math
from datetime import datetime

from edge.wire import Malformed

Sample = tuple[str, int | None, float]
"""Metric, time in us (None: the hub's), value (NaN: the sensor says that it has none)."""


def samples(document: object) -> list[Sample]:
    """The samples of a parsed payload; raises Malformed."""
    if isinstance(document, dict):
        return _object(document)
    if isinstance(document, list):
        found: list[Sample] = []
        for place, entry in enumerate(document):
            if not isinstance(entry, dict):
                raise Malformed(f"entry {place} of the array is no object")
            found += _object(entry)
        return found
    raise Malformed("telemetry is an object or an array of objects")


def _object(entry: dict[str, object]) -> list[Sample]:
    at = time_us(entry["ts"]) if "ts" in entry else None
    values = entry.get("values")
    if values is None:
        values = {metric: value for metric, value in entry.items() if metric != "ts"}
    elif not isinstance(values, dict):
        raise Malformed("values must be an object of metrics and numbers")
    return [(metric, at, _number(metric, value)) for metric, value in values.items()]


def _number(metric: str, value: object) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, int | float):
        raise Malformed(f"{metric:.80} is {type(value).__name__} {value!r:.80}, not a number")
    return float(value)


def time_us(value: object) -> int:
    """Epoch milliseconds or RFC 3339 with its zone, as microseconds."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Malformed(f"ts {value!r:.80} is neither epoch milliseconds nor RFC 3339")
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
        except ValueError as error:
            raise Malformed(f"ts {value!r:.80} is no RFC 3339 time") from error
        if at.tzinfo is None:
            raise Malformed(f"ts {value!r:.80} has no time zone; write Z or +08:00")
        return round(at.timestamp() * 1_000_000)
    if not (math.isfinite(value) and abs(value) < 2**53):
        raise Malformed(f"ts {value!r:.80} is out of any range")
    return round(value * 1000)
