"""Cameras over MQTT: ONVIF events (Core, onvif-ej) and Frigate."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

MOST_OBJECTS = 250  # that a camera tracks at once


class Message(NamedTuple):
    """What is to be published."""

    topic: str
    payload: bytes
    retain: bool = False


def _utc(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03}Z"


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def onvif_count(prefix: str, rule: str, count: int, time_ms: int, *, counter: str = "Counter") -> Message:
    """A line counter since its reset (`Counter`), or people in view (`OccupancyCounter`): a property, retained."""
    source = {"VideoSource": "1", "AnalyticsConfiguration": "1", "Rule": rule}
    topic = f"{prefix}/onvif-ej/RuleEngine/CountAggregation/{counter}/&1/1/{rule}"
    told = {"UtcTime": _utc(time_ms), "Source": source, "Data": {"Count": count}}
    return Message(topic, _json(told), retain=True)


def onvif_scene(prefix: str, profile: str, people: int, time_ms: int) -> Message:
    """A frame of a scene (onvif-mj): everyone in view, with a box; attributes begin with @, Frame and Object are lists."""
    objects = [
        {
            "@ObjectId": number,
            "Appearance": {
                "Shape": {
                    "BoundingBox": {
                        "@left": round(-0.95 + 0.045 * (number % 40), 3),
                        "@top": 0.2,
                        "@right": round(-0.92 + 0.045 * (number % 40), 3),
                        "@bottom": 0.05,
                    }
                },
                "Class": {"Type": [{"@Likelihood": 0.9, "#text": "Human"}]},
            },
        }
        for number in range(1, min(people, MOST_OBJECTS) + 1)
    ]
    frame = {"@UtcTime": _utc(time_ms), "@Source": "people-counter", "Object": objects}
    return Message(f"{prefix}/onvif-mj/VideoAnalytics/{profile}/people-counter", _json({"Frame": [frame]}))


def onvif_crossed(prefix: str, rule: str, object_id: int, time_ms: int) -> Message:
    """Someone crossed a line."""
    told = {
        "UtcTime": _utc(time_ms),
        "Source": {"VideoSource": "1", "AnalyticsConfiguration": "1", "Rule": rule},
        "Data": {"ObjectId": str(object_id)},
    }
    return Message(f"{prefix}/onvif-ej/RuleEngine/LineDetector/Crossed/&1/1/{rule}", _json(told))


def frigate_count(camera: str, label: str, count: int) -> Message:
    """How many of a kind are in view: a plain integer."""
    return Message(f"frigate/{camera}/{label}", str(count).encode())


def frigate_available(state: str) -> Message:
    """online, stopped, or offline (the will)."""
    return Message("frigate/available", state.encode(), retain=True)


def frigate_event(
    camera: str, kind: str, object_id: str, start: float, now: float, zone: str = ""
) -> Message:
    """One tracked person: `new`, `update` or `end`; `id` begins with the time it was first seen."""
    after = {
        "id": object_id,
        "camera": camera,
        "frame_time": now,
        "label": "person",
        "sub_label": None,
        "top_score": 0.86,
        "false_positive": False,
        "start_time": start,
        "end_time": now if kind == "end" else None,
        "score": 0.81,
        "box": [424, 500, 536, 712],
        "area": 23744,
        "current_zones": [zone] if zone and kind != "end" else [],
        "entered_zones": [zone] if zone else [],
        "has_snapshot": False,
        "has_clip": False,
        "active": kind != "end",
        "stationary": False,
    }
    before = dict(after) | {"end_time": None}
    return Message("frigate/events", _json({"type": kind, "before": before, "after": after}))
