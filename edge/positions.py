"""The columnar batch of positions: fixes of many tracks in one CBOR map of typed arrays (docs/wire.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import cbor2
import numpy as np
from numpy.typing import NDArray

from edge import wire
from edge.wire import READINGS_LIMIT, VERSION, Envelope, Malformed

Fix = tuple[str, int, float, float, float]
"""What the sender calls the track, time in us, lon, lat, accuracy in metres (NaN: not told)."""

FIELDS = ("names", "track", "time", "lon", "lat")
ENVELOPE = ("boot", "seq", "base")
FIRST = "track"
"""Begins a body, as `names` begins that of readings: so they are told apart where both are kept."""
NAME_LIMIT = 200
REFUSED = "refused"
"""The member under which the hub keeps why it did not keep a batch."""


class Positions(NamedTuple):
    """n fixes as they leave a device: `track` counts into `names`."""

    names: list[str]  # what the sender calls each track; its own key, or nothing: it speaks of itself
    track: NDArray[np.int32]
    time: NDArray[np.int64]  # us since 1970 UTC
    lon: NDArray[np.float64]  # degrees, in the datum of its source
    lat: NDArray[np.float64]
    accuracy: NDArray[np.float64]  # metres; NaN: not told


def gather(fixes: Iterable[Fix]) -> Positions:
    """Turn fixes into columns, names in order of first sight."""
    places: dict[str, int] = {}
    rows = [(places.setdefault(name, len(places)), at, lon, lat, far) for name, at, lon, lat, far in fixes]
    track, at, lon, lat, far = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return Positions(
        list(places), np.array(track, np.int32), np.array(at, np.int64),
        np.array(lon, np.float64), np.array(lat, np.float64), np.array(far, np.float64),
    )  # fmt: skip


def body(said: Positions) -> bytes:
    """The part of a batch that does not change when it is sent again: what a journal keeps."""
    pairs: list[tuple[str, Any]] = [
        (FIRST, cbor2.CBORTag(69, said.track.astype("<u2").tobytes())),
        ("names", said.names),
        ("time", cbor2.CBORTag(79, said.time.astype("<i8").tobytes())),
        ("lon", cbor2.CBORTag(86, said.lon.astype("<f8").tobytes())),
        ("lat", cbor2.CBORTag(86, said.lat.astype("<f8").tobytes())),
        ("accuracy", cbor2.CBORTag(85, said.accuracy.astype("<f4").tobytes())),
    ]
    return b"".join(cbor2.dumps(key) + cbor2.dumps(value) for key, value in pairs)


def count(kept: bytes) -> int:
    """How many fixes a kept body holds."""
    return len(cbor2.loads(b"\xa6" + kept)["time"].value) // 8


def seal(envelope: Envelope | None, kept: bytes) -> bytes:
    """The message of a body; without an envelope nobody awaits its `committed`."""
    head = {"v": VERSION} if envelope is None else {"v": VERSION, **envelope._asdict()}
    return bytes([0xA0 + len(head) + 6]) + cbor2.dumps(head)[1:] + kept


def refusal(envelope: Envelope, why: str) -> bytes:
    """What is kept of a batch that cannot be read: its place in the agent's journal, and why."""
    return cbor2.dumps({"v": VERSION, **envelope._asdict(), REFUSED: why})


def unpack(document: object) -> tuple[Positions, Envelope | None]:
    """Read a decoded CBOR map; raises Malformed, which shows nothing of what the map holds."""
    if not isinstance(document, dict):
        raise Malformed("not a columnar batch of positions")
    envelope = None
    if document.get("v") != VERSION:
        raise Malformed(f"not a columnar batch of version {VERSION}")
    if not document.keys().isdisjoint(ENVELOPE):
        if not document.keys() >= set(ENVELOPE):
            raise Malformed("an envelope has boot, seq and base")
        envelope = wire.envelope(document)
    try:
        return _positions(document), envelope
    except Malformed as error:
        error.envelope = envelope
        raise


def _positions(document: dict[Any, Any]) -> Positions:
    missing = [key for key in FIELDS if key not in document]
    if missing:
        raise Malformed(f"not a columnar batch of positions: {', '.join(missing)} missing")
    names = document["names"]
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise Malformed("names must be a list of texts")
    if any(len(name) > NAME_LIMIT for name in names):
        raise Malformed(f"a name of more than {NAME_LIMIT} characters")
    track, at, lon, lat = (wire.column(document, key) for key in FIELDS[1:])
    told = wire.column(document, "accuracy") if "accuracy" in document else np.full(len(at), np.nan)
    if not len(track) == len(at) == len(lon) == len(lat) == len(told):
        raise Malformed("the columns differ in length")
    if not 0 < len(track) <= READINGS_LIMIT:
        raise Malformed(f"{len(track)} fixes; a batch has 1 to {READINGS_LIMIT}")
    if track.dtype.kind not in "iu" or at.dtype.kind not in "iu":
        raise Malformed("track and time must be columns of whole numbers")
    if at.dtype == np.uint64 and int(at.max()) >= 2**63:
        raise Malformed("time is out of any range")
    if not (int(track.min()) >= 0 and int(track.max()) < len(names)):
        raise Malformed(f"track counts outside the table of {len(names)} names")
    with np.errstate(invalid="ignore"):  # a signalling NaN of single precision is a NaN like any other
        return Positions(
            names, track.astype(np.int32), at.astype(np.int64),
            lon.astype(np.float64), lat.astype(np.float64), told.astype(np.float64),
        )  # fmt: skip
