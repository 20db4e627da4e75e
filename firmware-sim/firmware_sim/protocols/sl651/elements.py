"""Elements of SL 651-2014, table C.1: what can be told, its leader and its digits."""

from __future__ import annotations

from typing import NamedTuple


class Element(NamedTuple):
    """One line of table C.1: N(digits, decimals)."""

    leader: int
    digits: int
    decimals: int

    @property
    def size(self) -> int:
        """Bytes of a positive value."""
        return (self.digits + 1) // 2


def _numbered(symbol: str, first: int, count: int, digits: int, decimals: int) -> dict[str, Element]:
    return {f"{symbol}{n + 1}": Element(first + n, digits, decimals) for n in range(count)}


ELEMENTS: dict[str, Element] = {
    "AC": Element(0x01, 8, 2),
    "AI": Element(0x02, 3, 1),
    "C": Element(0x03, 3, 1),
    "ED": Element(0x06, 5, 1),
    "EJ": Element(0x07, 5, 1),
    "FL": Element(0x08, 5, 0),
    "GH": Element(0x09, 5, 2),
    "GTP": Element(0x0D, 3, 1),
    "H": Element(0x0E, 6, 2),
    "HW": Element(0x0F, 5, 2),
    **{f"M{depth}": Element(0x10 + n, 4, 1) for n, depth in enumerate((10, 20, 30, 40, 50, 60, 80, 100))},
    "MST": Element(0x18, 4, 1),
    "NS": Element(0x19, 2, 0),
    **{f"P{hours}": Element(0x1A + n, 5, 1) for n, hours in enumerate((1, 2, 3, 6, 12))},
    "PD": Element(0x1F, 5, 1),
    "PJ": Element(0x20, 5, 1),
    "PN01": Element(0x21, 5, 1),
    "PN05": Element(0x22, 5, 1),
    "PN10": Element(0x23, 5, 1),
    "PN30": Element(0x24, 5, 1),
    "PR": Element(0x25, 5, 1),
    "PT": Element(0x26, 6, 1),
    "Q": Element(0x27, 9, 3),
    **_numbered("Q", 0x28, 8, 9, 3),
    "QA": Element(0x30, 9, 3),
    "UC": Element(0x33, 2, 0),
    "UE": Element(0x34, 2, 0),
    "US": Element(0x35, 4, 1),
    "VA": Element(0x36, 5, 3),
    "VJ": Element(0x37, 5, 3),
    "VT": Element(0x38, 4, 2),
    "Z": Element(0x39, 7, 3),
    "ZB": Element(0x3A, 7, 3),
    "ZU": Element(0x3B, 7, 3),
    **_numbered("Z", 0x3C, 8, 7, 3),
    "pH": Element(0x46, 4, 2),
    "DO": Element(0x47, 4, 1),
    "COND": Element(0x48, 5, 0),
    "TURB": Element(0x49, 3, 0),
    "CODMN": Element(0x4A, 4, 1),
    "NH4N": Element(0x4C, 6, 2),
    "TP": Element(0x4D, 5, 3),
    "TN": Element(0x4E, 5, 2),
    "VTA": Element(0x70, 4, 1),
    "VTB": Element(0x71, 4, 1),
    "VTC": Element(0x72, 4, 1),
    "VIA": Element(0x73, 4, 1),
    "VIB": Element(0x74, 4, 1),
    "VIC": Element(0x75, 4, 1),
}

BY_LEADER = {element.leader: symbol for symbol, element in ELEMENTS.items()}

# Twelve 5-minute values of an hour: rain in 0.1 mm, one byte each; levels above a base in 0.01 m, two bytes.
RAIN_SLOTS = {"DRP": 0xF4}
LEVEL_SLOTS = {f"DRZ{n + 1}": 0xF5 + n for n in range(8)}

# Table A.1: what kind of station speaks.
CLASSES = frozenset("PHKZDTMGQIO")
