"""A scene as ONVIF's analytics describe it: the objects of a frame, counted by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ingest.sources import document

CLASSES = {
    "human": "people", "person": "people",
    "vehicle": "vehicles", "vehical": "vehicles", "car": "vehicles", "bus": "vehicles", "truck": "vehicles",
    "bicycle": "bicycles", "bike": "bicycles", "motorcycle": "bicycles",
    "animal": "animals",
}  # fmt: skip
"""Classes (also those of the deprecated list, with its spelling) by metric. A face or a plate is no object of its own."""
COUNTED = ("people", "vehicles", "bicycles", "animals")


def frames(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The frames of a message, whether it wraps them or not."""
    for wrapping in ("MetadataStream", "VideoAnalytics"):
        inner = body.get(wrapping)
        body = inner if isinstance(inner, dict) else body
    return [frame for frame in _listed(body.get("Frame")) if isinstance(frame, dict)]


def counts(frame: dict[str, Any]) -> dict[str, int]:
    """How many of each class a frame holds, none of it said as 0: an empty scene is a reading."""
    found = Counter(CLASSES.get(name.lower(), "") for name in classes(frame))
    return {metric: found[metric] for metric in COUNTED}


def classes(frame: dict[str, Any]) -> Iterator[str]:
    """The likeliest class of every object of a frame; objects without one are left out."""
    for each in _listed(frame.get("Object")):
        appearance = each.get("Appearance") if isinstance(each, dict) else None
        candidates = list(_candidates(appearance.get("Class"))) if isinstance(appearance, dict) else []
        if candidates:
            yield max(candidates, key=lambda candidate: candidate[0])[1]


def without_identities(body: dict[str, Any]) -> dict[str, Any]:
    """A message with nothing of its objects but their classes."""
    return {
        "Frame": [
            {
                **({"@UtcTime": frame["@UtcTime"]} if "@UtcTime" in frame else {}),
                "Object": [{"Appearance": {"Class": {"#text": name}}} for name in classes(frame)],
            }
            for frame in frames(body)
        ]
    }


def _candidates(said: object) -> Iterator[tuple[float, str]]:
    """Likelihood and class of what a `Class` says in any of its forms: the newer `Type`, the older `ClassCandidate`."""
    for each in _listed(said):
        if isinstance(each, str):
            yield 1.0, each
        elif isinstance(each, dict):
            text = each.get("#text", each.get("Type") if "Likelihood" in each else None)
            likelihood = document.number(each.get("@Likelihood", each.get("Likelihood", 1)))
            if isinstance(text, str):
                yield likelihood or 0.0, text
            else:
                yield from _candidates(each.get("Type"))
                yield from _candidates(each.get("ClassCandidate"))


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
