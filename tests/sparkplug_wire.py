"""An encoder of Sparkplug payloads of our own, from protobuf's wire format: the hub's decoder must not test itself."""

from __future__ import annotations

import struct

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
TYPES = {
    "Int8": 1, "Int16": 2, "Int32": 3, "Int64": 4, "UInt8": 5, "UInt16": 6, "UInt32": 7, "UInt64": 8, "Float": 9,
    "Double": 10, "Boolean": 11, "String": 12, "DateTime": 13, "Text": 14, "UUID": 15, "DataSet": 16, "Bytes": 17,
    "File": 18, "Template": 19, "Int8Array": 22, "Int16Array": 23, "Int32Array": 24, "Int64Array": 25,
    "UInt8Array": 26, "UInt16Array": 27, "UInt32Array": 28, "UInt64Array": 29, "FloatArray": 30, "DoubleArray": 31,
    "BooleanArray": 32, "StringArray": 33, "DateTimeArray": 34,
}  # fmt: skip


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


def whole(number: int, value: int) -> bytes:
    """A field of a whole number or a truth."""
    return varint(number << 3 | VARINT) + varint(value)


def chunk(number: int, value: bytes | str) -> bytes:
    """A field of bytes, a text or a message."""
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | BYTES) + varint(len(raw)) + raw


def single(number: int, value: float) -> bytes:
    return varint(number << 3 | FOUR) + struct.pack("<f", value)


def double(number: int, value: float) -> bytes:
    return varint(number << 3 | EIGHT) + struct.pack("<d", value)


def value(datatype: str, given: object) -> bytes:
    """The value field of a metric, as chapter 6 lays it out."""
    if datatype in ("Float", "Double"):
        assert isinstance(given, int | float)
        return single(12, given) if datatype == "Float" else double(13, given)
    if datatype == "Boolean":
        return whole(14, bool(given))
    if isinstance(given, str):
        return chunk(15, given)
    if isinstance(given, bytes):
        return chunk(18 if datatype == "Template" else 17 if datatype == "DataSet" else 16, given)
    assert isinstance(given, int)
    if datatype in ("Int64", "UInt64", "DateTime"):
        return whole(11, given)
    return whole(10, given & 0xFFFFFFFF)


def metric(
    name: str | None = None,
    datatype: str | None = None,
    given: object = None,
    *,
    alias: int | None = None,
    at: int | None = None,
    said: bool = True,
    historical: bool = False,
    transient: bool = False,
    null: bool = False,
    properties: bytes = b"",
) -> bytes:
    """A metric; `said`: its datatype is written down, as births do and data do not."""
    made = b""
    if name is not None:
        made += chunk(1, name)
    if alias is not None:
        made += whole(2, alias)
    if at is not None:
        made += whole(3, at)
    if said and datatype is not None:
        made += whole(4, TYPES[datatype])
    for number, mark in ((5, historical), (6, transient), (7, null)):
        if mark:
            made += whole(number, 1)
    if properties:
        made += chunk(9, properties)
    if given is not None and datatype is not None:
        made += value(datatype, given)
    return made


def properties(**pairs: str | int) -> bytes:
    """A property set of texts (12) and Int32 (3)."""
    keys = b"".join(chunk(1, key) for key in pairs)
    return keys + b"".join(
        chunk(2, whole(1, 12) + chunk(8, one) if isinstance(one, str) else whole(1, 3) + whole(3, one))
        for one in pairs.values()
    )


def template(*members: bytes, ref: str = "", definition: bool = False) -> bytes:
    made = b"".join(chunk(2, member) for member in members)
    return made + (chunk(4, ref) if ref else b"") + whole(5, definition)


def payload(*metrics: bytes, at: int | None = None, seq: int | None = None) -> bytes:
    made = whole(1, at) if at is not None else b""
    made += b"".join(chunk(2, one) for one in metrics)
    return made + (whole(3, seq) if seq is not None else b"")


REBIRTH = metric("Node Control/Rebirth", "Boolean", False)


def nbirth(*metrics: bytes, at: int, seq: int = 0, bdseq: int = 0) -> bytes:
    return payload(metric("bdSeq", "Int64", bdseq, at=at), REBIRTH, *metrics, at=at, seq=seq)


def ndeath(bdseq: int, at: int | None = None) -> bytes:
    return payload(metric("bdSeq", "Int64", bdseq), at=at)
