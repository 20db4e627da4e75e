"""The field: all devices of a scenario sampling at their own intervals, in the order of time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from firmware_sim.scenario import PROFILES
from firmware_sim.senses import Senses
from firmware_sim.track import Story

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware_sim.scenario import Part, Scenario


Measure = Callable[[float], "dict[str, float] | dict[str, int] | None"]
"""What a device measures at a second of the story; None where it is dead."""


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
    field: list[tuple[str, float, float, Measure]] = []
    for part in scenario.parts:
        # A stream of its own for each device: one more device changes nobody else's noise.
        chance = Random(f"{seed}/{part.id}")  # noqa: S311 - noise, not secrets
        # Devices are not switched on in the same millisecond.
        first = chance.uniform(0, min(part.every_s, 1.0))
        field.append((part.id, part.every_s, first, _told(part, chance, story, begin_s)))
    for unit in scenario.units:
        # A station samples at its own clock's marks, within a second of them.
        first = Random(f"{seed}/{unit.id}/on").uniform(0, min(unit.fleet.every_s, 1.0))  # noqa: S311 - as above
        assert scenario.world is not None  # noqa: S101 - units stand in a world
        field.append((unit.id, unit.fleet.every_s, first, Senses(unit, scenario.world, seed).sample))
    due = [(first, index, 0) for index, (_, _, first, _) in enumerate(field)]
    heapq.heapify(due)
    while True:
        second, index, count = due[0]
        device, every_s, first, measure = field[index]
        # Multiplied, not added up: a day of samples does not drift.
        heapq.heapreplace(due, (first + (count + 1) * every_s, index, count + 1))
        values = measure(second)
        if values is not None:
            yield Sample(second, device, values)


def _told(part: Part, chance: Random, story: Story, begin_s: float) -> Measure:
    """What a device that a scenario lists measures under the story that it tells."""
    device = PROFILES[part.profile](chance, **part.model)

    def measure(second: float) -> dict[str, float] | dict[str, int]:
        within, swing = story.place(begin_s + second)
        now = device.DRIVEN | {name: track.at(within, swing) for name, track in part.drive.items()}
        return device.sample(now, part.every_s)

    return measure
