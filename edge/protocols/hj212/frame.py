"""Packets of HJ 212 in a stream: `##`, four digits of length, the data segment, four of check, CR LF."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from edge.protocols.hj212.check import Tail, printed

HEAD = re.compile(rb"##(?!0000)(\d{4})")
BEGUN = re.compile(rb"##?\d{0,3}\Z")
CHECK = 4
LIMIT = 9999 + 10
"""The longest a packet can say it is; the standard's segment ends at 1024 characters, stations send a few more."""


class Found(NamedTuple):
    """One packet of the stream, or a stretch that is none."""

    segment: bytes  # checked; empty where refused
    refused: str  # why; empty where the packet is good
    raw: bytes


class Stream:
    """Bytes in, packets out; what is not whole waits, never more than one packet can be long."""

    def __init__(self) -> None:
        self._held = b""

    @property
    def waiting(self) -> int:
        """Bytes that wait for the rest of their packet."""
        return len(self._held)

    def drop(self) -> bytes:
        """Forget what waits: its rest will not come."""
        held, self._held = self._held, b""
        return held

    def one(self, data: bytes) -> bytes:
        """The segment where what came is one packet and nothing else, as it mostly is; else empty: `feed` will say."""
        head = HEAD.match(data)
        if head is None or self._held:
            return b""
        end = 6 + int(head[1])
        # No line's end in it, and one behind it, or nothing.
        if data.find(b"\r\n") not in {end + CHECK, -1} or len(data) not in {end + CHECK + 2, end + CHECK}:
            return b""
        segment = data[6:end]
        return segment if data[end : end + CHECK].upper() == printed(segment) else b""

    def feed(self, data: bytes) -> Iterator[Found]:
        """Packets and refusals in the order of the stream. To be read to its end."""
        held = self._held + data if self._held else data
        self._held = b""
        place, size = 0, len(held)
        while place < size:
            head = HEAD.match(held, place)
            if head is None:
                head = HEAD.search(held, place)
                until = head.start() if head else _partial(held, place)
                noise = held[place:until].strip(b"\r\n")
                if noise:
                    yield Found(b"", f"{len(noise)} bytes that begin no packet (## and four digits)", noise)
                if head is None:
                    self._held = held[until:]
                    return
            at, begin = head.span()
            end = begin + int(head[1])
            # No segment has a line's end in it: where one has come, the rest never will.
            broken = held.find(b"\r\n", begin, end)
            if broken >= 0:
                yield Found(b"", f"length {int(head[1])} lies: the line ends before", held[at:broken])
                place = _again(held, begin, broken)
                continue
            if end + CHECK > size:
                self._held = held[at:]
                return
            segment, check = held[begin:end], held[end : end + CHECK]
            if check.upper() == printed(segment):
                yield Found(segment, "", held[at : end + CHECK])
                place = end + CHECK
                if held[place : place + 2] == b"\r\n":
                    place += 2
            else:
                yield Found(b"", _why(segment, check), held[at : end + CHECK])
                place = _again(held, begin, end + CHECK)


def _partial(held: bytes, place: int) -> int:
    """Where the last bytes may be the beginning of a packet's head."""
    begun = BEGUN.search(held, max(place, len(held) - 5))
    return begun.start() if begun else len(held)


def _again(held: bytes, begin: int, end: int) -> int:
    """Where to look on after a packet that was refused: its inside may hold the next one's beginning."""
    inside = held.find(b"##", begin, end)
    return inside if inside >= 0 else end


def _why(segment: bytes, check: bytes) -> str:
    if check.strip(b"0123456789abcdefABCDEF"):
        return f"check {check!r} is not four hexadecimal digits: the length lies, or the packet is damaged"
    return f"wrong check: {check.decode()} was sent, {printed(segment).decode()} is right"


def pack_before(begin: bytes, tail: Tail) -> bytes:
    """The same of a segment in two parts."""
    return b"##%04d%b%b%b\r\n" % (len(begin) + len(tail.data), begin, tail.data, tail.printed(begin))


def pack(segment: str) -> bytes:
    """The packet of a data segment in ASCII, as we send it."""
    data = segment.encode("ascii")
    return b"##%04d" % len(data) + data + printed(data) + b"\r\n"
