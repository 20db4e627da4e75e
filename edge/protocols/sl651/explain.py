"""SL 651-2014 frames explained field by field, for people: `cityhub decode sl651`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

from edge.protocols.sl651 import elements as el
from edge.protocols.sl651 import functions as fn
from edge.protocols.sl651 import packed, settings, status, times, written
from edge.protocols.sl651.body import Body, Element
from edge.protocols.sl651.frame import ENDS, Fault, Frame, Splitter
from edge.protocols.sl651.packets import Packets
from edge.protocols.sl651.samples import Collector

Field = dict[str, Any]
RAW_SHOWN = 256  # bytes of a field, of a picture above all
FAULTLESS = {"picture", "by-hand"}  # notes that say nothing against a station


def frames(data: bytes) -> Iterator[dict[str, Any]]:
    """Every frame in the bytes, up or down, in either encoding, and every stretch that is none.

    The packets of one message are explained one by one, and the message with the last of them.
    """
    splitter, packets = Splitter(), Packets()
    for found in [*splitter.feed(data), *splitter.flush()]:
        if isinstance(found, Fault):
            yield {
                "format": "sl651",
                "understood": [],
                "not_understood": [f"{found.code}: {found.text}"],
                "notes": [],
            }
            continue
        yield _frame(found)
        if found.total > 1 and 1 <= found.number <= found.total and not found.down:
            for outcome in packets.take(found, 0):
                if outcome.whole is not None:
                    yield _message(found, outcome.whole, [], [])


def _field(name: str, raw: str, value: object, meaning: str, unit: str = "") -> Field:
    if isinstance(value, float) and math.isnan(value):
        value, meaning = None, f"{meaning}; missing"
    shown = raw if len(raw) <= 2 * RAW_SHOWN else f"{raw[: 2 * RAW_SHOWN]}..."
    return {"name": name, "raw": shown, "value": value, "unit": unit, "meaning": meaning}


def _frame(frame: Frame) -> dict[str, Any]:
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
    head = [
        _field("start", cut[:begin].hex().upper(), encoding, f"a frame in {encoding}"),
        _field("centre", raw(centre, centre + size), frame.centre, "address of the centre, 1 to 255"),
        _field("station", raw(station, station + 5 * size), frame.rtu, "address of the station"),
        _field("password", raw(at, at + 2 * size), frame.password, "password of the station"),
        _field("function", raw(at + 2 * size, at + 3 * size), f"{frame.func:02X}", fn.meaning(frame.func)),
        _field("direction", raw(at + 3 * size, at + 5 * size)[:1], "down" if frame.down else "up", where),
        _field(
            "length",
            raw(at + 3 * size, at + 5 * size)[1:],
            length & 0xFFF,
            "bytes from start to end of the body",
        ),
        _field(
            "body", f"{0x16 if frame.total else 2:02X}", "SYN" if frame.total else "STX", "the body begins"
        ),
    ]
    if frame.total:
        digits = f"{max(frame.total, 0):03X}{frame.number:03X}"
        meaning = "packets of the message, and which this is"
        head.append(_field("packet", digits, f"{frame.number} of {max(frame.total, 0)}", meaning))
    tail = [
        _field("end", f"{frame.end:02X}", ENDS.get(frame.end), _ending(frame.end)),
        _field("crc", raw(len(cut) - 2 * size, len(cut)), "right", "CRC-16 of all before it"),
    ]
    if frame.total > 1:
        data = frame.body.hex().upper()
        part = _field("part", data, None, f"{len(frame.body)} bytes of the message's body")
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


def _said(frame: Frame, fields: list[Field], lost: list[str], notes: list[str]) -> dict[str, Any]:
    if not frame.centre:
        notes = [*notes, "centre-zero: centre 0; there are 1 to 255"]
    return {
        "format": "sl651",
        "encoding": "ASCII" if frame.text else "HEX/BCD",
        "direction": "down" if frame.down else "up",
        "station": frame.rtu,
        "function": f"{frame.func:02X}",
        "understood": fields,
        "not_understood": lost,
        "notes": notes,
    }


def _head(frame: Frame, data: bytes) -> tuple[list[Field], int]:
    """Serial number and time of sending, and where they end."""
    size = 2 if frame.text else 1
    if len(data) < 8 * size:
        return [], 0
    digits = data[:16].decode("latin-1") if frame.text else data[:8].hex().upper()
    serial = digits[:4]
    return [
        _field(
            "serial",
            serial,
            int(serial, 16) if not serial.strip("0123456789ABCDEFabcdef") else None,
            "serial number",
        ),
        _field("sent", digits[4:16], times.shown(digits[4:16]), "time of sending, Beijing time"),
    ], 8 * size


def _down(frame: Frame) -> list[Field]:
    """What an order says: the times of a query, the elements that are asked for, settings, and what has a form of its own."""
    fields, at = _head(frame, frame.body)
    rest = frame.body[at:]
    if frame.text:
        text = rest.decode("latin-1").strip()
        return [*fields, _field("parameters", text, text, "parameters of the order")] if text else fields
    if frame.func == fn.QUERY_SERIES and len(rest) >= 8:  # noqa: PLR2004 -- two times
        for name, begin in (("from", 0), ("until", 4)):
            digits = rest[begin : begin + 4].hex()
            fields.append(_field(name, digits, times.shown(digits), "hour of the series that is asked for"))
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
        fields.append(_field(f"{ident:02X}", rest[:width].hex().upper(), None, f"asked for: {kind.meaning}"))
        rest = rest[width:]
    if rest:
        fields.append(_field("parameters", rest.hex().upper(), None, "parameters of the order"))
    return fields


def _message(frame: Frame, data: bytes, head: list[Field], tail: list[Field]) -> dict[str, Any]:
    """A whole message from a station."""
    body = (written if frame.text else packed).read(frame.func, data)
    fields = [*head, *_head(frame, data)[0]]
    for element in body.elements:
        fields += _element(frame, element, data)
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


def _element(frame: Frame, element: Element, data: bytes) -> list[Field]:  # noqa: PLR0911 -- a table of cases
    cut = data[element.offset : element.offset + element.size]
    raw = (
        cut.decode("latin-1")
        if frame.text and isinstance(element.value, bytes) is False
        else cut.hex().upper()
    )
    kind, value = el.kind(element.ident), element.value
    name = kind.symbol or f"{element.ident:02X}"
    if element.ident == el.STATION:
        said = fn.CLASSES.get(element.klass, f"{element.klass:02X}" if element.klass else "")
        return [_field(name, raw, value, f"{kind.meaning}{f'; class: {said}' if said else ''}")]
    if element.ident == el.TIME:
        return [_field(name, raw, times.shown(str(value)), f"{kind.meaning}, Beijing time")]
    if element.ident == el.STATUS and isinstance(value, int):
        word = _field(name, raw, f"{value:08X}", kind.meaning)
        return [
            word,
            *(
                _field(metric, "", state, "state of the station", "1")
                for metric, state in status.states(value)
            ),
        ]
    if isinstance(value, bytes):
        text = value.decode("gb18030", "replace") if element.ident == el.BY_HAND else f"{len(value)} bytes"
        return [_field(name, raw, text, kind.meaning)]
    if isinstance(value, list):
        values = [None if each is None or math.isnan(each) else each for each in value]
        minutes = element.step_us // 60_000_000
        return [
            _field(name, raw, values, f"{kind.meaning}; {len(values)} values, {minutes} min apart", kind.unit)
        ]
    if value is None:
        return [_field(name, raw, None, f"{kind.meaning}; cannot be read", kind.unit)]
    return [_field(name, raw, value, kind.meaning, kind.unit if element.ident != el.WIND else "1")]


def _setting(frame: Frame, element: Element) -> Field:
    kind = settings.setting(frame.func, element.ident)
    raw = str(element.value)
    value = settings.value(kind, raw, element.definition, text=frame.text)
    return _field(f"{element.ident:02X}", raw, value, kind.meaning, kind.unit)


def _own(func: int, data: bytes) -> list[Field]:
    """Answers with a form of their own (6.6.4.19, .26 to .30)."""
    raw = data.hex().upper()
    if not data:
        return []
    if func == fn.VERSION:
        # One byte counts the text; in ASCII messages it is missing as often as not.
        text = data[1:] if data[0] == len(data) - 1 else data
        return [_field("version", raw, text.decode("gb18030", "replace"), "version of the software")]
    if func == fn.EVENTS:
        return [
            _field(f"ERC{place + 1}", data[2 * place : 2 * place + 2].hex().upper(), count, meaning, "1")
            for place, count in enumerate(
                int.from_bytes(data[at : at + 2]) for at in range(0, len(data) - 1, 2)
            )
            if (meaning := fn.EVENT_COUNTERS[place] if place < len(fn.EVENT_COUNTERS) else "reserved")
        ]
    if func == fn.QUOTA:
        state = {0xFF: "in force", 0: "not in force"}.get(data[0])
        return [_field("quota", raw, state, "fixed quota of water")]
    names = {fn.PUMPS: "pump", fn.VALVES: "valve", fn.GATES: "gate"}
    if func in names:
        return [_field("states", raw, None, f"{names[func]}s, one bit each, 1 for open or running")]
    return [_field("data", raw, None, "not in the standard")]
