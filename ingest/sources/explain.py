"""Messages on foreign topics explained, for `cityhub decode`: what was understood, what was not, and why.

Bytes are one message, or one a line; a line `{"topic": ..., "payload": ...}` gives the topic that a bare payload lacks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from edge.reading import now_us
from edge.wire import Malformed
from ingest.batch import describe_us
from ingest.sources.chirpstack import MEASURABLE, ChirpStack
from ingest.sources.said import Said

Explained = dict[str, Any]
Explain = Callable[[str, bytes], Explained]
LINES_LIMIT = 100_000
NO_TOPIC = 'the payload alone does not tell its topic: give {"topic": ..., "payload": ...}'
KNOWN_EVENTS = ("join", "ack", "txack", "log", "location", "integration")


def chirpstack(raw: bytes) -> Iterator[Explained]:
    """Events of ChirpStack v4; with `"codec": NAME` in the line that codec reads the bytes."""
    return _lines("chirpstack", raw, _chirpstack_topic, _chirpstack)


def _chirpstack_topic(document: Any) -> str:
    if not isinstance(document, dict) or not isinstance(info := document.get("deviceInfo"), dict):
        return ""
    kind = "status" if document.keys() & {"margin", "batteryLevel"} else "up"
    event = kind if document.keys() & {"data", "object", "rxInfo", "margin", "batteryLevel"} else "other"
    return f"application/-/device/{info.get('devEui')}/event/{event}"


def _chirpstack(topic: str, payload: bytes, line: Explained) -> Explained:
    chosen = line.get("codec")
    source = ChirpStack((lambda _: chosen) if isinstance(chosen, str) else lambda _: None)
    event = source.event(topic, payload, now_us())
    body = event.body
    own = {each.metric: each for each in event.fields}
    shown = _said([Said(event.dev_eui, event.samples, event.notes)])
    for entry in shown["understood"]:
        if entry["name"] in own:
            entry |= {"raw": own[entry["name"]].raw.hex(), "meaning": own[entry["name"]].meaning}
    notes = []
    if event.kind not in MEASURABLE and event.kind in KNOWN_EVENTS:
        notes = [f"{event.kind} is known, and says nothing measurable"]
        told = {name: value for name, value in body.items() if isinstance(value, str | int | float)}
        shown["understood"] = [{"name": name, "value": value} for name, value in told.items()]
    elif event.kind not in MEASURABLE:
        shown["not_understood"] = [f"{event.kind:.40} is no event of ChirpStack v4"]
    return {
        "event": event.kind,
        "device": event.dev_eui,
        "id": body.get("deduplicationId"),
        "time": _when(event.at_us),
        "codec": event.codec,
        # Absent is their default in the JSON mapping of protobuf.
        **({"fCnt": body.get("fCnt", 0), "fPort": body.get("fPort", 0)} if event.kind == "up" else {}),
        **shown,
        "notes": notes,
    }


def _lines(
    form: str,
    raw: bytes,
    guess: Callable[[Any], str],
    explain: Callable[[str, bytes, Explained], Explained],
) -> Iterator[Explained]:
    """Explain every message of the bytes; a line that cannot be read is one that was not understood."""
    for topic, payload, line in _messages(raw, guess):
        if not topic:
            yield _refused(form, topic, NO_TOPIC)
            continue
        try:
            yield {"format": form, "topic": topic, **explain(topic, payload, line)}
        except Malformed as error:
            yield _refused(form, topic, str(error))


def _refused(form: str, topic: str, why: str) -> Explained:
    return {"format": form, "topic": topic, "understood": [], "not_understood": [why], "notes": []}


def _messages(raw: bytes, guess: Callable[[Any], str]) -> Iterable[tuple[str, bytes, Explained]]:
    """Topic, payload and the line around them: the whole as one message where it is JSON or text, else line by line."""
    lines = [each for each in raw.splitlines()[:LINES_LIMIT] if each.strip()]
    whole = _json(raw)
    if whole is None and len(lines) > 1 and all(_json(each) is not None for each in lines):
        return [_message(each, guess) for each in lines]
    return [_message(raw, guess)]


def _message(raw: bytes, guess: Callable[[Any], str]) -> tuple[str, bytes, Explained]:
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


def _when(at_us: int) -> str:
    """A time as people read it, with what it has below a second."""
    moment, below = describe_us(at_us), at_us % 1_000_000
    return moment.replace("Z", f".{below:06}Z") if below else moment


def _said(said: list[Said]) -> Explained:
    """The readings by device, and what was not taken."""
    return {
        "understood": [
            {
                "device": each.address,
                "name": metric,
                "time": _when(at_us),
                "value": None if math.isnan(value) else value,
                **({"unit": unit} if unit else {}),
            }
            for each in said
            for metric, at_us, value, unit in each.samples
        ],
        "not_understood": [f"{each.address}: {note}" for each in said for note in each.notes],
    }
