"""From a platform's field names to metrics: camelCase and snake_case become kebab-case, what is nested is joined."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from edge.wire import shown
from ingest.sources import document

# Before a capital that begins a word: soilMoisture, PM25Value, 2ndValve; not inside pH, dB or mA.
SYMBOL = r"(?:(?<=[^A-Za-z0-9][a-z])|(?<=^[a-z]))[A-Z](?![a-z])"
HUMP = re.compile(rf"(?!{SYMBOL})(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
BETWEEN = re.compile(r"[^a-z0-9]+")
NAME_LIMIT = 64


def metric(name: str) -> str:
    """A field's name as a metric's: `waterLevel`, `water_level` and `Water Level` are all `water-level`.

    Empty where nothing of it can stand in a name.
    """
    return BETWEEN.sub("-", HUMP.sub("-", name[: 4 * NAME_LIMIT]).lower()).strip("-")[:NAME_LIMIT].strip("-")


def flatten(fields: Mapping[str, object], notes: list[str], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers and states of an object by metric; what is nested is joined, `{"rain": {"total": 1}}` is `rain-total`.

    A list counts from 1. What is no number goes to `notes`; null says that the sensor has no value: NaN.
    """
    for name, value in fields.items():
        yield from _field(f"{prefix}{name}", value, notes)


def _field(name: str, value: object, notes: list[str]) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        yield from flatten(value, notes, f"{name}-")
        return
    if isinstance(value, list):
        for place, each in enumerate(value, 1):
            yield from _field(f"{name}-{place}", each, notes)
        return
    called = metric(name)
    found = float("nan") if value is None else document.state(value)
    if not called:
        notes.append(f"{name!r:.80} cannot be a metric's name")
    elif found is None:
        notes.append(f"{name:.80} is {shown(value)}, no number")
    else:
        yield called, found
