"""A Sparkplug payload read from its bytes, bounded before and after: metrics with what each says of itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from edge.wire import Malformed
from ingest.limits import check_size
from ingest.sources.sparkplug.messages import Payload as Message
from ingest.sources.sparkplug.messages import text

METRICS_LIMIT = 20_000  # in one payload, members of templates included
DEPTH_LIMIT = 4  # templates within templates
NAME_LIMIT = 1_000  # characters, in a template with the names above it
# The keys under which edge nodes send the unit; property names are the sender's choice but for "Quality".
UNIT_KEYS = ("engunit", "engineeringunit", "engineeringunits", "unit", "units")
QUALITY_KEY = "Quality"
GOOD, BAD, STALE = 192, 0, 500
INT32 = 3


@dataclass(slots=True)
class Metric:
    """One metric of a payload; `members` are those of a template instance."""

    name: str | None
    alias: int | None
    time_ms: int | None
    datatype: int  # 0: not said
    historical: bool
    transient: bool
    null: bool
    carrier: str | None  # the field that carries the value; None: there is none
    raw: Any
    unit: str | None
    quality: int | None
    members: list[Metric] = field(default_factory=list)
    definition: bool = False  # of a template: describes, measures nothing


@dataclass(slots=True)
class Payload:
    """What a message says: its time in ms and its place in the order of its edge node, where it says them."""

    time_ms: int | None
    seq: int | None
    metrics: list[Metric]
    size: int = 0  # metrics with all members of templates


def read(payload: bytes) -> Payload:
    """Read a payload. Raises Malformed."""
    message = parse(payload)
    budget = [METRICS_LIMIT]
    metrics = [_metric(one, budget, 0, 0) for one in message.metrics]
    return Payload(
        message.timestamp if message.HasField("timestamp") else None,
        message.seq if message.HasField("seq") else None,
        metrics,
        METRICS_LIMIT - budget[0],
    )


def parse(payload: bytes) -> Any:
    """The protobuf message of a payload. Raises Malformed."""
    check_size(payload)
    message = Message()
    try:
        message.ParseFromString(payload)
    except DecodeError as error:
        raise Malformed("no Sparkplug B payload: not the protobuf message that its topic promises") from error
    if len(message.metrics) > METRICS_LIMIT:
        raise Malformed(f"{len(message.metrics)} metrics; at most {METRICS_LIMIT} are read")
    return message


def _metric(message: Any, budget: list[int], depth: int, above: int) -> Metric:
    budget[0] -= 1
    if budget[0] < 0:
        raise Malformed(f"more than {METRICS_LIMIT} metrics, members of templates included")
    value = message.WhichOneof("value")
    name = text(message.name) if message.HasField("name") else None
    above += len(name or "")
    if above > NAME_LIMIT:
        raise Malformed(f"a metric's name has more than {NAME_LIMIT} characters")
    unit, quality = _said_beside(message.properties) if message.HasField("properties") else (None, None)
    metric = Metric(
        name=name,
        alias=message.alias if message.HasField("alias") else None,
        time_ms=message.timestamp if message.HasField("timestamp") else None,
        datatype=message.datatype,
        historical=message.is_historical,
        transient=message.is_transient,
        null=message.is_null,
        carrier=value,
        raw=None if value is None else getattr(message, value),
        unit=unit,
        quality=quality,
    )
    if value == "template_value":
        template, metric.raw = metric.raw, None
        if depth == DEPTH_LIMIT:
            raise Malformed(f"templates nested deeper than {DEPTH_LIMIT} levels")
        metric.definition = template.is_definition
        metric.members = [_metric(member, budget, depth + 1, above) for member in template.metrics]
    return metric


def _said_beside(properties: Any) -> tuple[str | None, int | None]:
    """The unit as it is written and the quality code, of a metric's properties."""
    unit, quality = None, None
    for key, value in _pairs(properties):
        name, kind = text(key), value.WhichOneof("value")
        if name == QUALITY_KEY and kind in ("int_value", "long_value"):
            quality = value.int_value if kind == "int_value" else value.long_value
        elif (
            kind == "string_value"
            and unit is None
            and name.lower().replace(" ", "").replace("_", "") in UNIT_KEYS
        ):
            unit = text(value.string_value)
    return unit, quality


def _pairs(properties: Any) -> Iterable[tuple[bytes, Any]]:
    # Lists of different lengths are the sender's mistake: what has no partner says nothing.
    return zip(properties.keys, properties.values, strict=False)
