"""One data segment of HJ 212, taken apart: its header, and what the names in its CP mean there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from edge.protocols.hj212.check import Tail
from edge.protocols.hj212.factors import KINDS, factor, metric

CACHED = 4096
"""Headers are remembered, at most so many: between two packets of a station little but the numbers changes."""
CACHED_LENGTH = 160
KINDS_KEPT, NAMES = 64, 512
"""What names of items mean is remembered for so many kinds of packets, of each so many names."""
NOTES_CACHED = 8
"""A header with more oddities is read anew each time: it is no station's."""
QN = re.compile(r"[0-9A-Za-z]{1,32}")
MN = re.compile(r"[0-9A-Za-z_-]{1,32}")
CODE = re.compile(r"[0-9A-Za-z]{1,32}")
FIELDS = {"QN", "ST", "CN", "PW", "MN", "Flag", "PNUM", "PNO"}

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
