"""The bench `crowd`: what density and speed of 300 people cost ten times a second, and a moment of the census."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
from shapely import Polygon, box

from bench import machine, ticking
from bench.errors import Mismatch
from geo.density import cells, measure
from geo.speed import speeds

OPTIONS = ()
PERSONS = 300
RATE_HZ = 10
CUT_OFF_M = 1.5
HALF_S = 0.3
LEAST_FRAMES = 20
MOMENTS_PER_S, LEAST_MOMENTS = 4, 4  # of the census, for each second that is measured
# A square of 40 by 25 metres with a fountain, a kiosk and a bay; dense by the stage, where half of them stand.
GROUND = Polygon(
    [(0, 0), (40, 0), (40, 25), (22, 25), (22, 20), (18, 20), (18, 25), (0, 25)],
    [box(8, 8, 12, 12).exterior.coords, box(28, 5, 30, 8).exterior.coords],
)
STAGE = box(30, 12, 40, 25)


def run(seconds: float, runs: int, say: Callable[[str], None]) -> dict[str, object]:
    """Measure `seconds` of the people's time, `runs` times; raises Mismatch where somebody is not spread over ground."""
    described = machine.describe("none", "none")
    found, census = [], []
    for each in range(runs):
        say(f"run {each + 1} of {runs}")
        found.append(_run(max(round(seconds * RATE_HZ), LEAST_FRAMES), each))
        census.append(ticking.run(each, max(round(seconds * MOMENTS_PER_S), LEAST_MOMENTS)))
    return {
        "persons": PERSONS,
        "percent_of_a_core": round(median(one for one, _ in found), 2),
        "without_cut_off_percent": round(median(other for _, other in found), 2),
        "census_tick_ms": round(median(cost.tick_ms for cost in census), 1),
        "census_worst_ms": round(median(cost.worst_ms for cost in census), 1),
        "census_draw_s": round(median(cost.draw_s for cost in census), 2),
        "machine": described,
        "load": {
            "ground": "1,000 m2 with two holes and a bay; half the people within 130 m2, cut-off radius 1.5 m",
            "time": "CPU time of this process: Voronoi cells, density and speed in the whole and at the stage, per frame",
            "census": f"a moment every ten seconds: {ticking.ZONES} zones, {ticking.CAMERAS:,} cameras, {ticking.DOORS} doors; "
            "draw: the same ground cut into faces, once after an import",
            "number": f"share of one core at {RATE_HZ} frames a second; the median of the runs",
        },
        "runs": {
            "percent_of_a_core": [round(one, 2) for one, _ in found],
            "without_cut_off_percent": [round(other, 2) for _, other in found],
            "census_tick_ms": [round(cost.tick_ms, 1) for cost in census],
        },
    }


def _run(frames: int, seed: int) -> tuple[float, float]:
    """Per cent of a core with and without cut-off."""
    rng = np.random.default_rng(seed)
    x, y = np.empty((2, PERSONS))
    half = PERSONS // 2
    x[:half], y[:half] = rng.normal(35, 1.7, half), rng.normal(18, 2.2, half)
    x[half:], y[half:] = rng.uniform(1, 27, PERSONS - half), rng.uniform(0.5, 7.5, PERSONS - half)
    x, y = np.clip(x, 1, 39), np.clip(y, 0.5, 24.5)
    time_s = np.repeat(np.arange(frames) / RATE_HZ, PERSONS)
    track = np.tile(np.arange(PERSONS), frames)
    steps = rng.normal(0, 0.01, (2, frames, PERSONS)).cumsum(axis=1)
    xs, ys = (x + steps[0]).ravel(), (y + steps[1]).ravel()
    # As a live stream has it: the speed of a frame from the fixes of the last few.
    window = round(2 * HALF_S * RATE_HZ) + 1
    spent = []
    for cut_off in (CUT_OFF_M, None):
        begun = time.process_time()
        for frame in range(frames):
            now = slice(frame * PERSONS, (frame + 1) * PERSONS)
            recent = slice(max(frame - window + 1, 0) * PERSONS, (frame + 1) * PERSONS)
            speed = speeds(track[recent], time_s[recent], xs[recent], ys[recent], 2 * HALF_S)[-PERSONS:]
            ground = cells(xs[now], ys[now], GROUND, cut_off)
            everywhere = measure(xs[now], ys[now], speed, ground, GROUND)
            measure(xs[now], ys[now], speed, ground, STAGE)
            if abs(everywhere.voronoi * GROUND.area - everywhere.persons) > 1e-6:  # noqa: PLR2004 - rounding
                raise Mismatch(f"{everywhere.persons} people, {everywhere.voronoi * GROUND.area:.6f} spread")
        spent.append((time.process_time() - begun) / frames * RATE_HZ * 100)
    return spent[0], spent[1]
