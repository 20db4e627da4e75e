"""JSON lines over TCP: sensors that can open a socket send one object a line and are told what was accepted.

A line is `{"device": "river-01", "ts": 1790000000000, "values": {"level": 3.42}}`; `ts` in epoch milliseconds may
be missing. Beside `values`, or in their place, it may tell a position: `lon`, `lat`, and perhaps `accuracy` and `track`,
which mean what they mean in a position message (docs/positions.md). The answer `ok N` says that the first N lines of this connection are on disk, but for those refused before
by `error N reason`, which says why.
"""

from __future__ import annotations

import math
import re
from typing import Any

import orjson

from edge.agent import Agent
from edge.drivers.conversation import Watch
from edge.drivers.dialogue import Heard, Sample
from edge.drivers.listener import Listener
from edge.positions import Fix

LINE_LIMIT = 64 << 10
METRICS_LIMIT = 200
TRACK_LIMIT = 120  # characters; with the device before it no more than a name may have
DEVICES_NOTED = 1_000  # told apart on one connection
IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
METRIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


class LineRefused(ValueError):
    """A line that is not taken; the message goes back to the sender."""


def read_line(line: bytes, arrived_us: int) -> tuple[list[Sample], list[Fix]]:
    """What one line says; raises LineRefused with a reason for the person at the sensor."""
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise LineRefused(f"not JSON: {error}") from error
    if not isinstance(said, dict):
        raise LineRefused('a line is one object: {"device": ..., "values": {...}}')
    device, at = said.get("device"), said.get("ts")
    if not (isinstance(device, str) and IDENTIFIER.fullmatch(device)):
        raise LineRefused("device must be lower-case letters, digits and hyphens, at most 64")
    if at is not None and not (type(at) is int and 0 <= at < 2**53):
        raise LineRefused("ts must be epoch milliseconds")
    time_us = arrived_us if at is None else at * 1000
    fixes = [_fix(device, time_us, said)] if said.keys() & {"lon", "lat"} else []
    return _samples(device, time_us, said) if "values" in said or not fixes else [], fixes


def _samples(device: str, time_us: int, said: dict[str, Any]) -> list[Sample]:
    values = said.get("values")
    if not (isinstance(values, dict) and 0 < len(values) <= METRICS_LIMIT):
        raise LineRefused(f"values must be an object of 1 to {METRICS_LIMIT} numbers")
    samples = []
    for metric, value in values.items():
        if not METRIC.fullmatch(metric):
            raise LineRefused(f"metric {metric!r:.80} is not a name")
        samples.append((f"{device}/{metric}", time_us, _number(metric, value)))
    return samples


def _fix(device: str, time_us: int, said: dict[str, Any]) -> Fix:
    """Without a track, or with the device's own key, it is the device's place; else somebody's whom it sees."""
    lon, lat = _number("lon", said.get("lon")), _number("lat", said.get("lat"))
    if not (abs(lon) <= 180 and abs(lat) <= 90):  # noqa: PLR2004 -- degrees
        raise LineRefused(
            f"lon {lon:g}, lat {lat:g} is no place on earth; lon comes from -180 to 180, lat from -90 to 90"
        )
    accuracy = _number("accuracy", said["accuracy"]) if said.get("accuracy") is not None else math.nan
    track = said.get("track", device)
    if isinstance(track, bool) or not isinstance(track, str | int) or not 0 < len(str(track)) <= TRACK_LIMIT:
        raise LineRefused(f"track must be a text of 1 to {TRACK_LIMIT} characters or a whole number")
    name = device if track == device else f"{device}/{track}"
    return name, time_us, lon, lat, accuracy if accuracy >= 0 else math.nan


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LineRefused(f"{name} must be a number")
    return float(value)


class Lines:
    """The dialogue of one connection: lines in, `ok N` and `error N reason` out."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines = 0
        self._devices: dict[str, None] = {}  # in order of first sight

    def hear(self, data: bytes, arrived_us: int) -> Heard:
        """Read the lines that are whole; `ok` comes last, for what it confirms is on disk by then."""
        heard = Heard()
        *lines, self._rest = (self._rest + data).split(b"\n")
        errors = []
        for line in lines:
            self._lines += 1
            try:
                samples, fixes = read_line(line, arrived_us)
            except LineRefused as refusal:
                heard.refused += 1
                errors.append(f"error {self._lines} {refusal}\n")
                continue
            heard.frames += 1
            heard.samples += samples
            heard.fixes += fixes
            if len(self._devices) < DEVICES_NOTED:
                name = samples[0][0] if samples else fixes[0][0]
                self._devices[name.partition("/")[0]] = None
        if len(self._rest) > LINE_LIMIT:
            errors.append(f"error {self._lines + 1} line longer than {LINE_LIMIT} bytes\n")
            self._rest = b""
            heard.refused += 1
            heard.hang_up = True
        told = f"ok {self._lines}\n" if lines else ""
        heard.reply = ("".join(errors) + told).encode()
        return heard

    def tick(self, now_us: int) -> Heard:  # noqa: ARG002 -- a sensor that is silent is asked nothing
        """Nothing is said unasked."""
        return Heard()

    def stations(self) -> list[str]:
        """The devices that lines came from."""
        return list(self._devices)


class JsonLines(Listener):
    """A listener for JSON lines on one port."""

    def __init__(
        self, agent: Agent, host: str = "127.0.0.1", port: int = 0, watch: Watch | None = None
    ) -> None:
        super().__init__("jsonlines", agent.accept, Lines, host, port, watch=watch)
