"""Values by Sparkplug datatype: what the number is that a metric's field carries, and what an array's bytes hold."""

from __future__ import annotations

import math
import struct
from typing import Any

BASIC = (
    "Unknown", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float", "Double", "Boolean",
    "String", "DateTime", "Text", "UUID", "DataSet", "Bytes", "File", "Template", "PropertySet", "PropertySetList",
)  # fmt: skip
ARRAYS = (
    "Int8Array", "Int16Array", "Int32Array", "Int64Array", "UInt8Array", "UInt16Array", "UInt32Array", "UInt64Array",
    "FloatArray", "DoubleArray", "BooleanArray", "StringArray", "DateTimeArray",
)  # fmt: skip
NAMES = BASIC + ARRAYS
"""Datatypes by their numbers, 0 to 34 (chapter 6, "Data Types")."""

BITS = {1: 8, 2: 16, 3: 32, 4: 64}
UNSIGNED_BITS = {5: 8, 6: 16, 7: 32, 8: 64}
FLOAT, DOUBLE, BOOLEAN, DATETIME, TEMPLATE = 9, 10, 11, 13, 19
NUMBERS = frozenset(range(1, 12))
# Little-endian, one after the other (chapter 6); its printed float and time examples are not so, and are errata.
ELEMENT = {22: "b", 23: "h", 24: "i", 25: "q", 26: "B", 27: "H", 28: "I", 29: "Q", 30: "f", 31: "d", 34: "Q"}
BOOLEANS, STRINGS, TIMES = 32, 33, 34
NUMBER_ARRAYS = frozenset(range(22, 33))
INTEGER_FIELDS = {"int_value": 32, "long_value": 64}
# The datatype that a field alone can mean; an integer's sign and width are in the birth.
EVIDENT = {"float_value": FLOAT, "double_value": DOUBLE, "boolean_value": BOOLEAN}


class OutOfType(ValueError):
    """A value that its datatype does not allow; the message says which."""


def datatype_name(datatype: int) -> str:
    """The specification's word for a datatype."""
    return NAMES[datatype] if datatype < len(NAMES) else f"datatype {datatype}"


def number(datatype: int, field: str, raw: Any) -> float:
    """The number in a metric's field. Raises OutOfType."""
    return float(exact(datatype, field, raw))


def exact(datatype: int, field: str, raw: Any) -> float:
    """The same, an integer as an integer, a Boolean as one. Raises OutOfType.

    Senders do not agree on the field of an integer (UInt32 comes as int and as long), so its datatype decides.
    """
    if datatype in (FLOAT, DOUBLE) and field in ("float_value", "double_value", *INTEGER_FIELDS):
        return float(raw)
    if field in INTEGER_FIELDS:
        if datatype in BITS:
            return _signed(raw, BITS[datatype], INTEGER_FIELDS[field])
        if datatype in UNSIGNED_BITS and raw < 1 << UNSIGNED_BITS[datatype]:
            return int(raw)
    if datatype == BOOLEAN and field in ("boolean_value", *INTEGER_FIELDS) and raw in (0, 1):
        return bool(raw)
    said = f"{raw}" if isinstance(raw, int | float) else field
    raise OutOfType(f"{said:.40} is no {datatype_name(datatype)}")


def _signed(raw: int, bits: int, width: int) -> int:
    """Two's complement, of the datatype's own width or of the field's: both are sent."""
    half = 1 << bits - 1
    if raw < half:
        return raw
    if raw < 2 * half:
        return raw - 2 * half
    if raw >= (1 << width) - half:
        return raw - (1 << width)
    raise OutOfType(f"{raw} does not fit {bits} bits")


def elements(datatype: int, raw: bytes) -> list[Any]:
    """The elements of an array metric. Raises OutOfType."""
    if datatype in ELEMENT:
        kind = struct.Struct("<" + ELEMENT[datatype])
        if len(raw) % kind.size:
            raise OutOfType(f"{len(raw)} bytes are no {datatype_name(datatype)}")
        return [value for (value,) in kind.iter_unpack(raw)]
    if datatype == BOOLEANS:
        # The count in 4 bytes, then a bit for each, the highest first.
        count = int.from_bytes(raw[:4], "little")
        if len(raw) < 4 or len(raw) - 4 != math.ceil(count / 8):  # noqa: PLR2004
            raise OutOfType(f"{count} booleans in {max(len(raw) - 4, 0)} bytes")
        return [bool(raw[4 + place // 8] >> 7 - place % 8 & 1) for place in range(count)]
    if datatype == STRINGS:
        if raw and not raw.endswith(b"\0"):
            raise OutOfType("a StringArray whose last text has no end")
        return [one.decode("utf-8", "replace") for one in raw.split(b"\0")[:-1]]
    raise OutOfType(f"{datatype_name(datatype)} is no array")
