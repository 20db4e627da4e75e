"""Reads the body of an ASCII message (SL 651-2014, 6.6.2): symbols and values with spaces between."""

from __future__ import annotations

import re

from edge.protocols.sl651 import elements as el
from edge.protocols.sl651 import functions as fn
from edge.protocols.sl651 import times
from edge.protocols.sl651.body import NAN, Body, Element, Value, duration, slots
from edge.protocols.sl651.packed import MINUTE_US

HEAD = 16  # serial number and time of sending
TOKEN = re.compile(rb"[^ ]+")
NUMBER = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})")
STEP = re.compile(r"DR([DHN])([0-9]{2})")
EXTENDED = re.compile(r"FF[0-9A-F]{2}")
RESERVED = re.compile(r"7[6-9A-F]|[89A-E][0-9A-F]")  # makers write these by their number
MINUTES = {"D": 1440, "H": 60, "N": 1}
HEXADECIMAL = re.compile(r"[0-9A-Fa-f]+")

Token = tuple[str, int, int]
"""Text, where it begins, where it ends."""


def read(func: int, data: bytes) -> Body:
    """Read the body of a message from a station. Never raises: what cannot be read is a trouble of the body."""
    body = Body()
    head = data[:HEAD].decode("ascii", "replace")
    if len(head) < HEAD or not HEXADECIMAL.fullmatch(head[:4]):
        body.troubles.append(("cut-short", f"the body begins with {head!r}: no serial number and time"))
        return body
    body.serial, body.sent = int(head[:4], 16), head[4:]
    if func not in fn.FUNCTIONS:
        body.troubles.append(("function-unknown", f"function {func:02X}, {fn.meaning(func)}"))
        if not data[HEAD:].lstrip().startswith(b"ST "):  # its form is not ours to guess
            return body
    Reader(func, data, body).run()
    return body


class Reader:
    """Walks one body from symbol to symbol."""

    def __init__(self, func: int, data: bytes, body: Body) -> None:
        self._func, self._data, self._body = func, data, body
        self._station, self._class = "", 0
        self._at: int | None = None
        # A picture or a text goes on to the end in an encoding of its own: its spaces separate nothing.
        found = re.search(rb"(?:^| )(RGZS|PIC) ", data[HEAD:])
        self._own = found and (HEAD + found.start(1), HEAD + found.end())
        until = self._own[0] if self._own else len(data)
        self._tokens: list[Token] = [
            (each[0].decode("ascii", "replace"), each.start(), each.end())
            for each in TOKEN.finditer(data, HEAD, until)
        ]
        self._next = 0

    def run(self) -> None:
        """Read to the end."""
        if self._func in fn.OWN_FORM:
            self._own_form()
            return
        while token := self._take():
            name = token[0].upper()
            if name == "ST":
                self._station_group(token)
            elif self._func in fn.SETTINGS:
                self._setting(token)
            elif name == "TT":
                self._time_group(token)
            elif step := STEP.fullmatch(name):
                self._series(token, int(step[2]) * MINUTES[step[1]] * MINUTE_US)
            else:
                self._single(token, name)
        if self._own:
            begin, data = self._own
            ident = el.BY_HAND if self._data[begin : begin + 1] == b"R" else el.PICTURE
            end = len(self._data) - self._data.endswith(b" ")
            self._put(ident, begin, end, self._data[data:end])

    def _take(self) -> Token | None:
        if self._next == len(self._tokens):
            return None
        self._next += 1
        return self._tokens[self._next - 1]

    def _peek(self) -> str:
        return self._tokens[self._next][0] if self._next < len(self._tokens) else ""

    def _station_group(self, token: Token) -> None:
        address = self._take()
        if not address or len(address[0]) != 10 or not HEXADECIMAL.fullmatch(address[0]):  # noqa: PLR2004
            self._trouble("cut-short", "no address after ST")
            return
        self._station, self._class, self._at, end = address[0].upper(), 0, None, address[2]
        follows = self._peek().upper()
        if self._func in fn.CLASSED and len(follows) == 1:
            self._class, end = ord(follows), end + 1 + len(follows)
            self._take()
            if self._class not in fn.CLASSES:
                self._trouble("class-unknown", f"class {follows} is not in the standard")
        elif self._func in fn.CLASSED:
            self._trouble("no-class", "no class after the station's address")
        self._put(el.STATION, token[1], end, self._station)

    def _time_group(self, token: Token) -> None:
        said = self._take()
        text = said[0] if said else ""
        self._at = times.minute(text) if len(text) == 10 else None  # noqa: PLR2004
        if self._at is None:
            self._trouble("time-invalid", f"observation time {text:.20} is no time")
        self._put(el.TIME, token[1], said[2] if said else token[2], text)

    def _setting(self, token: Token) -> None:
        value = self._take()
        if not value or len(token[0]) != 2 or not HEXADECIMAL.fullmatch(token[0]):  # noqa: PLR2004
            self._trouble("setting-unknown", f"{token[0]:.20} is no setting with a value")
            return
        ident, size = int(token[0], 16), value[2] - token[1]
        self._body.settings.append(Element(self._station, 0, None, ident, 0, token[1], size, value[0]))

    def _single(self, token: Token, name: str) -> None:
        kind = _kind(name)
        if kind is None:
            self._trouble("element-unknown", f"{token[0]:.20} is no symbol of the standard")
            return
        ident = kind.ident
        if ident == el.RAIN or ident in el.LEVELS:
            width = 1 if ident == el.RAIN else 2
            text, end = self._hexadecimal(2 * width * el.SLOTS)
            if len(text) != 2 * width * el.SLOTS:
                self._trouble("cut-short", f"{name} with {len(text)} digits of {2 * width * el.SLOTS}")
            self._put(ident, token[1], end, slots(_bytes(text), width), el.SLOT_US)
            return
        said = self._take()
        if said is None:
            self._trouble("cut-short", f"{name} without a value")
            return
        value: Value
        if ident == el.STATUS:
            word = said[0]
            value = int(word, 16) if HEXADECIMAL.fullmatch(word) and len(word) <= 8 else None  # noqa: PLR2004
            value = "missing" if value == 0xFFFFFFFF else value  # noqa: PLR2004
        elif ident == el.DURATION:
            value = NAN if said[0] == "M" else duration(said[0])
        else:
            value = _number(said[0])
            if value is None and _kind(said[0].upper()):  # the value was left out
                self._next -= 1
                said = token
        self._put(ident, token[1], said[2], value)

    def _series(self, token: Token, step_us: int) -> None:
        """A time step, one or several symbols, then their values in turn (6.6.4.4)."""
        self._put(el.STEP, token[1], token[2], token[0].upper())
        kinds: list[tuple[el.Kind, int]] = []
        while (kind := _kind(self._peek().upper())) and kind.symbol not in {"ST", "TT"}:
            symbol = self._take()
            kinds.append((kind, symbol[1] if symbol else 0))
        if not kinds:
            self._trouble("step-invalid", f"no symbol of the standard after {token[0]:.20}")
            return
        if any(kind.ident == el.RAIN or kind.ident in el.LEVELS for kind, _ in kinds):
            self._hours(kinds)
            return
        values: list[float | None] = []
        end = token[2]
        while (text := self._peek()) and text.upper() not in {"ST", "TT"}:
            said = self._take()
            end = said[2] if said else end
            values.append(_number(text))
        if len(values) % len(kinds):
            self._trouble("cut-short", f"{len(values)} values of {len(kinds)} elements")
        if not step_us and len(values) > len(kinds):
            self._trouble(
                "step-zero", f"{len(values)} values at a step of nothing: the first of each is kept"
            )
            values = values[: len(kinds)]
        for place, (kind, begin) in enumerate(kinds):
            self._put(kind.ident, begin, end, values[place :: len(kinds)], step_us)

    def _hours(self, kinds: list[tuple[el.Kind, int]]) -> None:
        """The hour form: each symbol's slots one after the other."""
        for kind, begin in kinds:
            width = 1 if kind.ident == el.RAIN else 2
            text, end = self._hexadecimal(None if len(kinds) == 1 else 2 * width * el.SLOTS)
            self._put(kind.ident, begin, end, slots(_bytes(text), width), el.SLOT_US)

    def _hexadecimal(self, length: int | None) -> tuple[str, int]:
        """The hexadecimal digits that follow, in one piece or in several, at most so many."""
        text, end = "", self._tokens[self._next - 1][2]
        while HEXADECIMAL.fullmatch(self._peek()) and (length is None or len(text) < length):
            token = self._take()
            if token:
                text, end = text + token[0], token[2]
        return text[:length], end

    def _own_form(self) -> None:
        token = self._take()
        end = HEAD
        if token and token[0].upper() == "ST":
            self._station_group(token)
            end = self._tokens[self._next - 1][2]
        rest = self._data[end:].strip(b" ")
        # Bits and counters are hexadecimal digits, as all data that are no characters (6.6.2.2).
        if self._func != fn.VERSION:
            digits = rest.replace(b" ", b"").decode("ascii", "replace")
            rest = _bytes(digits) if HEXADECIMAL.fullmatch(digits) else b""
        self._body.own = (end, rest)

    def _put(self, ident: int, begin: int, end: int, value: Value, step_us: int = 0) -> None:
        self._body.elements.append(
            Element(self._station, self._class, self._at, ident, 0, begin, end - begin, value, step_us)
        )

    def _trouble(self, code: str, text: str) -> None:
        self._body.troubles.append((code, text))


def _kind(name: str) -> el.Kind | None:
    if EXTENDED.fullmatch(name):
        return el.kind(int(name, 16))
    if RESERVED.fullmatch(name) and name not in el.SYMBOLS:
        return el.kind(int(name, 16))
    return el.SYMBOLS.get(name)


def _number(text: str) -> float | None:
    """A decimal number; M, or all F, is missing; None where it is neither."""
    if NUMBER.fullmatch(text):
        return float(text)
    return NAN if text in {"M", "m"} or not text.strip("Ff") else None


def _bytes(digits: str) -> bytes:
    return bytes.fromhex(digits[: len(digits) // 2 * 2])
