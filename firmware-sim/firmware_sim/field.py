"""The field: all devices of a scenario sampling at their own intervals, in the order of time."""

from __future__ import annotations

import heapq
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from firmware_sim.scenario import PROFILES
from firmware_sim.track import Story

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware_sim.scenario import Device, Part, Scenario


class Sample(NamedTuple):
    """What a device measured `second` seconds after the start."""

    second: float
    device: str
    values: dict[str, float] | dict[str, int]


def samples(scenario: Scenario, seed: int, begin_s: float = 0.0) -> Iterator[Sample]:
    """Sample without end; the same scenario, seed and beginning give the same values.

    Args:
        scenario: the devices and their story.
        seed: of all noise and of the variation between repeats.
        begin_s: second of the story at which the field starts (for a story in local time).
    """
    story = Story(scenario.cycle_s, scenario.drift_s, scenario.swing, seed)
    due: list[tuple[float, int, int]] = []
    field: list[tuple[Part, Device, float]] = []
    for index, part in enumerate(scenario.parts):
        # A stream of its own for each device: one more device changes nobody else's noise.
        chance = Random(f"{seed}/{part.id}")  # noqa: S311 - noise, not secrets
        # Devices are not switched on in the same millisecond.
        first = chance.uniform(0, min(part.every_s, 1.0))
        field.append((part, PROFILES[part.profile](chance, **part.model), first))
        due.append((first, index, 0))
    heapq.heapify(due)
    while True:
        second, index, count = due[0]
        part, device, first = field[index]
        # Multiplied, not added up: a day of samples does not drift.
        heapq.heapreplace(due, (first + (count + 1) * part.every_s, index, count + 1))
        within, swing = story.place(begin_s + second)
        now = device.DRIVEN | {name: track.at(within, swing) for name, track in part.drive.items()}
        yield Sample(second, part.id, device.sample(now, part.every_s))
