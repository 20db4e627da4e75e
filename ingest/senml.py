"""SenML, JSON and CBOR: records resolved by RFC 8428 section 4.6 into samples with their units."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from edge.wire import Malformed, shown

VERSION = 10
RELATIVE_BELOW = 2**28  # smaller times count from now (section 4.5.3)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
LABELS: dict[object, str] = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
KNOWN = frozenset(LABELS.values())

Sample = tuple[str, int, float, str | None]
"""Resolved name, time in us, value, unit."""


def is_pack(document: object) -> bool:
    """Whether a parsed document is a SenML pack: a list whose first record carries one of its labels."""
    if not (isinstance(document, list) and document and isinstance(document[0], dict)):
        return False
    labels = document[0].keys()
    return bool(labels & {"n", "bn", "bver", "bt"}) or any(type(label) is int for label in labels)


def samples(document: list[object], now_us: int) -> tuple[list[Sample], list[str]]:
    """Resolve a pack; returns numeric samples, and a note for each record that is no number. Raises Malformed."""
    base: dict[str, object] = {}
    version: object = VERSION
    found: list[Sample] = []
    notes: list[str] = []
    for place, raw in enumerate(document):
        record = _labelled(raw, place)
        if "bver" in record:
            if type(record["bver"]) is not int or record["bver"] > VERSION:
                raise Malformed(
                    f"record {place}: SenML version {shown(record['bver'])}; up to {VERSION} is understood"
                )
            if place and record["bver"] != version:  # all records have one version, the first one's
                raise Malformed(f"record {place}: bver changes inside the pack")
            version = record["bver"]
        base.update({label: record[label] for label in ("bn", "bt", "bu", "bv", "bs") if label in record})
        kinds = [label for label in ("v", "vs", "vb", "vd") if label in record]
        if len(kinds) > 1:
            raise Malformed(f"record {place}: has {' and '.join(kinds)}; one value only")
        name = _text(base.get("bn", ""), "bn", place) + _text(record.get("n", ""), "n", place)
        if not kinds and "s" not in record and "bv" not in base and "bs" not in base:
            if record.keys() - {"bver", "bn", "bt", "bu", "bv", "bs"}:
                raise Malformed(f"record {place}: {name or 'without a name'} has no value")
            continue  # a record of base fields only
        if not NAME.fullmatch(name):
            raise Malformed(f"record {place}: name {name!r:.80} is not allowed by SenML")
        at = _time(base.get("bt", 0), record.get("t", 0), now_us, place)
        unit = record.get("u", base.get("bu"))
        if kinds in (["vs"], ["vd"]):
            notes.append(f"{name}: {'text' if kinds == ['vs'] else 'data'}, no number")
            continue
        found.append(
            (name, at, _value(kinds, record, base, place), None if unit is None else _text(unit, "u", place))
        )
    return sorted(found, key=lambda sample: sample[1]), notes


def _labelled(raw: object, place: int) -> dict[str, object]:
    if not isinstance(raw, dict):
        raise Malformed(f"record {place} is no object")
    record: dict[str, object] = {}
    for label, value in raw.items():
        name = LABELS.get(label, label) if type(label) is int else label
        if isinstance(name, str) and name.endswith("_") and name not in KNOWN:
            raise Malformed(f"record {place}: must understand {name!r:.40}, and does not")
        if isinstance(name, str):
            record[name] = value
    return record


def _value(kinds: Sequence[str], record: dict[str, object], base: dict[str, object], place: int) -> float:
    if kinds == ["vb"]:
        if not isinstance(record["vb"], bool):
            raise Malformed(f"record {place}: vb must be true or false")
        return float(record["vb"])
    if kinds == ["v"] or "bv" in base:
        return _number(base.get("bv", 0), "bv", place) + _number(record.get("v", 0), "v", place)
    return _number(base.get("bs", 0), "bs", place) + _number(record.get("s", 0), "s", place)


def _time(base: object, own: object, now_us: int, place: int) -> int:
    seconds = _exact(base, "bt", place) + _exact(own, "t", place)
    if abs(seconds) >= 2**53:
        raise Malformed(f"record {place}: time {float(seconds):g} s is out of any range")
    microseconds = round(seconds * 1_000_000)
    return now_us + microseconds if seconds < RELATIVE_BELOW else microseconds


def _exact(value: object, label: str, place: int) -> Fraction:
    number = _number(value, label, place)
    if not math.isfinite(number):
        raise Malformed(f"record {place}: {label} is not finite")
    # A float of seconds since 1970 is good to a quarter of a microsecond; the written decimals are better.
    return Fraction(str(value)) if isinstance(value, float) else Fraction(number)


def _number(value: object, label: str, place: int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Malformed(f"record {place}: {label} is {shown(value)}, not a number")
    try:
        return float(value)
    except OverflowError as error:
        raise Malformed(f"record {place}: {label} is out of any range") from error


def _text(value: object, label: str, place: int) -> str:
    if not isinstance(value, str):
        raise Malformed(f"record {place}: {label} is {shown(value)}, not a text")
    return value
