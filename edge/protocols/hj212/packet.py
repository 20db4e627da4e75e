"""One data segment of HJ 212, taken apart: its header, the items of CP, and what they measured."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from edge.protocols.hj212.check import Tail
from edge.protocols.hj212.factors import KINDS, factor, metric

BEIJING_EPOCH = datetime(1970, 1, 1, 8, tzinfo=UTC)
"""What a clock in Beijing showed at the epoch."""
SEGMENT_STANDARD = 1024
CACHED = 4096
"""Headers and minutes are remembered, at most so many: between two packets of a station little but the numbers changes."""
CACHED_LENGTH = 160
KINDS_KEPT, NAMES = 64, 512
"""What names of items mean is remembered for so many kinds of packets, of each so many names."""
NOTES_CACHED = 8
"""A header with more oddities is read anew each time: it is no station's."""
QN = re.compile(r"[0-9A-Za-z]{1,32}")
MN = re.compile(r"[0-9A-Za-z_-]{1,32}")
CODE = re.compile(r"[0-9A-Za-z]{1,32}")
FIELDS = {"QN", "ST", "CN", "PW", "MN", "Flag", "PNUM", "PNO"}

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

Notes = list[tuple[str, str]]
"""Codes and texts of what was taken although the standard has it otherwise."""


class Refused(ValueError):
    """A packet that says nothing we may believe; the message says why."""


class Item(NamedTuple):
    """One name of CP (`w01018-Rtd`) as a station of this kind means it."""

    code: str
    metric: str
    gain: float
    value: bool
    flag: bool
    known: bool  # the code and the suffix are in a table
    normal: str = ""  # how a group goes on after the value where all is well


@dataclass(slots=True, eq=False)
class Header:
    """What stands before CP but for QN, which is another in every packet."""

    mn: str
    cn: str
    st: str = ""
    pw: str = ""
    flag: int | None = None
    pnum: int = 0
    pno: int = 0
    notes: Notes = field(default_factory=list)
    items: dict[str, Item] = field(default_factory=dict)  # shared by all headers of this ST and CN
    # Of the answer, from the QN on: it is the same until the station changes its header.
    tail: Tail | None = None

    @property
    def wants_answer(self) -> bool:
        """Bit 0 of Flag."""
        return bool(self.flag and self.flag & 1)

    def item(self, name: str) -> Item:
        """What an item's name means in this station's packets."""
        if len(self.items) >= NAMES:
            self.items.clear()
        code, _, suffix = name.strip().rpartition("-")
        kind = KINDS.get(suffix.strip().lower())
        if kind is None or not CODE.fullmatch(code):
            made = Item(code or name, "", 1.0, value=False, flag=False, known=False)
        else:
            known = factor(code, self.st)
            gain = known.gain if known and not kind.total else 1.0
            equipment = code[:2].upper() == "SB"
            name_of = metric(code, kind, self.cn, known)
            made = Item(
                code, name_of, gain, kind.value, kind.flag, bool(known) or equipment, f"{code}-Flag=N"
            )
        if len(name) <= CACHED_LENGTH:
            self.items[name] = made
        return made


class Packet(NamedTuple):
    """A data segment: header, QN and the text between the two `&&`."""

    header: Header
    qn: str
    cp: str


_headers: dict[str, Header] = {}
_minutes: dict[str, int] = {}
_items: dict[tuple[str, str], dict[str, Item]] = {}


def read(segment: bytes) -> Packet:
    """Take a checked data segment apart; raises Refused."""
    text = segment.decode("latin-1")  # any byte is a character: what is no ASCII is told by name, later
    place = text.find("CP=&&")
    if place < 0 or not text.endswith("&&") or len(text) < place + 7:
        raise Refused("no CP=&&...&&")
    qn = ""
    rest = text[:place]
    if text.startswith("QN=") and text[20:21] == ";":
        qn, rest = text[3:20], text[21:place]
    header = _headers.get(rest)
    if header is None:
        header = _read_header(rest)
        if len(rest) <= CACHED_LENGTH and len(header.notes) <= NOTES_CACHED:
            if len(_headers) >= CACHED:
                _headers.clear()
            _headers[rest] = header
    if not (qn.isdigit() and qn.isascii()):
        qn = _field(rest, "QN") or qn
        # An answer repeats it, so it must be something that can be said.
        qn = qn if QN.fullmatch(qn) else ""
    return Packet(header, qn, text[place + 5 : -2])


def _field(text: str, name: str) -> str:
    for pair in text.split(";"):
        key, _, value = pair.partition("=")
        if key.strip() == name:
            return value.strip()
    return ""


def _read_header(text: str) -> Header:
    found: dict[str, str] = {}
    notes: Notes = []
    for pair in filter(None, text.split(";")):
        key, equals, value = pair.partition("=")
        key = key.strip()
        if not equals or key not in FIELDS:
            notes.append(("unknown-field", f"the header has {pair:.40}"))
        elif key in found:
            notes.append(("repeated-field", f"the header has {key} twice; the first counts"))
        else:
            found[key] = value.strip()
    mn, cn = found.get("MN", ""), found.get("CN", "")
    if not MN.fullmatch(mn):
        raise Refused(f"MN {mn!r:.40} names no station" if mn else "no MN: the station is not named")
    if not (len(cn) == 4 and cn.isascii() and cn.isdigit()):  # noqa: PLR2004 -- as the standard has it
        raise Refused(f"CN {cn!r:.40} is no command" if cn else "no CN: no command")
    if "Flag" not in found:
        notes.append(("no-flag", "no Flag: a packet of 2005, which no answer is sent to"))
    elif _whole(found["Flag"], 255) is None:
        notes.append(("no-flag", f"Flag {found['Flag']:.20} is no number up to 255; no answer is sent"))
    return Header(
        mn,
        cn,
        found.get("ST", ""),
        found.get("PW", ""),
        _whole(found.get("Flag"), 255),
        _whole(found.get("PNUM"), 9999) or 0,
        _whole(found.get("PNO"), 9999) or 0,
        notes,
        _items_of(found.get("ST", ""), cn),
    )


def _items_of(st: str, cn: str) -> dict[str, Item]:
    """What the names of items mean in packets of this kind; the same for every station."""
    known = _items.get((st, cn))
    if known is None:
        if len(_items) >= KINDS_KEPT:
            _items.clear()
        known = _items[st, cn] = {}
    return known


def _whole(text: str | None, most: int) -> int | None:
    if not text or len(text) > 4 or not (text.isascii() and text.isdigit()):  # noqa: PLR2004
        return None
    number = int(text)
    return number if number <= most else None


def time_us(text: str) -> int | None:
    """A time of the standard, `YYYYMMDDhhmmss` with milliseconds or without, Beijing time; None where it is none."""
    length, rest = len(text), text[12:]
    if (length != 14 and length != 17) or not (rest.isascii() and rest.isdigit()):  # noqa: PLR2004, PLR1714
        return None
    minute = _minutes.get(text[:12])
    if minute is None:
        minute = _minute(text[:12])
        if minute is None:
            return None
        if len(_minutes) >= CACHED:
            _minutes.clear()
        _minutes[text[:12]] = minute
    if length == 14:  # noqa: PLR2004
        second, milliseconds = int(rest), 0
    else:
        second, milliseconds = int(rest[:2]), int(rest[2:])
    return minute + second * 1_000_000 + milliseconds * 1000 if second < 60 else None  # noqa: PLR2004


def _minute(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    year, month, day, hour, minute = (
        int(text[:4]),
        int(text[4:6]),
        int(text[6:8]),
        int(text[8:10]),
        int(text[10:]),
    )
    try:
        at = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None
    return (at - BEIJING_EPOCH) // timedelta(microseconds=1)


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
        _flag_alone(header, flagged.code, (flag or "").strip(), values, notes)
    for item, text in sent:
        value = number(text)
        if flag is not None and flag != "N":
            value = _judged(item, text, value, flag.strip(), notes)
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
