"""The columnar batch: many readings in one CBOR map of typed arrays (RFC 8949, RFC 8746; docs/wire.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import cbor2
import numpy as np
from numpy.typing import NDArray

from edge.reading import READING, UNEVALUATED, Readings

VERSION = 1
READINGS_LIMIT = 10_000
FIELDS = {"v", "boot", "seq", "base", "names", "series", "time", "value"}

# RFC 8746 tags of the little-endian arrays that a column may come in.
ARRAYS = {
    64: "<u1",
    69: "<u2",
    70: "<u4",
    71: "<u8",
    72: "<i1",
    77: "<i2",
    78: "<i4",
    79: "<i8",
    85: "<f4",
    86: "<f8",
}


_NUMBER = rb"(?:[\x00-\x17]|\x18.|\x19..|\x1a.{4}|\x1b.{8})"
# The head of a message as it is sealed here and in edge.positions, up to the number of its batch; then the base.
SEALED = re.compile(
    rb"([\xa5\xa8-\xaa]av\x01dboot(?:[\x61-\x77]|\x78.)[0-9A-Za-z]{1,64}?cseq"
    + _NUMBER
    + rb")dbase"
    + _NUMBER,
    re.DOTALL,
)


class Envelope(NamedTuple):
    """A message's place in the journal of the agent that sent it."""

    boot: str
    seq: int
    base: int  # the lowest number the agent still keeps: all below is committed


class Malformed(ValueError):
    """A payload that says nothing we can store; the message is for the field engineer.

    `envelope` is the batch's place where that much could be read: its agent must learn that it is done with.
    """

    envelope: Envelope | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """One message of an edge agent: its place in the agent's journal, and the readings."""

    envelope: Envelope
    readings: Readings


def shown(value: object) -> str:
    """A value of a payload as a message may carry it: short, whatever the sender made of it."""
    if value is None or isinstance(value, bool | float | str | bytes):
        return f"{value!r:.80}"
    if isinstance(value, int):
        return f"{value}" if value.bit_length() <= 64 else f"a number of {value.bit_length()} bits"  # noqa: PLR2004
    return f"a {type(value).__name__}"


def body(readings: Readings) -> bytes:
    """The part of a batch that does not change when it is sent again: what the journal keeps."""
    rows = readings.rows
    pairs: list[tuple[str, Any]] = [
        ("names", readings.names),
        ("series", cbor2.CBORTag(69, rows["series"].astype("<u2").tobytes())),
        ("time", cbor2.CBORTag(79, rows["time"].astype("<i8").tobytes())),
        ("value", cbor2.CBORTag(86, rows["value"].astype("<f8").tobytes())),
    ]
    return b"".join(cbor2.dumps(key) + cbor2.dumps(value) for key, value in pairs)


def count(kept: bytes) -> int:
    """How many readings a kept body holds."""
    return len(cbor2.loads(b"\xa4" + kept)["time"].value) // 8


def seal(boot: str, seq: int, base: int, kept: bytes) -> bytes:
    """The message of a kept body: a map of eight pairs, the first four of them the envelope."""
    envelope = {"v": VERSION, "boot": boot, "seq": seq, "base": base}
    # 0xA8: a map of eight pairs. The envelope's own map head (one byte) is cut off.
    return b"\xa8" + cbor2.dumps(envelope)[1:] + kept


def without_base(message: bytes) -> bytes:
    """The message but for its `base`, which alone differs when a batch is sent again; any other message as it is."""
    found = SEALED.match(message)
    return message if found is None else message[: found.end(1)] + message[found.end() :]


def unpack(document: object) -> Batch:
    """Read a decoded CBOR map as a batch; raises Malformed with what is wrong."""
    if not isinstance(document, dict) or not document.keys() >= FIELDS:
        missing = sorted(FIELDS - document.keys()) if isinstance(document, dict) else sorted(FIELDS)
        raise Malformed(f"not a columnar batch: {', '.join(missing)} missing")
    if document["v"] != VERSION:
        raise Malformed(f"columnar batch of version {shown(document['v'])}; this hub reads version {VERSION}")
    found = envelope(document)
    try:
        return Batch(found, _readings(document))
    except Malformed as error:
        error.envelope = found
        raise


def envelope(document: dict[Any, Any]) -> Envelope:
    """A batch's place in its agent's journal; raises Malformed."""
    boot, seq, base = (document[key] for key in ("boot", "seq", "base"))
    if not (isinstance(boot, str) and 0 < len(boot) <= 64 and boot.isalnum()):  # noqa: PLR2004 -- as docs/wire.md says
        raise Malformed("boot must be 1 to 64 letters and digits")
    if not (type(seq) is int and type(base) is int and 1 <= base <= seq < 2**62):
        raise Malformed("seq and base must be whole numbers with 1 <= base <= seq")
    return Envelope(boot, seq, base)


def _readings(document: dict[Any, Any]) -> Readings:
    names = document["names"]
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise Malformed("names must be a list of texts")
    series, at, value = (column(document, key) for key in ("series", "time", "value"))
    if not len(series) == len(at) == len(value):
        raise Malformed(f"columns differ in length: series {len(series)}, time {len(at)}, value {len(value)}")
    if series.dtype.kind not in "iu" or at.dtype.kind not in "iu":
        raise Malformed("series and time must be columns of whole numbers")
    if at.dtype == np.uint64 and len(at) and int(at.max()) >= 2**63:
        raise Malformed("time is out of any range")
    if len(series) and not (int(series.min()) >= 0 and int(series.max()) < len(names)):
        raise Malformed(f"series counts outside the table of {len(names)} names")
    if not len(series) or len(series) > READINGS_LIMIT:
        raise Malformed(f"{len(series)} readings; a batch has 1 to {READINGS_LIMIT}")
    rows = np.empty(len(series), READING)
    with np.errstate(invalid="ignore"):  # a signalling NaN of single precision is a NaN like any other
        rows["time"], rows["series"], rows["value"], rows["flag"] = at, series, value, UNEVALUATED
    return Readings(names, rows)


def column(document: dict[Any, Any], key: str) -> NDArray[Any]:
    """One typed array of the map as a column."""
    tag = document[key]
    if not isinstance(tag, cbor2.CBORTag) or tag.tag not in ARRAYS or not isinstance(tag.value, bytes):
        raise Malformed(f"{key} must be a little-endian typed array (RFC 8746)")
    dtype = np.dtype(ARRAYS[tag.tag])
    if len(tag.value) % dtype.itemsize:
        raise Malformed(f"{key} holds {len(tag.value)} bytes, no multiple of {dtype.itemsize}")
    return np.frombuffer(tag.value, dtype)
