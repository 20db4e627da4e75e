"""SDI-12 as a dialogue: we ask each sensor of a line in turn, wait as long as it says, and fetch its values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from edge.drivers.dialogue import Heard, Note
from edge.protocols.sdi12.answers import (
    LINE_LIMIT,
    PAGES,
    BadAnswer,
    promise,
    values,
    without_check,
)
from edge.protocols.sdi12.sensors import Sensor, sensors_of

SECOND_US = 1_000_000
ANSWER_US = 3 * SECOND_US
"""A sensor begins to answer within 15 ms and has said it all within a second; a bridge over a mobile link takes longer."""
TRIES = 3
"""As the standard has it for a sensor that does not answer."""
PLAIN = bytes(byte & 0x7F for byte in range(256))


class _Step(Enum):
    START = auto()  # the answer to the start is awaited
    READY = auto()  # the sensor measures; it says when it is ready, or its seconds pass
    DATA = auto()  # values are awaited


@dataclass(slots=True, eq=False)
class _Round:
    """One measurement of one sensor."""

    sensor: Sensor
    asked_us: int
    step: _Step = _Step.START
    ready_us: int = 0
    wanted: int = 0
    page: int = 0
    came: list[float] = field(default_factory=list)


class Sdi12:
    """One line and its sensors. The other end is a serial port at 1200 baud 7E1, or a bridge, that makes the break."""

    def __init__(self, stations: Mapping[str, str], sensors: Mapping[str, Any]) -> None:
        """As `edge.protocols.sdi12.sensors.sensors_of` has it; raises ValueError for what cannot work."""
        self._due = dict.fromkeys(sensors_of(stations, sensors), 0)
        self._beside: list[_Round] = []  # measuring while the line is free (C)
        self._now: _Round | None = None  # has the line
        self._command = ""
        self._sent_us = 0
        self._tries = 0
        self._held = b""
        self._heard: dict[str, None] = {}
        self._clock_us = 0

    def stations(self) -> list[str]:
        """The addresses that have answered."""
        return list(self._heard)

    def tick(self, now_us: int) -> Heard:
        """Ask what is due; ask again what was not answered."""
        heard = Heard()
        if now_us < self._clock_us:
            self._set_back(self._clock_us - now_us)
        self._clock_us = now_us
        round_ = self._now
        if round_ is None:
            self._next(heard, now_us)
        elif round_.step is _Step.READY:
            if now_us >= round_.ready_us:
                self._fetch(heard, round_, now_us)
        elif now_us - self._sent_us >= ANSWER_US:
            self._again(heard, round_, now_us, "no-answer", f"{self._command} is not answered")
        return heard

    def hear(self, data: bytes, arrived_us: int) -> Heard:
        """Read answers; the next command goes out at once."""
        heard = Heard()
        *lines, self._held = re.split(rb"[\r\n]+", self._held + data.translate(PLAIN))
        if len(self._held) > LINE_LIMIT:
            lines.append(self._held)
            self._held = b""
        for line in lines:
            text = line.strip(b"\0 ").decode("ascii")
            if self._command and text.startswith(self._command):  # the line, or the bridge, says what we said
                text = text[len(self._command) :]
            if text:
                self._line(heard, text, arrived_us)
        return heard

    def _line(self, heard: Heard, text: str, now_us: int) -> None:
        round_ = self._now
        if round_ is None or text[0] != round_.sensor.address or len(text) > LINE_LIMIT:
            heard.refused += 1
            heard.notes.append(
                Note("", "unexpected", f"{text:.40} is no answer to {self._command or 'anything'}")
            )
            return
        heard.frames += 1
        self._heard.setdefault(round_.sensor.address)
        try:
            if round_.step is _Step.READY:
                if len(text) > 1:
                    raise BadAnswer(f"{text!r} is no service request")  # noqa: TRY301 -- told below with the others
                self._fetch(heard, round_, now_us)
            elif round_.step is _Step.DATA:
                self._values(heard, round_, text, now_us)
            else:
                self._started(heard, round_, text, now_us)
        except BadAnswer as error:
            heard.refused += 1
            code = "wrong-check" if "check" in str(error) else "bad-answer"
            if round_.step is _Step.READY:
                heard.notes.append(Note(round_.sensor.device, code, str(error)))  # its seconds go on
            else:
                self._again(heard, round_, now_us, code, str(error))

    def _set_back(self, by_us: int) -> None:
        """The clock was set back: what we wait for comes as soon as it would have."""
        self._sent_us -= by_us
        for round_ in filter(None, (self._now, *self._beside)):
            round_.ready_us -= by_us
        self._due = {sensor: due - by_us for sensor, due in self._due.items()}

    def _started(self, heard: Heard, round_: _Round, text: str, now_us: int) -> None:
        said = promise(round_.sensor.command, text)
        round_.wanted, round_.step = said.values, _Step.READY
        round_.ready_us = now_us + said.seconds * SECOND_US
        if not said.values:
            self._end(heard, round_, now_us, "no-values", "the sensor has nothing to measure")
        elif not said.seconds:
            self._fetch(heard, round_, now_us)
        elif round_.sensor.command[0] == "C":
            self._beside.append(round_)
            self._next(heard, now_us)
        else:
            self._command = ""

    def _values(self, heard: Heard, round_: _Round, text: str, now_us: int) -> None:
        found = values(without_check(text) if round_.sensor.checked else text)
        round_.came += found
        if round_.sensor.command[0] == "R" or len(round_.came) >= round_.wanted:
            self._end(heard, round_, now_us)
        elif not found:
            self._end(heard, round_, now_us, "given-up", "the sensor gave the measurement up")
        elif round_.page + 1 == PAGES:
            self._end(
                heard, round_, now_us, "few-values", f"{len(round_.came)} of {round_.wanted} values by D9"
            )
        else:
            round_.page += 1
            self._fetch(heard, round_, now_us)

    def _next(self, heard: Heard, now_us: int) -> None:
        """The line is free: fetch what is ready, else begin what is due."""
        self._now, self._command = None, ""
        ready = next((round_ for round_ in self._beside if now_us >= round_.ready_us), None)
        if ready is not None:
            self._beside.remove(ready)
            self._now = ready
            self._fetch(heard, ready, now_us)
            return
        busy = {round_.sensor for round_ in self._beside}
        sensor = next(
            (sensor for sensor, due in self._due.items() if due <= now_us and sensor not in busy), None
        )
        if sensor is None:
            return
        interval = sensor.interval_s * SECOND_US
        self._due[sensor] = (now_us // interval + 1) * interval
        self._now = _Round(sensor, now_us)
        if sensor.command[0] == "R":
            self._now.step = _Step.DATA
            self._now.wanted = len(sensor.parameters)
        self._say(heard, f"{sensor.address}{sensor.command}!", now_us)

    def _fetch(self, heard: Heard, round_: _Round, now_us: int) -> None:
        round_.step = _Step.DATA
        self._say(heard, f"{round_.sensor.address}D{round_.page}!", now_us)

    def _say(self, heard: Heard, command: str, now_us: int) -> None:
        self._command, self._sent_us, self._tries, self._held = command, now_us, 1, b""
        heard.reply += command.encode()

    def _again(self, heard: Heard, round_: _Round, now_us: int, code: str, why: str) -> None:
        """Say the command once more, or give the round up."""
        if self._tries >= TRIES:
            self._end(heard, round_, now_us, code, why)
            return
        self._tries += 1
        self._sent_us, self._held = now_us, b""
        heard.reply += self._command.encode()

    def _end(self, heard: Heard, round_: _Round, now_us: int, code: str = "", why: str = "") -> None:
        """Store what came, the rest as missing, at the time at which it was asked for."""
        sensor, came = round_.sensor, round_.came
        if code:
            heard.notes.append(Note(sensor.device, code, f"sensor {sensor.address}: {why}"))
        elif len(came) != len(sensor.parameters):
            text = f"sensor {sensor.address}: {len(came)} values, {len(sensor.parameters)} are configured"
            heard.notes.append(Note(sensor.device, "value-count", text))
        for place, parameter in enumerate(sensor.parameters):
            value = came[place] * parameter.gain + parameter.offset if place < len(came) else math.nan
            heard.samples.append((f"{sensor.device}/{parameter.metric}", round_.asked_us, value))
        self._next(heard, now_us)
