"""Modbus frames explained field by field, for `cityhub decode modbus`; what the registers mean only their map knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edge.protocols.modbus.frame import EXCEPTION, READS, Frame, frames

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


def explain(data: bytes) -> Iterator[dict[str, Any]]:
    """Every frame in the bytes, TCP or serial, and the noise between."""
    for frame in frames(data):
        if frame.form == "noise":
            yield {
                "format": "modbus",
                "understood": [],
                "not_understood": [f"{len(frame.data)} bytes that are no frame: {frame.data[:64].hex()}"],
                "notes": ["neither a TCP header nor a CRC-16 that fits"],
            }
        else:
            yield _explained(frame)


def _explained(frame: Frame) -> dict[str, Any]:
    fields: list[dict[str, Any]] = []
    unknown: list[str] = []
    notes: list[str] = []
    if frame.form == "tcp":
        fields.append(
            _field("transaction", frame.data[:2], frame.transaction, "ties an answer to its question")
        )
        fields.append(_field("protocol", frame.data[2:4], 0, "Modbus"))
        fields.append(_field("length", frame.data[4:6], len(frame.pdu) + 1, "bytes that follow"))
    fields.append(_field("unit", bytes([frame.unit]), frame.unit, "the slave"))
    function = frame.pdu[0] & ~EXCEPTION
    meaning = FUNCTIONS.get(function, "not one of the standard's that we know")
    fields.append(_field("function", frame.pdu[:1], function, meaning))
    _body(frame.pdu, function, fields, unknown, notes)
    if frame.form == "rtu":
        fields.append(
            _field("crc", frame.data[-2:], f"{frame.crc:04X}", "CRC-16/MODBUS, low byte first; it fits")
        )
    return {
        "format": "modbus",
        "form": frame.form,
        "understood": fields,
        "not_understood": unknown,
        "notes": notes,
    }


def _body(
    pdu: bytes, function: int, fields: list[dict[str, Any]], unknown: list[str], notes: list[str]
) -> None:
    rest = pdu[1:]
    if pdu[0] & EXCEPTION:
        number = rest[0] if rest else 0
        fields.append(_field("exception", rest[:1], number, REASONS.get(number, "unknown")))
    elif function in READS and _is_question(rest):
        fields.append(
            _field("address", rest[:2], int.from_bytes(rest[:2], "big"), "the first, counted from 0")
        )
        fields.append(_field("count", rest[2:4], int.from_bytes(rest[2:4], "big"), "how many are asked for"))
        if rest[0] == len(rest) - 1:
            notes.append("read as a question; as an answer it would hold the bytes " + rest[1:].hex())
    elif function in READS:
        fields.append(_field("bytes", rest[:1], rest[0] if rest else 0, "of values"))
        fields += _values(rest[1:], of_bits=function in OF_BITS)
    elif function in (5, 6) and len(rest) >= 4:  # noqa: PLR2004 -- address and value
        fields.append(_field("address", rest[:2], int.from_bytes(rest[:2], "big"), "counted from 0"))
        value = int.from_bytes(rest[2:4], "big")
        meaning = "as written" if function == 6 else "FF00 is on, 0000 off"  # noqa: PLR2004
        fields.append(_field("value", rest[2:4], value, meaning))
    elif function in (15, 16) and len(rest) >= 4:  # noqa: PLR2004
        fields.append(
            _field("address", rest[:2], int.from_bytes(rest[:2], "big"), "the first, counted from 0")
        )
        fields.append(_field("count", rest[2:4], int.from_bytes(rest[2:4], "big"), "how many are written"))
        if len(rest) > 5:  # noqa: PLR2004 -- a question carries the values, an answer does not
            fields += _values(rest[5:], of_bits=function in OF_BITS)
    elif rest:
        unknown.append(f"{len(rest)} bytes after the function: {rest.hex()}")


def _is_question(rest: bytes) -> bool:
    """Address and count, not a count of bytes and values; a sum of four bytes may be both, and is rare as an answer."""
    return len(rest) == 4 and not (rest[0] == 3 and int.from_bytes(rest[2:4], "big") > 2_000)  # noqa: PLR2004


def _values(data: bytes, *, of_bits: bool) -> list[dict[str, Any]]:
    if of_bits:
        bits = [byte >> place & 1 for byte in data for place in range(8)]
        return [_field("bits", data, bits, "the first lowest")]
    return [
        _field(
            f"register {place // 2}",
            data[place : place + 2],
            int.from_bytes(data[place : place + 2], "big"),
            "",
        )
        for place in range(0, len(data), 2)
    ]


def _field(name: str, raw: bytes, value: object, meaning: str) -> dict[str, Any]:
    return {"name": name, "raw": raw.hex(), "value": value, "meaning": meaning}
