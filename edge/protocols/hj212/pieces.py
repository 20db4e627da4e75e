"""Messages that were sent in pieces (PNUM, PNO): which piece can be read when, and when the message is whole.

Every piece is a packet with whole groups, and mostly with a DataTime of its own, so it is read as soon as a time for it
is known: what has come is stored, whatever becomes of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple
from zlib import crc32

from edge.protocols.hj212.packet import Packet

TOGETHER = 8
"""Messages in pieces that one link may have open; a station sends one after the other."""
PIECES = 256
WAITING = 1 << 18
"""Characters that may wait for the piece that brings their time."""
PAUSE_US = 2_000_000
"""A station that sends nothing more for so long waits for an answer to the piece it sent last."""
LIFE_US = 120_000_000
"""A station sends its pieces in seconds; what is not whole after this never will be."""
TIME = "DataTime="


@dataclass(slots=True)
class Open:
    """One message of which pieces have come."""

    began_us: int
    last_us: int
    last: Packet
    wanted: int
    time: str = ""  # `DataTime=...`, from the first piece that had one
    seen: set[int] = field(default_factory=set)
    waiting: list[Packet] = field(default_factory=list)
    taken: bool = True  # all that was read was stored
    answered: bool = False  # since the last piece came
    sums: dict[int, int] = field(default_factory=dict)  # of the pieces that came, by number


class Taken(NamedTuple):
    """What a piece came to."""

    message: Open | None  # None: the packet is no piece
    readable: list[Packet]
    whole: bool
    given_up: list[Open]
    again: bool = False  # a piece of a message that is done: its answer was lost


class Pieces:
    """The open messages of one link."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, str], Open] = {}
        self._done: dict[tuple[str, str, str], Open] = {}

    def take(self, packet: Packet, arrived_us: int) -> Taken:
        """Take one packet that is numbered."""
        header = packet.header
        if not 1 <= header.pno <= header.pnum <= PIECES or header.pnum == 1:
            return Taken(None, [packet], whole=True, given_up=[])
        key = (header.mn, header.cn, packet.qn)
        given_up = []
        message = self._open.get(key)
        if message is not None and (
            message.wanted != header.pnum
            or (
                header.pno in message.seen and not packet.qn
            )  # without a QN only this tells two messages apart
        ):
            given_up.append(self._open.pop(key))
            message = None
        if message is None and self._again(key, packet, arrived_us):
            return Taken(None, [], whole=True, given_up=given_up, again=True)
        if message is None:
            while len(self._open) >= TOGETHER:
                given_up.append(self._open.pop(next(iter(self._open))))
            message = self._open[key] = Open(arrived_us, arrived_us, packet, header.pnum)
        message.last_us, message.last, message.answered = arrived_us, packet, False
        readable = _readable(message, packet) if header.pno not in message.seen else []
        message.seen.add(header.pno)
        message.sums[header.pno] = crc32(packet.cp.encode())
        whole = len(message.seen) == message.wanted
        if whole:
            del self._open[key]
        return Taken(message, readable, whole, given_up)

    def done(self, message: Open) -> None:
        """All of it was taken, and is answered: a piece that comes again is answered again."""
        header = message.last.header
        while len(self._done) >= TOGETHER:
            del self._done[next(iter(self._done))]
        self._done[header.mn, header.cn, message.last.qn] = message

    def _again(self, key: tuple[str, str, str], packet: Packet, arrived_us: int) -> bool:
        """Whether this is a piece of a message that is done. It may lack the DataTime that the others had."""
        done, header = self._done.get(key), packet.header
        if done is None or arrived_us - done.last_us > LIFE_US:
            return False
        return done.wanted == header.pnum and done.sums[header.pno] == crc32(packet.cp.encode())

    def paused(self, now_us: int) -> list[Open]:
        """Messages whose station waits for an answer before it sends the next piece; each is named once a piece."""
        found = [
            message
            for message in self._open.values()
            if message.taken and not message.answered and now_us - message.last_us >= PAUSE_US
        ]
        for message in found:
            message.answered = True
        return found

    def expired(self, now_us: int) -> list[Open]:
        """Messages whose other pieces did not come."""
        old = [key for key, message in self._open.items() if now_us - message.began_us > LIFE_US]
        return [self._open.pop(key) for key in old]


def _readable(message: Open, packet: Packet) -> list[Packet]:
    """The packets whose time is known now, this one and those that waited for it."""
    begin = packet.cp.find(TIME)
    if begin >= 0:
        if not message.time:
            message.time = packet.cp[begin:].partition(";")[0].partition(",")[0]
        waited, message.waiting = message.waiting, []
        return [packet, *(_timed(message, one) for one in waited)]
    if message.time:
        return [_timed(message, packet)]
    if sum(len(one.cp) for one in message.waiting) <= WAITING:
        message.waiting.append(packet)
    return []


def _timed(message: Open, packet: Packet) -> Packet:
    return packet._replace(cp=f"{message.time};{packet.cp}")
