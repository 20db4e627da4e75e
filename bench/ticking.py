"""A moment of the census: 500 zones and 1,000 cameras whose views overlap, half of the zones filling, doors and positions."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import orjson
from shapely import box

from bench.errors import Mismatch
from cityhub.crowd.counts import COUNT
from cityhub.crowd.ground import Gate, Ground, Meter, View, Watched
from cityhub.crowd.tick import Ticking
from edge.reading import PASS

ZONES, CAMERAS, DOORS = 500, 1_000, 500
EVERY_US = 10_000_000
SIDE = 1e-3
"""Of a zone, in degrees; each has two cameras that see two thirds of it, and a third of it both."""
COLUMNS = 25
CAPACITY = 1_000


class Cost(NamedTuple):
    """Of one run."""

    draw_s: float  # cutting the ground into faces, after an import
    tick_ms: float  # CPU time of a moment, the median
    worst_ms: float
    kib: float  # of the messages of a moment


def run(seed: int, moments: int) -> Cost:
    """Measure so many moments; raises Mismatch where a zone has another number of people than stand in it."""
    zones, views, gates, meters = _city()
    begun = time.process_time()
    ticking = Ticking(Ground(zones, views, gates))
    drawn = time.process_time() - begun
    ticking.attend(meters)
    rng = np.random.default_rng(seed)
    spent, size = [], 0
    at_us = 1_782_853_300_000_000
    own: dict[tuple[str, str], int] = {}
    for moment in range(moments):
        at_us += EVERY_US
        there = 300 + np.where(np.arange(ZONES) % 2, 10 * moment, 0)
        rows = np.zeros(CAMERAS + 2 * DOORS, COUNT)
        rows["slot"] = np.arange(len(rows)) + 1
        rows["value"][:CAMERAS] = rng.poisson(np.repeat(there * 2 / 3, 2))
        rows["value"][CAMERAS:] = rng.poisson(3, 2 * DOORS)
        rows["time"] = rows["arrived"] = at_us
        rows["flag"] = PASS
        begun = time.process_time()
        ticking.take(rows, dict.fromkeys(range(1, len(rows) + 1), at_us), None)
        tick = ticking.tick(at_us, moment, own, lambda _: None)
        said = [orjson.dumps(body) for body in tick.bodies]
        spent.append(time.process_time() - begun)
        size = sum(map(len, said))
        values = {name: value for body in tick.bodies for name, value in body["values"].items()}
        persons = np.array([values[f"zone-z{place}/persons"] for place in range(ZONES)])
        if abs(float((persons / there).mean()) - 1) > 0.1:  # noqa: PLR2004 -- counts of the last half minute
            raise Mismatch(f"{there.mean():.0f} people a zone, {persons.mean():.1f} counted")
    return Cost(drawn, 1e3 * float(np.median(spent)), 1e3 * max(spent), size / 1024)


def _city() -> tuple[tuple[Watched, ...], tuple[View, ...], tuple[Gate, ...], list[Meter]]:
    zones: list[Watched] = []
    views: list[View] = []
    gates: list[Gate] = []
    meters: list[Meter] = []
    for place in range(ZONES):
        west, south = 10 + 2 * SIDE * (place % COLUMNS), 2 * SIDE * (place // COLUMNS)
        ground = box(west, south, west + SIDE, south + SIDE)
        key = f"z{place}"
        zones.append(Watched(f"zone-{key}", place, key, f"Zone {place}", "crowd", ground, 12_000.0, CAPACITY))
        for side, begin in enumerate((0.0, SIDE / 3)):
            camera, seen = (
                f"camera-{place}-{side}",
                box(west + begin, south, west + begin + SIDE * 2 / 3, south + SIDE),
            )
            views.append(View(camera, seen))
            meters.append(Meter(len(meters) + 1, len(meters) + 1, camera, "people", "view", 10.0))
    for place in range(DOORS):
        gates.append(Gate(f"line-g{place}", f"g{place}", f"door-{place}", into=f"z{place}", width_m=3.0))
        slot = CAMERAS + 2 * place + 1
        meters += [
            Meter(slot, slot, f"door-{place}", "in", "in", 10.0),
            Meter(slot + 1, slot + 1, f"door-{place}", "out", "out", 10.0),
        ]
    return tuple(zones), tuple(views), tuple(gates), meters
