"""What the census tells of a zone: its metrics, in the units of the profile `zone`; in words: `wording`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cityhub.crowd.doors import WHOLE
from cityhub.crowd.ground import Watched
from geo.density import per_m2
from geo.filling import FORESEEN_S, Filling
from geo.levels import share_of_capacity

NOT_FORESEEN_MIN = FORESEEN_S / 60
"""Said where the zone is surely not full before, or nothing is sure: an alarm that stands must be able to end."""
ENOUGH = 0.2
"""Of the ground that cameras see of a zone: the density of less is not the zone's."""
FULL_ENOUGH = 0.3
"""Of the ground that cameras see, where they alone count: how full the rest is, less of it does not say."""
SECONDS = 60.0
METRICS = (
    "persons", "seen", "disagree", "density", "full", "spread", "speed", "crowded", "change", "minutes-to-full",
    "tracks", "intruders", "untimed", "dwelling", "absent", "unheard",
)  # fmt: skip
RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is inside a zone by the crossings of its border: numbers of tracks."""

    tracks: int
    uninvited: int  # but for those that ought to be inside
    dwelling: int
    absent: int
    unheard: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of a zone at a moment; NaN: not known."""

    persons: float
    source: str
    share: float
    seen: float
    spread: float
    speed: float
    crowded: float
    filling: Filling
    presence: Presence | None
    doors: float = math.nan  # persons by the doors
    contradicted: bool = False  # cameras and doors cannot both be right: `persons` is the larger number
    disagree: float = math.nan  # persons they are apart
    untimed: int = 0  # positions inside a restricted zone that cannot be of now by their own time


def held(zone: Watched, source: str, share: float) -> float | None:
    """How many people may be where `persons` are counted: in what cameras see, where they alone count; None: nobody knows."""
    if not zone.capacity or not partial(source, share):
        return zone.capacity or None
    return zone.capacity * share if share >= FULL_ENOUGH else None


def partial(source: str, share: float) -> bool:
    """Whether a number is only of those whom cameras see."""
    return source == "cameras" and share < WHOLE


def values(zone: Watched, known: Known, *, dense: bool) -> dict[str, float]:
    """By metric; what is not known is not in it. `dense`: a camera says the density of this zone itself."""
    density = math.nan if dense and not known.contradicted else _density(zone, known)
    holds = held(zone, known.source, known.share)
    full = float(share_of_capacity(known.persons, holds)) if holds else np.nan
    per_s, reach = known.filling
    there = not math.isnan(known.persons)
    said: dict[str, float] = {
        "persons": round(known.persons, 1),
        "seen": round(100 * known.share, 1),
        "disagree": round(known.disagree, 1),
        "density": round(density, 3),
        "full": round(full, 1),
        "spread": round(known.spread, 1),
        "speed": round(known.speed, 2),
        "crowded": round(known.crowded, 2),
    }
    if there and per_s is not None:
        said["change"] = round(SECONDS * per_s, 1)
        if holds:
            minutes = NOT_FORESEEN_MIN if reach is None else reach.after_s / SECONDS
            said["minutes-to-full"] = round(min(minutes, NOT_FORESEEN_MIN), 1)
    if (presence := known.presence) is not None:
        said["tracks"] = presence.tracks
        if zone.dwell_s is not None:
            said["dwelling"] = presence.dwelling
        if zone.expected:
            said["absent"], said["unheard"] = presence.absent, presence.unheard
    if zone.kind == RESTRICTED and (there or presence is not None):
        said["intruders"] = _intruders(known)
    if zone.kind == RESTRICTED:
        said["untimed"] = known.untimed
    return {metric: value for metric, value in said.items() if not math.isnan(value)}


def _density(zone: Watched, known: Known) -> float:
    """Of what cameras see; but never less than what the doors say of the whole."""
    if known.share >= ENOUGH and not closer_by_doors(known):
        return _per_m2(known.seen, known.share * zone.usable_m2)
    return math.nan if known.source == "cameras" else _per_m2(known.persons, zone.usable_m2)


def closer_by_doors(known: Known) -> bool:
    """Whether the doors know of more people in what cameras see than these do."""
    return known.source == "doors" and known.persons * known.share > known.seen


def _intruders(known: Known) -> int:
    """Who is inside and not expected: by their tracks, or as people beyond those who are expected and there."""
    presence = known.presence or Presence(0, 0, 0, 0)
    welcome = presence.tracks - presence.uninvited
    people = 0 if math.isnan(known.persons) else math.floor(known.persons + 0.5)
    return max(presence.uninvited, people - welcome)


def _per_m2(persons: float, ground_m2: float) -> float:
    return float(per_m2(np.array([persons]), np.array([ground_m2]))[0])
