"""What a payload may weigh and how deep it may nest: checked on its bytes, before any parser sees it."""

from __future__ import annotations

import re

from edge.wire import ARRAYS, Malformed

SIZE_LIMIT = 256 << 10
DEPTH_LIMIT = 8

# Also a text that never ends is one match: beginning anew at each quote inside it would take hours.
TEXTS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
# The CBOR tags that our formats need: big numbers, decimal fractions (RFC 8428), typed arrays (RFC 8746), and the
# mark "this is CBOR". Others make parsers build what a sender chooses: shared values that unfold without end,
# patterns, dates.
TAGS = frozenset({2, 3, 4, 55799, *ARRAYS})
BRACKETS = re.compile(rb"[][{}]")


def check_size(payload: bytes) -> None:
    """Raise Malformed for a payload that is empty or too large."""
    if not payload:
        raise Malformed("empty payload")
    if len(payload) > SIZE_LIMIT:
        raise Malformed(f"{len(payload)} bytes; at most {SIZE_LIMIT} are read")


def check_json_depth(payload: bytes, limit: int = DEPTH_LIMIT) -> None:
    """Raise Malformed for JSON nested deeper than its format needs; by default any format of ours."""
    if payload.count(b"{") + payload.count(b"[") <= limit:
        return
    depth = 0
    for bracket in BRACKETS.findall(TEXTS.sub(b"", payload)):
        depth += 1 if bracket in b"[{" else -1
        if depth > limit:
            raise Malformed(f"nested deeper than {limit} levels")


def check_cbor_depth(payload: bytes) -> None:
    """Raise Malformed for CBOR nested too deep, claiming more items than it has bytes, or with tags of no use here.

    Walks the heads only (RFC 8949, section 3); contents are the parser's business.
    """
    at, end = 0, len(payload)
    open_items: list[int] = [1]  # items still to come at each level; -1: until a break
    while open_items and at < end:
        if open_items[-1] == 0:
            open_items.pop()
            continue
        first = payload[at]
        major, short = first >> 5, first & 31
        at += 1
        if first == 0xFF:  # noqa: PLR2004 -- the break code
            open_items.pop()
            continue
        if open_items[-1] > 0:
            open_items[-1] -= 1
        count = short
        if 24 <= short <= 27:  # noqa: PLR2004 -- the count follows in 1, 2, 4 or 8 bytes
            width = 1 << (short - 24)
            count = int.from_bytes(payload[at : at + width], "big")
            at += width
        endless = short == 31  # noqa: PLR2004
        if major in (2, 3) and not endless:
            at += count
        elif major in (2, 3, 4, 5, 6):
            items = _items(major, count, end, endless=endless)
            open_items.append(items)
            if len(open_items) > DEPTH_LIMIT + 1:
                raise Malformed(f"nested deeper than {DEPTH_LIMIT} levels")


def _items(major: int, count: int, end: int, *, endless: bool) -> int:
    """How many items the head of a text, array, map or tag opens; -1: until a break."""
    if major == 6:  # noqa: PLR2004
        if count not in TAGS:
            raise Malformed(f"CBOR tag {count} is of no use in telemetry")
        return 1
    if endless:
        return -1
    items = count * 2 if major == 5 else count  # noqa: PLR2004
    if items > end:
        raise Malformed(f"claims {items} items in {end} bytes")
    return items
