"""Frames of SL/T 427 and SZY 206 explained field by field, for `cityhub decode sl427`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from edge.protocols.explained import Explained, document, field, nothing
from edge.protocols.sl427 import status
from edge.protocols.sl427.elements import KINDS, Read, Unfit, values
from edge.protocols.sl427.frame import Found, Stream
from edge.protocols.sl427.message import LINK, LINKS, REPORTS, VOLTAGE, Message, Refused, place, read
from edge.protocols.sl427.report import Dialect, Report
from edge.protocols.sl427.report import read as read_report
from edge.protocols.sl427.values import EPOCH, two

ADDRESS, CLOCK, MODE, STATE, MOTOR, VALUES = {0x10, 0x50}, {0x11, 0x51}, {0x12, 0x52}, 0x5E, 0x5F, 0xB0
MODES = {0: "reports and answers", 1: "reports", 2: "answers", 3: "test or repair"}
PHASES = ("voltage A", "voltage B", "voltage C", "current A", "current B", "current C")
LATE = EPOCH + timedelta(days=365 * 60)


def explain(raw: bytes) -> Iterator[Explained]:
    """Every frame in the bytes, and every stretch that is none."""
    stream = Stream()
    for found in stream.feed(raw):
        yield _found(found)
    while stream.waiting:
        rest = list(stream.give_up())
        if all(found.refused for found in rest):  # a frame that was cut is one stretch
            yield nothing("sl427", rest[0].refused, b"".join(found.raw for found in rest))
        else:
            yield from map(_found, rest)


def _found(found: Found) -> Explained:
    if found.refused:
        return nothing("sl427", found.refused, found.raw)
    try:
        said = read(found.user)
    except Refused as error:
        return nothing("sl427", str(error), found.raw)
    understood = list(_head(said, found))
    not_understood: list[str] = []
    notes: list[str] = []
    understood += _data(said, not_understood, notes)
    understood.append(
        _field("CS", found.raw[-2:-1], f"{found.raw[-2]:02X}", meaning="CRC-8 of the user data; right")
    )
    return document("sl427", understood, not_understood, notes, station=said.station)


def _field(name: str, raw: bytes, value: object, unit: str = "", meaning: str = "") -> Explained:
    return field(name, raw, value, meaning, unit)


def _head(message: Message, found: Found) -> Iterator[Explained]:
    way = "up: from the station" if message.up else "down: from the centre"
    yield _field("L", found.raw[1:2], found.raw[1], meaning="bytes of user data, or a picture's kilobytes")
    yield _field(
        "C", found.user[:1], way, meaning=f"FCB {message.fcb}, kind {message.kind}: {_kind(message)}"
    )
    if message.split:
        yield _field(
            "DIVS", found.user[1:2], message.split, meaning="frames still to come, this one included"
        )
    yield _field("A", message.address, message.station, meaning=place(message.address))
    yield _field("AFN", bytes((message.function & 0xFF,)), f"{message.function:02X}", meaning=message.name)


def _kind(message: Message) -> str:
    if not message.up and message.kind == 14:  # noqa: PLR2004 -- down it asks for several kinds at once
        return "several kinds"
    return KINDS[message.kind]


def _data(message: Message, not_understood: list[str], notes: list[str]) -> Iterator[Explained]:
    data = message.data
    if message.split:
        not_understood.append(f"{len(data)} bytes of a split message: {data[:64].hex()}")
    elif message.up and message.function in REPORTS | {VOLTAGE}:
        yield from _report(message, not_understood, notes)
    elif message.function == LINK and data:
        yield _field("D", data[:1], f"{data[0]:02X}", meaning=LINKS.get(data[0], "another link frame"))
    elif message.up and message.function == VALUES:
        yield from _values(message, data, not_understood)
    else:
        yield from _setting(message, data, not_understood)


def _report(message: Message, not_understood: list[str], notes: list[str]) -> Iterator[Explained]:
    """A frame does not say whose time tag it has: the first dialect that fits is taken, and named."""
    whys = []
    late = (LATE - EPOCH) // timedelta(microseconds=1)
    for dialect in (Dialect(), Dialect(old=True)):
        try:
            report = read_report(message, message.data, dialect, late)
        except Unfit as error:
            whys.append(f"{_name(dialect)}: {error}")
            continue
        if report.time_us is not None:
            notes += [f"{code}: {text}" for code, text in report.notes]
            if report.tag:
                notes.append(f"read as {_name(dialect)}, whose time tag has {dialect.tag} bytes")
            yield from _told(report)
            return
        whys.append(f"{_name(dialect)}: {report.tag.hex()} is no time")
    not_understood += whys


def _name(dialect: Dialect) -> str:
    return "SZY 206" if dialect.old else "SL/T 427"


def _told(report: Report) -> Iterator[Explained]:
    for one in report.reads:
        yield _value(one)
    yield from _words(report.words)
    if report.tag:
        yield _field(
            "Tp", report.tag, _clock(report.tag), meaning=f"Beijing time; may be {report.tag[-1]} min late"
        )


def _clock(tag: bytes) -> str:
    digits = [two(byte) for byte in tag[:-1]]
    time = ":".join(f"{digit:02d}" if digit is not None else "--" for digit in reversed(digits[:3]))
    date = "-".join(f"{digit:02d}" if digit is not None else "--" for digit in reversed(digits[3:]))
    return f"20{date}T{time}+08:00" if len(digits) > 4 else f"day {date} {time}"  # noqa: PLR2004


def _value(one: Read) -> Explained:
    return field(
        one.metric or "not stored", one.raw, one.number.value, one.number.why, one.unit, one.metric or ""
    )


def _words(data: bytes) -> Iterator[Explained]:
    if len(data) != status.LENGTH:
        return
    seen, mode = status.words(data)
    alarms = [one.bit.name for one in seen[: len(status.ALARMS)] if one.set]
    yield _field("alarms", data[:2], ", ".join(alarms) or "none")
    states = [
        f"{one.bit.name} {one.bit.on if one.set else one.bit.off}" for one in seen[len(status.ALARMS) :]
    ]
    yield _field("state", data[2:], ", ".join([mode, *states]))


def _values(message: Message, data: bytes, not_understood: list[str]) -> Iterator[Explained]:
    """Values that were asked for end with the alarm and state words, and have no time tag."""
    try:
        reads = values(message.kind, data[: -status.LENGTH], old=False, decimals={})
    except Unfit as error:
        not_understood.append(f"{error}: {data.hex()}")
        return
    for one in reads:
        yield _value(one)
    yield from _words(data[-status.LENGTH :])


def _setting(message: Message, data: bytes, not_understood: list[str]) -> Iterator[Explained]:
    """Settings and answers whose layout is known; of any other the bytes are shown."""
    function, used = message.function, 0
    if function in ADDRESS and len(data) >= 5:  # noqa: PLR2004
        used = 5
        yield _field("address", data[:5], data[:5].hex(), meaning=place(data[:5]))
    elif function in CLOCK and len(data) >= 6:  # noqa: PLR2004
        used = 6
        plain = data[:4] + bytes((data[4] & 0x1F,)) + data[5:6]  # the day of the week stands above the month
        yield _field("clock", data[:6], _clock(plain + b"\x00"), meaning="Beijing time")
    elif function in MODE and data:
        used = 1
        yield _field("mode", data[:1], MODES.get(data[0], "another mode"))
    elif function == STATE and message.up and len(data) >= status.LENGTH:
        used = status.LENGTH
        yield from _words(data[:used])
    elif function == MOTOR and message.up and len(data) >= 2 * len(PHASES):
        used = 2 * len(PHASES)
        for number, name in enumerate(PHASES):
            raw = data[2 * number : 2 * number + 2]
            yield _field(name, raw, int.from_bytes(raw, "little"), "V" if number < 3 else "A")  # noqa: PLR2004
    rest = data[used:]
    if rest:
        what = (
            "password and time tag"
            if used and not message.up
            else f"the layout of {message.name} is not supported"
        )
        not_understood.append(f"{len(rest)} bytes, {what}: {rest[:64].hex()}")
