"""A Sparkplug payload explained, metric by metric; for people, not for the hot path."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from edge.wire import Malformed
from ingest.sources.sparkplug import names, values
from ingest.sources.sparkplug.branch import is_own
from ingest.sources.sparkplug.messages import text
from ingest.sources.sparkplug.payload import BAD, GOOD, QUALITY_KEY, STALE, parse

Explained = dict[str, Any]
QUALITIES = {BAD: "bad", GOOD: "good", STALE: "stale"}
SHOWN = 200  # elements of an array, rows of a data set, characters of a text
DEPTH = 8


def explain(raw: bytes) -> Iterator[Explained]:
    """A payload of an edge node or a command, or the JSON of a STATE message."""
    found = _state(raw)
    if found is not None:
        yield found
        return
    try:
        message = parse(raw)
    except Malformed as error:
        yield {"format": None, "understood": [], "not_understood": [str(error)], "bytes": len(raw)}
        return
    not_understood: list[str] = []
    yield {
        "format": "sparkplug",
        **({"time": _time(message.timestamp)} if message.HasField("timestamp") else {}),
        **({"seq": message.seq} if message.HasField("seq") else {}),
        **({"uuid": text(message.uuid)} if message.HasField("uuid") else {}),
        **({"body": message.body.hex()} if message.HasField("body") else {}),
        "understood": [_metric(metric, not_understood, 0) for metric in message.metrics],
        "not_understood": not_understood,
        "notes": _notes(message),
    }


def _state(raw: bytes) -> Explained | None:
    try:
        said = orjson.loads(raw) if raw[:1] == b"{" else None
    except orjson.JSONDecodeError:
        return None
    if not isinstance(said, dict) or not isinstance(said.get("online"), bool):
        return None
    at = said.get("timestamp")
    return {
        "format": "sparkplug-state",
        "understood": [{"name": "online", "value": said["online"]}]
        + ([{"name": "timestamp", "value": at, "meaning": _time(at)}] if type(at) is int and at >= 0 else []),
        "not_understood": [] if type(at) is int and at >= 0 else ["no timestamp in milliseconds"],
    }


def _notes(message: Any) -> list[str]:
    notes = []
    if message.HasField("seq") and message.seq > 255:  # noqa: PLR2004
        notes.append("seq is none of 0 to 255")
    if message.HasField("body"):
        notes.append("body is the sender's own business")
    return notes


def _metric(metric: Any, not_understood: list[str], depth: int) -> Explained:
    field = metric.WhichOneof("value")
    name = text(metric.name) if metric.HasField("name") else None
    evident = metric.datatype or values.EVIDENT.get(field or "", 0)
    said: Explained = {
        **({"name": name} if name else {}),
        **({"metric": names.metric_name(name)} if name and not is_own(name) else {}),
        **({"alias": metric.alias} if metric.HasField("alias") else {}),
        **({"time": _time(metric.timestamp)} if metric.HasField("timestamp") else {}),
        "datatype": values.datatype_name(metric.datatype) if metric.HasField("datatype") else None,
        "field": field,
    }
    for mark in ("is_historical", "is_transient", "is_null"):
        if getattr(metric, mark):
            said[mark] = True
    who = name or f"alias {metric.alias}"
    if metric.HasField("properties"):
        said["properties"] = _properties(metric.properties, depth)
    try:
        said["value"] = None if field is None else _value(evident, field, metric, not_understood, depth)
    except values.OutOfType as error:
        said["value"] = None
        not_understood.append(f"{who:.80}: {error}")
    if field is None and not metric.is_null:
        not_understood.append(f"{who:.80}: neither a value nor is_null")
    return said


def _value(datatype: int, field: str, metric: Any, not_understood: list[str], depth: int) -> Any:
    raw = getattr(metric, field)
    if field == "template_value":
        return _template(raw, not_understood, depth)
    if field == "dataset_value":
        return {
            "columns": [text(one) for one in raw.columns],
            "types": [values.datatype_name(one) for one in raw.types],
            "rows": [[_plain(one) for one in row.elements] for row in raw.rows[:SHOWN]],
        }
    if field == "bytes_value":
        return _bytes(datatype, raw)
    if datatype in values.NUMBERS:
        return _finite(values.exact(datatype, field, raw))
    if datatype == 0 and field in values.INTEGER_FIELDS:
        not_understood.append(f"{raw}: its datatype is in the birth, without it the sign is unknown")
    return _time(raw) if datatype == values.DATETIME and field == "long_value" else _plain(metric)


def _template(raw: Any, not_understood: list[str], depth: int) -> Explained:
    deeper = depth < DEPTH
    return {
        "template": text(raw.template_ref),
        "definition": raw.is_definition,
        "members": [_metric(one, not_understood, depth + 1) for one in raw.metrics] if deeper else "...",
        "parameters": {text(one.name): _plain(one) for one in raw.parameters},
    }


def _bytes(datatype: int, raw: bytes) -> Any:
    if datatype not in range(22, 35):
        return raw[:SHOWN].hex()
    found = values.elements(datatype, raw)[:SHOWN]
    return [_time(one) if datatype == values.TIMES else _finite(one) for one in found]


def _plain(value: Any) -> Any:
    """A value whose field says all that is shown of it: a cell, a parameter."""
    field = value.WhichOneof("value")
    if field in (None, "extension_value"):
        return None
    raw = getattr(value, field)
    return text(raw)[:SHOWN] if isinstance(raw, bytes) else _finite(raw)


def _properties(properties: Any, depth: int) -> Explained:
    said: Explained = {}
    for key, value in zip(properties.keys, properties.values, strict=False):
        field = value.WhichOneof("value")
        if field == "propertyset_value":
            found: Any = _properties(value.propertyset_value, depth + 1) if depth < DEPTH else "..."
        elif field == "propertysets_value":
            sets = value.propertysets_value.propertyset
            found = [_properties(one, depth + 1) for one in sets] if depth < DEPTH else "..."
        else:
            found = None if value.is_null else _plain(value)
        name = text(key)
        said[name] = QUALITIES.get(found, found) if name == QUALITY_KEY and isinstance(found, int) else found
    return said


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _time(time_ms: int) -> str:
    try:
        return (
            datetime.fromtimestamp(time_ms / 1000, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
        )
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"
