"""What ThingsBoard makes of a value: its type and the value as it would store it (JsonConverter); for people to compare."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from ingest.sources import document

DIGITS = 400  # as many as the largest number of double precision has


class Written(str):
    """A number as it was written: 42.0 and 42 are of two types."""

    __slots__ = ()


def parse(payload: bytes) -> Any:
    """The JSON of a payload with its numbers as they were written; raises edge.wire.Malformed."""
    document.parse(payload)  # bounded and sound
    return json.loads(payload, parse_float=Written, parse_int=Written)


def typed(value: Any) -> tuple[str, Any]:
    """Type (long, double, boolean, string, json) and value.

    A number without a fraction is a long, also 1E+1; one written with a point and no exponent is a double, also 42.0; one
    beyond 64 bits is the string of its digits. A string that is a number is read as one.
    """
    if isinstance(value, bool) or value in ("true", "false"):
        return "boolean", value in (True, "true")
    if isinstance(value, Written) or (isinstance(value, str) and document.number(value) is not None):
        return _number(value.strip())
    if isinstance(value, str):
        return "string", value
    return "json", _plain(value)


def _number(text: str) -> tuple[str, Any]:
    exact = Decimal(text)
    if exact != exact.to_integral_value() or ("." in text and "e" not in text.lower()):
        return "double", float(exact)
    if -(2**63) <= exact < 2**63:
        return "long", int(exact)
    return "string", f"{exact:f}" if exact.adjusted() < DIGITS else text


def _plain(value: Any) -> Any:
    """A value with its numbers as numbers again."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return _number(value)[1] if isinstance(value, Written) else value
