"""One moment of the census: counts, doors and positions become what is said of every zone and line, and its evidence."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from alerts.alarms import Clause
from cityhub.crowd import telling, wording
from cityhub.crowd.counts import COUNT
from cityhub.crowd.faults import outside
from cityhub.crowd.ground import Ground, Meter, Watched
from cityhub.crowd.headcount import Counted, Headcount
from cityhub.crowd.movement import Movement, Moving
from cityhub.crowd.passage import flows
from cityhub.crowd.recall import PERSONS, Past
from cityhub.crowd.telling import Known, Presence
from geo.filling import FORESEEN_S, Filling, filling

log = structlog.get_logger("cityhub.census")

TOGETHER = 50
"""Zones and lines of which one message speaks: with all their evidence some 100 KiB."""
SOURCES = 20
"""Cameras and doors that a zone's evidence names; a square with more of them is not better proved."""
CALM = 10
"""So often a clock that was apart is said to be right again; then it is not spoken of."""
CLOCK_APART = "clock-apart"
NOTHING: Mapping[int, int] = MappingProxyType({})
NOT_SAID = Filling(None, None)

Own = Mapping[tuple[str, str], int]
Body = dict[str, Any]


class Reason(NamedTuple):
    """Why an alarm on a metric stands."""

    text: str
    clauses: list[Clause]


NO_REASON = Reason("", [])


@dataclass(frozen=True, slots=True)
class Tick:
    """What a moment leaves behind; `number` is of the last thing that was handed over before it."""

    number: int = 0
    bodies: list[Body] = field(default_factory=list)
    words: dict[tuple[str, str], Reason] = field(default_factory=dict)  # by device and metric
    doors: dict[str, NDArray[np.float64]] = field(default_factory=dict)  # by zone's key
    waiting: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, COUNT))


@dataclass(frozen=True, slots=True)
class _Said:
    device: str
    values: Mapping[str, float | None]
    evidence: Body = field(default_factory=dict)


class Ticking:
    """The state between moments, on one ground."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._heads, self._movement = Headcount(ground), Movement(ground)
        self._past: dict[str, deque[tuple[float, float]]] = {zone.device: deque() for zone in ground.watched}
        self._apart: dict[str, int] = {}  # by device: how often its clock is still to be spoken of
        self._told: set[str] = set()

    def redraw(self, ground: Ground) -> None:
        """Zones, views or lines have changed; what is known of the others goes on."""
        heads, movement = Headcount(ground), Movement(ground)
        heads.go_on_from(self._heads)
        movement.go_on_from(self._movement)
        self._ground, self._heads, self._movement = ground, heads, movement
        self._past = {zone.device: self._past.get(zone.device, deque()) for zone in ground.watched}

    def attend(self, meters: Iterable[Meter], faults: Iterable[str] = ()) -> None:
        """These series count people; `faults` are what is wrong with those that should."""
        self._heads.attend(meters)
        self._tell(outside(self._heads.outside) | set(faults))

    def doubt(self, devices: Iterable[str]) -> None:
        """The clocks of these were apart once: it is said of them how they are now, so that what was told can end."""
        self._apart |= dict.fromkeys(devices, CALM)

    def recall(self, past: Past, doors: Mapping[str, NDArray[np.float64]]) -> None:
        """Begin where the last run of the hub ended."""
        self._heads.counts.remember(past.counts)
        self._heads.doors.restore(doors)
        for device, counts in past.persons.items():
            self._past[device].extend(counts)

    def take(self, rows: NDArray[np.void], heard: dict[int, int], fixes: NDArray[Any] | None) -> None:
        """Take in what has come, in order."""
        self._heads.take(rows, heard)
        if fixes is not None and len(fixes):
            self._movement.take(fixes)

    def tick(
        self,
        at_us: int,
        number: int,
        own: Own,
        inside: Callable[[Watched], Presence | None],
        untimed: Mapping[int, int] = NOTHING,
    ) -> Tick:
        """All that is known at a moment.

        `inside` says who is inside a zone by the crossings of its border; `untimed`, by id of a restricted zone, how many
        positions in it cannot be placed in time.
        """
        moving = self._movement.at(at_us)
        counted = self._heads.count(at_us, moving.persons)
        words: dict[tuple[str, str], Reason] = {}
        said: list[_Said] = []
        for place, zone in enumerate(self._ground.watched):
            heard, reasons = self._zone(
                place, at_us, counted, moving, inside(zone), own, untimed.get(zone.id, 0)
            )
            said.append(heard)
            words |= reasons
        said += [*self._lines(at_us, own), *self._clocks()]
        resting = [(device, metric) for device, metric in list(own) if device in self._ground.resting]
        said += [_Said(device, {metric: None}) for device, metric in resting]
        bodies = [_body(at_us, said[first : first + TOGETHER]) for first in range(0, len(said), TOGETHER)]
        return Tick(
            number, [body for body in bodies if body["values"]], words, self._heads.doors.state(),
            self._heads.doors.waiting.copy(),
        )  # fmt: skip

    def _zone(
        self,
        place: int,
        at_us: int,
        counted: Counted,
        moving: Moving,
        presence: Presence | None,
        own: Own,
        untimed: int,
    ) -> tuple[_Said, dict[tuple[str, str], Reason]]:
        zone = self._ground.watched[place]
        persons = float(counted.persons[place])
        known = Known(
            persons,
            counted.source[place],
            float(counted.share[place]),
            float(counted.seen[place]),
            float(counted.spread[place]),
            float(moving.speed[place]),
            float(moving.crowded[place]),
            self._filling(zone, at_us, persons, counted.source[place], float(counted.share[place])),
            presence,
            float(counted.doors[place]),
            bool(counted.contradicted[place]),
            float(counted.disagree[place]),
            untimed,
        )
        said = telling.values(zone, known, dense=zone.id in self._heads.dense)
        # What was said before ends with null. Not so the people: that nobody is counted any more is what is missed.
        ended = {
            metric: None
            for metric in telling.METRICS
            if metric not in said and metric != PERSONS and (zone.device, metric) in own
        }
        evidence: Body = {}
        if known.source:
            cameras, doors = self._heads.evidence(place)
            evidence = {
                "by": f"{known.source}, the larger" if known.contradicted else known.source,
                "cameras": dict(list(cameras.items())[:SOURCES]),
                "doors": dict(list(doors.items())[:SOURCES]),
            }
            if known.contradicted:
                evidence["apart"] = {"cameras": round(known.seen, 1), "doors": round(known.doors, 1)}
        reasons = {
            (zone.device, metric): Reason(wording.english(zone, clauses), clauses)
            for metric, clauses in wording.reasons(zone, known, said).items()
        }
        return _Said(zone.device, {**said, **ended}, evidence), reasons

    def _filling(self, zone: Watched, at_us: int, persons: float, source: str, share: float) -> Filling:
        past = self._past[zone.device]
        while past and past[0][0] < at_us / 1e6 - FORESEEN_S:
            past.popleft()
        if math.isnan(persons):
            return NOT_SAID
        past.append((at_us / 1e6, persons))
        times, counts = np.array(past).T
        return filling(times, counts, telling.held(zone, source, share))

    def _lines(self, at_us: int, own: Own) -> Iterator[_Said]:
        for gate, flow, ways in zip(
            self._ground.gates, flows(self._heads, self._movement, at_us), self._heads.doors.ways, strict=True
        ):
            found = {
                "flow-forward": flow.forward,
                "flow-back": flow.back,
                "flow-both": flow.forward + flow.back,
            }
            said = {
                metric: None if math.isnan(value) else round(value, 4)
                for metric, value in found.items()
                if not math.isnan(value) or (gate.device, metric) in own
            }
            yield _Said(
                gate.device,
                said,
                {
                    "by": "tracks" if gate.counter is None else "doors",
                    "doors": self._heads.counts.newest(ways),
                }
                if said
                else {},
            )

    def _clocks(self) -> Iterator[_Said]:
        apart = self._heads.counts.apart
        self._tell({
            f"the clock of {key} is {abs(behind):.0f} s {'behind' if behind > 0 else 'ahead'}: its counts are left out"
            for key, behind in apart.items()
        } if set(apart) - set(self._apart) else set())  # fmt: skip
        self._apart |= dict.fromkeys(apart, CALM)
        for key, left in list(self._apart.items()):
            yield _Said(key, {CLOCK_APART: round(abs(apart.get(key, 0.0)), 1)})
            self._apart[key] = left - 1
            if left <= 1:
                del self._apart[key]

    def _tell(self, sentences: set[str]) -> None:
        for sentence in sorted(sentences - self._told):
            log.warning("the census leaves something out", because=sentence)
        self._told |= sentences


def _body(at_us: int, said: list[_Said]) -> Body:
    """What is said of some devices, as the hub's message has it; beside the values, by device, what they rest on."""
    values = {f"{each.device}/{metric}": value for each in said for metric, value in each.values.items()}
    return {
        "ts": at_us // 1000,
        "values": values,
        "from": {each.device: each.evidence for each in said if each.evidence},
    }
