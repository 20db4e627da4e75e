"""Messages in several packets (SL 651-2014, mode M3): put together again, bounded in memory and in time.

Only packet 1 says which message it is of: serial number and time of sending. A later one names station, function and
how many there are, and so could be of the message before or after. Two are never mixed, because packets count together
only where they cannot be of two: they came in order, one after the other, from packet 1 on; or else packet 1 was asked
for again when all were there, and was the same: a station sends one message at a time, so what came between belongs to it.
"""

from __future__ import annotations

import zlib
from array import array
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from edge.protocols.sl651.frame import ETX, Frame
from edge.protocols.sl651.functions import PICTURE

BYTES_LIMIT = 1 << 20  # of all messages of a link together: 4,095 packets of 256 bytes
REPORT_LIMIT = 64 << 10  # of one that is no picture: a month of readings five minutes apart
MESSAGES_LIMIT = 8  # of a link at once
PATIENCE_US = 15_000_000  # silence after which a packet is asked for again
ASKED_LIMIT = 3  # times for one packet: a station sends each at most twice more (6.3.1.2)
DONE_KEPT = 16
RESEND_US = 300_000_000  # a packet that comes again comes within this time

Key = tuple[str, int, int, bool]
"""Station, function, number of packets, ASCII: all that a later packet says of its message."""


class Missing(NamedTuple):
    """A packet to ask for, or to say of that all is there."""

    frame: Frame  # one of the message's
    number: int
    serial: bytes  # of the message, where it is known: as it stands in the first packet


@dataclass(slots=True)
class Message:
    """A message of which some packets are there."""

    sample: Frame
    heard_us: int
    straight: bool  # from packet 1 on, each has followed the one before it
    newest: int = 0  # the packet that came last
    parts: dict[int, bytes] = field(default_factory=dict)
    size: int = 0
    asked: int = 0  # the packet that was asked for last
    times: int = 0  # and how often


class Done(NamedTuple):
    """A message that was put together, as far as a packet of it can be told when it comes again."""

    serial: bytes
    sums: array[int]  # of its packets in order
    at_us: int

    def holds(self, frame: Frame, now_us: int) -> bool:
        """Whether this is one of its packets again, and not one of another message whose first was lost."""
        return now_us - self.at_us <= RESEND_US and self.sums[frame.number - 1] == zlib.crc32(frame.body)


class Outcome(NamedTuple):
    """What a packet, or a silence, led to."""

    whole: bytes | None = None  # the body of the message, all packets in order
    missing: Missing | None = None
    again: Missing | None = None  # belongs to a message that is done: its acknowledgement was lost
    given_up: str = ""  # why a message was dropped; its station is in `frame`
    frame: Frame | None = None


class Packets:
    """The unfinished messages of one link."""

    def __init__(self) -> None:
        self._open: OrderedDict[Key, Message] = OrderedDict()
        self._done: OrderedDict[Key, Done] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return sum(each.size for each in self._open.values())

    def take(self, frame: Frame, now_us: int) -> list[Outcome]:
        """Take one packet; its number must be in range."""
        key = (frame.rtu, frame.func, frame.total, frame.text)
        message = self._open.get(key)
        outcomes: list[Outcome] = []
        asked = message is not None and message.asked == frame.number
        if message and (why := _stranger(message, frame)):
            outcomes.append(self._give_up(key, why))
            message = None
            # A repeated packet ends with ETX wherever it stands (6.3.1.2 c): then no other follows by itself.
            asked = asked and frame.end == ETX
        if message is None:
            # The first packet begins a message, also one that was done: it is acknowledged when it is whole again.
            done = self._done.get(key)
            if frame.number != 1 and done and done.holds(frame, now_us):
                return [Outcome(again=Missing(frame, frame.total, done.serial))]
            message = self._open[key] = Message(frame, now_us, straight=frame.number == 1)
        self._open.move_to_end(key)
        if frame.number not in message.parts:
            if frame.number != message.newest + 1 or now_us - message.heard_us > PATIENCE_US:
                message.straight = False
            message.parts[frame.number] = frame.body
            message.size += len(frame.body)
            message.newest = frame.number
        message.heard_us = now_us
        if message.size > REPORT_LIMIT and frame.func != PICTURE:
            return [*outcomes, self._give_up(key, f"more than {REPORT_LIMIT} bytes and no picture")]
        # Where all are there, packet 1 is there for the second time: what lies between the two is of one message.
        if len(message.parts) == frame.total and (message.straight or frame.number == 1):
            return [*outcomes, self._whole(key, message, frame, now_us)]
        outcomes += self._bounded()
        # The last one, or the one that was asked for: time to see what is missing.
        if key in self._open and (asked or frame.number == frame.total):
            outcomes.append(self._ask(key, message))
        return outcomes

    def lost(self) -> None:
        """Something came that was no frame: it may have been the end of one message and the beginning of another."""
        for message in self._open.values():
            message.straight = False

    def tick(self, now_us: int) -> list[Outcome]:
        """Ask for what has not come for long; give up what was asked for often enough."""
        silent = [(key, each) for key, each in self._open.items() if now_us - each.heard_us > PATIENCE_US]
        outcomes = []
        for key, message in silent:
            message.heard_us = now_us
            outcomes.append(self._ask(key, message))
        return outcomes

    def _whole(self, key: Key, message: Message, frame: Frame, now_us: int) -> Outcome:
        del self._open[key]
        parts = [message.parts[at] for at in sorted(message.parts)]
        self._done[key] = Done(_serial(message), array("I", map(zlib.crc32, parts)), now_us)
        self._done.move_to_end(key)
        while len(self._done) > DONE_KEPT:
            self._done.popitem(last=False)
        return Outcome(b"".join(parts), frame=frame)

    def _ask(self, key: Key, message: Message) -> Outcome:
        """Ask for the first that is missing; where none is, for packet 1 once more."""
        number = next((at for at in range(1, key[2] + 1) if at not in message.parts), 1)
        message.times = message.times + 1 if number == message.asked else 1
        message.asked = number
        if message.times > ASKED_LIMIT:
            return self._give_up(key, f"packet {number} of {key[2]} did not come though it was asked for")
        return Outcome(missing=Missing(message.sample, number, _serial(message)))

    def _bounded(self) -> list[Outcome]:
        outcomes = []
        while len(self._open) > MESSAGES_LIMIT or self.size > BYTES_LIMIT:
            outcomes.append(self._give_up(next(iter(self._open)), "too much is unfinished on this link"))
        return outcomes

    def _give_up(self, key: Key, why: str) -> Outcome:
        message = self._open.pop(key)
        return Outcome(given_up=f"{len(message.parts)} of {key[2]} packets: {why}", frame=message.sample)


def _stranger(message: Message, frame: Frame) -> str:
    """Why a packet is of another message than those that came before; empty where it need not be."""
    if frame.number in message.parts:
        same = message.parts[frame.number] == frame.body
        return "" if same else "another message has begun"
    # Those without a first packet may be of the message before this one's, which had as many: they are asked for anew.
    return "packet 1 came after them, and may be of another message" if frame.number == 1 else ""


def _serial(message: Message) -> bytes:
    """Only the first packet says it."""
    first = message.parts.get(1, b"")
    return first[:4] if message.sample.text else first[:2]
