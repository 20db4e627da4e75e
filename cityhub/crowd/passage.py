"""Passage: how many people pass each counting line, per metre of its clear width and second."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cityhub.crowd.counts import Counts
from cityhub.crowd.ground import Gate, Meter
from cityhub.crowd.headcount import Headcount
from cityhub.crowd.movement import CROSSED_S, Movement
from geo.flow import per_m_s, within

WINDOW_S = 60.0
"""What people call a flow: persons per minute and metre; shorter windows see single groups."""
FRESH = 1.5
"""A window ends at the newest count where that is no older than so many intervals."""


class Flow(NamedTuple):
    """Persons/(m s) in both directions; NaN where nothing counts, the counter is silent, or nobody has said the width."""

    forward: float
    back: float


def flows(heads: Headcount, movement: Movement, at_us: int) -> list[Flow]:
    """By gate of the ground."""
    return [
        _tracked(gate, movement, at_us)
        if gate.counter is None
        else Flow(*(_flow(heads.counts, meter, gate.width_m, at_us) for meter in ways))
        for gate, ways in zip(heads.ground.gates, heads.doors.ways, strict=True)
    ]


def _tracked(gate: Gate, movement: Movement, at_us: int) -> Flow:
    crossed = None if gate.drawn is None else movement.crossed(gate.drawn, at_us)
    if crossed is None or gate.width_m is None:
        return Flow(np.nan, np.nan)
    return Flow(*(float(per_m_s(persons, gate.width_m, CROSSED_S)) for persons in crossed))


def _flow(counts: Counts, meter: Meter | None, width_m: float | None, at_us: int) -> float:
    if meter is None or width_m is None or not counts.alive(meter, at_us) or meter.device in counts.apart:
        return np.nan
    rows = counts.rows_of(meter)
    window_s = max(WINDOW_S, meter.interval_s)
    end = at_us
    # The interval that is being counted now is not told yet: it must not look like one in which nobody came.
    if len(rows) and at_us - int(rows["time"][-1]) <= FRESH * meter.interval_s * 1e6:
        end = int(rows["time"][-1])
    elapsed = (rows["time"] - end) / 1e6
    persons = within(elapsed, rows["value"], meter.interval_s, 0.0, window_s).sum()
    return float(per_m_s(persons, width_m, window_s))
