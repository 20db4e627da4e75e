"""ONVIF analytics over MQTT: counters, line crossings, occupancy, sensors and image faults, and counts of what a scene holds.

Source: ONVIF Core (events, `onvif-ej`) and Analytics (metadata, `onvif-mj`). Counts only: boxes, faces, plates and ids of
objects go no further.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import orjson

from edge.wire import Malformed
from ingest.sources import document, naming
from ingest.sources.said import Said, Sample
from ingest.sources.scene import counts, frames, without_identities

UTC_TIME = timedelta()
"""The standard's own examples leave out the Z: UtcTime is UTC all the same."""
MARKS = 1_000
DIRECTIONS = dict.fromkeys(
    ("in", "inbound", "incoming", "enter", "entering", "entry", "entrance"), "in"
) | dict.fromkeys(("out", "outbound", "outgoing", "exit", "exiting", "leave", "leaving"), "out")
COUNTER = "RuleEngine/CountAggregation/Counter"
OCCUPANCY = "RuleEngine/CountAggregation/OccupancyCounter"
CROSSED = "RuleEngine/LineDetector/Crossed"
SENSORS = {
    "Temperature": "air-temperature",
    "RelativeHumidity": "humidity",
    "AbsoluteHumidity": "absolute-humidity",
}
FAULTS = {
    "VideoSource/SignalLoss": "signal-loss",
    "VideoSource/GlobalSceneChange": "scene-changed",
    "VideoSource/ImageTooDark": "image-too-dark",
    "VideoSource/ImageTooBright": "image-too-bright",
    "VideoSource/ImageTooBlurry": "image-too-blurry",
}
"""Topics whose `State` says that the picture is of no use; below them stands the service that found it."""
BRANCHES = (
    "onvif-ej/RuleEngine/CountAggregation/#",
    f"onvif-ej/{CROSSED}/#",
    "onvif-ej/Device/Sensor/#",
    *(f"onvif-ej/{topic}/#" for topic in FAULTS),
    "onvif-mj/VideoAnalytics/#",
    "onvif-mj/SensorData/#",
)
KEPT_DATA = ("Count", "Value", "State", "ObjectId")


class Topic(NamedTuple):
    """A topic in its parts: the camera's prefix, events or metadata, the path without the values of the source."""

    prefix: str
    kind: str
    path: str


IsAddress = Callable[[str], bool]


def nobody(address: str) -> bool:
    """No rule has a device of its own."""
    del address
    return False


class Onvif:
    """Reads cameras by their TopicPrefix, which is their address; of one to `levels` levels.

    A rule, a sensor or an analytics module may be a device of its own, with the address `prefix/name`: `is_address` says
    whether it is. Its metrics then have their plain names.
    """

    scheme = "onvif"

    def __init__(self, is_address: IsAddress = nobody, levels: int = 3) -> None:
        self._is_address = is_address
        self.filters = tuple("+/" * depth + branch for depth in range(1, levels + 1) for branch in BRANCHES)

    def read(self, topic: str, payload: bytes, arrived_us: int) -> list[Said]:
        """What a message says of its camera; raises Malformed."""
        at = split(topic)
        if at is None:
            raise Malformed(f"{topic:.120} is no topic of ONVIF events or metadata")
        if not payload:
            return []  # a retained property was deleted: it is over, and says nothing of its value
        body = document.parse_object(payload)
        if at.kind == "onvif-ej":
            return self._event(at, body, arrived_us)
        if at.path.startswith("SensorData/"):
            return self._sensors(at, body, arrived_us)
        if at.path.startswith("VideoAnalytics/"):
            module = at.path.rsplit("/", 1)[-1]
            samples: list[Sample] = [
                (metric, _time(frame.get("@UtcTime"), arrived_us), float(count), "1")
                for frame in frames(body)
                for metric, count in counts(frame).items()
            ]
            document.at_most(len(samples))
            return [Said(self._address(at.prefix, module)[0], samples)] if samples else []
        return []

    def kept(self, topic: str, payload: bytes) -> bytes:
        """What of a message may be stored: of a scene the classes, of an event its values; no boxes, faces or plates."""
        at = split(topic)
        if at is None or not payload:
            return payload
        try:
            body = document.parse_object(payload)
        except Malformed as error:
            return document.not_kept(error)
        if at.kind == "onvif-mj":
            kept = {name: body[name] for name in ("SensorData",) if name in body}
            return orjson.dumps(kept or without_identities(body))
        data = _part(body, "Data")
        kept = {name: body[name] for name in ("UtcTime", "Source") if name in body}
        return orjson.dumps({**kept, "Data": {name: data[name] for name in KEPT_DATA if name in data}})

    def _event(self, at: Topic, body: dict[str, Any], arrived_us: int) -> list[Said]:
        source, data = _part(body, "Source"), _part(body, "Data")
        when = _time(body.get("UtcTime"), arrived_us)
        rule = source.get("Rule")
        address, own = self._address(at.prefix, rule)
        rule = "" if own or not isinstance(rule, str) else rule
        value: object = None
        metric = ""
        if at.path == COUNTER:
            metric, value = _counter(rule, source.get("Rule") if own else None), data.get("Count")
        elif at.path == OCCUPANCY:
            metric, value = _of_rule(rule, "occupancy"), data.get("Count")
        elif at.path == CROSSED:
            metric, value, when = "crossed", 1.0, when + _mark(source, data)
        elif at.path.startswith("Device/Sensor/"):
            address, _ = self._address(at.prefix, source.get("SensorID"))
            metric, value = SENSORS.get(at.path.split("/")[2], ""), data.get("Value")
        else:
            metric = next((name for path, name in FAULTS.items() if at.path.startswith(path)), "")
            value = data.get("State")
        return [_one(address, metric, when, value)] if metric and value is not None else []

    def _sensors(self, at: Topic, body: dict[str, Any], arrived_us: int) -> list[Said]:
        metric = SENSORS.get(at.path.split("/")[1], "")
        readings = body.get("SensorData")
        said = []
        for reading in readings if isinstance(readings, list) else [readings]:
            if metric and isinstance(reading, dict):
                address, _ = self._address(at.prefix, reading.get("@SensorID"))
                value = reading.get("Value")
                value = value.get("#text") if isinstance(value, dict) else value
                said.append(_one(address, metric, _time(reading.get("@UtcTime"), arrived_us), value))
        return said

    def _address(self, prefix: str, name: object) -> tuple[str, bool]:
        """The address of a rule, a sensor or a module, and whether it is its own."""
        own = f"{prefix}/{name}"
        return (own, True) if isinstance(name, str) and name and self._is_address(own) else (prefix, False)


def split(topic: str) -> Topic | None:
    """The parts of a topic; None where it is none of ONVIF."""
    for kind in ("onvif-ej", "onvif-mj"):
        prefix, found, rest = topic.partition(f"/{kind}/")
        if found and prefix and rest:
            return Topic(prefix, kind, rest.split("/&", 1)[0])
    return None


def _of_rule(rule: str, what: str) -> str:
    """A metric that names its rule, so that two rules of one camera never mix; `in` for inbound, `out` for exit."""
    words = [DIRECTIONS.get(word, word) for word in naming.metric(rule).split("-")]
    return "-".join(word for word in (*words, what) if word and words != [what]) or what


def _counter(rule: str, own: object) -> str:
    """The running counter of a rule: `in-total`, `gate-2-in-total`; of a rule with a device of its own by its direction."""
    if isinstance(own, str):
        found = {DIRECTIONS[word] for word in naming.metric(own).split("-") if word in DIRECTIONS}
        return f"{found.pop()}-total" if len(found) == 1 else "count-total"
    return _of_rule(rule, "total") if rule else "count-total"


def _one(address: str, metric: str, at_us: int, value: object) -> Said:
    number = document.number(value)
    if number is None:
        return Said(address, [], [f"{metric} is {value!r:.80}, no number"])
    sample: Sample = (metric, at_us, number, None)
    return Said(address, [sample])


def _part(body: dict[str, Any], name: str) -> dict[str, Any]:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def _time(value: object, arrived_us: int) -> int:
    return arrived_us if value is None else document.instant(value, zone_missing=UTC_TIME)


def _mark(source: dict[str, Any], data: dict[str, Any]) -> int:
    """Two that cross in one millisecond are two readings: each stands this many microseconds after it."""
    named = f"{source.get('Rule')} {data.get('ObjectId')}".encode()
    return int.from_bytes(hashlib.blake2b(named, digest_size=8).digest()) % MARKS
