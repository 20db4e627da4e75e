"""Position payloads: bytes to columns of fixes, and back to what may be stored of them. Says nothing of what it read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cbor2
import numpy as np
import orjson

from edge import positions
from edge.positions import NAME_LIMIT, REFUSED, Positions
from edge.wire import READINGS_LIMIT, Envelope, Malformed
from ingest import limits
from ingest.decode import JSON_START
from ingest.plain import time_us

JSON, COLUMNAR = "position-json", "position-columnar"
MEMBERS = frozenset({"track", "ts", "lon", "lat", "accuracy"})
LARGEST = 1e9
"""No accuracy is worse than this many metres."""
NOT_KEPT = "not kept: "
"""Before the reason, where a fix was that cannot be read."""

Rename = Callable[[str, int], str]
"""What a track is called from here on, by what its source calls it and the time of the fix in us."""


@dataclass(slots=True)
class Read:
    """One message as columns, and what of it cannot be read."""

    form: str
    said: Positions
    envelope: Envelope | None = None
    bad: list[str] = field(default_factory=list)  # a sentence for each fix at fault, without its values
    entries: list[Any] = field(
        default_factory=list
    )  # of JSON: each sound fix, or the sentence about a bad one
    plain: bool = True  # of JSON: it holds nothing but what is read of it


def read(payload: bytes, arrived_us: int, *, kept: bool = False) -> Read:
    """Read a payload of any form; `kept`: it is one that `discreet` made. Raises Malformed."""
    limits.check_size(payload)
    if payload[0] in JSON_START:
        return _json(payload, arrived_us, kept=kept)
    if kept and payload.startswith(NOT_KEPT.encode()):
        raise Malformed(payload.decode(errors="replace").removeprefix(NOT_KEPT))
    limits.check_cbor_depth(payload)
    try:
        document = cbor2.loads(payload)
    except (cbor2.CBORDecodeError, RecursionError, ValueError, OverflowError, TypeError) as error:
        raise Malformed("neither JSON nor CBOR") from error
    refused = document.get(REFUSED) if kept and isinstance(document, dict) else None
    try:
        said, envelope = positions.unpack(document)
    except Malformed as error:
        if refused is None:
            raise
        again = Malformed(str(refused))
        again.envelope = error.envelope
        raise again from error
    return Read(COLUMNAR, said, envelope)


def discreet(found: Read, payload: bytes, rename: Rename) -> bytes:
    """The same message with every track under the name that `rename` gives it, and nothing that `read` has not read.

    A batch is packed anew: a map may hold a member twice, and bytes may follow it. JSON is as it was where nothing changes.
    """
    said = found.said
    if found.form == COLUMNAR:
        renamed = [
            rename(said.names[track], at)
            for track, at in zip(said.track.tolist(), said.time.tolist(), strict=True)
        ]
        places: dict[str, int] = {}
        track = np.array([places.setdefault(name, len(places)) for name in renamed], np.int32)
        return positions.seal(found.envelope, positions.body(said._replace(names=list(places), track=track)))
    changed = bool(found.bad) or not found.plain
    entries: list[Any] = []
    row = 0
    for entry in found.entries:
        if isinstance(entry, str):
            entries.append(NOT_KEPT + entry)
            continue
        name = said.names[said.track[row]]
        called = rename(name, int(said.time[row]))
        changed = changed or called != name
        entries.append({**entry, "track": called} if called else entry)
        row += 1
    return orjson.dumps(entries) if changed else payload


def _json(payload: bytes, arrived_us: int, *, kept: bool) -> Read:
    limits.check_json_depth(payload)
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Malformed("not JSON") from error
    entries = document if isinstance(document, list) else [document]
    if not 0 < len(entries) <= READINGS_LIMIT:
        raise Malformed(f"{len(entries)} fixes; a message has 1 to {READINGS_LIMIT}")
    bad: list[str] = []
    said: list[Any] = []
    fixes, plain, quotes = [], b"\\" not in payload, 0
    for entry in entries:
        try:
            fixes.append(_fix(entry, arrived_us, kept=kept))
        except Malformed as error:
            bad.append(str(error))
            said.append(str(error))
        else:
            plain = plain and entry.keys() <= MEMBERS
            texts = isinstance(entry.get("track"), str) + isinstance(entry.get("ts"), str)
            quotes += 2 * (len(entry) + texts)
            said.append({name: entry[name] for name in ("ts", "lon", "lat", "accuracy") if name in entry})
    # A member that stands there twice is read once: what the first said must not be kept either.
    return Read(JSON, positions.gather(fixes), None, bad, said, plain and payload.count(b'"') == quotes)


def _fix(entry: Any, arrived_us: int, *, kept: bool) -> tuple[str, int, float, float, float]:
    if kept and isinstance(entry, str) and entry.startswith(NOT_KEPT):
        raise Malformed(entry.removeprefix(NOT_KEPT))
    if not isinstance(entry, dict):
        raise Malformed(f"a fix is an object, this is {_kind(entry)}")
    track = entry.get("track")
    if track is not None and not isinstance(track, str) and type(track) is not int:
        raise Malformed(f"track is {_kind(track)}, neither a text nor a whole number")
    name = "" if track is None else str(track)
    if len(name) > NAME_LIMIT:
        raise Malformed(f"track has more than {NAME_LIMIT} characters")
    try:
        at = time_us(entry["ts"]) if entry.get("ts") is not None else arrived_us
    except Malformed as error:
        raise Malformed("ts is neither epoch milliseconds nor RFC 3339 with its zone") from error
    lon, lat = (_number(entry, member) for member in ("lon", "lat"))
    far = math.nan if entry.get("accuracy") is None else _number(entry, "accuracy")
    return name, at, lon, lat, far


def _number(entry: dict[str, Any], member: str) -> float:
    value = entry.get(member)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(
            f"{member} is missing" if value is None else f"{member} is {_kind(value)}, not a number"
        )
    return float(value)


def _kind(value: object) -> str:
    """What a value is, never the value: it may be a name."""
    names = {str: "a text", bool: "a truth value", dict: "an object", list: "an array", type(None): "null"}
    return names.get(type(value), "a number")
