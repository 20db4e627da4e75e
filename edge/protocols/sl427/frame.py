"""Frames of SL/T 427 in a stream: 68 L 68, L bytes of user data, the check, 16; pictures are longer than L can say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from edge.protocols.sl427.check import crc8

START, END = 0x68, 0x16
AROUND = 5
"""Bytes of a frame besides its user data."""
SHORTEST = 7
"""C, A and AFN."""
PICTURE = {0x61, 0x83}
"""AFNs whose data may be longer than 255 bytes."""
KILO = 1024
LIMIT = 65_535 + 16
TRIES = 1000
"""After so many false beginnings in one stretch no more are looked at as pictures, whose check is long to compute."""


class Found(NamedTuple):
    """One frame of the stream, or a stretch that is none."""

    user: bytes  # checked; empty where refused
    refused: str  # why; empty where the frame is good
    raw: bytes


class Stream:
    """Bytes in, frames out; what is not whole waits, never more than one frame can be long."""

    def __init__(self) -> None:
        self._held = b""

    @property
    def waiting(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._held)

    def give_up(self) -> Iterator[Found]:
        """The rest of what waits will not come: look for frames inside it."""
        held, self._held = self._held, b""
        if held:
            says = f": L says {held[1] + AROUND}" if len(held) > 1 else ""
            yield Found(b"", f"a frame ends after {len(held)} bytes{says}", held[:1])
            yield from self.feed(held[1:])

    def feed(self, data: bytes) -> Iterator[Found]:
        """Frames and refusals in the order of the stream. To be read to its end.

        Nothing but the check says whether a 68 begins a frame, so after a wrong one the search goes on at the next
        byte; all that lies before the next good frame is one stretch, refused for its first reason.
        """
        held = self._held + data if self._held else data
        self._held = b""
        place = begun = tried = 0
        why = ""
        while place < len(held):
            place = held.find(START, place)
            if place < 0:
                place = len(held)
                break
            read = _frame(held, place, pictures=tried < TRIES)
            if read is None:  # it may be one: its rest has not come
                break
            if isinstance(read, str):
                why = why or read
                place += 1
                tried += 1
                continue
            if begun < place:
                yield _noise(held[begun:place], why)
            user, end = read
            yield Found(user, "", held[place:end])
            place = begun = end
            why = ""
        if begun < place:
            yield _noise(held[begun:place], why)
        self._held = held[place:]


def _noise(raw: bytes, why: str) -> Found:
    return Found(b"", f"{len(raw)} bytes: {why or 'no 68 in them'}", raw)


def _frame(held: bytes, at: int, *, pictures: bool) -> tuple[bytes, int] | str | None:
    """User data and end of the frame that begins here; else why it is none; None: not to be told yet."""
    head = held[at : at + 3]
    if head[2:] not in {b"", b"\x68"}:
        return "bytes that belong to no frame"
    if len(head) < 3:  # noqa: PLR2004
        return None
    length = head[1]
    read = _checked(held, at, length) if length >= SHORTEST else f"L is {length}: no frame is so short"
    return _picture(held, at, read) if isinstance(read, str) and pictures else read


def _picture(held: bytes, at: int, why: str) -> tuple[bytes, int] | str | None:
    """A picture: its length follows AFN in two bytes, or is L times 1,024, counted with the head or without it."""
    begin = at + 3
    if len(held) <= begin:
        return None
    place = begin + 6 + (held[begin] >> 6 & 1)
    if not held[begin] & 0x80:
        return why
    if len(held) < place + 3:
        return None
    if held[place] not in PICTURE:
        return why
    head = place + 1 - begin
    kilos = held[at + 1] * KILO
    lengths = {head + 2 + int.from_bytes(held[place + 1 : place + 3], "little"), kilos, head + kilos}
    reads = [_checked(held, at, length) for length in sorted(lengths) if SHORTEST < length <= LIMIT]
    whole = next((read for read in reads if isinstance(read, tuple)), None)
    return whole or (None if None in reads else why)


def _checked(held: bytes, at: int, length: int) -> tuple[bytes, int] | str | None:
    end = at + length + AROUND
    if len(held) < end:
        return None
    user = held[at + 3 : end - 2]
    if held[end - 1] != END:
        return f"no 16 at the end that L = {length} says"
    right = crc8(user)
    if held[end - 2] != right:
        return f"wrong check: {held[end - 2]:02X} was sent, {right:02X} is right"
    return user, end


def pack(user: bytes) -> bytes:
    """The frame of some user data, 1 to 255 bytes."""
    return bytes((START, len(user), START)) + user + bytes((crc8(user), END))
