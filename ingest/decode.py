"""From payload bytes to columns: recognises the telemetry format and reads it; raises only Malformed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cbor2
import numpy as np
import orjson

from edge import wire
from edge.reading import READING, UNEVALUATED, Rows
from edge.wire import Malformed
from ingest import limits, plain, senml

GZIP = b"\x1f\x8b"
JSON_START = frozenset(b"{[ \t\r\n")


@dataclass(slots=True)
class Decoded:
    """One message as columns: `rows["series"]` counts into `names` (`metric` or `device/metric`)."""

    format: str
    names: list[str]
    rows: Rows
    units: list[str | None] | None = None
    envelope: wire.Envelope | None = None
    notes: list[str] = field(default_factory=list)


def decode(payload: bytes, arrived_us: int) -> Decoded:
    """Read one telemetry payload of any accepted format."""
    limits.check_size(payload)
    if payload.startswith(GZIP):
        raise Malformed("gzip: nothing is inflated here, send it as it is")
    decoded = _json(payload, arrived_us) if payload[0] in JSON_START else _cbor(payload, arrived_us)
    if len(decoded.rows) > wire.READINGS_LIMIT:
        raise Malformed(f"{len(decoded.rows)} readings in one message; at most {wire.READINGS_LIMIT}")
    if not len(decoded.rows) and not decoded.notes:
        raise Malformed("no reading in it")
    return decoded


def _json(payload: bytes, arrived_us: int) -> Decoded:
    limits.check_json_depth(payload)
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error}") from error
    if senml.is_pack(document):
        return _senml("senml+json", document, arrived_us)
    found = plain.samples(document)
    return columns(
        "json", [(name, arrived_us if at is None else at, value, None) for name, at, value in found]
    )


def _cbor(payload: bytes, arrived_us: int) -> Decoded:
    limits.check_cbor_depth(payload)
    try:
        document = cbor2.loads(payload)
    except (cbor2.CBORDecodeError, RecursionError, ValueError, OverflowError, TypeError) as error:
        raise Malformed(f"neither JSON nor CBOR: {error}") from error
    if isinstance(document, list) and document and isinstance(document[0], dict):
        return _senml("senml+cbor", document, arrived_us)
    batch = wire.unpack(document)
    return Decoded("columnar", batch.readings.names, batch.readings.rows, envelope=batch.envelope)


def _senml(form: str, document: list[object], arrived_us: int) -> Decoded:
    found, notes = senml.samples(document, arrived_us)
    decoded = columns(form, found)
    decoded.notes = notes
    return decoded


def columns(form: str, found: Sequence[tuple[str, int, float, str | None]]) -> Decoded:
    """Samples as columns; a name that comes in two units is two names."""
    places: dict[tuple[str, str | None], int] = {}
    rows = np.empty(len(found), READING)
    for row, (name, at, value, unit) in enumerate(found):
        if not -(2**62) < at < 2**62:
            raise Malformed(f"{name:.80}: time is out of any range")
        rows[row] = (at, places.setdefault((name, unit), len(places)), value, UNEVALUATED)
    return Decoded(form, [name for name, _ in places], rows, [unit for _, unit in places])
