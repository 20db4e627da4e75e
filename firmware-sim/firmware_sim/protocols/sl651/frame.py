"""Frames of SL 651: head, body and check sum, upwards; several packets where one does not hold it all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from firmware_sim.protocols.checksum import modbus
from firmware_sim.protocols.sl651.body import NONE, Item, opening, told

SOH, STX, ETX, EOT, ENQ, ACK, NAK, SYN, ETB, ESC = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x15, 0x16, 0x17, 0x1B
LONGEST = 4095  # bytes of a body: twelve bits
PACKET = 240  # bytes of a body in one of several packets, so that a whole packet stays within 256


@dataclass(frozen=True, slots=True)
class Line:
    """Who speaks to whom, how, and which of the field's known deviations (a-j) it has."""

    rtu: str  # ten hexadecimal digits
    centre: int = 1
    password: str = "1234"  # noqa: S105 - the standard's example, four hexadecimal digits
    ascii_: bool = False
    deviations: frozenset[str] = NONE

    def head(self, function: int, length: int) -> bytes:
        """Start, addresses, password, function, direction and length of an uplink."""
        # Deviation f: a centre that does not exist, a password that was never set.
        centre, password = (0, "FFFF") if "f" in self.deviations else (self.centre, self.password)
        fields = f"{centre:02X}{self.rtu}{password}{function:02X}{length:04X}".upper()
        return bytes([SOH]) + fields.encode() if self.ascii_ else b"\x7e\x7e" + bytes.fromhex(fields)


def sealed(line: Line, frame: bytes) -> bytes:
    """A frame with its check sum, high byte first."""
    check = modbus(frame)
    if line.ascii_:
        return frame + f"{check:04X}".encode()
    # Deviation e: one more 7E behind, as if the frame ended the way it began.
    return frame + check.to_bytes(2, "big") + (b"\x7e" if "e" in line.deviations else b"")


def body(line: Line, serial: int, sent: datetime, items: list[Item]) -> bytes:
    """A whole body. `sent` is Beijing time without zone."""
    return opening(serial, sent, ascii_=line.ascii_) + told(
        items, ascii_=line.ascii_, deviations=line.deviations
    )


def frame(line: Line, function: int, content: bytes, end: int = ETX) -> bytes:
    """One message in one frame (tables 16 and 20).

    Raises:
        ValueError: the body is too long for one frame.
    """
    if len(content) > LONGEST:
        raise ValueError(f"a body of {len(content)} bytes, more than {LONGEST}")
    return sealed(line, line.head(function, len(content)) + bytes([STX]) + content + bytes([end]))


def packet(line: Line, function: int, part: bytes, place: tuple[int, int], end: int) -> bytes:
    """Packet `place` = (number, of how many), counted from 1 (tables 18 and 22); the count is part of the length."""
    number, total = place
    counted = f"{total:03X}{number:03X}"
    content = (counted.encode() if line.ascii_ else bytes.fromhex(counted)) + part
    return sealed(line, line.head(function, len(content)) + bytes([SYN]) + content + bytes([end]))


def packets(line: Line, function: int, content: bytes, size: int = PACKET) -> list[bytes]:
    """A long body in packets: the first alone has the serial number, the last alone ends in ETX."""
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    return [
        packet(line, function, part, (number, len(parts)), ETX if number == len(parts) else ETB)
        for number, part in enumerate(parts, start=1)
    ]
