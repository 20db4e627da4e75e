"""Packets of HJ 212 explained field by field, for `cityhub decode hj212`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from edge.protocols.explained import Explained, document, field, nothing
from edge.protocols.hj212.check import printed
from edge.protocols.hj212.factors import KINDS, Kind, factor
from edge.protocols.hj212.frame import Found, Stream
from edge.protocols.hj212.measured import FLAGS, measured, number
from edge.protocols.hj212.packet import Item, Packet, Refused, read
from edge.protocols.hj212.times import time_us

BEIJING = timezone(timedelta(hours=8))
AROUND = 12  # ## and the length before the segment, the check and the line's end behind it
SYSTEMS = {
    "21": "surface water",
    "22": "ambient air",
    "23": "noise",
    "24": "groundwater",
    "25": "soil",
    "26": "sea water",
    "27": "volatile organic compounds",
    "31": "flue gas",
    "32": "waste water",
    "33": "sources of pollution of groundwater",
    "34": "sources of pollution of the sea",
    "35": "sources of pollution of soil",
    "36": "sources of noise",
    "37": "sources of vibration",
    "38": "sources of radioactivity",
    "39": "dust of building sites",
    "41": "sources of electromagnetic fields",
    "51": "process of flue gas treatment",
    "52": "process of waste water treatment",
    "91": "the systems between themselves",
}
VERSIONS = {0: "as of HJ/T 212-2005", 1: "as of HJ 212-2017"}
COMMANDS = {
    "1000": "set how long to wait and how often to say it again",
    "1011": "time of the station",
    "1012": "set the time",
    "1013": "request to set the station's time",
    "1061": "interval of momentary values",
    "1062": "set the interval of momentary values",
    "1063": "interval of minute values",
    "1064": "set the interval of minute values",
    "1072": "set a new password",
    "2011": "momentary values",
    "2012": "stop sending momentary values",
    "2021": "running state of the equipment",
    "2022": "stop sending the equipment's state",
    "2031": "values of a day",
    "2041": "running time of the equipment in a day",
    "2051": "values of minutes",
    "2061": "values of an hour",
    "2081": "start of the data logger",
    "3011": "calibrate zero and span",
    "3012": "take a sample now",
    "3013": "begin to clean, or to blow back",
    "3014": "take a sample for comparison",
    "3015": "keep a sample of what is over the limit",
    "3016": "set the period of samples",
    "3017": "the period of samples",
    "3018": "how long a sample takes",
    "3019": "the station's unique number",
    "3020": "information of the station",
    "3021": "set parameters of the station",
    "9011": "answer to a request",
    "9012": "result of a command",
    "9013": "a notice is confirmed",
    "9014": "data are confirmed",
}
PARAMETERS = {
    "RtdInterval": ("interval of momentary values", "s"),
    "MinInterval": ("interval of minute values", "min"),
    "OverTime": ("how long to wait for an answer", "s"),
    "ReCount": ("how often to say it again", "1"),
    "Ctime": ("period of samples", "h"),
    "Stime": ("how long a sample takes", "min"),
    "CstartTime": ("first sample of the day, hhmmss", ""),
    "VaseNo": ("number of the sample's bottle", ""),
    "NewPW": ("new password", ""),
    "PolId": ("code of what is meant", ""),
    "InfoId": ("code of the information that is meant", ""),
}
RESULTS = {
    "QnRtn": {
        "1": "will be carried out",
        "2": "refused",
        "3": "wrong PW",
        "4": "wrong MN",
        "5": "wrong ST",
        "6": "wrong Flag",
        "7": "wrong QN",
        "8": "wrong CN",
        "9": "wrong check",
        "100": "unknown error",
    },
    "ExeRtn": {
        "1": "carried out",
        "2": "failed, no reason known",
        "3": "wrong command condition",
        "4": "communication timed out",
        "5": "busy",
        "6": "system fault",
        "100": "no data",
    },
}


def explain(raw: bytes) -> Iterator[Explained]:
    """Every packet in the bytes, and every stretch that is none."""
    stream = Stream()
    for found in stream.feed(raw):
        yield _found(found)
    if stream.waiting:
        held = stream.drop()
        yield nothing("hj212", _half(held), _text(held))


def _found(found: Found) -> Explained:
    if found.refused:
        return nothing("hj212", found.refused, _text(found.raw))
    try:
        packet = read(found.segment)
    except Refused as error:
        return nothing("hj212", str(error), _text(found.raw))
    not_understood: list[str] = []
    understood = [
        field("length", found.raw[2:6].decode(), int(found.raw[2:6]), "characters of the data segment"),
        *_header(packet),
        *_groups(packet, not_understood),
        field(
            "CRC",
            found.raw[-4:].decode(),
            printed(found.segment).decode(),
            "check of the data segment; right",
        ),
    ]
    notes = [*packet.header.notes, *measured(packet)[2]]
    told = [f"{code}: {text}" for code, text in notes if code != "unknown-item"]
    return document("hj212", understood, not_understood, told, station=packet.header.mn)


def _text(raw: bytes) -> str:
    return raw.decode("ascii", "replace")


def _half(held: bytes) -> str:
    said = f"a packet ends after {len(held)} bytes"
    return f"{said}: its length says {int(held[2:6]) + AROUND}" if held[2:6].isdigit() else said


def _header(packet: Packet) -> Iterator[Explained]:
    header = packet.header
    if packet.qn:
        yield field("QN", packet.qn, _time(packet.qn), "number of the request: its time")
    if header.st:
        yield field("ST", header.st, header.st, SYSTEMS.get(header.st, "another system"))
    yield field("CN", header.cn, header.cn, COMMANDS.get(header.cn, "another command"))
    if header.pw:
        yield field("PW", header.pw, header.pw, "password")
    yield field("MN", header.mn, header.mn, "number of the station")
    if header.flag is not None:
        parts = [VERSIONS.get(header.flag >> 2, f"a version {header.flag >> 2} that is not known here")]
        parts += ["an answer is asked for"] if header.flag & 1 else []
        parts += ["pieces are numbered"] if header.flag & 2 else []
        yield field("Flag", str(header.flag), header.flag, ", ".join(parts))
    if header.pnum:
        yield field("PNUM", str(header.pnum), header.pnum, "pieces of the message")
        yield field("PNO", str(header.pno), header.pno, "number of this piece")


def _groups(packet: Packet, not_understood: list[str]) -> Iterator[Explained]:
    for group in packet.cp.split(";"):
        for pair in group.split(","):
            name, _, text = (part.strip() for part in pair.partition("="))
            if not name:
                continue
            explained = _item(packet, name, text)
            if explained is None:
                not_understood.append(f"{name}={text}")
            else:
                yield explained


def _item(packet: Packet, name: str, text: str) -> Explained | None:
    if name in {"DataTime", "SystemTime", "BeginTime", "EndTime", "RestartTime"}:
        return field(name, text, _time(text), "Beijing time")
    if name in RESULTS:
        return field(name, text, text, RESULTS[name].get(text, "another result"))
    if name in PARAMETERS:
        meaning, unit = PARAMETERS[name]
        return field(name, text, number(text) if unit else text, meaning, unit)
    item = packet.header.item(name)
    kind = KINDS.get(name.rpartition("-")[2].lower())
    if kind is None or not item.metric:
        return None
    return _factor(packet, name, text, item, kind)


def _factor(packet: Packet, name: str, text: str, item: Item, kind: Kind) -> Explained:
    if item.flag:
        return field(name, text, text, FLAGS.get(text.upper(), "a flag that the standard does not have"))
    if not item.value:
        return field(name, text, text)
    known = factor(item.code, packet.header.st)
    value = number(text)
    unit = (known.total if kind.total else known.unit) if known else ""
    meaning = known.name if known else "a code of no table"
    return field(name, text, None if value is None else value * item.gain, meaning, unit, item.metric)


def _time(text: str) -> str | None:
    at = time_us(text)
    if at is None:
        return None
    return (datetime(1970, 1, 1, tzinfo=BEIJING) + timedelta(hours=8, microseconds=at)).isoformat()
