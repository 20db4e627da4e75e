"""What a packet of HJ 212 measured: the groups of its CP, each value judged by its data flag."""

from __future__ import annotations

import math

from edge.protocols.hj212.packet import Header, Item, Notes, Packet

GOOD = {"N", "3", "1"}
"""Flags of a value that stands: N (normal); in HJ/T 212-2005 for air stations 3 (normal) and 1 (weather)."""

OVER = {"T"}
"""Over the instrument's upper limit: at least so much, and what an alarm is there for, so the value is kept, noted."""

FLAGS = {
    "N": "normal",
    "F": "stopped",
    "M": "maintenance",
    "S": "set by hand",
    "D": "fault",
    "C": "calibration",
    "T": "over the upper limit",
    "B": "communication fails",
    "P": "power failure (2005)",
    "0": "calibration (2005, air)",
    "1": "weather (2005, air)",
    "2": "abnormal (2005, air)",
    "3": "normal (2005, air)",
}

LEFT_OUT = {"2011": "Rtd", "2021": "RS", "2041": "RT"}
"""Which value of a factor is missing where its group holds a flag alone; in means of any period the mean."""


def number(text: str) -> float | None:
    """A decimal number as a packet may hold it; None where it is none."""
    if text.strip("0123456789+-.eE") or not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def measured(packet: Packet) -> tuple[str, dict[str, float], Notes]:
    """DataTime as it was sent (`""`: none), what was measured (metric -> value, NaN: missing), and notes.

    A value counts where its flag says so (GOOD, OVER, or none was sent); else it is missing: NaN, with a note.
    """
    header, data_time = packet.header, ""
    items = header.items
    notes: Notes = []
    values: dict[str, float] = {}
    for group in packet.cp.split(";"):
        name, _, text = group.partition("=")
        item = items.get(name)
        if item is not None:
            # Nearly every group is one value and its flag N, or no flag: what _group makes of that, without its detours.
            _, metric_, gain, is_value, _, known, normal = item
            text, _, rest = text.partition(",")
            if is_value and known and (rest == normal or not rest) and metric_ not in values:
                value = number(text)
                if value is not None:
                    values[metric_] = value * gain
                    continue
        elif name == "DataTime" and not data_time and "," not in text:
            data_time = text.strip()
            continue
        data_time = _group(header, group, data_time, values, notes)
    return data_time, values, notes


def _group(  # noqa: C901, PLR0912 -- one pass over what a group may hold
    header: Header, group: str, data_time: str, values: dict[str, float], notes: Notes
) -> str:
    """Any group: its values under its flag; returns DataTime, where there was none and the group has it."""
    sent: list[tuple[Item, str]] = []
    flag = flagged = None
    for pair in group.split(","):
        name, _, text = pair.partition("=")
        item = header.items.get(name)
        if item is None:
            if name.strip() == "DataTime":
                data_time = data_time or text.strip()
                continue
            if not name.strip():
                continue
            item = header.item(name)
        if item.value:
            sent.append((item, text))
        elif item.flag:
            flag, flagged = text, item
        elif not item.known and "-" in name:
            notes.append(("unknown-item", f"{name:.40}={text:.40} is not understood"))
    if flagged is not None and not sent:
        _flag_alone(header, flagged.code, (flag or "").strip().upper(), values, notes)
    for item, text in sent:
        value = number(text)
        if flag is not None and flag != "N":
            value = _judged(item, text, value, flag.strip().upper(), notes)
        elif value is None:
            value = _unreadable(item, text, notes)
        value *= item.gain
        if item.metric in values:
            notes.append(("repeated-code", f"{item.code} is in the packet twice; the first counts"))
        else:
            values[item.metric] = value
        if not item.known:
            notes.append(("unknown-factor", f"{item.code} is in no table; it is stored as {item.metric}"))
    return data_time


def _flag_alone(header: Header, code: str, flag: str, values: dict[str, float], notes: Notes) -> None:
    """A group that holds a flag alone: of a value in the group before, or of one that was left out, being none."""
    item = header.item(f"{code}-{LEFT_OUT.get(header.cn, 'Avg')}")
    if item.metric not in values:
        values[item.metric] = math.nan
        notes.append((_flag_code(flag), f"{code} is not sent: {_meaning(flag)}"))
    elif flag and flag not in GOOD | OVER:
        values[item.metric] = math.nan
        notes.append((_flag_code(flag), f"{item.metric} is not stored: {_meaning(flag)}"))


def _unreadable(item: Item, text: str, notes: Notes) -> float:
    if text.strip():
        notes.append(("no-number", f"{item.metric}: {text:.40} is no number"))
    return math.nan


def _judged(item: Item, text: str, value: float | None, flag: str, notes: Notes) -> float:
    """The value under a flag that is not N."""
    if value is None:
        return _unreadable(item, text, notes)
    if flag in GOOD or not flag:
        return value
    if flag in OVER:
        notes.append((_flag_code(flag), f"{item.metric}: {text:.40} is {_meaning(flag)}; kept"))
        return value
    notes.append((_flag_code(flag), f"{item.metric}: {text:.40} is not stored: {_meaning(flag)}"))
    return math.nan


def _flag_code(flag: str) -> str:
    return f"flag-{flag.lower()}" if flag in FLAGS else "flag-unknown"


def _meaning(flag: str) -> str:
    return FLAGS.get(flag, f"{flag:.10}, a flag that the standard does not have")
