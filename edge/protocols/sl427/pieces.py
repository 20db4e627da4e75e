"""Messages split into frames (DIV, DIVS): put together, within bounds. DIVS counts down, and 1 is the last."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.protocols.sl427.message import Message

TOGETHER = 4
"""Messages one link may have open; a station sends one after the other."""
LIFE_US = 300_000_000
MOST = 1 << 20
"""Bytes of an open message: sixteen times the largest picture a frame can hold."""


@dataclass(slots=True)
class Open:
    """One message of which frames have come."""

    began_us: int
    last: Message
    pieces: dict[int, bytes] = field(default_factory=dict)

    def missing(self) -> int:
        """Frames that have not come, of those we know of."""
        return max(self.pieces) - len(self.pieces)


class Pieces:
    """The open messages of one link."""

    def __init__(self) -> None:
        self._open: dict[tuple[bytes, int, int], Open] = {}
        self._done: dict[tuple[bytes, int, int], bytes] = {}  # the last frame of the last message

    def again(self, message: Message) -> bool:
        """Whether this is the last frame of a message that is done: its confirmation was lost."""
        key = (message.address, message.function, message.kind)
        return message.split == 1 and key not in self._open and self._done.get(key) == message.data

    def take(self, message: Message, arrived_us: int) -> tuple[bytes | None, list[Open]]:
        """The whole data where this was the last frame missing, and open messages that had to make room."""
        key = (message.address, message.function, message.kind)
        given_up: list[Open] = []
        held = self._open.get(key)
        if held is not None and (
            (message.split > max(held.pieces))  # a new message: the old one's end will not come
            or sum(map(len, held.pieces.values())) > MOST
        ):
            given_up.append(self._open.pop(key))
            held = None
        if held is None:
            while len(self._open) >= TOGETHER:
                given_up.append(self._open.pop(next(iter(self._open))))
            held = self._open[key] = Open(arrived_us, message)
        held.pieces[message.split] = message.data
        if held.missing() or 1 not in held.pieces:
            return None, given_up
        del self._open[key]
        while len(self._done) >= TOGETHER:
            del self._done[next(iter(self._done))]
        self._done[key] = held.pieces[1]
        return b"".join(held.pieces[number] for number in sorted(held.pieces, reverse=True)), given_up

    def expired(self, now_us: int) -> list[Open]:
        """Messages whose other frames did not come."""
        old = [key for key, held in self._open.items() if now_us - held.began_us > LIFE_US]
        return [self._open.pop(key) for key in old]
