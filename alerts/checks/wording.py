"""The reason of an anomaly's score in words, from what the kernel noted."""

from __future__ import annotations

from typing import Any

from alerts.checks.usual import DAY_HOUR, HOUR, HOURS_BEFORE, NOTHING, PAST, STEP

USUAL = {
    HOUR: "what this hour usually has",
    DAY_HOUR: "what this hour of such a day usually has",
    PAST: "all that it lately had",
}


KEYS = {
    HOUR: "beyond-hour",
    DAY_HOUR: "beyond-day-hour",
    PAST: "beyond-past",
    STEP: "step",
    HOURS_BEFORE: "hours-beyond",
}
"""What a console knows each kind by."""


def clause(value: float, note: Any) -> tuple[str, dict[str, float]] | None:
    """The same for whoever says it in another language: a key and its figures, in the unit of the series; or none."""
    kind, beyond, edge = int(note["kind"]), float(note["beyond"]), float(note["edge"])
    if kind == NOTHING:
        return None
    widest = {"widest": edge} if kind == STEP else {}
    return KEYS[kind], {"value": value, "beyond": beyond, **widest}


def reason(value: float, note: Any, unit: str = "") -> str:
    """One sentence for a value and its NOTE, such as "3.4 m is 2.1 m above what this hour usually has"; or none."""
    kind, beyond, edge = int(note["kind"]), float(note["beyond"]), float(note["edge"])
    unit = f" {unit}" if unit else ""
    if kind == NOTHING:
        return ""
    if kind == STEP:
        way = "up" if beyond > 0 else "down"
        return f"{value:.6g}{unit} is {abs(beyond):.3g}{unit} {way} in one step; the widest lately was {edge:.3g}{unit}"
    if kind == HOURS_BEFORE:
        way = "above" if beyond > 0 else "below"
        return f"for two hours every reading was {abs(beyond):.3g}{unit} or more {way} what these hours usually have"
    side = "above" if beyond > 0 else "below"
    return f"{value:.6g}{unit} is {abs(beyond):.3g}{unit} {side} {USUAL[kind]}"
