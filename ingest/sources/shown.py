"""Messages of a log or a capture as `cityhub decode` shows them: what is common to all foreign topics.

Bytes are one message, or one a line; a line `{"topic": ..., "payload": ...}` gives the topic that a bare payload lacks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from edge.wire import Malformed
from ingest.batch import describe_us
from ingest.sources.said import Said

Explained = dict[str, Any]
Guess = Callable[[Any], str]
"""The topic of a parsed payload that comes without one; empty where the payload does not tell."""
LINES_LIMIT = 100_000
NO_JSON = 'neither JSON nor a line {"topic": ..., "payload": ...}'
NO_TOPIC = 'the payload alone does not tell its topic: give {"topic": ..., "payload": ...}'


def lines(
    form: str,
    raw: bytes,
    guess: Guess,
    explain: Callable[[str, bytes, Explained], Explained],
) -> Iterator[Explained]:
    """Explain every message of the bytes; a line that cannot be read is one that was not understood."""
    for topic, payload, line in messages(raw, guess):
        if not topic:
            yield _refused(form, topic, NO_TOPIC if _json(payload) is not None else NO_JSON)
            continue
        try:
            yield {"format": form, "topic": topic, **explain(topic, payload, line)}
        except Malformed as error:
            yield _refused(form, topic, str(error))


def _refused(form: str, topic: str, why: str) -> Explained:
    return {"format": form, "topic": topic, "understood": [], "not_understood": [why], "notes": []}


def messages(raw: bytes, guess: Guess) -> Iterable[tuple[str, bytes, Explained]]:
    """Topic, payload and the line around them: the whole as one message where it is JSON or text, else line by line."""
    each_line = [each for each in raw.splitlines()[:LINES_LIMIT] if each.strip()]
    whole = _json(raw)
    if whole is None and len(each_line) > 1 and all(_json(each) is not None for each in each_line):
        return [message(each, guess) for each in each_line]
    return [message(raw, guess)]


def message(raw: bytes, guess: Guess) -> tuple[str, bytes, Explained]:
    """The same of bytes that hold one message."""
    found = _json(raw)
    if isinstance(found, dict) and isinstance(found.get("topic"), str) and "payload" in found:
        inner = found["payload"]
        payload = inner.encode() if isinstance(inner, str) else orjson.dumps(inner)
        return found["topic"], payload, found
    return guess(found), raw, {}


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def when(at_us: int) -> str:
    """A time as people read it, with what it has below a second."""
    moment, below = describe_us(at_us), at_us % 1_000_000
    return moment.replace("Z", f".{below:06}Z") if below else moment


def readings(said: list[Said]) -> Explained:
    """The readings by device, and what was not taken."""
    return {
        "understood": [
            {
                "device": each.address,
                "name": metric,
                "time": when(at_us),
                "value": None if math.isnan(value) else value,
                **({"unit": unit} if unit else {}),
            }
            for each in said
            for metric, at_us, value, unit in each.samples
        ],
        "not_understood": [f"{each.address}: {note}" for each in said for note in each.notes],
    }
