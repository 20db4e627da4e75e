"""Messages split into frames (DIV, DIVS): put together in order. DIVS counts down, and 1 is the last.

A frame does not say how many there are, nor of which message it is. What tells is that a station sends them in order and
waits for the confirmation of each, and that each is on disk before it is confirmed. So a frame whose number is one less
than that of the frame before it goes on with its message, and one that begins a message is the first; unless something
before it on the link could not be read. Then it is not confirmed, and counts when it comes again: who says it again has
not gone on, so what it waits for is the confirmation of this very frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from edge.protocols.sl427.message import Message

LIFE_US = 120_000_000
"""A station goes on as soon as it is confirmed, or has found its way back to us."""
MOST = 1 << 18
"""Bytes of an open message: four times the largest picture a frame can hold."""

Changes = dict[str, bytes | None]
"""What is to be kept on disk, None: forgotten."""


@dataclass(slots=True)
class Open:
    """One message of which frames have come: what is kept of it."""

    at_us: int
    function: int
    device: str = ""
    frames: dict[int, bytes] = field(default_factory=dict)  # from the first, which has the highest number
    done: bool = False
    good: bool = True  # it is to be confirmed

    @property
    def last(self) -> int:
        """The number of the frame that came last."""
        return next(reversed(self.frames))

    @property
    def first(self) -> int:
        """The number of the frame that came first."""
        return next(iter(self.frames))

    def packed(self) -> bytes:
        """For the disk."""
        frames = [[number, data.hex()] for number, data in self.frames.items()]
        return orjson.dumps([self.at_us, self.function, self.device, frames, self.done, self.good])

    @classmethod
    def unpacked(cls, data: bytes) -> Open:
        """From the disk."""
        at_us, function, device, frames, done, good = orjson.loads(data)
        made = {number: bytes.fromhex(digits) for number, digits in frames}
        return cls(at_us, function, device, made, done, good)


@dataclass(slots=True)
class Doubt:
    """Frames of a message whose beginning was not read."""

    at_us: int
    floor: int  # a frame with at least this number is of another message
    frame: tuple[int, bytes]  # the last of them


class Taken(NamedTuple):
    """What a frame came to."""

    confirm: bool = False  # it is kept, or the message is done
    data: bytes | None = None  # the message is whole
    again: bool = False  # the last frame of a message that is done: its confirmation was lost
    unsure: str = ""  # why it is not taken
    given_up: Open | None = None  # the message before it, of which frames are missing


class Pieces:
    """The split messages of one link; what is open is kept elsewhere, and goes on on another link."""

    def __init__(self, kept: Callable[[str], bytes | None]) -> None:
        self._kept = kept
        self._doubts: dict[str, Doubt] = {}
        self._begun: dict[str, None] = {}  # on this link, which gives them up

    def take(self, message: Message, device: str, now_us: int, changes: Changes, *, clean: bool) -> Taken:
        """Take one frame. `clean`: it follows a frame that was read, or is the link's first and has something to follow."""
        name = _name(message)
        frame = number, data = message.split, message.data
        held, given_up = self._open(name, now_us, changes)
        if held and number == held.last and data == held.frames[number]:
            return Taken(confirm=held.good, again=held.done, given_up=given_up)
        going = held if held and not held.done else None
        doubt = self._doubts.get(name)
        if doubt and abs(now_us - doubt.at_us) > LIFE_US:
            doubt = None
        waits = doubt is not None and doubt.frame == frame and number > 1
        sure = waits or (clean and (doubt is None or number >= doubt.floor))
        if sure and going and number == going.last - 1:
            held = going
        elif sure and (waits or going is None or number > going.first or _other(going, frame)):
            given_up, held = given_up or going, Open(now_us, message.function, device)
        else:
            floor = doubt.floor if doubt else number + 1
            if going and sure:  # a frame between is missing: this one and those after it say nothing
                given_up, floor = going, going.first
                changes[name] = None
            self._doubts[name] = Doubt(now_us, floor, frame)
            return Taken(unsure=f"frame {number} follows nothing that was read", given_up=given_up)
        self._doubts.pop(name, None)
        held.frames[number], held.at_us = data, now_us
        if sum(map(len, held.frames.values())) > MOST:
            changes[name] = None
            return Taken(unsure=f"more than {MOST} bytes", given_up=held)
        if number > 1:
            changes[name] = held.packed()
            self._begun[name] = None
            return Taken(confirm=True, given_up=given_up)
        self._begun.pop(name, None)
        whole = b"".join(held.frames.values())
        held.frames, held.done = {1: data}, True
        changes[name] = held.packed()
        return Taken(confirm=True, data=whole, given_up=given_up)

    @staticmethod
    def refused(message: Message, changes: Changes) -> None:
        """The message that is whole by this frame says nothing that can be taken: it is not confirmed, now or later."""
        if data := changes[_name(message)]:
            held = Open.unpacked(data)
            held.good = False
            changes[_name(message)] = held.packed()

    def expired(self, now_us: int, changes: Changes) -> list[Open]:
        """Messages begun here whose other frames did not come."""
        return [found for name in list(self._begun) if (found := self._open(name, now_us, changes)[1])]

    def _open(self, name: str, now_us: int, changes: Changes) -> tuple[Open | None, Open | None]:
        """The message that is open, or done; and the one that is too old to go on with."""
        data = changes[name] if name in changes else self._kept(name)
        if data is None:
            self._begun.pop(name, None)
            return None, None
        held = Open.unpacked(data)
        if abs(now_us - held.at_us) <= LIFE_US:
            return held, None
        changes[name] = None
        self._begun.pop(name, None)
        return None, None if held.done else held


def _name(message: Message) -> str:
    return f"sl427-{message.station}-{message.function:04x}-{message.kind:x}"


def _other(going: Open, frame: tuple[int, bytes]) -> bool:
    """Whether a frame cannot be one of the message that is open, or begins it again."""
    number, data = frame
    return number == going.first or (number in going.frames and going.frames[number] != data)
