"""Telemetry payloads explained: what was understood, what was not, and why; for people, not for the hot path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edge.reading import now_us
from edge.wire import Malformed
from ingest import position
from ingest.batch import describe_us
from ingest.decode import Decoded, decode

Explained = dict[str, Any]


def telemetry(raw: bytes) -> Iterator[Explained]:
    """A payload of any telemetry format."""
    try:
        decoded = decode(raw, now_us())
    except Malformed as error:
        # What is no JSON is read as CBOR, of which a text that a person has typed knows nothing.
        typed = raw.isascii() and raw.decode().isprintable() and raw[:1] not in {b"{", b"["}
        why = "text that is no JSON: that begins with { or [" if typed else str(error)
        yield {"format": None, "understood": [], "not_understood": [why], "bytes": len(raw)}
        return
    envelope = decoded.envelope
    yield {
        "format": decoded.format,
        **({"boot": envelope.boot, "seq": envelope.seq, "base": envelope.base} if envelope else {}),
        "understood": [_reading(decoded, *row) for row in decoded.rows.tolist()],
        "not_understood": decoded.notes,
    }


def json(raw: bytes) -> Iterator[Explained]:
    """A payload of plain JSON."""
    return _only("json", raw)


def senml(raw: bytes) -> Iterator[Explained]:
    """A SenML pack, in JSON or CBOR."""
    return _only("senml", raw)


def columnar(raw: bytes) -> Iterator[Explained]:
    """A batch of an edge agent."""
    return _only("columnar", raw)


def positions(raw: bytes) -> Iterator[Explained]:
    """A payload of the position topic; what its tracks become is for the hub to say."""
    try:
        found = position.read(raw, now_us())
    except Malformed as error:
        yield {"format": None, "understood": [], "not_understood": [str(error)], "bytes": len(raw)}
        return
    said, envelope = found.said, found.envelope
    yield {
        "format": found.form,
        **(envelope._asdict() if envelope else {}),
        "understood": [
            {
                "track": said.names[track] or None,
                "time": describe_us(at),
                "lon": lon,
                "lat": lat,
                "accuracy": far if far == far else None,  # noqa: PLR0124 -- not a number: not told
            }
            for track, at, lon, lat, far in zip(*(column.tolist() for column in said[1:]), strict=True)
        ],
        "not_understood": found.bad,
    }


def _only(form: str, raw: bytes) -> Iterator[Explained]:
    for document in telemetry(raw):
        found = document["format"]
        if found is None or found.startswith(form):
            yield document
        else:
            yield {"format": found, "understood": [], "not_understood": [f"this is {found}, not {form}"]}


def _reading(decoded: Decoded, at: int, place: int, value: float, _flag: int) -> Explained:
    unit = decoded.units[place] if decoded.units else None
    return {
        "name": decoded.names[place],
        "time": describe_us(at),
        "value": value if value == value else None,  # noqa: PLR0124 -- not a number: the sensor has none
        **({"unit": unit} if unit else {}),
    }
