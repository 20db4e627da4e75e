"""Frames of SL 651-2014 in a stream of bytes that is cut anywhere, with noise between (6.2 to 6.5)."""

from __future__ import annotations

import heapq
import re
from typing import NamedTuple

from fastcrc import crc16

STX, ETX, EOT, ENQ, ACK, NAK, SYN, ETB, ESC = 0x02, 0x03, 0x04, 0x05, 0x06, 0x15, 0x16, 0x17, 0x1B
ENDS = {ETX: "ETX", ETB: "ETB", ENQ: "ENQ", EOT: "EOT", ACK: "ACK", NAK: "NAK", ESC: "ESC"}

# What a frame may begin with. The direction nibble is 0 or 8 and the body begins with STX or SYN: that alone tells
# a frame from noise nearly always, the CRC does the rest. The end is never looked for: a body may hold any byte.
HEX = re.compile(rb"~~(?=.{9}[\x00-\x0f\x80-\x8f].[\x02\x16])", re.DOTALL)
ASCII = re.compile(rb"\x01(?=[0-9A-Fa-f]{18}[08][0-9A-Fa-f]{3}[\x02\x16])")
HEX_HEAD, ASCII_HEAD = 14, 24  # up to and with STX
NOISE_SHOWN = 24
STRIDE = 4_096  # looked at in one go: what is compared with every open head must stay small


class Frame(NamedTuple):
    """One frame whose CRC is right."""

    text: bool  # in ASCII; else HEX/BCD
    down: bool  # from the centre to the station
    centre: int
    rtu: str  # ten hexadecimal digits, upper case; opaque, as real ones hold letters
    password: str
    func: int
    total: int  # packets of the message; 0 where the frame is the message
    number: int  # of this packet, from 1
    body: bytes  # without the packet's number
    end: int  # the control character
    raw: bytes


class Fault(NamedTuple):
    """A stretch of the stream that said nothing."""

    code: str  # crc, length or noise; trailing-7e is a fault of the sender that costs nothing
    rtu: str  # as far as it can be read, else empty
    text: str


class Splitter:
    """Takes a stream apart. What it gives does not depend on where the stream was cut.

    Every place that looks like a frame's head is followed at once, and the one whose end comes first is judged first:
    a length that lies holds nothing back, and a frame inside a lying one is found as soon as it is there.
    """

    def __init__(self) -> None:
        self._framed = False  # a frame has come: 7E may trail it
        self._begin()

    def _begin(self) -> None:
        self._buffer = b""
        self._floor = 0  # all before it is done with
        self._hex = self._ascii = 0  # where the search for heads goes on
        self._open: list[tuple[int, int, bool]] = []  # heap of end, start, text
        self._failed: list[tuple[int, Fault]] = []  # told when no frame can come that holds them
        self._dropped = 0  # bytes of noise that are no longer in the buffer
        self._noise = b""  # the first of them
        self._blamed = False  # a fault has been told since the last frame

    def feed(self, data: bytes) -> list[Frame | Fault]:
        """Take what came; return the frames and faults that it completes, in the stream's order."""
        if len(data) <= STRIDE:
            return self._feed(data)
        found: list[Frame | Fault] = []
        for at in range(0, len(data), STRIDE):
            found += self._feed(data[at : at + STRIDE])
        return found

    def _feed(self, data: bytes) -> list[Frame | Fault]:
        self._buffer = buffer = self._buffer + data if self._buffer else data
        found: list[Frame | Fault] = []
        self._look()
        size = len(buffer)
        while self._open and self._open[0][0] <= size:
            end, start, text = heapq.heappop(self._open)
            if start < self._floor:
                continue
            if _crc_holds(buffer, start, end, text):
                self._accept(found, start, end)
                found.append(_frame(buffer[start:end], text))
            else:
                self._failed.append((start, _wrong(buffer, start, end, text)))
        if size == self._floor and not self._open:  # the usual end: nothing is left
            self._buffer, self._hex, self._ascii, self._floor = b"", 0, 0, 0
            return found
        if self._failed:
            self._tell(found, min((each[1] for each in self._open if each[1] >= self._floor), default=size))
        self._trim()
        return found

    def flush(self) -> list[Frame | Fault]:
        """Give up what is half there: nothing has come for long."""
        found: list[Frame | Fault] = []
        size = len(self._buffer)
        for end, start, text in sorted(self._open, key=lambda each: each[1]):
            if start >= self._floor:
                said = f"frame without an end: {size - start} of {end - start} bytes"
                self._failed.append((start, Fault("cut", _rtu(self._buffer, start, text), said)))
        self._tell(found, len(self._buffer))
        self._gap(found, len(self._buffer))
        self._begin()
        return found

    @property
    def waiting(self) -> bool:
        """Something has come that is not yet a frame."""
        return bool(self._buffer) or bool(self._dropped)

    @property
    def noise(self) -> int:
        """Bytes since the last frame that belong to none."""
        return self._dropped

    def _look(self) -> None:
        """Find every head that is complete."""
        buffer, size = self._buffer, len(self._buffer)
        at = self._hex
        while found := HEX.search(buffer, at):
            start = found.start()
            length = (buffer[start + 11] & 15) << 8 | buffer[start + 12]
            heapq.heappush(self._open, (start + HEX_HEAD + length + 3, start, False))
            at = start + 1
        self._hex = max(at, size - HEX_HEAD + 1)
        at = self._ascii
        while found := ASCII.search(buffer, at):
            start = found.start()
            length = int(buffer[start + 20 : start + 23], 16)
            heapq.heappush(self._open, (start + ASCII_HEAD + length + 5, start, True))
            at = start + 1
        self._ascii = max(at, size - ASCII_HEAD + 1)

    def _accept(self, found: list[Frame | Fault], start: int, end: int) -> None:
        """Settle what lies before a frame and within it."""
        if start > self._floor:
            for _, begun, text in sorted(self._open, key=lambda each: each[1]):
                if self._floor <= begun < start:
                    lying = Fault("length", _rtu(self._buffer, begun, text), "the length leads past a frame")
                    self._failed.append((begun, lying))
        if self._failed:
            self._failed = [each for each in self._failed if each[0] < start]  # within it: chance, no fault
            self._tell(found, start)
        if start > self._floor or self._dropped:
            self._gap(found, start)
        self._floor, self._framed = end, True
        self._dropped, self._noise, self._blamed = 0, b"", False

    def _tell(self, found: list[Frame | Fault], before: int) -> None:
        self._failed.sort(key=lambda each: each[0])
        while self._failed and self._failed[0][0] < before:
            found.append(self._failed.pop(0)[1])
            self._blamed = True

    def _gap(self, found: list[Frame | Fault], end: int) -> None:
        """Name the bytes between two frames, but for those that a fault has named."""
        length = self._dropped + end - self._floor
        if not length or self._blamed:
            return
        first = (self._noise + self._buffer[self._floor : end])[:NOISE_SHOWN]
        if first.strip(b"~") or length > len(first) or not self._framed:
            found.append(
                Fault("noise", "", f"{length} bytes that are no frame, beginning with {first.hex().upper()}")
            )
        else:
            found.append(Fault("trailing-7e", "", f"{length} bytes 7E after the CRC"))

    def _trim(self) -> None:
        """Forget what can no longer be part of a frame."""
        size = len(self._buffer)
        self._open = [each for each in self._open if each[1] >= self._floor]
        heapq.heapify(self._open)
        keep = min((start for _, start, _ in self._open), default=size)
        keep = max(min(keep, self._hex, self._ascii), self._floor)
        keep = min(keep, size)
        if keep > self._floor:
            if len(self._noise) < NOISE_SHOWN:
                self._noise = (self._noise + self._buffer[self._floor : keep])[:NOISE_SHOWN]
            self._dropped += keep - self._floor
        if keep:
            self._buffer = self._buffer[keep:]
            self._open = [(end - keep, start - keep, text) for end, start, text in self._open]
            self._failed = [(start - keep, fault) for start, fault in self._failed]
            self._hex, self._ascii, self._floor = max(self._hex - keep, 0), max(self._ascii - keep, 0), 0


def crc(data: bytes) -> int:
    """CRC-16 of X16+X15+X2+1, reflected, from FFFF; it is sent high byte first."""
    return crc16.modbus(data)


def _crc_holds(buffer: bytes, start: int, end: int, text: bool) -> bool:  # noqa: FBT001
    if not text:
        return crc16.modbus(buffer[start : end - 2]) == buffer[end - 2] << 8 | buffer[end - 1]
    try:
        return crc16.modbus(buffer[start : end - 4]) == int(buffer[end - 4 : end].decode(), 16)
    except ValueError:
        return False


def _wrong(buffer: bytes, start: int, end: int, text: bool) -> Fault:  # noqa: FBT001
    width = 4 if text else 2
    sent = buffer[end - width : end]
    shown = sent.decode("ascii", "replace") if text else sent.hex().upper()
    said = f"CRC wrong in a frame of {end - start} bytes: {shown} was sent, {crc(buffer[start : end - width]):04X} is right"
    return Fault("crc", _rtu(buffer, start, text), said)


def _frame(raw: bytes, text: bool) -> Frame:  # noqa: FBT001
    if text:
        head, begin, tail = bytes.fromhex(raw[1:23].decode()), raw[23], raw[24:-5]
        end = raw[-5]
    else:
        head, begin, tail, end = raw[2:13], raw[13], raw[14:-3], raw[-3]
    digits = head.hex().upper()
    down = head[9] >= 0x80  # noqa: PLR2004 -- the direction
    centre, rtu = (head[5], digits[:10]) if down else (head[0], digits[2:12])
    total = number = 0
    if begin == SYN:
        total, number, tail = _numbered(tail, text)
    return Frame(text, down, centre, rtu, digits[12:16], head[8], total, number, tail, end, raw)


def _numbered(tail: bytes, text: bool) -> tuple[int, int, bytes]:  # noqa: FBT001
    """The packet's place in its message: 12 bits each; (-1, 0) where it cannot be read."""
    try:
        packed = int(tail[:6].decode(), 16) if text else int.from_bytes(tail[:3])
    except ValueError:
        return -1, 0, tail[6:]
    if len(tail) < (6 if text else 3):
        return -1, 0, b""
    return packed >> 12 or -1, packed & 0xFFF, tail[6:] if text else tail[3:]


def _rtu(buffer: bytes, start: int, text: bool) -> str:  # noqa: FBT001
    """The station that a broken frame names; it may be wrong."""
    if text:
        down = buffer[start + 19 : start + 20] == b"8"
        begin = start + (1 if down else 3)
        return buffer[begin : begin + 10].decode("ascii", "replace").upper()
    begin = start + (2 if buffer[start + 11] & 0x80 else 3)
    return buffer[begin : begin + 5].hex().upper()
