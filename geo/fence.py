"""One track and one zone: when a track counts as inside, and what is told of it. Hysteresis in metres and in seconds.

A fix is evidence of *inside* where its whole circle of accuracy lies in the zone (or as deep as the zone allows), of
*outside* where its whole circle lies further than `exit_m` from it; between the two it is evidence of nothing. A change
is believed once the evidence has gone on for `enter_s` or `exit_s`, from fix to fix without a gap, and is told with the
time at which it began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from geo.track import BELIEVED, UNKNOWN

EXIT, CROSS, OUTSIDE, ABSENT, ENTER, INSIDE, DWELL = range(7)
KINDS = ("exit", "cross", "outside", "absent", "enter", "inside", "dwell")
"""By number, which is also the order in which the events of one fix are told."""

ALL = frozenset(KINDS)
USUAL = ALL - {"inside", "outside"}
"""Without what is told anew at every fix."""

OUT, EVEN, IN = -1, 0, 1
STILL, ENTERING, LEAVING = 0, 1, 2

FENCE = np.dtype(
    [
        ("exit_m", "f8"),
        ("room_m", "f8"),  # no fix has to lie deeper than this
        ("enter_us", "i8"),
        ("exit_us", "i8"),
        ("dwell_us", "i8"),  # 0: nobody asks
        ("tells", "u1"),  # one bit for each kind
    ]
)

PAIR = np.dtype(
    [
        ("track", "i4"),
        ("zone", "i4"),
        ("next", "i4"),  # the track's next pair, or the next that is free; -1: none
        ("inside", "u1"),
        ("expected", "u1"),  # the track ought to be inside
        ("absent", "u1"),  # that it is not was told
        ("dwelt", "u1"),  # that it stays was told
        ("turning", "u1"),  # STILL, ENTERING, LEAVING
        ("since", "i8"),  # when the turning began
        ("entered", "i8"),
        ("stayed", "i8"),  # us inside, gaps not counted
        ("waited", "i8"),  # us of the turning, counted to the stay if nothing comes of it
        ("touched", "i8"),  # time of the fix that it saw last
    ]
)

EVENT = np.dtype(
    [
        ("row", "i4"),  # the fix at which it was known
        ("track", "i4"),
        ("zone", "i4"),
        ("kind", "u1"),
        ("at", "i8"),  # us; when it began: the first fix of the evidence
        ("stayed", "i8"),  # us inside so far: of exit, inside and dwell
    ]
)


@dataclass(frozen=True, slots=True)
class Fence:
    """What is asked at the border of one zone."""

    exit_m: float = 20.0
    enter_s: float = 5.0
    exit_s: float = 10.0
    dwell_s: float | None = None
    tells: frozenset[str] = USUAL


@njit(cache=True, nogil=True)
def judge(  # noqa: C901, PLR0912, PLR0917 -- the whole way of a fix on one page
    track: Any, time: Any, steps: Any, start: Any, zone: Any, beyond_m: Any, passed: Any,
    tracks: Any, pairs: Any, free: Any, fences: Any, events: Any,
) -> tuple[Any, int]:  # fmt: skip
    """Take n fixes with their candidate zones (`start[i]` to `start[i + 1]`); returns EVENT and how many there are.

    `pairs` has room for one more pair per candidate; `free` holds the first free place and the first never used.
    """
    count = 0
    for row in range(len(track)):
        if steps.outcome[row] != BELIEVED:
            continue
        one, now, took, accuracy = track[row], time[row], steps.took[row], steps.accuracy[row]
        first = count
        for near in range(start[row], start[row + 1]):
            fence = fences[zone[near]]
            evidence = EVEN
            if beyond_m[near] <= -min(accuracy, fence["room_m"]):
                evidence = IN
            elif beyond_m[near] > fence["exit_m"] + accuracy:
                evidence = OUT
            place = tracks[one]["pair"]
            while place >= 0 and pairs[place]["zone"] != zone[near]:
                place = pairs[place]["next"]
            quiet = place < 0 or (pairs[place]["inside"] == 0 and pairs[place]["turning"] != ENTERING)
            if passed[near] and quiet and evidence != IN:
                events, count = _tell(events, count, row, one, zone[near], CROSS, now, 0, fence)
                events, count = _tell(events, count, row, one, zone[near], OUTSIDE, now, 0, fence)
            if place < 0 and evidence == IN:
                place = take(tracks, pairs, free, one, zone[near])
            if place >= 0:
                events, count = _turn(events, count, row, pairs[place], fence, evidence, now, took)
        # What is not among the candidates is outside beyond doubt; what has nothing more to say is let go.
        before, place = -1, tracks[one]["pair"]
        while place >= 0:
            pair = pairs[place]
            following = pair["next"]
            if pair["touched"] != now:
                fence = fences[pair["zone"]]
                events, count = _turn(events, count, row, pair, fence, OUT, now, took)
            if pair["inside"] == 0 and pair["turning"] == STILL and pair["expected"] == 0:
                if before < 0:
                    tracks[one]["pair"] = following
                else:
                    pairs[before]["next"] = following
                pair["next"], pair["track"] = free[0], -1
                free[0] = place
            else:
                before = place
            place = following
        _order(events, first, count)
    return events, count


@njit(cache=True, nogil=True)
def take(tracks: Any, pairs: Any, free: Any, track: int, zone: int) -> int:
    """A new pair, put at the head of the track's list."""
    place = free[0]
    if place >= 0:
        free[0] = pairs[place]["next"]
    else:
        place = free[1]
        free[1] += 1
    pair = pairs[place]
    pair["track"], pair["zone"], pair["next"] = track, zone, tracks[track]["pair"]
    pair["inside"] = pair["expected"] = pair["absent"] = pair["dwelt"] = pair["turning"] = 0
    pair["since"] = pair["entered"] = pair["stayed"] = pair["waited"] = pair["touched"] = 0
    tracks[track]["pair"] = place
    return int(place)


@njit(cache=True, nogil=True)
def _turn(  # noqa: C901 -- what a state can do stands together
    events: Any, count: int, row: int, pair: Any, fence: Any, evidence: int, now: int, took: int
) -> tuple[Any, int]:
    track, zone = pair["track"], pair["zone"]
    pair["touched"] = now
    passed = max(took, 0)
    if pair["inside"] == 1:
        turning = LEAVING if evidence == OUT else STILL
        pair["waited"] += passed
        if turning == STILL:
            pair["stayed"] += pair["waited"]
            pair["waited"] = 0
    elif evidence == IN:
        turning = ENTERING
        pair["waited"] += passed if pair["turning"] == ENTERING else 0
    else:
        turning = LEAVING if evidence == OUT and pair["expected"] == 1 and pair["absent"] == 0 else STILL
    if turning != STILL and (pair["turning"] != turning or took == UNKNOWN):
        pair["since"] = now
        if pair["inside"] == 0:
            pair["waited"] = 0
    pair["turning"] = turning
    if turning == ENTERING and now - pair["since"] >= fence["enter_us"]:
        pair["inside"], pair["turning"], pair["dwelt"], pair["absent"] = 1, STILL, 0, 0
        pair["entered"], pair["stayed"], pair["waited"] = pair["since"], pair["waited"], 0
        events, count = _tell(events, count, row, track, zone, ENTER, pair["since"], 0, fence)
    elif turning == LEAVING and now - pair["since"] >= fence["exit_us"]:
        pair["turning"], pair["waited"] = STILL, 0
        if pair["inside"] == 1:
            pair["inside"] = 0
            events, count = _tell(events, count, row, track, zone, EXIT, pair["since"], pair["stayed"], fence)
            events, count = _tell(events, count, row, track, zone, OUTSIDE, now, 0, fence)
        if pair["expected"] == 1 and pair["absent"] == 0:
            pair["absent"] = 1
            events, count = _tell(events, count, row, track, zone, ABSENT, pair["since"], 0, fence)
    if pair["inside"] == 1:
        stayed = pair["stayed"]
        events, count = _tell(events, count, row, track, zone, INSIDE, now, stayed, fence)
        dwelt = 0 < fence["dwell_us"] <= stayed and pair["turning"] == STILL
        if dwelt and pair["dwelt"] == 0:
            pair["dwelt"] = 1
            events, count = _tell(events, count, row, track, zone, DWELL, now, stayed, fence)
    return events, count


@njit(cache=True, nogil=True)
def _tell(  # noqa: PLR0917 -- what an event is made of
    events: Any, count: int, row: int, track: int, zone: int, kind: int, at: int, stayed: int, fence: Any
) -> tuple[Any, int]:
    if not fence["tells"] >> kind & 1:
        return events, count
    if count == len(events):
        wider = np.empty(2 * count, events.dtype)
        wider[:count] = events
        events = wider
    event = events[count]
    event["row"], event["track"], event["zone"], event["kind"] = row, track, zone, kind
    event["at"], event["stayed"] = at, stayed
    return events, count + 1


@njit(cache=True, nogil=True)
def _order(events: Any, first: int, count: int) -> None:
    """Order the events of one fix by kind, then zone: few, and nearly in order."""
    for place in range(first + 1, count):
        at = place
        while at > first and (
            events[at]["kind"] < events[at - 1]["kind"]
            or (events[at]["kind"] == events[at - 1]["kind"] and events[at]["zone"] < events[at - 1]["zone"])
        ):
            moved = events[at : at + 1].copy()
            events[at] = events[at - 1]
            events[at - 1] = moved[0]
            at -= 1
