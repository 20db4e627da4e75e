"""One link at work: its dialogue, what it has come to in numbers, and who watches it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from edge.capture import Capture
from edge.drivers.dialogue import Dialogue, Heard, Note
from edge.drivers.kept import Kept
from edge.pictures import Pictures

log = structlog.get_logger("edge.links")

STATIONS_KNOWN = 1_000  # of one link: a relay may carry hundreds
STATIONS_SHOWN = 50  # in its status
CODES_KEPT = 100  # kinds of notes counted apart on one link; a driver has a dozen


@dataclass(slots=True)
class Counts:
    """What came and went."""

    bytes_in: int = 0
    bytes_out: int = 0
    frames: int = 0
    refused: int = 0
    samples: int = 0
    notes: Counter[str] = field(default_factory=Counter)

    def take(self, heard: Heard) -> None:
        """Count what a stretch came to."""
        self.frames += heard.frames
        self.refused += heard.refused
        self.samples += heard.readings
        for note in heard.notes:
            known = note.code in self.notes or len(self.notes) < CODES_KEPT
            self.notes[note.code if known else "other"] += 1

    def as_status(self) -> dict[str, Any]:
        """The numbers, for the status file."""
        return {
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "frames": self.frames,
            "refused": self.refused,
            "readings": self.samples,
            "notes": dict(self.notes.most_common()),
        }


def printable(text: str, most: int = 64) -> str:
    """What a stranger has said, fit for a file or a message: no half characters, and not too long."""
    return text[:most].encode("utf-8", "replace").decode()


Ask = Callable[[Any], None]
"""Puts a question to a dialogue of a kind that its caller knows; raises ValueError where it cannot be put."""


def _unheard(_link: str, _note: Note) -> None:
    """Nobody is told of notes; they are counted all the same."""


@dataclass(slots=True)
class Watch:
    """What all links of an agent share: whom they tell of notes, the capture while one is on, what is kept."""

    note: Callable[[str, Note], None] = _unheard
    capture: Capture | None = None
    kept: Kept = field(default_factory=Kept)
    pictures: Pictures | None = None  # else they are counted and let go


class Conversation:
    """A dialogue with its counts; belongs to the thread that serves the link, which alone may call it."""

    __slots__ = ("_total", "_watch", "counts", "dialogue", "last_heard_us", "name", "since_us", "stations")

    def __init__(self, name: str, dialogue: Dialogue, total: Counts, watch: Watch, now_us: int) -> None:
        """`total`: the counts of the driver, which outlive the link."""
        self.name, self.dialogue = name, dialogue
        self.counts = Counts()
        self.since_us = now_us
        self.last_heard_us = 0
        self.stations: tuple[str, ...] = ()
        self._total, self._watch = total, watch

    def hear(self, data: bytes, arrived_us: int) -> Heard:
        """What has come over the wire."""
        self.last_heard_us = arrived_us
        for counts in (self.counts, self._total):
            counts.bytes_in += len(data)
        if capture := self._watch.capture:  # asked once: another thread may end it meanwhile
            capture.write(arrived_us, self.name, "<", data)
        heard = self._asked(lambda: self.dialogue.hear(data, arrived_us))
        if heard.frames:
            self.look()
        return heard

    def order(self, ask: Ask) -> None:
        """Have the dialogue ask its station something at the next opportunity."""

        def asked() -> Heard:
            try:
                ask(self.dialogue)
            except ValueError as error:
                return Heard(notes=[Note(self.name, "order-refused", str(error))])
            return Heard()

        self._asked(asked)

    def tick(self, now_us: int) -> Heard:
        """Once a second."""
        return self._asked(lambda: self.dialogue.tick(now_us))

    def said(self, data: bytes, now_us: int) -> None:
        """What goes out over the wire."""
        for counts in (self.counts, self._total):
            counts.bytes_out += len(data)
        if capture := self._watch.capture:
            capture.write(now_us, self.name, ">", data)

    def not_kept(self, why: str) -> None:
        """What was to be kept until a message is whole could not be; its station is not answered."""
        self._watch.note(self.name, Note(self.name, "not-kept", why))

    def refused(self, samples: int, why: str) -> None:
        """The journal did not take them. A station that wants no confirmation will not say them again."""
        heard = Heard(notes=[Note(self.name, "journal-full", f"{samples} readings not accepted: {why}")])
        for counts in (self.counts, self._total):
            counts.take(heard)
            counts.samples -= samples
        self._watch.note(self.name, heard.notes[0])

    def look(self) -> None:
        """Take down who was heard here, for other threads to read."""
        self.stations = tuple(printable(each) for each in self.dialogue.stations()[:STATIONS_KNOWN])

    def as_status(self) -> dict[str, Any]:
        """The link, for the status file; times in us, 0: never."""
        return {
            "link": self.name,
            "since_us": self.since_us,
            "last_heard_us": self.last_heard_us,
            "stations": list(self.stations[:STATIONS_SHOWN]),
            **self.counts.as_status(),
        }

    def _asked(self, ask: Callable[[], Heard]) -> Heard:
        try:
            heard = ask()
        except Exception as error:
            # A dialogue never raises for what the other end sends. Where it does all the same, that is a bug of ours,
            # and it ends this link and not the thousand others; it is logged, counted, and told to the hub.
            log.exception("a dialogue fails, its link is closed", link=self.name)
            heard = Heard(
                refused=1,
                notes=[Note(self.name, "driver-fault", f"{type(error).__name__}: {error}"[:200])],
                hang_up=True,
            )
        if heard.pictures and (pictures := self._watch.pictures):
            self._keep(pictures, heard)
        self.counts.take(heard)
        self._total.take(heard)
        for note in heard.notes:
            self._watch.note(self.name, note)
        return heard

    @staticmethod
    def _keep(pictures: Pictures, heard: Heard) -> None:
        """On disk before the answer goes out. One that cannot be is told of and answered: readings wait behind it."""
        for picture in heard.pictures:
            try:
                pictures.keep(picture)
            except OSError as error:
                text = f"a picture of {len(picture.jpeg)} bytes: {error}"
                log.warning("picture not kept", device=picture.device, reason=str(error))
                heard.notes.append(Note(picture.device, "picture-not-kept", text))
