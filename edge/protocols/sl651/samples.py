"""Readings out of a body: metric names, times, series slot by slot, and what a station did that the standard forbids."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from edge.drivers.dialogue import Note, Picture, Sample
from edge.protocols.sl651 import elements as el
from edge.protocols.sl651 import functions as fn
from edge.protocols.sl651 import status, times
from edge.protocols.sl651.body import Body, Element

FIVE_MINUTES_US = 300_000_000
LAST_SLOT_US = (el.SLOTS - 1) * el.SLOT_US
# The level beside which the slots of an hour stand: F5 is of the river, or above the gate, F6 below it.
BESIDE = {0xF5: (0x39, 0x3B), 0xF6: (0x3A,), **{0xF7 + each: (0x3C + each,) for each in range(6)}}
NEAR_M = 0.2
BASE_M = 0.05  # a base level that moves by more than a slot's resolution and a little
SECTORS, SECTOR_DEG = 16, 22.5
STATIONS_KEPT = 1024
NAMES_KEPT = 8_192  # of series, on one link
NOTES_LIMIT = 40  # of one message
HOUR_SLOTS = ("auto", "first", "last")


Identify = Callable[[str], str]
"""The device of a station's address."""


class Collector:
    """Makes readings of the bodies of one link."""

    def __init__(
        self, identify: Identify, metrics: Mapping[int, str] | None = None, hour_slots: str = "auto"
    ) -> None:
        """`metrics` renames elements; `hour_slots` says what the time of an hour report means.

        `first` (the standard's way), `last` (what many stations do), or `auto`: last where the hour would not be over
        yet at the time of sending.
        """
        if hour_slots not in HOUR_SLOTS:
            raise ValueError(f"hour_slots {hour_slots!r}; one of {', '.join(HOUR_SLOTS)}")
        self._identify, self._metrics, self._hour_slots = identify, dict(metrics or {}), hour_slots
        self._names: dict[str, dict[int | str, str]] = {}
        self._made = 0  # names in there
        self._bases: dict[tuple[str, int], float] = {}

    def take(  # noqa: C901 -- one walk, as fast as it goes
        self, body: Body, rtu: str, func: int, arrived_us: int, stamp_us: int
    ) -> tuple[list[Sample], list[Note], list[Picture]]:
        """The readings of a body, with what was odd about it.

        `stamp_us` is the time of what has none, or one that cannot be meant: when its message first came.
        """
        samples: list[Sample] = []
        notes = [Note(self._identify(rtu), code, text) for code, text in body.troubles]
        pictures: list[Picture] = []
        earliest, latest = times.EARLIEST_US, arrived_us + times.DAY_US
        sent = times.second(body.sent)
        if sent is None or not earliest <= sent <= latest:
            notes.append(Note(self._identify(rtu), "time-implausible", f"time of sending {body.sent}"))
            sent = None
        fallback = stamp_us if sent is None else sent
        spoken, names, wind = rtu, self._named(rtu), el.WIND
        for element in body.elements:
            station, _, at, ident, _, _, _, value, step_us = element
            if station and station != spoken:
                spoken, names = station, self._named(station)
            meant = at is not None and earliest <= at <= latest
            if at is None or not meant:
                at = fallback
            if type(value) is float and ident != wind:
                samples.append((names.get(ident) or self._name(names, spoken, ident), at, value))
            elif ident == el.TIME:
                if element.at_us is not None and not meant:
                    text = f"observation time {value!s}"
                    notes.append(Note(self._identify(spoken), "time-implausible", text))
            elif type(value) is list and step_us and not meant:  # nobody knows of which day
                text = f"series of element {ident:02X} without a time that can be meant"
                notes.append(Note(self._identify(spoken), "series-dropped", text))
            elif type(value) is list:
                self._series(element, at, sent or stamp_us, func, body, spoken, samples, notes)
            elif ident != el.STATION:
                self._other(element, at, spoken, samples, notes, pictures)
        if body.own:
            self._states(func, body.own[1], fallback, spoken, samples, notes)
        if len(notes) > NOTES_LIMIT:
            notes[NOTES_LIMIT:] = [
                Note(self._identify(rtu), "more", f"{len(notes) - NOTES_LIMIT} more of one message")
            ]
        return samples, notes, pictures

    def _named(self, station: str) -> dict[int | str, str]:
        names = self._names.get(station)
        if names is None:
            if len(self._names) >= STATIONS_KEPT:  # a link that speaks for so many is no station
                self._names.clear()
                self._bases.clear()
                self._made = 0
            elif self._made >= NAMES_KEPT:
                self._names.clear()
                self._made = 0
            names = self._names[station] = {}
        return names

    def _name(self, names: dict[int | str, str], station: str, what: int | str) -> str:
        """The name of a series, made once; `what` is an element, or a metric."""
        metric = (
            what
            if isinstance(what, str)
            else self._metrics.get(what) or el.kind(what).metric or f"element-{what:02x}"
        )
        name = names[what] = f"{self._identify(station)}/{metric}"
        self._made += 1
        return name

    def _other(  # noqa: C901 -- a table of cases
        self,
        element: Element,
        at: int,
        station: str,
        samples: list[Sample],
        notes: list[Note],
        pictures: list[Picture],
    ) -> None:
        """What is no plain number."""
        ident, value = element.ident, element.value
        names, device = self._named(station), self._identify(station)
        if value is None:
            text = f"element {ident:02X} ({el.kind(ident).meaning}) cannot be read; dropped"
            notes.append(Note(device, "digits-invalid", text))
        elif ident == el.WIND and isinstance(value, float):
            if math.isnan(value) or 1 <= value <= SECTORS:
                samples.append((self._name(names, station, ident), at, (value - 1) * SECTOR_DEG))
            else:
                notes.append(
                    Note(device, "value-invalid", f"wind direction {value:g}; there are 1 to {SECTORS}")
                )
        elif ident == el.STATUS:
            if isinstance(value, int):
                samples += [
                    (names.get(metric) or self._name(names, station, metric), at, state)
                    for metric, state in status.states(value)
                ]
                if value & status.RESERVED:
                    notes.append(Note(device, "status-reserved", f"reserved bits set in {value:08X}"))
            else:
                notes.append(Note(device, "status-missing", "no state of the station, all bits are set"))
        elif ident == el.PICTURE and isinstance(value, bytes):
            whole = value.startswith(b"\xff\xd8") and value.rstrip(b"\x00 ").endswith(b"\xff\xd9")
            pictures.append(Picture(device, at, value, whole))
            notes.append(Note(device, "picture", f"picture of {len(value)} bytes"))
            if not whole:
                text = f"{len(value)} bytes that do not begin and end as a JPEG does (FFD8 ... FFD9)"
                notes.append(Note(device, "picture-incomplete", text))
        elif ident == el.BY_HAND and isinstance(value, bytes):
            notes.append(Note(device, "by-hand", value.decode("gb18030", "replace").strip()[:500]))
        elif ident == el.BATCH:
            notes.append(
                Note(device, "batch-unread", "a batch of flow readings, whose form the standard leaves open")
            )

    def _series(
        self,
        element: Element,
        at: int,
        sent_us: int,
        func: int,
        body: Body,
        station: str,
        samples: list[Sample],
        notes: list[Note],
    ) -> None:
        ident, step, device = element.ident, element.step_us, self._identify(station)
        values = element.value if isinstance(element.value, list) else []
        hour = ident == el.RAIN or ident in el.LEVELS
        if hour and len(values) <= el.SLOTS and self._ends(func, at, sent_us):
            if not any(each.code == "hour-end" for each in notes):
                text = "the observation time is the last slot's, not the first's"
                notes.append(Note(device, "hour-end", text))
            at -= LAST_SLOT_US
        if ident in BESIDE:
            values = self._unfilled(values, ident, body, device, station, notes)
        names = self._named(station)
        name = names.get(ident) or self._name(names, station, ident)
        samples += [
            (name, at + place * step, value) for place, value in enumerate(values) if value is not None
        ]
        if lost := values.count(None):
            text = (
                f"{lost} of {len(values)} values of the series of element {ident:02X} cannot be read; dropped"
            )
            notes.append(Note(device, "digits-invalid", text))

    def _ends(self, func: int, at: int, sent_us: int) -> bool:
        """Whether the time said is that of the last slot."""
        if self._hour_slots != "auto":
            return self._hour_slots == "last" and func == fn.HOURLY
        return is_last_slot(at, sent_us)

    def _unfilled(
        self,
        values: list[float | None],
        ident: int,
        body: Body,
        device: str,
        station: str,
        notes: list[Note],
    ) -> list[float | None]:
        """Slots that are zero because nothing was measured, told by the level beside them; they become missing."""
        filled = [each for each in values if each and not math.isnan(each)]
        level = next(
            (
                each.value
                for each in body.elements
                if each.ident in BESIDE[ident] and (each.station or station) == station
            ),
            None,
        )
        if not filled or not isinstance(level, float) or math.isnan(level):
            return values
        # A base that is not known yet may be zero, so that slots and level say the same.
        key = (station, ident)
        before = self._bases.get(key)
        relative = level - (before or 0)
        if 0.0 in values:
            if abs(relative - filled[-1]) > NEAR_M or min(*filled, relative) <= NEAR_M:
                return values
            text = f"{values.count(0.0)} slots of {ident:02X} are 0 beside a level of {level:g} m"
            notes.append(Note(device, "slots-zero", text))
            return [math.nan if each == 0 else each for each in values]
        base = self._bases[key] = round(level - filled[-1], 3)
        if before is not None and abs(base - before) > BASE_M:
            text = f"level less slots of {ident:02X} was {before:g} m, is {base:g} m"
            notes.append(Note(device, "base-moved", text))
        return values

    def _states(
        self,
        func: int,
        data: bytes,
        at: int,
        station: str,
        samples: list[Sample],
        notes: list[Note],
    ) -> None:
        """Pumps, valves and gates that a station tells of itself (tables 71, 74, 77)."""
        metric = {fn.PUMPS: "pump-running", fn.VALVES: "valve-open", fn.GATES: "gate-open"}.get(func)
        if metric is None or not data:
            return
        device = self._identify(station)
        # The first byte counts bytes of states; of gates it counts the gates, whose openings follow, in cm.
        count = data[0] if func == fn.GATES else 8 * data[0]
        width = (count + 7) // 8
        if len(data) < 1 + width + (2 * count if func == fn.GATES else 0):
            notes.append(Note(device, "cut-short", f"{len(data)} bytes of states of {count}"))
            return
        for place in range(count):
            name = f"{device}/{metric}-{place + 1}"  # not kept: a stranger can name two thousand in one frame
            samples.append((name, at, float(data[1 + place // 8] >> place % 8 & 1)))
            if func == fn.GATES:
                opening = data[1 + width + 2 * place : 3 + width + 2 * place].hex()
                if opening.isdecimal():
                    samples.append((f"{device}/gate-opening-{place + 1}", at, int(opening) / 100))


def is_last_slot(at_us: int, sent_us: int) -> bool:
    """Whether the time of an hour report must be its last slot's: if it were the first's, the hour would not be over yet.

    Where it is False nobody can tell: it may be the first slot's, or the last's of an hour that was sent late.
    """
    return at_us + LAST_SLOT_US > sent_us + FIVE_MINUTES_US
