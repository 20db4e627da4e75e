"""What a centre answers: data and notices are confirmed where Flag asks for it."""

from __future__ import annotations

from edge.protocols.hj212.check import Tail
from edge.protocols.hj212.frame import pack_before
from edge.protocols.hj212.packet import Packet

NOTICE, DATA = "9013", "9014"
SYSTEM = "91"
"""ST of what the two systems say to each other."""

PASSWORD = 64
"""Characters of the longest password that is said again; the standard has nine at most."""

ANSWERS = {"9011", "9012", "9013", "9014"}
"""What a station answers to us; answered by nobody."""


def confirm(packet: Packet) -> bytes:
    """9014 to data (2..., 3...), 9013 to a notice (1...); nothing where none is asked for or none can be built.

    The answer carries the QN of what it confirms, so a packet without one cannot be confirmed. Flag keeps the
    version of the station's own, without the bits that ask for an answer and announce pieces.
    """
    header = packet.header
    flag = header.flag
    if not flag or not flag & 1 or not packet.qn or header.cn in ANSWERS:
        return b""
    if not header.tail:
        command = NOTICE if header.cn.startswith("1") else DATA
        secret = f"PW={header.pw};" if header.pw.isascii() and len(header.pw) <= PASSWORD else ""
        text = f";ST={SYSTEM};CN={command};{secret}MN={header.mn};Flag={flag & ~0b11};CP=&&&&"
        header.tail = Tail(text.encode("ascii"))
    return pack_before(b"QN=" + packet.qn.encode(), header.tail)
