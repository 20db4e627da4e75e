"""SL 651-2014 on a link: readings out of what stations send, acknowledgements, packets asked for again, the clock."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edge.drivers.dialogue import Heard, Listed, Note
from edge.protocols.sl651 import functions as fn
from edge.protocols.sl651 import orders, packed, times, written
from edge.protocols.sl651.body import Body
from edge.protocols.sl651.frame import ACK, ENDS, ETB, ETX, Fault, Frame, Splitter
from edge.protocols.sl651.packets import Outcome, Packets
from edge.protocols.sl651.questions import WAITING_LIMIT, Question, Questions
from edge.protocols.sl651.samples import STATIONS_KEPT, Collector

RESENDS_KEPT = 3  # messages of a link, and two of each station: one is sent twice more, then it is left
SILENCE_US = 30_000_000  # after which half a frame will not be finished
NOISE_LIMIT = 64 << 10  # bytes without a frame: whoever this is, it is no station
ADDRESS = re.compile(r"[0-9A-Fa-f]{10}")


class Sl651:
    """One link of SL 651-2014, in either encoding.

    A message that comes again is acknowledged again, and its readings pass again: the hub knows a reading by its series
    and time, and the first may have been lost on the way. What was stamped with its arrival keeps that of the first.
    """

    def __init__(
        self,
        stations: Mapping[str, str] | None = None,
        acknowledge: str = "eot",
        refuse_unlisted: bool = False,  # noqa: FBT001, FBT002
        set_clock_s: float = 0,
        query_s: float = 0,
        metrics: Mapping[str, str] | None = None,
        hour_slots: str = "auto",
        *,
        polled: bool = False,
        centre: int = 1,
        password: str = "0000",  # noqa: S107 -- as stations leave the factory
        text: bool = False,
    ) -> None:
        """A link whose `stations` are (address -> device).

        `acknowledge`: `eot` lets a station go, `esc` keeps it on the line, `none` says nothing (one-way channels).
        `refuse_unlisted`: what others say on this link is not taken; else it is, under `sl651-<address>`.
        `set_clock_s`: a station whose clock is off by more has it set; 0: never. `query_s`: stations that were heard
        are asked for all their elements so often; 0: never. `metrics`: names for elements of the maker's own
        (`{"FF33": "rssi"}`). `polled`: the stations listed share this line and speak only when they are asked; `centre`,
        `password` and `text` (ASCII) are how they are spoken to before they were heard. Raises ValueError for what makes no sense.
        """
        listed = stations if isinstance(stations, Listed) else self.listed(stations or {})
        if acknowledge not in {"none", *orders.ENDINGS}:
            raise ValueError(f"acknowledge {acknowledge!r}; one of none, {', '.join(orders.ENDINGS)}")
        if polled and not query_s:
            raise ValueError("polled without query_s, how often they are asked")
        if not polled and (centre, password, text) != (1, "0000", False):
            raise ValueError("centre, password and text are for polled stations; others say theirs")
        if acknowledge == "none" and set_clock_s:
            raise ValueError("set_clock_s with acknowledge = none: on a one-way channel no clock can be set")
        self._listed, self._refuse = listed, refuse_unlisted
        self._ending = orders.ENDINGS.get(acknowledge)
        self._clock_us, self._query_us = int(set_clock_s * 1e6), int(query_s * 1e6)
        self._splitter, self._packets = Splitter(), Packets()
        named = {int(ident, 16): metric for ident, metric in (metrics or {}).items()}
        self._collector = Collector(self.device, named, hour_slots)
        self._heard: dict[str, Frame] = {}  # the newest frame of each station, and the newest is the last
        self._seen: dict[str, int] = {}  # arrival of messages
        self._questions = Questions()
        self._clock_set: dict[str, int] = {}
        # How to reach stations that say nothing unless they are asked.
        self._unheard = {
            rtu: orders.addressed(rtu, centre, password, text=text) for rtu in (listed if polled else ())
        }
        self._last_us = self._asked_us = 0

    @staticmethod
    def listed(stations: Mapping[str, str]) -> Listed:
        """The stations of all links of a driver; raises ValueError."""
        found = Listed((address.upper(), device) for address, device in stations.items())
        if wrong := [each for each in found if not ADDRESS.fullmatch(each)]:
            raise ValueError(f"station {wrong[0]!r}; an address has ten hexadecimal digits")
        return found

    def device(self, rtu: str) -> str:
        """The device of a station's address."""
        return self._listed.get(rtu) or f"sl651-{rtu.lower()}"

    def stations(self) -> list[str]:
        """The stations heard on this link, by their own addresses."""
        return list(self._heard)

    def ask(self, rtu: str, func: int, parameters: bytes = b"") -> None:
        """Ask a station at the next opportunity: 37 and the like, or 4A to set its clock.

        Raises ValueError for functions that change more than the clock, and where too much is asked at once.
        """
        if func not in fn.ASKED:
            raise ValueError(f"function {func:02X} is not sent by this driver")
        if not self._questions.add(Question(rtu.upper(), func, parameters)):
            raise ValueError(f"{WAITING_LIMIT} questions wait on this link already")

    def hear(self, data: bytes, arrived_us: int) -> Heard:
        """Take what has come; it may end anywhere in a frame."""
        heard = Heard()
        self._last_us = arrived_us
        for found in self._splitter.feed(data):
            if isinstance(found, Fault):
                self._fault(found, heard)
            else:
                heard.frames += 1
                self._frame(found, arrived_us, heard)
        if self._splitter.noise > NOISE_LIMIT:
            heard.refused += 1
            heard.notes.append(Note("", "noise", f"{self._splitter.noise} bytes without a frame"))
            heard.hang_up = True
        if self._questions and self._heard:
            self._ask(arrived_us, heard)
        return heard

    def tick(self, now_us: int) -> Heard:
        """Once a second: ask for missing packets and what is to be asked; give up half a frame after long silence."""
        heard = Heard()
        if self._splitter.waiting and now_us - self._last_us > SILENCE_US:
            for found in self._splitter.flush():
                if isinstance(found, Fault):
                    self._fault(found, heard)
        for outcome in self._packets.tick(now_us):
            self._outcome(outcome, now_us, heard)
        asked = list(self._unheard or self._heard)
        if self._query_us and asked and now_us - self._asked_us >= self._query_us:
            self._asked_us = now_us
            for rtu in asked:
                self._questions.add(Question(rtu, fn.QUERY_NOW))
        self._ask(now_us, heard)
        return heard

    def _fault(self, fault: Fault, heard: Heard) -> None:
        if fault.code != "trailing-7e":
            heard.refused += 1
            self._packets.lost()
        station = self.device(fault.rtu) if fault.rtu in self._listed or fault.rtu in self._heard else ""
        heard.notes.append(Note(station, fault.code, fault.text))

    def _frame(self, frame: Frame, now_us: int, heard: Heard) -> None:
        rtu, device = frame.rtu, self.device(frame.rtu)
        if frame.down:
            heard.notes.append(
                Note(device, "direction", "a frame to a station came from it: an echo on the line")
            )
            return
        if self._refuse and rtu not in self._listed:
            heard.refused += 1
            heard.notes.append(Note(device, "unlisted", f"station {rtu} is not one of this link's"))
            return
        self._remember(frame)
        if not frame.centre:
            heard.notes.append(Note(device, "centre-zero", "centre 0; there are 1 to 255"))
        if frame.end not in {ETX, ETB}:
            end = ENDS.get(frame.end, f"{frame.end:02X}")
            heard.notes.append(Note(device, "end-unknown", f"the frame ends with {end}"))
        if not frame.total:
            self._message(frame, frame.body, now_us, heard)
            return
        if not 1 <= frame.number <= frame.total:
            heard.refused += 1
            text = f"packet {frame.number} of {max(frame.total, 0)}"
            heard.notes.append(Note(device, "packet-number", text))
            return
        if frame.total == 1:
            heard.notes.append(
                Note(device, "single-packet", "a message of one packet, numbered all the same")
            )
        for outcome in self._packets.take(frame, now_us):
            self._outcome(outcome, now_us, heard)

    def _remember(self, frame: Frame) -> None:
        self._heard.pop(frame.rtu, None)
        self._heard[frame.rtu] = frame
        self._questions.heard(frame.rtu)
        if len(self._heard) > STATIONS_KEPT:
            gone = next(iter(self._heard))
            del self._heard[gone]
            self._clock_set.pop(gone, None)

    def _outcome(self, outcome: Outcome, now_us: int, heard: Heard) -> None:
        if outcome.whole is not None and outcome.frame:
            self._message(outcome.frame, outcome.whole, now_us, heard)
        elif outcome.again:
            frame, _, first = outcome.again
            heard.notes.append(Note(self.device(frame.rtu), "resend", "a packet of a message that is done"))
            self._answer(frame, _serial(frame, first), now_us, heard)
        elif outcome.missing and self._ending is not None:
            frame, number, first = outcome.missing
            heard.reply += orders.ask_again(frame, number, _serial(frame, first), now_us)
            heard.notes.append(
                Note(self.device(frame.rtu), "packet-missing", f"{number} of {frame.total} asked for")
            )
        elif outcome.given_up and outcome.frame:
            heard.refused += 1
            heard.notes.append(Note(self.device(outcome.frame.rtu), "message-incomplete", outcome.given_up))

    def _message(self, frame: Frame, data: bytes, now_us: int, heard: Heard) -> None:
        """A message that is whole: read it, then say so."""
        rtu, func = frame.rtu, frame.func
        body = (written if frame.text else packed).read(func, data)
        if not body.sent:
            heard.refused += 1
            heard.notes += [Note(self.device(rtu), code, text) for code, text in body.troubles]
            return
        if func == fn.HEARTBEAT:  # neither acknowledged nor numbered
            return
        key = f"{rtu}{func:02X}{body.serial:04X}{body.sent}"
        first_us = self._seen.get(key)
        if first_us is not None:
            heard.notes.append(
                Note(self.device(rtu), "resend", f"message {body.serial} of {body.sent} again")
            )
        else:
            self._seen[key] = first_us = now_us
            if len(self._seen) > RESENDS_KEPT + 2 * len(self._heard):
                del self._seen[next(iter(self._seen))]
        samples, notes, pictures = self._collector.take(body, rtu, func, now_us, first_us)
        heard.samples += samples
        heard.notes += notes
        heard.pictures += pictures
        if first_us == now_us:  # what is said again keeps its first time of sending
            self._clock(frame, body, now_us)
        self._answer(frame, body.serial, now_us, heard)

    def _answer(self, frame: Frame, serial: int, now_us: int, heard: Heard) -> None:
        """Say that a message was taken."""
        func = frame.func
        if self._ending is None:
            return
        told = func in fn.REPORTED or func not in fn.FUNCTIONS
        if told or self._questions.confirms(frame.rtu, func):
            ending = self._ending
            if frame.end == ETB and not frame.total:
                ending = ACK  # more follows
            elif self._questions.waits(frame.rtu):
                ending = orders.ENDINGS["esc"]  # stay: there is something to ask
            heard.reply += orders.acknowledge(frame, serial, now_us, ending)

    def _clock(self, frame: Frame, body: Body, now_us: int) -> None:
        """Set a clock that is off, once in a quarter of an hour at most."""
        if not self._clock_us or self._ending is None or frame.func == fn.CLOCK:
            return
        sent = times.second(body.sent)
        if sent is not None and abs(sent - now_us) <= self._clock_us:
            return
        if now_us - self._clock_set.get(frame.rtu, 0) > 900_000_000:  # noqa: PLR2004
            self._clock_set[frame.rtu] = now_us
            self._questions.add(Question(frame.rtu, fn.CLOCK))

    def _ask(self, now_us: int, heard: Heard) -> None:
        """Say what is to be asked, where the line is free."""
        while question := self._questions.due(now_us):
            to = self._heard.get(question.rtu) or self._unheard.get(question.rtu)
            if to is None:
                self._questions.dropped()
                text = f"{question.func:02X}: the station was not heard here"
                heard.notes.append(Note(self.device(question.rtu), "not-asked", text))
            else:
                self._questions.asked(question)
                heard.reply += orders.ask(to, question.func, now_us, question.parameters)


def _serial(frame: Frame, first: bytes) -> int:
    """The serial number as it stands in the encoding; 0 where the first packet is not there."""
    digits = first.decode("ascii", "replace") if frame.text else first.hex()
    return int(digits, 16) if re.fullmatch("[0-9A-Fa-f]{4}", digits) else 0
