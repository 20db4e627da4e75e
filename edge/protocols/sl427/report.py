"""A station's report taken apart: values, alarm and state words, time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.protocols.sl427 import status
from edge.protocols.sl427.elements import Read, Unfit, values
from edge.protocols.sl427.message import BY_HAND, VOLTAGE, Message
from edge.protocols.sl427.values import TP_206, TP_427, decimal, time_us


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a frame does not say of its station: whose time tag it has, and the decimals of its water quality."""

    old: bool = False  # SZY 206-2016: five bytes, without month and year
    decimals: Mapping[str, int] = field(default_factory=dict)

    @property
    def tag(self) -> int:
        """Bytes of the time tag."""
        return TP_206 if self.old else TP_427


@dataclass(slots=True)
class Report:
    """What a report says. Without `time_us` its values cannot be stored."""

    time_us: int | None
    tag: bytes
    reads: list[Read]
    states: list[status.Seen]
    mode: str
    words: bytes
    notes: list[tuple[str, str]]


def read(message: Message, data: bytes, dialect: Dialect, arrived_us: int) -> Report:
    """Read a report of values (C0, 81, 82) or of the supply voltage (84); raises Unfit."""
    notes: list[tuple[str, str]] = []
    if message.function == VOLTAGE:
        return _voltage(data, dialect, arrived_us)
    if len(data) < dialect.tag:
        raise Unfit(f"{len(data)} bytes end before the time tag of {dialect.tag}")
    body, tag = data[: -dialect.tag], data[-dialect.tag :]
    try:
        reads, words = _body(message, body, status.LENGTH, dialect)
    except Unfit as first:
        try:
            reads, words = _body(message, body, 0, dialect)
        except Unfit:
            raise first from None
        notes.append(("no-status", "the report ends without its alarm and state words"))
    if message.function == BY_HAND:
        notes.append(("by-hand", "values that a person has set at the station"))
    notes += [("no-number", read.number.why) for read in reads if read.number.why]
    states, mode = status.words(words) if words else ([], "")
    return Report(_time(tag, arrived_us, notes), tag, reads, states, mode, words, notes)


def _body(message: Message, body: bytes, words: int, dialect: Dialect) -> tuple[list[Read], bytes]:
    """Values and the alarm and state words, which are so many bytes."""
    if len(body) < words:
        raise Unfit(f"{len(body)} bytes end before the alarm and state words")
    place = len(body) - words
    return values(message.kind, body[:place], old=dialect.old, decimals=dialect.decimals), body[place:]


def _time(tag: bytes, arrived_us: int, notes: list[tuple[str, str]]) -> int | None:
    if not tag[:-1].strip(b"\xaa") or not tag[:-1].strip(b"\x00"):
        notes.append(("no-time", "the time tag is empty; the time of arrival stands for it"))
        return arrived_us
    return time_us(tag, arrived_us)


def _voltage(data: bytes, dialect: Dialect, arrived_us: int) -> Report:
    """Two bytes; some stations send the words and the time tag after it all the same."""
    notes: list[tuple[str, str]] = []
    rest = data[2:]
    if len(data) < 2 or len(rest) not in {0, status.LENGTH, dialect.tag, status.LENGTH + dialect.tag}:  # noqa: PLR2004
        raise Unfit(f"{len(data)} bytes are not the 2 of a voltage")
    if rest:
        notes.append(("long-voltage", f"{len(rest)} bytes follow the voltage"))
    tag = rest[-dialect.tag :] if len(rest) >= dialect.tag else b""
    words = rest[: status.LENGTH] if len(rest) - len(tag) == status.LENGTH else b""
    number = decimal(data[:2], 2)
    notes += [("no-number", number.why)] if number.why else []
    states, mode = status.words(words) if words else ([], "")
    at = _time(tag, arrived_us, notes) if tag else arrived_us
    return Report(at, tag, [Read("battery", number, "V", data[:2])], states, mode, words, notes)
