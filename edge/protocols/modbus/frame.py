"""Modbus frames found in bytes: the TCP form by its header, the serial form by its CRC; noise between is stepped over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fastcrc import crc16 as fast

HEADER = 7  # MODBUS Messaging on TCP/IP V1.0b, 3.1.3: transaction, protocol 0, length, unit
LEAST, MOST = 4, 256  # a serial frame: unit, function, CRC; and the standard's longest
LONGEST_PDU = 253
EXCEPTION = 0x80
FIXED = {5: 4, 6: 4, 15: 4, 16: 4}  # what follows the function in an answer to a write
READS = range(1, 5)


class Frame(NamedTuple):
    """One frame, or a stretch of bytes in which there is none (`form` is then "noise")."""

    form: str  # tcp, rtu, noise
    data: bytes
    unit: int = 0
    transaction: int = 0
    pdu: bytes = b""  # function and what follows it
    crc: int = 0


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial A001 reflected, initial value FFFF; sent low byte first."""
    return int(fast.modbus(data))


def frames(data: bytes) -> Iterator[Frame]:
    """Yield every frame in order, with the noise between them; each byte is in exactly one of them."""
    at = noise = 0
    while at < len(data):
        # A CRC that is right says more than two zero bytes: 0103 0000 0002 C40B asks unit 1 for two registers.
        found = _rtu(data, at) or _tcp(data, at)
        if found is None:
            at += 1
            continue
        if noise < at:
            yield Frame("noise", data[noise:at])
        yield found
        at = noise = at + len(found.data)
    if noise < len(data):
        yield Frame("noise", data[noise:])


def _tcp(data: bytes, at: int) -> Frame | None:
    head = data[at : at + HEADER]
    if len(head) < HEADER or head[2:4] != b"\0\0":
        return None
    length = int.from_bytes(head[4:6], "big")  # of unit and PDU
    whole = data[at : at + 6 + length]
    if not 1 < length <= LONGEST_PDU + 1 or len(whole) < 6 + length:
        return None
    pdu = whole[HEADER:]
    if not _sound(pdu):
        return None
    return Frame("tcp", whole, head[6], int.from_bytes(head[:2], "big"), pdu)


def _rtu(data: bytes, at: int) -> Frame | None:
    for size in _sizes(data, at):
        whole = data[at : at + size]
        if len(whole) == size and crc16(whole[:-2]) == int.from_bytes(whole[-2:], "little"):
            return Frame("rtu", whole, whole[0], 0, whole[1:-2], int.from_bytes(whole[-2:], "little"))
    return None


def _sizes(data: bytes, at: int) -> list[int]:
    """How long a serial frame that begins here may be: the form itself does not say, the CRC decides."""
    if at + LEAST > len(data):
        return []
    function = data[at + 1]
    if function & EXCEPTION:
        return [5]
    if function in READS:
        return [8, 5 + data[at + 2]]
    if function in (15, 16):
        return [8, *([9 + data[at + 6]] if at + 6 < len(data) else [])]
    if function in FIXED:
        return [8]
    rest = len(data) - at  # another function: only where the frame is all that there is
    return [rest] if LEAST <= rest <= MOST else []


def _sound(pdu: bytes) -> bool:
    """Whether a PDU has a length that its function allows, so that noise with two zero bytes is no frame."""
    function, rest = pdu[0], pdu[1:]
    if function & EXCEPTION:
        return len(rest) == 1
    if function in READS:
        return len(rest) == 4 or (len(rest) > 0 and len(rest) == 1 + rest[0])  # noqa: PLR2004 -- address and count
    if function in (5, 6):
        return len(rest) == FIXED[function]
    if function in (15, 16):
        return len(rest) == FIXED[function] or (len(rest) > 5 and len(rest) == 5 + rest[4])  # noqa: PLR2004
    return function > 0
