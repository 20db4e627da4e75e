"""What the centre sends to a station: acknowledgements, questions, the clock (SL 651-2014, tables 17, 19, 21, 23)."""

from __future__ import annotations

from edge.protocols.sl651 import times
from edge.protocols.sl651.frame import ENQ, EOT, ESC, NAK, STX, SYN, Frame, crc

BODY_LIMIT = 0xFFF


def frame(
    to: Frame, func: int, body: bytes, end: int, *, total: int = 0, number: int = 0, direction: int = 0x8
) -> bytes:
    """A frame to the station that `to` came from, in its encoding and under its password and centre's address.

    `body` is the body's bytes as the encoding has them; it is at most 4,095 bytes long.
    """
    packed = b""
    if total:
        packed = f"{total << 12 | number:06X}".encode() if to.text else (total << 12 | number).to_bytes(3)
    length = len(packed) + len(body)
    if length > BODY_LIMIT:
        raise ValueError(f"a body of {length} bytes; a frame carries {BODY_LIMIT}")
    head = f"{to.rtu}{to.centre:02X}{to.password}{func:02X}{direction << 12 | length:04X}"
    begin = bytes((SYN if total else STX,))
    if to.text:
        sent = b"\x01" + head.encode() + begin + packed + body + bytes((end,))
        return sent + f"{crc(sent):04X}".encode()
    sent = b"~~" + bytes.fromhex(head) + begin + packed + body + bytes((end,))
    return sent + crc(sent).to_bytes(2)


def head(text: bool, serial: int, now_us: int) -> bytes:  # noqa: FBT001
    """Serial number and time of sending, with which every body begins."""
    digits = f"{serial:04X}{times.written(now_us)}"
    return digits.encode() if text else bytes.fromhex(digits)


def acknowledge(heard: Frame, serial: int, now_us: int, end: int) -> bytes:
    """Say that a message was taken: its own serial number, our time; of several packets, the number of the last."""
    body = head(heard.text, serial, now_us)
    return frame(heard, heard.func, body, end, total=max(heard.total, 0), number=max(heard.total, 0))


def ask_again(heard: Frame, number: int, serial: int, now_us: int) -> bytes:
    """Ask for one packet that is missing."""
    return frame(heard, heard.func, head(heard.text, serial, now_us), NAK, total=heard.total, number=number)


def ask(to: Frame, func: int, now_us: int, parameters: bytes = b"") -> bytes:
    """Ask a station; serial number 0, as whatever the centre begins. Function 4A sets its clock to `now_us`."""
    return frame(to, func, head(to.text, 0, now_us) + parameters, ENQ)


def addressed(rtu: str, centre: int, password: str, *, text: bool) -> Frame:
    """A station that has not been heard yet, as one to send to; raises ValueError where it can be none."""
    if len(bytes.fromhex(rtu)) != 5 or len(bytes.fromhex(password)) != 2 or not 0 <= centre <= 0xFF:  # noqa: PLR2004
        raise ValueError("a station has ten hexadecimal digits, a password four, a centre is 0 to 255")
    return Frame(text, True, centre, rtu.upper(), password.upper(), 0, 0, 0, b"", EOT, b"")


ENDINGS = {"eot": EOT, "esc": ESC}
"""How a message is acknowledged: the station may go, or is to stay for ten minutes."""
