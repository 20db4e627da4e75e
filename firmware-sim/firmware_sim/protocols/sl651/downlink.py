"""What a centre sends down to an SL 651 station, found in a stream of bytes."""

from __future__ import annotations

from typing import NamedTuple

from firmware_sim.protocols.checksum import modbus
from firmware_sim.protocols.sl651.frame import SOH, STX, SYN

HEAD = {True: 24, False: 14}  # bytes before the body, its start character included
TAIL = {True: 5, False: 3}  # end character and check sum


class Downlink(NamedTuple):
    """One frame for a station (tables 17, 19, 21, 23)."""

    rtu: str
    centre: int
    password: str
    function: int
    end: int
    body: bytes  # serial number and time as HEX, whatever they came as; without the count of packets
    packet: tuple[int, int] | None  # number, of how many

    @property
    def serial(self) -> int:
        """The serial number it answers; 0 where the centre began."""
        return int.from_bytes(self.body[:2], "big")

    @property
    def time(self) -> str:
        """YYMMDDHHmmSS."""
        return self.body[2:8].hex()


class Downlinks:
    """Reads frames as they arrive; what is no frame is stepped over byte by byte."""

    def __init__(self) -> None:
        self._waiting = b""

    def feed(self, data: bytes) -> list[Downlink]:
        """Take what came; the frames that are whole by now."""
        self._waiting += data
        found = []
        while (start := self._start()) >= 0:
            ascii_ = self._waiting[start] == SOH
            left = self._waiting[start:]
            if len(left) < HEAD[ascii_]:
                break
            whole = _length(left, ascii_=ascii_)
            if whole and len(left) < whole:
                break
            read = _read(left[:whole], ascii_=ascii_) if whole else None
            if read:
                found.append(read)
            self._waiting = left[whole if read else 1 :]
        return found

    def _start(self) -> int:
        starts = [at for mark in (b"\x7e\x7e", bytes([SOH])) if (at := self._waiting.find(mark)) >= 0]
        if not starts:
            # Half a start may be the last byte.
            self._waiting = self._waiting[-1:]
            return -1
        return min(starts)


def _length(frame: bytes, *, ascii_: bool) -> int:
    """Bytes of the whole frame; 0 where this is no downlink."""
    try:
        direction = int(frame[19:23], 16) if ascii_ else int.from_bytes(frame[11:13], "big")
    except ValueError:
        return 0
    started = frame[23] if ascii_ else frame[13]
    if direction >> 12 != 8 or started not in (STX, SYN):  # noqa: PLR2004 - table 21: 8 is down
        return 0
    return HEAD[ascii_] + (direction & 0xFFF) + TAIL[ascii_]


def _read(frame: bytes, *, ascii_: bool) -> Downlink | None:
    size = 4 if ascii_ else 2
    check = frame[-size:] if ascii_ else frame[-size:].hex().encode()
    head, content = frame[: HEAD[ascii_]], frame[HEAD[ascii_] : -TAIL[ascii_]]
    try:
        fields = head[1:19].decode() if ascii_ else head[2:11].hex().upper()
        if int(check, 16) != modbus(frame[:-size]):
            return None
        return _told(fields, head[-1], _plain(content, head[-1]) if ascii_ else content, frame[-size - 1])
    except ValueError:
        return None


def _plain(content: bytes, start: int) -> bytes:
    """An ASCII body as HEX has it: count of packets, serial number and time; identifiers stay text."""
    fixed = 16 + 6 * (start == SYN)
    return bytes.fromhex(content[:fixed].decode()) + content[fixed:]


def _told(fields: str, start: int, content: bytes, end: int) -> Downlink:
    place = None
    if start == SYN:
        count = int.from_bytes(content[:3], "big")
        place, content = (count & 0xFFF, count >> 12), content[3:]
    return Downlink(
        rtu=fields[:10],
        centre=int(fields[10:12], 16),
        password=fields[12:16],
        function=int(fields[16:18], 16),
        end=end,
        body=content,
        packet=place,
    )
