"""The wire format of protocol buffers, as much of it as Sparkplug needs."""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LONGEST = 10  # bytes of a varint


def varint(number: int) -> bytes:
    """Seven bits a byte, low ones first."""
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def number(field: int, value: int) -> bytes:
    """An unsigned integer, or a truth value."""
    return varint(field << 3 | VARINT) + varint(value)


def text(field: int, value: bytes | str) -> bytes:
    """A string, bytes, or a message within a message."""
    raw = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | BYTES) + varint(len(raw)) + raw


def double(field: int, value: float) -> bytes:
    """64 bits."""
    return varint(field << 3 | FIXED64) + struct.pack("<d", value)


def single(field: int, value: float) -> bytes:
    """32 bits."""
    return varint(field << 3 | FIXED32) + struct.pack("<f", value)


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message in order (raises `ValueError`: it ends in the middle of one)."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == BYTES:
            size, at = _varint(message, at)
        else:
            size = {FIXED64: 8, FIXED32: 4}.get(kind, -1)
        if size < 0 or at + size > len(message):
            raise ValueError("no protocol buffer")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(LONGEST):
        if at + place >= len(message):
            break
        byte = message[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 - the last one
            return value, at + place + 1
    raise ValueError("no protocol buffer")
