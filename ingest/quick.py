"""The short way of the commonest payload: one plain JSON object of numbers, kept as lists until the batch is whole.

A small array for each message costs more than everything else about it: 35 us of Python, against 6 us here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from edge.reading import READING, UNEVALUATED, Rows
from ingest.limits import DEPTH_LIMIT

LARGEST = 4096
LATEST_MS = 2**52
NUMBERS = {int, float}


class Plain(NamedTuple):
    """One message's readings: all at one time, one for each name."""

    names: tuple[str, ...]
    at: int
    values: list[float]


def read(payload: bytes, arrived_us: int) -> Plain | None:
    """Read a payload of this form; None for any other, and for everything that is wrong with it."""
    if (
        payload[:1] != b"{"
        or len(payload) > LARGEST
        or payload.count(b"{") + payload.count(b"[") > DEPTH_LIMIT
    ):
        return None
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    if document.get("ts", 0) is None:  # not the same as none: the long way says what is wrong
        return None
    ts = document.pop("ts", None)
    values = document.get("values", document)
    if type(values) is not dict or not values or not NUMBERS.issuperset(map(type, values.values())):
        return None
    if ts is None:
        at = arrived_us
    elif type(ts) is int and -LATEST_MS < ts < LATEST_MS:
        at = ts * 1000
    else:
        return None
    return Plain(tuple(values), at, list(values.values()))


class Heap:
    """The columns of many such messages."""

    def __init__(self) -> None:
        self._time: list[int] = []
        self._series: list[int] = []
        self._value: list[float] = []
        self._source: list[int] = []

    def add(self, plain: Plain, slots: list[int], source: int) -> None:
        """One more message; `source` is its place in the batch."""
        count = len(slots)
        self._time += [plain.at] * count
        self._series += slots
        self._value += plain.values
        self._source += [source] * count

    def flush(self, parts: list[Rows], sources: list[NDArray[np.intp]]) -> None:
        """Give what has gathered, in the order of the messages."""
        if self._series:
            rows = np.empty(len(self._series), READING)
            rows["time"], rows["series"] = self._time, self._series
            rows["value"], rows["flag"] = self._value, UNEVALUATED
            parts.append(rows)
            sources.append(np.array(self._source, np.intp))
            for column in (self._time, self._series, self._value, self._source):
                column.clear()
