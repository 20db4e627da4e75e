"""Doors without a beginning: they know who came and went, not who was there before; without a camera somebody must say it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import shapely

from geo.lines import COUNTING, Line
from geo.zones import VIEW, WATCHED, Zone

TOLD = 20


def unstarted(zones: Sequence[Zone], lines: Sequence[Line], fresh: Collection[str]) -> list[str]:
    """Keys of watched zones that are counted at their doors alone: no camera sees any of them.

    Only those that have their own key in `fresh`, or that of one of their lines.
    """
    sides: dict[str, set[str]] = {}
    for line in lines:
        if line.kind == COUNTING and line.counter:
            for side in (line.into_zone, line.from_zone):
                if side:
                    sides.setdefault(side, set()).add(line.key)
    behind = [
        zone
        for zone in zones
        if zone.kind in WATCHED and not sides.get(zone.key, set()).union({zone.key}).isdisjoint(fresh)
    ]
    behind = [zone for zone in behind if zone.key in sides]
    views = [zone for zone in zones if zone.kind == VIEW]
    if not behind or not views:
        return [zone.key for zone in behind]
    tree = shapely.STRtree([view.geometry for view in views])
    return [
        zone.key
        for zone in behind
        if not any(
            (zone.floor or "") == (views[at].floor or "")
            for at in tree.query(zone.geometry, predicate="intersects").tolist()
        )
    ]


def advice(keys: Sequence[str]) -> list[str]:
    """What to do about each, in a sentence."""
    told = [
        f"'{key}' is counted at its doors and no camera sees it: its people are known from the moment when somebody says how many are"
        f' inside, by POST /api/v1/telemetry?device=zone-{key} with {{"persons": 0}} when it is empty.'
        for key in keys[:TOLD]
    ]
    return told + ([f"{len(keys) - TOLD:,} more zones are like it."] if len(keys) > TOLD else [])
