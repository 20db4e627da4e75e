"""Frigate: counts of what a camera or a zone holds, who entered a zone, and the health of cameras; no pictures, no identities.

Source: Frigate's docs/docs/integrations/mqtt.md.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson

from edge.wire import Malformed, shown
from ingest.sources import document
from ingest.sources.said import Said, Sample

LABELS = {
    "person": "people", "car": "car", "bus": "bus", "truck": "truck", "motorcycle": "motorcycle",
    "bicycle": "bicycle", "boat": "boat", "dog": "dog", "all": "objects",
}  # fmt: skip
"""What is counted, by Frigate's label. Others, pictures below them and switches beside them are not subscribed to."""

COUNT = re.compile(rb"\s*(\d{1,9})\s*")
STATES = {b"online": 1.0, b"offline": 0.0, b"stopped": 0.0, b"disabled": float("nan")}
RATES = {"camera_fps": "camera-fps", "process_fps": "process-fps", "skipped_fps": "skipped-fps",
         "detection_fps": "detection-fps"}  # fmt: skip
MARKS = 1_000
"""Two who enter in one frame are two readings: each stands this many microseconds at most after its frame."""
KEPT = ("camera", "label", "frame_time", "end_time", "current_zones", "false_positive", "mark")


class Frigate:
    """Reads one Frigate by its topic prefix. A camera and a zone have the address `prefix/name`, Frigate itself `prefix`."""

    scheme = "frigate"

    def __init__(self, prefix: str = "frigate") -> None:
        self._prefix = prefix
        counts = [f"{prefix}/+/{label}{active}" for label in LABELS for active in ("", "/active")]
        self.filters = (
            f"{prefix}/available",
            f"{prefix}/stats",
            f"{prefix}/events",
            f"{prefix}/+/status/detect",
            *counts,
        )

    def read(self, topic: str, payload: bytes, arrived_us: int) -> list[Said]:
        """What a message says of cameras and zones; raises Malformed."""
        levels = topic.removeprefix(f"{self._prefix}/").split("/")
        said: list[Said] = []
        match levels:
            case _ if not payload:
                pass  # a retained message was deleted
            case ["available"]:
                said = [Said(self._prefix, [("online", arrived_us, _state(payload), "1")])]
            case [name, "status", "detect"]:
                said = [Said(self._address(name), [("online", arrived_us, _state(payload), "1")])]
            case ["stats"]:
                said = self._stats(document.parse_object(payload), arrived_us)
            case ["events"]:
                said = self._event(document.parse_object(payload))
            case [name, label] | [name, label, "active"] if label in LABELS:
                metric = LABELS[label] + ("-active" if levels[-1] == "active" else "")
                said = [Said(self._address(name), [(metric, arrived_us, _count(payload), "1")])]
        return said

    def kept(self, topic: str, payload: bytes) -> bytes:
        """What of a message may be stored: of a tracked object its class, its zones and its time.

        Faces, names and number plates, which Frigate recognises, and the id that leads to its pictures go no further.
        """
        if topic != f"{self._prefix}/events" or not payload:
            return payload
        try:
            event = document.parse_object(payload)
        except Malformed as error:
            return document.not_kept(error)
        sides = {
            side: {key: found[key] for key in KEPT if key in found} | {"mark": _mark(found)}
            for side in ("before", "after")
            if isinstance(found := event.get(side), dict)
        }
        return orjson.dumps({"type": event.get("type"), **sides})

    def _address(self, name: str) -> str:
        return f"{self._prefix}/{name}"

    def _event(self, event: dict[str, Any]) -> list[Said]:
        """Who entered and left which zones, between the state before and the one after."""
        kind, after, before = event.get("type"), event.get("after"), event.get("before")
        if kind not in ("new", "update", "end") or not isinstance(after, dict):
            raise Malformed(f"event of type {shown(kind)} without what is after it")
        metric = LABELS.get(str(after.get("label")))
        if metric is None or after.get("false_positive") is True:
            return []
        known = isinstance(before, dict) and kind != "new" and before.get("false_positive") is not True
        were, are = _zones(before) if known and isinstance(before, dict) else set(), _zones(after)
        at_us = document.epoch_seconds(after.get("frame_time")) + _mark(after)
        passed = "" if metric == "people" else f"{metric}-"
        found: dict[str, list[Sample]] = {}
        for zone in sorted(are - were):
            found.setdefault(zone, []).append((f"{passed}in", at_us, 1.0, "1"))
        # A track that has ended is in no zone any more, wherever it was lost.
        for zone in sorted((were | are) if kind == "end" else (were - are)):
            found.setdefault(zone, []).append((f"{passed}out", at_us, 1.0, "1"))
        return [Said(self._address(zone), samples) for zone, samples in found.items()]

    def _stats(self, stats: dict[str, Any], arrived_us: int) -> list[Said]:
        """Frames a second of every camera, and how Frigate itself does."""
        service = stats.get("service")
        service = service if isinstance(service, dict) else {}
        updated = service.get("last_updated")
        at_us = arrived_us if updated is None else document.epoch_seconds(updated)
        cameras = stats.get("cameras", stats)  # before 0.13 they stood beside the rest
        cameras = cameras if isinstance(cameras, dict) else {}
        said = [
            Said(self._address(name), _rates(rates, at_us))
            for name, rates in cameras.items()
            if isinstance(rates, dict) and "camera_fps" in rates
        ]
        own: list[Sample] = []
        for value, metric, unit in (
            (stats.get("detection_fps"), "detection-fps", "Hz"),
            (service.get("uptime"), "uptime", "s"),
            (_storage(service.get("storage")), "storage-used", "%"),
        ):
            number = document.number(value)
            own += [] if number is None else [(metric, at_us, number, unit)]
        return [*said, Said(self._prefix, own)] if own else said


def _rates(rates: dict[str, Any], at_us: int) -> list[Sample]:
    return [
        (metric, at_us, number, "Hz")
        for field, metric in RATES.items()
        if (number := document.number(rates.get(field))) is not None
    ]


def _storage(disks: object) -> float | None:
    """The fullest of the disks, in percent."""
    found = [
        100 * used / total
        for disk in (disks.values() if isinstance(disks, dict) else [])
        if isinstance(disk, dict)
        and (used := document.number(disk.get("used"))) is not None
        and (total := document.number(disk.get("total")))
    ]
    return max(found, default=None)


def _zones(side: dict[str, Any]) -> set[str]:
    zones = side.get("current_zones", [])
    if not isinstance(zones, list) or not all(isinstance(zone, str) for zone in zones):
        raise Malformed(f"current_zones is {shown(zones)}, not a list of names")
    return set(zones)


def _mark(side: dict[str, Any]) -> int:
    """A number of the tracked object that leads to nothing: it parts those of one frame."""
    mark = side.get("mark")
    if type(mark) is int and 0 <= mark < MARKS:
        return mark
    return int.from_bytes(hashlib.blake2b(str(side.get("id")).encode(), digest_size=8).digest()) % MARKS


def _count(payload: bytes) -> float:
    found = COUNT.fullmatch(payload)
    if found is None:
        raise Malformed(f"{payload!r:.80} is no count")
    return float(found[1])


def _state(payload: bytes) -> float:
    found = STATES.get(payload.strip().lower())
    if found is None:
        raise Malformed(f"{payload!r:.80} is neither online, offline, stopped nor disabled")
    return found
