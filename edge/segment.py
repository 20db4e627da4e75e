"""A segment of the journal as bytes: how a record is written, and how sound ones are found again among damage.

A record is `MAGIC length crc seq body`; the CRC covers seq and body. One flipped bit costs one record: the search goes
on at the next that is sound.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

HEAD = struct.Struct("<4sIIQ")
MAGIC = b"\xc5chJ"
BODY_LIMIT = 1 << 20


def packed(seq: int, body: bytes) -> bytes:
    """One record."""
    return HEAD.pack(MAGIC, len(body), _crc(seq, body), seq) + body


def scan(data: bytes) -> Iterator[tuple[int, int, int, bool]]:
    """Yield `(offset, seq, length, sound)` of each record; what cannot be read is one unsound entry."""
    at = 0
    while at < len(data):
        record = record_at(data, at)
        if record:
            yield at, *record, True
            at += HEAD.size + record[1]
            continue
        start = at
        at = data.find(MAGIC, at + 1)
        while at != -1 and not record_at(data, at):
            at = data.find(MAGIC, at + 1)
        if at == -1:
            if _is_whole(data, start):
                yield start, 0, len(data) - start, False
            return  # else a torn tail: its fsync never returned, so it was never accepted
        yield start, 0, at - start, False


def _is_whole(data: bytes, at: int) -> bool:
    """Whether what cannot be read is at least as long as the record it claims to be."""
    if at + HEAD.size > len(data):
        return False
    length: int = HEAD.unpack_from(data, at)[1]
    return at + HEAD.size + length <= len(data)


def record_at(data: bytes, at: int) -> tuple[int, int] | None:
    """Number and length of the sound record that begins here; None where there is none."""
    if at + HEAD.size > len(data):
        return None
    magic, length, crc, seq = HEAD.unpack_from(data, at)
    body = data[at + HEAD.size : at + HEAD.size + length]
    if magic != MAGIC or length > BODY_LIMIT or len(body) < length or crc != _crc(seq, body):
        return None
    return seq, length


def _crc(seq: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(struct.pack("<Q", seq)))
