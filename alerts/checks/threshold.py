"""Thresholds: four levels above and below, in the readings' own time, with deadband, delays, rise, repeats and schedule.

A level's *condition* is met where the value is at or beyond its limit, or where it has risen (fallen) by as much as
its limit of change within the window. The condition takes part in the *level* once the on-delay has passed, and until
the off-delay has passed. The level of a watch is the highest that takes part.

Nearly every reading changes nothing. So each watch keeps the band of values in which that is certain, and a reading
inside it costs two comparisons; only one outside comes to `_stir`. The band is empty while anything is pending, and
for watches whose conditions depend on more than the value (rise, repeats, schedule).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from alerts.checks.schedule import is_open
from alerts.checks.trail import LEVELS, MOVES, count, drop, remember, rise
from edge.reading import FAIL, MISSING, SUSPECT

KERNEL = "threshold/2"
"""Kept with every rule version that judged: raised whenever the same readings could get another verdict."""

LIMITS = np.dtype(
    [
        ("above", "f8", LEVELS),  # of levels 1 to 4; NaN: none
        ("below", "f8", LEVELS),
        ("deadband", "f8"),
        ("on_delay", "i8"),  # microseconds
        ("off_delay", "i8"),
        ("suspect_up_to", "i4"),  # the highest level that a suspect reading may raise
        ("times", "i4"),  # how often a condition must come before it counts; 1: at once
        ("within", "i8"),  # the window of `times`
        ("rise", "f8", LEVELS),  # change within the trail's window; NaN: none
        ("fall", "f8", LEVELS),
        ("rise_from", "f8"),  # a rise counts only at or above this value; NaN: anywhere
        ("fall_from", "f8"),  # a fall only at or below this one
        ("window", "i8"),
        ("schedule", "i4"),  # place in the array of schedules; -1: always
    ]
)
"""What a rule version asks of a series; shared by all watches of which it asks the same."""

WATCH = np.dtype(
    [
        ("low", "f8"),  # between low and high, both included, a reading changes nothing
        ("high", "f8"),
        ("next", "i4"),  # the next watch on the same series; -1: none
        ("limits", "i4"),
        ("trail", "i4"),  # places in the arrays of what few watches need; -1: none
        ("repeat", "i4"),
    ]
)
"""One rule on one series: all that a quiet reading touches, half a cache line."""

STATE = np.dtype(
    [
        ("met", "u1"),  # levels whose condition is met, one bit each
        ("active", "u1"),  # the same after the delays
        ("level", "u1"),
        ("told", "u1"),  # the level that events have spoken of
        ("quiet", "u1"),  # nothing pending, and what stands was told
        ("held", "u1"),  # `active` when the watch was quiet last
        ("moves", "u2"),  # readings that have moved something since then
        ("since", "i8", LEVELS),  # when the condition last changed
        ("level_at", "i8"),
        ("moved", "i8", MOVES),  # the times of the first of these readings
    ]
)
"""What a watch remembers."""

EVENT = np.dtype(
    [
        ("watch", "i4"),
        ("row", "i4"),
        ("from_level", "i4"),
        ("to_level", "i4"),
        ("at", "i8"),  # when the level was reached; with late readings before the row's own time
        ("held", "i4"),
        ("moves", "i4"),
        ("moved", "i8", MOVES),
        ("against", "i8", (MOVES, 2)),  # with a rise or fall: the reading that it was measured from; 0: none
    ]
)


@njit(cache=True, nogil=True)
def observe(  # noqa: PLR0917 -- a kernel takes its columns one by one
    series: Any,
    time: Any,
    value: Any,
    flag: Any,
    newer: Any,
    late: Any,
    first: Any,
    watches: Any,
    states: Any,
    limits: Any,
    trails: Any,
    repeats: Any,
    schedules: Any,
    events: Any,
) -> int:
    """Feed rows to the watches on their series; returns how many events were written.

    A late row moves the state but tells nobody: the next row that is not late speaks of where things stand then.
    Rows that are not newer than their series, failed, missing or NaN move nothing.
    """
    found = 0
    for row in range(len(series)):
        index = first[series[row]]
        while index >= 0:
            watch = watches[index]
            now = value[row]
            if (
                not watch["low"] <= now <= watch["high"]
                and newer[row]
                and flag[row] != FAIL
                and flag[row] != MISSING
                and not np.isnan(now)
                and _stir(
                    watch, states[index], limits[watch["limits"]], trails, repeats, schedules,
                    time[row], now, flag[row] == SUSPECT, late[row], events[found],
                )
            ):  # fmt: skip
                events[found]["watch"] = index
                events[found]["row"] = row
                found += 1
            index = watch["next"]
    return found


@njit(cache=True, nogil=True)
def _stir(  # noqa: C901, PLR0917 -- the whole way of a reading on one page
    watch: Any,
    state: Any,
    limit: Any,
    trails: Any,
    repeats: Any,
    schedules: Any,
    time: int,
    value: float,
    suspect: bool,  # noqa: FBT001 -- a kernel's argument
    late: bool,  # noqa: FBT001
    event: Any,
) -> bool:
    """Advance one watch by one reading; returns whether `event` tells of a new level."""
    before = repeats[watch["repeat"]]["crossed"] if watch["repeat"] >= 0 else state["met"]
    climb, fall, bottom, top = 0.0, 0.0, 0, 0
    if watch["trail"] >= 0:
        climb, fall, bottom, top = _changes(trails[watch["trail"]], limit, time, value)
    crossed = 0
    if limit["schedule"] < 0 or is_open(schedules[limit["schedule"]], time):
        crossed = _crossed(limit, before, value, climb, fall)
    if suspect:
        # What is suspect raises nothing above its level, but keeps what stands.
        crossed &= before | ((1 << limit["suspect_up_to"]) - 1)
    met = crossed
    recent = False
    if watch["repeat"] >= 0:
        met, recent = count(
            repeats[watch["repeat"]], crossed, state["met"], limit["times"], limit["within"], time
        )
    active, level = _active(limit, state, met, time, suspect)

    tells = not late and level != state["told"]
    if crossed != before or met != state["met"] or active != state["active"] or tells:
        _note(watch, state, trails, time, bottom, top)
    state["met"] = met
    state["active"] = active
    if level != state["level"]:
        state["level"] = level
        state["level_at"] = time
    if tells:
        _tell(watch, state, trails, event)
        state["told"] = level
    state["quiet"] = met == active and level == state["told"] and crossed == met and not recent
    if watch["trail"] >= 0:
        if not suspect:
            remember(trails[watch["trail"]], limit["window"], time, value)
    elif watch["repeat"] < 0 and limit["schedule"] < 0:
        _settle(watch, state, limit, value)
    return tells


@njit(cache=True, nogil=True)
def _changes(trail: Any, limit: Any, time: int, value: float) -> tuple[float, float, int, int]:
    """Rise and fall within the window as far as they count, and the times they are measured from."""
    climb, bottom = rise(trail, limit["window"], time, value)
    fall, top = drop(trail, limit["window"], time, value)
    if value < limit["rise_from"]:
        climb = 0.0
    if value > limit["fall_from"]:
        fall = 0.0
    return climb, fall, bottom, top


@njit(cache=True, nogil=True)
def _note(watch: Any, state: Any, trails: Any, time: int, bottom: int, top: int) -> None:
    """Note a reading that moves something; the first one after quiet begins the list anew."""
    if state["quiet"]:
        state["moves"] = 0
        state["held"] = state["active"]
    if state["moves"] < MOVES:
        state["moved"][state["moves"]] = time
        if watch["trail"] >= 0:
            trails[watch["trail"]]["against"][state["moves"]][0] = bottom
            trails[watch["trail"]]["against"][state["moves"]][1] = top
    state["moves"] = min(state["moves"] + 1, 65_535)


@njit(cache=True, nogil=True)
def _crossed(limit: Any, before: int, value: float, climb: float, fall: float) -> int:
    """The levels whose condition the reading meets; inside the deadband a condition stays as it was."""
    crossed = 0
    for place in range(LEVELS):
        above, below = limit["above"][place], limit["below"][place]
        slack = limit["deadband"] if before >> place & 1 else 0.0
        if (
            value >= above - slack
            or value <= below + slack
            or climb >= limit["rise"][place]
            or fall >= limit["fall"][place]
        ):
            crossed |= 1 << place
    return crossed


@njit(cache=True, nogil=True)
def _active(limit: Any, state: Any, met: int, time: int, suspect: bool) -> tuple[int, int]:  # noqa: FBT001
    """The levels that take part after their delays, and the highest of them."""
    active, level = state["active"], 0
    for place in range(LEVELS):
        bit = 1 << place
        if (met ^ state["met"]) & bit:
            state["since"][place] = time
        if (met ^ active) & bit:
            delay = limit["on_delay"] if met & bit else limit["off_delay"]
            # A suspect reading does not complete what it may not begin.
            barred = suspect and met & bit and place + 1 > limit["suspect_up_to"]
            if time - state["since"][place] >= delay and not barred:
                active ^= bit
        if active & bit:
            level = place + 1
    return active, level


@njit(cache=True, nogil=True)
def _tell(watch: Any, state: Any, trails: Any, event: Any) -> None:
    event["from_level"] = state["told"]
    event["to_level"] = state["level"]
    event["at"] = state["level_at"]
    event["held"] = state["held"]
    event["moves"] = state["moves"]
    for move in range(MOVES):
        event["moved"][move] = state["moved"][move]
        for side in range(2):
            event["against"][move][side] = (
                trails[watch["trail"]]["against"][move][side] if watch["trail"] >= 0 else 0
            )


@njit(cache=True, nogil=True)
def _settle(watch: Any, state: Any, limit: Any, value: float) -> None:
    """Lay the band around a value of a quiet watch; it stays empty where something is pending."""
    low, high = -np.inf, np.inf
    for place in range(LEVELS):
        above, below = limit["above"][place], limit["below"][place]
        if state["met"] >> place & 1:
            if value >= above - limit["deadband"]:
                low = max(low, above - limit["deadband"])
            else:
                high = min(high, below + limit["deadband"])
        else:
            # The limit itself is part of the condition. Where there is none, the second argument is NaN and not taken.
            high = min(high, np.nextafter(above, -np.inf))
            low = max(low, np.nextafter(below, np.inf))
    # A suspect value may lie beyond a limit that it may not cross.
    if not state["quiet"] or value < low or value > high:
        low, high = np.inf, -np.inf
    watch["low"] = low
    watch["high"] = high
