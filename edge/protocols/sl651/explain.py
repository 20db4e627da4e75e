"""SL 651-2014 frames explained field by field, for people: `cityhub decode sl651`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from edge.protocols.explained import Explained, document, field
from edge.protocols.sl651 import elements as el
from edge.protocols.sl651 import functions as fn
from edge.protocols.sl651 import packed, settings, status, times, written
from edge.protocols.sl651.body import Body, Element
from edge.protocols.sl651.frame import ENDS, Fault, Frame, Splitter
from edge.protocols.sl651.packets import Packets
from edge.protocols.sl651.samples import LAST_SLOT_US, Collector, is_last_slot

NO_READING = {el.STATION, el.TIME, el.STEP, el.STATUS, el.BY_HAND, el.PICTURE, el.BATCH}
OWN = "not in the standard, the maker's own"
FAULTLESS = {"picture", "by-hand"}  # notes that say nothing against a station


def frames(data: bytes) -> Iterator[Explained]:
    """Every frame in the bytes, up or down, in either encoding, and every stretch that is none.

    The packets of one message are explained one by one, and the message with the last of them.
    """
    splitter, packets = Splitter(), Packets()
    for found in [*splitter.feed(data), *splitter.flush()]:
        if isinstance(found, Fault):
            named = {"station": found.rtu} if found.rtu else {}
            yield document("sl651", [], [f"{found.code}: {found.text}"], [], **named)
            continue
        yield _frame(found)
        if found.total > 1 and 1 <= found.number <= found.total and not found.down:
            for outcome in packets.take(found, 0):
                if outcome.whole is not None:
                    yield _message(found, outcome.whole, [], [])


def _frame(frame: Frame) -> Explained:
    cut = frame.raw
    encoding = "ASCII" if frame.text else "HEX/BCD"

    def raw(begin: int, end: int) -> str:
        return cut[begin:end].decode("latin-1") if frame.text else cut[begin:end].hex().upper()

    # Where the fields of the head stand in each encoding; address and centre change places with the direction.
    size = 2 if frame.text else 1
    begin = 1 if frame.text else 2
    station, centre = (begin, begin + 5 * size) if frame.down else (begin + size, begin)
    at = begin + 6 * size
    where = "down, to the station" if frame.down else "up, from the station"
    length = int(frame.raw[at + 6 : at + 10], 16) if frame.text else int.from_bytes(cut[at + 3 : at + 5])
    check = raw(len(cut) - 2 * size, len(cut))
    head = [
        field("start", cut[:begin].hex().upper(), encoding, f"a frame in {encoding}"),
        field("centre", raw(centre, centre + size), frame.centre, "address of the centre, 1 to 255"),
        field("station", raw(station, station + 5 * size), frame.rtu, "address of the station"),
        field("password", raw(at, at + 2 * size), frame.password, "password of the station"),
        field("function", raw(at + 2 * size, at + 3 * size), f"{frame.func:02X}", fn.meaning(frame.func)),
        field("direction", raw(at + 3 * size, at + 5 * size)[:1], "down" if frame.down else "up", where),
        field(
            "length",
            raw(at + 3 * size, at + 5 * size)[1:],
            length & 0xFFF,
            "bytes from start to end of the body",
        ),
        field(
            "body", f"{0x16 if frame.total else 2:02X}", "SYN" if frame.total else "STX", "the body begins"
        ),
    ]
    if frame.total:
        digits = f"{max(frame.total, 0):03X}{frame.number:03X}"
        meaning = "packets of the message, and which this is"
        head.append(field("packet", digits, f"{frame.number} of {max(frame.total, 0)}", meaning))
    tail = [
        field("end", f"{frame.end:02X}", ENDS.get(frame.end), _ending(frame.end)),
        field("crc", check, check.upper(), "CRC-16 of all before it; right"),
    ]
    if frame.total > 1:
        data = frame.body.hex().upper()
        part = field("part", data, None, f"{len(frame.body)} bytes of the message's body")
        if frame.down:
            return _said(frame, head + _down(frame) + tail, [], [])
        return _said(frame, [*head, part, *tail], [], [])
    if frame.down:
        return _said(frame, head + _down(frame) + tail, [], [])
    return _message(frame, frame.body, head, tail)


def _ending(end: int) -> str:
    return {
        3: "the end, nothing follows",
        0x17: "the end, more follows",
        5: "the end of a question or an order",
        4: "the end, the station may go",
        6: "taken, go on",
        0x15: "send this packet again",
        0x1B: "the end, the station stays on the line",
    }.get(end, "not in the standard")


def _said(frame: Frame, fields: list[Explained], lost: list[str], notes: list[str]) -> Explained:
    if not frame.centre:
        notes = [*notes, "centre-zero: centre 0; there are 1 to 255"]
    return document(
        "sl651",
        fields,
        lost,
        notes,
        encoding="ASCII" if frame.text else "HEX/BCD",
        direction="down" if frame.down else "up",
        station=frame.rtu,
        function=f"{frame.func:02X}",
    )


def _head(frame: Frame, data: bytes) -> tuple[list[Explained], int]:
    """Serial number and time of sending, and where they end."""
    size = 2 if frame.text else 1
    if len(data) < 8 * size:
        return [], 0
    digits = data[:16].decode("latin-1") if frame.text else data[:8].hex().upper()
    serial = digits[:4]
    return [
        field(
            "serial",
            serial,
            int(serial, 16) if not serial.strip("0123456789ABCDEFabcdef") else None,
            "serial number",
        ),
        field("sent", digits[4:16], times.shown(digits[4:16]), "time of sending, Beijing time"),
    ], 8 * size


def _down(frame: Frame) -> list[Explained]:
    """What an order says: the times of a query, the elements that are asked for, settings, and what has a form of its own."""
    fields, at = _head(frame, frame.body)
    rest = frame.body[at:]
    if frame.text:
        text = rest.decode("latin-1").strip()
        return [*fields, field("parameters", text, text, "parameters of the order")] if text else fields
    if frame.func == fn.QUERY_SERIES and len(rest) >= 8:  # noqa: PLR2004 -- two times
        for name, begin in (("from", 0), ("until", 4)):
            digits = rest[begin : begin + 4].hex()
            fields.append(field(name, digits, times.shown(digits), "hour of the series that is asked for"))
        rest = rest[8:]
    if frame.func in fn.SETTINGS:
        body = packed.read(frame.func, frame.body)
        if body.settings:
            return [*fields, *(_setting(frame, each) for each in body.settings)]
    asked = {fn.QUERY_SERIES, fn.QUERY_ELEMENTS} | fn.SETTINGS
    while frame.func in asked and len(rest) >= 2:  # noqa: PLR2004 -- an identifier
        ident, width = (0xFF00 | rest[1], 3) if rest[0] == el.EXTENDED else (rest[0], 2)
        width += 3 if ident == el.STEP else 0
        kind = settings.setting(frame.func, ident) if frame.func in fn.SETTINGS else el.kind(ident)
        fields.append(field(f"{ident:02X}", rest[:width].hex().upper(), None, f"asked for: {kind.meaning}"))
        rest = rest[width:]
    if rest:
        fields.append(field("parameters", rest.hex().upper(), None, "parameters of the order"))
    return fields


def _message(frame: Frame, data: bytes, head: list[Explained], tail: list[Explained]) -> Explained:
    """A whole message from a station."""
    body = (written if frame.text else packed).read(frame.func, data)
    fields = [*head, *_head(frame, data)[0]]
    for element in body.elements:
        fields += _element(frame, element, data, body.sent)
    fields += [_setting(frame, each) for each in body.settings]
    if body.own:
        fields += _own(frame.func, body.own[1])
    now_us = time.time_ns() // 1000
    _, notes, _ = Collector(lambda rtu: rtu).take(body, frame.rtu, frame.func, now_us, now_us)
    troubles = {f"{code}: {text}" for code, text in body.troubles}
    lost = [f"{code}: {text}" for code, text in body.troubles]
    lost += [f"{each.code}: {each.text}" for each in notes if each.code == "digits-invalid"]
    told = [f"{each.code}: {each.text}" for each in notes if each.code not in FAULTLESS]
    harmless = [
        each for each in lost if each.split(":")[0] in {"leader-definition", "series-definition", "no-class"}
    ]
    return _said(
        frame,
        fields + tail,
        [each for each in lost if each not in harmless],
        [each for each in told if each in harmless or (each not in troubles and each not in lost)]
        + _resent(body),
    )


def _resent(body: Body) -> list[str]:
    return ["serial 0; a station counts from 1"] if body.sent and not body.serial else []


def _element(frame: Frame, element: Element, data: bytes, sent: str) -> list[Explained]:  # noqa: PLR0911 -- a table of cases
    cut = data[element.offset : element.offset + element.size]
    raw = (
        cut.decode("latin-1")
        if frame.text and isinstance(element.value, bytes) is False
        else cut.hex().upper()
    )
    kind, value = el.kind(element.ident), element.value
    name = kind.symbol or f"{element.ident:02X}"
    meaning = kind.meaning if kind.symbol else f"{OWN}; `metrics` of the driver names it"
    metric = kind.metric if element.ident not in NO_READING else ""
    if element.ident == el.STATION:
        said = fn.CLASSES.get(element.klass, f"{element.klass:02X}" if element.klass else "")
        return [field(name, raw, value, f"{kind.meaning}{f'; class: {said}' if said else ''}")]
    if element.ident == el.TIME:
        return [field(name, raw, times.shown(str(value)), f"{kind.meaning}, Beijing time")]
    if element.ident == el.STATUS and isinstance(value, int):
        word = field(name, raw, f"{value:08X}", kind.meaning)
        return [
            word,
            *(
                field(bit.metric, "", state, bit.meaning, "1", bit.metric)
                for bit, (_, state) in zip(status.BITS, status.states(value), strict=True)
            ),
        ]
    if isinstance(value, bytes):
        text = value.decode("gb18030", "replace") if element.ident == el.BY_HAND else f"{len(value)} bytes"
        return [field(name, raw, text, kind.meaning)]
    if isinstance(value, list):
        values = [None if each is None or math.isnan(each) else each for each in value]
        return [field(name, raw, values, f"{meaning}; {_when(element, sent)}", kind.unit, metric)]
    if value is None:
        return [field(name, raw, None, f"{meaning}; cannot be read", kind.unit)]
    return [field(name, raw, value, meaning, kind.unit if element.ident != el.WIND else "1", metric)]


def _when(element: Element, sent: str) -> str:
    """At which times the values of a series are; of the slots of an hour, what the time in the report was taken for."""
    values = element.value if isinstance(element.value, list) else []
    said = f"{len(values)} values, {element.step_us // 60_000_000} min apart"
    first = element.at_us
    if first is None or not values:
        return said
    why = ""
    if (element.ident == el.RAIN or element.ident in el.LEVELS) and len(values) <= el.SLOTS:
        sent_us = times.second(sent) or time.time_ns() // 1000
        if is_last_slot(first, sent_us):
            first -= LAST_SLOT_US
            why = " (the time said is the last slot's: the hour would not be over yet at the time of sending)"
        else:
            why = ' (the time said is the first slot\'s, as the standard has it; a station that means the last one cannot be told by this report: hour_slots = "last" for its link)'
    last = first + (len(values) - 1) * element.step_us
    return f"{said}, the first at {_clock(first)}, the last at {_clock(last)}{why}"


def _clock(at_us: int) -> str:
    digits = times.written(at_us)
    return f"{digits[6:8]}:{digits[8:10]}"


def _setting(frame: Frame, element: Element) -> Explained:
    kind = settings.setting(frame.func, element.ident)
    raw = str(element.value)
    value = settings.value(kind, raw, element.definition, text=frame.text)
    return field(f"{element.ident:02X}", raw, value, kind.meaning, kind.unit)


def _own(func: int, data: bytes) -> list[Explained]:
    """Answers with a form of their own (6.6.4.19, .26 to .30)."""
    raw = data.hex().upper()
    if not data:
        return []
    if func == fn.VERSION:
        # One byte counts the text; in ASCII messages it is missing as often as not.
        text = data[1:] if data[0] == len(data) - 1 else data
        return [field("version", raw, text.decode("gb18030", "replace"), "version of the software")]
    if func == fn.EVENTS:
        return [
            field(f"ERC{place + 1}", data[2 * place : 2 * place + 2].hex().upper(), count, meaning, "1")
            for place, count in enumerate(
                int.from_bytes(data[at : at + 2]) for at in range(0, len(data) - 1, 2)
            )
            if (meaning := fn.EVENT_COUNTERS[place] if place < len(fn.EVENT_COUNTERS) else "reserved")
        ]
    if func == fn.QUOTA:
        state = {0xFF: "in force", 0: "not in force"}.get(data[0])
        return [field("quota", raw, state, "fixed quota of water")]
    names = {fn.PUMPS: "pump", fn.VALVES: "valve", fn.GATES: "gate"}
    if func in names:
        return [field("states", raw, None, f"{names[func]}s, one bit each, 1 for open or running")]
    return [field("data", raw, None, "not in the standard")]
