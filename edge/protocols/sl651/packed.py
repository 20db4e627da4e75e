"""Reads the body of a HEX/BCD message (SL 651-2014, 6.6.3): identifiers of two bytes, packed digits."""

from __future__ import annotations

from edge.protocols.sl651 import elements as el
from edge.protocols.sl651 import functions as fn
from edge.protocols.sl651 import times
from edge.protocols.sl651.body import SCALE, Body, Element, Value, duration, number, slots

HEAD = 8  # serial number and time of sending
OPENING = 23  # with station, class and time of observation
MARKS = (b"\xf0\xf0", b"\xf1\xf1", b"\xf0\x28", b"\xf1\x28")
MINUTE_US = 60_000_000
RELAYED = 0x0E  # the stations behind a relay, among the basic settings
SPECIAL = frozenset(
    {el.STATION, el.TIME, el.BY_HAND, el.PICTURE, el.RAIN, *el.LEVELS, el.BATCH, el.STEP, el.STATUS}
)
SPECIAL |= {el.DURATION, el.EXTENDED}
ANY = range(256)


def read(func: int, data: bytes) -> Body:
    """Read the body of a message from a station. Never raises: what cannot be read is a trouble of the body."""
    body = Body()
    if len(data) < HEAD:
        body.troubles.append(("cut-short", f"a body of {len(data)} bytes has no serial number and time"))
        return body
    body.serial = data[0] << 8 | data[1]
    digits = data.hex()
    body.sent = digits[4:16]
    if func not in fn.FUNCTIONS:
        body.troubles.append(("function-unknown", f"function {func:02X}, {fn.meaning(func)}"))
        if data[HEAD : HEAD + 2] not in MARKS:  # its form is not ours to guess
            return body
    Reader(func, data, digits, body).run()
    return body


class Reader:
    """Walks one body from identifier to identifier."""

    def __init__(self, func: int, data: bytes, digits: str, body: Body) -> None:
        self._func, self._data, self._digits, self._body = func, data, digits, body
        self._station, self._class = "", 0
        self._at: int | None = None

    def run(self) -> None:
        """Read to the end."""
        data, digits, size = self._data, self._digits, len(self._data)
        add, new = self._body.elements.append, tuple.__new__
        special = ANY if self._func in fn.SETTINGS else SPECIAL
        pos: int | None = self._opening()
        station, klass, at = self._station, self._class, self._at
        while pos is not None and pos < size:
            ident = data[pos]
            if pos + 1 == size:
                self._trouble("cut-short", f"one byte {ident:02X} at the end of the body")
                return
            definition = data[pos + 1]
            if ident in special:
                pos = self._special(pos, ident, definition)
                station, klass, at = self._station, self._class, self._at
                continue
            end = pos + 2 + (definition >> 3)
            if end > size:
                self._short(pos, end)
                return
            text = digits[2 * pos + 4 : 2 * end]
            try:
                value: Value = int(text) / SCALE[definition & 7]
            except ValueError:  # no digits, or not only
                value = number(text, definition & 7)
            # As Element(...) makes it, in half the time: this is where a busy centre spends its day.
            add(new(Element, (station, klass, at, ident, definition, pos, end - pos, value, 0)))
            pos = end

    def _opening(self) -> int:
        """Station, class and time as nearly every report begins with them, in one stride; where it goes on."""
        data, digits = self._data, self._digits
        if digits[16:20] != "f1f1" or digits[32:36] != "f0f0" or len(data) < OPENING:
            return HEAD
        at = times.minute(digits[36:46])
        if self._func not in fn.CLASSED or data[15] not in fn.CLASSES or at is None:
            return HEAD
        station = self._station = digits[20:30].upper()
        klass, self._at = data[15], at
        self._class = klass
        self._body.elements += (
            Element(station, klass, None, el.STATION, el.STATION, HEAD, 8, station),
            Element(station, klass, at, el.TIME, el.TIME, HEAD + 8, 7, digits[36:46]),
        )
        return OPENING

    def _special(self, pos: int, ident: int, definition: int) -> int | None:  # noqa: C901, PLR0911 -- cases
        """Read what is no plain number; the place behind it, or None where the body ends."""
        if ident == el.STATION:
            return self._station_group(pos, definition)
        if self._func in fn.SETTINGS:
            return self._setting(pos, ident, definition)
        if ident == el.TIME:
            return self._time_group(pos, definition)
        if ident in {el.BY_HAND, el.PICTURE, el.BATCH}:  # these go on to the end
            return self._put(pos, ident, definition, len(self._data), self._data[pos + 2 :])
        if ident == el.RAIN or ident in el.LEVELS:
            return self._hour(pos, ident, definition)
        if ident == el.STEP:
            return self._series(pos, definition)
        begin = pos + 2
        if ident == el.EXTENDED:
            if begin == len(self._data):
                return self._short(pos, begin + 1)
            ident, definition, begin = ident << 8 | definition, self._data[begin], begin + 1
        end = begin + (definition >> 3)
        if end > len(self._data):
            return self._short(pos, end)
        raw, text = self._data[begin:end], self._digits[2 * begin : 2 * end]
        value: Value
        if ident == el.STATUS:
            value = (int.from_bytes(raw) if raw.strip(b"\xff") else "missing") if raw else None
        elif ident == el.DURATION:
            text = raw.decode("ascii", "replace") if b"." in raw else f"{text[:-2]}.{text[-2:]}"
            value = number(text, 0) if not text.strip("f.") else duration(text)
        else:
            value = number(text, definition & 7)
        return self._put(pos, ident, definition, end, value)

    def _station_group(self, pos: int, definition: int) -> int | None:
        if definition != el.STATION:
            self._trouble("leader-definition", f"station under F1{definition:02X}; the standard has F1F1")
        end = pos + 7
        if end > len(self._data):
            return self._short(pos, end)
        self._station, self._class, self._at = self._digits[2 * pos + 4 : 2 * end].upper(), 0, None
        follows = self._data[end : end + 3]
        if self._func in fn.CLASSED and follows:
            if follows[:2] in MARKS:
                self._trouble("no-class", "no class after the station's address")
            else:
                self._class, end = follows[0], end + 1
                if self._class not in fn.CLASSES:
                    self._trouble("class-unknown", f"class {self._class:02X} is not in the standard")
        elif follows[1:] in MARKS and self._func not in fn.SETTINGS:
            self._class, end = follows[0], end + 1
        self._put(pos, el.STATION, definition, end, self._station)
        if self._func in fn.OWN_FORM:
            self._body.own = (end, self._data[end:])
            return None
        return end

    def _time_group(self, pos: int, definition: int) -> int | None:
        if definition != el.TIME:
            self._trouble("leader-definition", f"time under F0{definition:02X}; the standard has F0F0")
        end = pos + 7
        if end > len(self._data):
            return self._short(pos, end)
        text = self._digits[2 * pos + 4 : 2 * end]
        self._at = times.minute(text)
        if self._at is None:
            self._trouble("time-invalid", f"observation time {text} is no time")
        return self._put(pos, el.TIME, definition, end, text)

    def _setting(self, pos: int, ident: int, definition: int) -> int | None:
        whole = ident == RELAYED and self._func in fn.BASIC
        end = pos + 2 + (definition if whole else definition >> 3)  # all eight bits are its length
        if end > len(self._data):
            return self._short(pos, end)
        text = self._digits[2 * pos + 4 : 2 * end].upper()
        self._body.settings.append(Element(self._station, 0, None, ident, definition, pos, end - pos, text))
        return end

    def _hour(self, pos: int, ident: int, definition: int) -> int | None:
        """Twelve slots, whatever the definition says: some stations write another."""
        width = 1 if ident == el.RAIN else 2
        if definition != el.SLOTS * width << 3:
            self._trouble(
                "series-definition", f"{ident:02X} with {definition:02X} for {el.SLOTS * width} bytes"
            )
        end = pos + 2 + el.SLOTS * width
        if end > len(self._data):
            self._short(pos, end)
            end = len(self._data)
        return self._put(pos, ident, definition, end, slots(self._data[pos + 2 : end], width), el.SLOT_US)

    def _series(self, pos: int, definition: int) -> int | None:  # noqa: C901 -- it may end at every step
        """A time step, one identifier, and its values to the end of the group (6.6.4.4, table C.3)."""
        begin = pos + 2 + (definition >> 3)
        if begin > len(self._data):
            return self._short(pos, begin)
        text = self._digits[2 * pos + 4 : 2 * begin]
        if definition >> 3 != 3 or not text.isdecimal():  # noqa: PLR2004 -- d h m
            self._trouble("step-invalid", f"time step {text} cannot be read")
            return None
        days, hours, minutes = (int(text[at : at + 2]) for at in (0, 2, 4))
        step = ((days * 24 + hours) * 60 + minutes) * MINUTE_US
        self._put(pos, el.STEP, definition, begin, text)
        pos = begin
        head = self._data[begin : begin + 3]
        if len(head) < 2:  # noqa: PLR2004
            self._trouble("cut-short", "a time step without an element")
            return None
        ident, definition, begin = head[0], head[1], begin + 2
        if ident == el.EXTENDED and len(head) == 3:  # noqa: PLR2004
            ident, definition, begin = ident << 8 | head[1], head[2], begin + 1
        hour = ident == el.RAIN or ident in el.LEVELS
        width = 1 if ident == el.RAIN else 2 if hour else definition >> 3
        if not width:
            self._trouble("step-invalid", f"a series of element {ident:02X} without a length")
            return None
        end = begin
        # The slots of an hour are binary and may look like a mark; a new group begins only after a whole hour.
        block = width * el.SLOTS if hour else width
        while end + width <= len(self._data):
            if (end - begin) % block == 0 and self._data[end : end + 2] in MARKS:
                break
            end += width
        if end < len(self._data) and self._data[end : end + 2] not in MARKS:
            self._trouble(
                "cut-short", f"{len(self._data) - end} bytes left of a series of {width} bytes a value"
            )
        values: list[float | None]
        if hour:
            values, step = slots(self._data[begin:end], width), el.SLOT_US
        else:
            cut = self._digits
            values = [
                number(cut[2 * at : 2 * (at + width)], definition & 7) for at in range(begin, end, width)
            ]
            if not step and len(values) > 1:
                self._trouble("step-zero", f"{len(values)} values at a step of nothing: the first is kept")
                values = values[:1]
        done = end if self._data[end : end + 2] in MARKS else len(self._data)
        return self._put(pos, ident, definition, done, values, step)

    def _put(self, pos: int, ident: int, definition: int, end: int, value: Value, step_us: int = 0) -> int:
        self._body.elements.append(
            Element(self._station, self._class, self._at, ident, definition, pos, end - pos, value, step_us)
        )
        return end

    def _short(self, pos: int, end: int) -> int | None:
        element, left = self._digits[2 * pos : 2 * pos + 2].upper(), len(self._data) - pos
        self._trouble("cut-short", f"element {element} wants {end - pos} bytes where {left} are left")
        return None  # nothing behind it can be told

    def _trouble(self, code: str, text: str) -> None:
        self._body.troubles.append((code, text))
