"""What a message of the raw archive says, read once more: which values of a series at a time its bytes carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import orjson

from edge.wire import Malformed
from ingest.decode import decode
from ingest.message import TOPIC
from ingest.registry import meaning


@dataclass(frozen=True, slots=True)
class Testimony:
    """What the bytes say of one series at one time, and of whom else they speak."""

    values: list[float] = field(default_factory=list)
    devices: frozenset[str] = frozenset()
    unreadable: str = ""
    platform: bool = (
        False  # a platform's: what it says hangs on what was said before, so it is not read again
    )


def testify(
    topic: str, payload: bytes, arrived_us: int, sender: str, series: tuple[str, str], time_us: int
) -> Testimony:
    """Decode an archived payload as it was decoded on arrival; `series` is (device, metric)."""
    if TOPIC.fullmatch(topic) is None:
        return Testimony(platform=sender == series[0])
    try:
        decoded = decode(payload, arrived_us)
    except Malformed as error:
        return Testimony(unreadable=str(error))
    meant = [meaning(sender, name) for name in decoded.names]
    places = [place for place, found in enumerate(meant) if found == series]
    rows = decoded.rows[(decoded.rows["time"] == time_us) & np.isin(decoded.rows["series"], places)]
    return Testimony(rows["value"].tolist(), frozenset(device for device, _ in meant))


class Witness(NamedTuple):
    """A reading from which the hub has computed another."""

    device: str
    metric: str
    time_us: int
    value: float | None


def witnesses(payload: bytes, device: str) -> list[Witness]:
    """From what the hub has computed what it says of a device in a message of its own; none where it does not say so.

    Such a message holds beside its values, by device, `"from": {"cameras": {"device/metric": [ms, value]}, "doors": ...}`.
    """
    try:
        said = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return []
    given = said.get("from", {}).get(device, {}) if isinstance(said, dict) else {}
    return [
        Witness(*meaning(device, name), at_ms * 1000, value)
        for kind in ("cameras", "doors")
        for name, (at_ms, value) in given.get(kind, {}).items()
    ]
