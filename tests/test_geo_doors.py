"""Zones that are counted at their doors alone: who must be told to count, and who need not."""

from __future__ import annotations

from typing import Any

import shapely
from shapely import LineString

from geo.doors import TOLD, advice, unstarted
from geo.lines import COUNTING, Line
from geo.zones import Zone


def zone(key: str, kind: str, west: float = 0.0, **given: Any) -> Zone:
    return Zone(key, key, kind, shapely.box(west, 0, west + 1, 1), **given)


def door(key: str, into: str, counter: str | None = "counter") -> Line:
    return Line(key, key, COUNTING, LineString([(0, 0), (0, 1)]), counter=counter, into_zone=into)


def test_a_zone_with_doors_and_no_camera_needs_a_count_and_the_others_do_not() -> None:
    zones = [
        zone("cellar", "crowd"), zone("seen", "crowd", 10), zone("yard", "restricted", 20), zone("plain", "area", 30),
        zone("view", "camera-view", 10.5), zone("upstairs", "camera-view", floor="1"), zone("open", "crowd", 40),
    ]  # fmt: skip
    lines = [door(f"to-{each.key}", each.key) for each in zones if each.key != "open"]
    lines.append(door("nobody-counts", "open", counter=None))
    everything = [each.key for each in zones]
    assert unstarted(zones, lines, everything) == ["cellar", "yard"]
    assert unstarted(zones, lines, ["to-yard"]) == ["yard"]
    assert unstarted(zones, lines, ["plain"]) == []
    (said,) = advice(["cellar"])
    assert "POST /api/v1/telemetry?device=zone-cellar" in said
    assert len(advice(["x"] * (TOLD + 2))) == TOLD + 1
