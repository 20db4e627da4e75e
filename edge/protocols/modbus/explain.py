"""Modbus frames explained field by field, for `cityhub decode modbus`; what the registers mean only their map knows."""

from __future__ import annotations

from collections.abc import Iterator

from edge.protocols.explained import Explained, document, field, nothing
from edge.protocols.modbus.frame import EXCEPTION, READS, Frame, crc16, frames

FUNCTIONS = {
    1: "read coils",
    2: "read discrete inputs",
    3: "read holding registers",
    4: "read input registers",
    5: "write single coil",
    6: "write single register",
    15: "write multiple coils",
    16: "write multiple registers",
}
"""MODBUS Application Protocol V1.1b3, chapter 6."""

REASONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
"""The same, chapter 7."""

OF_BITS = {1, 2, 15}
SHORTEST = 4  # a serial frame: unit, function, check


def explain(data: bytes) -> Iterator[Explained]:
    """Every frame in the bytes, TCP or serial, and the noise between."""
    for frame in frames(data):
        if frame.form == "noise":
            yield nothing("modbus", _why(frame.data), frame.data)
        else:
            yield _explained(frame)


def _explained(frame: Frame) -> Explained:
    fields: list[Explained] = []
    unknown: list[str] = []
    notes: list[str] = []
    if frame.form == "tcp":
        fields.append(
            field("transaction", frame.data[:2], frame.transaction, "ties an answer to its question")
        )
        fields.append(field("protocol", frame.data[2:4], 0, "Modbus"))
        fields.append(field("length", frame.data[4:6], len(frame.pdu) + 1, "bytes that follow"))
    fields.append(field("unit", bytes([frame.unit]), frame.unit, "the slave"))
    function = frame.pdu[0] & ~EXCEPTION
    meaning = FUNCTIONS.get(function, "not one of the standard's that we know")
    fields.append(field("function", frame.pdu[:1], function, meaning))
    _body(frame.pdu, function, fields, unknown, notes)
    if frame.form == "rtu":
        fields.append(
            field("crc", frame.data[-2:], f"{frame.crc:04X}", "CRC-16/MODBUS, low byte first; right")
        )
    return document("modbus", fields, unknown, notes, form=frame.form)


def _body(pdu: bytes, function: int, fields: list[Explained], unknown: list[str], notes: list[str]) -> None:
    rest = pdu[1:]
    if pdu[0] & EXCEPTION:
        number = rest[0] if rest else 0
        fields.append(field("exception", rest[:1], number, REASONS.get(number, "unknown")))
    elif function in READS and _is_question(rest):
        fields.append(
            field("address", rest[:2], int.from_bytes(rest[:2], "big"), "the first, counted from 0")
        )
        fields.append(field("count", rest[2:4], int.from_bytes(rest[2:4], "big"), "how many are asked for"))
        if rest[0] == len(rest) - 1:
            notes.append("read as a question; as an answer it would hold the bytes " + rest[1:].hex())
    elif function in READS:
        fields.append(field("bytes", rest[:1], rest[0] if rest else 0, "of values"))
        fields += _values(rest[1:], of_bits=function in OF_BITS)
    elif function in (5, 6) and len(rest) >= 4:  # noqa: PLR2004 -- address and value
        fields.append(field("address", rest[:2], int.from_bytes(rest[:2], "big"), "counted from 0"))
        value = int.from_bytes(rest[2:4], "big")
        meaning = "as written" if function == 6 else "FF00 is on, 0000 off"  # noqa: PLR2004
        fields.append(field("value", rest[2:4], value, meaning))
    elif function in (15, 16) and len(rest) >= 4:  # noqa: PLR2004
        fields.append(
            field("address", rest[:2], int.from_bytes(rest[:2], "big"), "the first, counted from 0")
        )
        fields.append(field("count", rest[2:4], int.from_bytes(rest[2:4], "big"), "how many are written"))
        if len(rest) > 5:  # noqa: PLR2004 -- a question carries the values, an answer does not
            fields += _values(rest[5:], of_bits=function in OF_BITS)
    elif rest:
        unknown.append(f"{len(rest)} bytes after the function: {rest.hex()}")


def _is_question(rest: bytes) -> bool:
    """Address and count, not a count of bytes and values; a sum of four bytes may be both, and is rare as an answer."""
    return len(rest) == 4 and not (rest[0] == 3 and int.from_bytes(rest[2:4], "big") > 2_000)  # noqa: PLR2004


def _values(data: bytes, *, of_bits: bool) -> list[Explained]:
    if of_bits:
        bits = [byte >> place & 1 for byte in data for place in range(8)]
        return [field("bits", data, bits, "the first lowest")]
    return [
        field(
            f"register {place // 2}",
            data[place : place + 2],
            int.from_bytes(data[place : place + 2], "big"),
        )
        for place in range(0, len(data), 2)
    ]


def _why(data: bytes) -> str:
    said = f"{len(data)} bytes with neither a TCP header nor a CRC-16 that fits"
    if len(data) < SHORTEST:
        return said
    sent, right = data[-2:].hex().upper(), crc16(data[:-2]).to_bytes(2, "little").hex().upper()
    return f"{said}; as one serial frame: {sent} was sent, {right} is right"
