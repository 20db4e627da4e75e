"""Packets that were sent in pieces (PNUM, PNO): put together, within bounds, in whatever order they came."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.protocols.hj212.packet import Packet

TOGETHER = 8
"""Messages in pieces that one link may have open; a station sends one after the other."""
PIECES = 256
LIFE_US = 120_000_000
"""A station sends its pieces in seconds; what is not whole after this never will be."""


@dataclass(slots=True)
class Open:
    """One message of which pieces have come."""

    began_us: int
    wanted: int
    pieces: dict[int, Packet] = field(default_factory=dict)

    def whole(self) -> Packet:
        """The message with the CP of all pieces that came, in their order."""
        first = self.pieces[min(self.pieces)]
        cp = ";".join(self.pieces[number].cp.strip(";") for number in sorted(self.pieces))
        return Packet(first.header, first.qn, cp)


class Pieces:
    """The open messages of one link."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, str], Open] = {}

    def take(self, packet: Packet, arrived_us: int) -> tuple[Packet | None, list[Open]]:
        """The whole message where this was its last piece, and open ones that had to make room."""
        header = packet.header
        if not (1 <= header.pno <= header.pnum <= PIECES):
            return packet, []  # not a piece, or one of a message longer than any station's: for itself
        if header.pnum == 1:
            return packet, []
        key = (header.mn, header.cn, packet.qn)
        given_up = []
        if key not in self._open:
            while len(self._open) >= TOGETHER:
                given_up.append(self._open.pop(next(iter(self._open))))
            self._open[key] = Open(arrived_us, header.pnum)
        message = self._open[key]
        if message.wanted != header.pnum:
            given_up.append(self._open.pop(key))
            message = self._open[key] = Open(arrived_us, header.pnum)
        message.pieces[header.pno] = packet
        if len(message.pieces) < message.wanted:
            return None, given_up
        return self._open.pop(key).whole(), given_up

    def expired(self, now_us: int) -> list[Open]:
        """Messages whose other pieces did not come."""
        old = [key for key, message in self._open.items() if now_us - message.began_us > LIFE_US]
        return [self._open.pop(key) for key in old]
