"""Fleets: many devices by one entry of a scenario, placed by formula."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from firmware_sim.places import Ground, Point, along, length, spread
from firmware_sim.refusal import IDENTIFIER, ScenarioError, number, refuse_unknown

TCP = frozenset({"sl651", "sl651-ascii", "slt427", "szy206", "hj212"})
SERVED = frozenset({"modbus", "sdi12"})  # the hub comes and asks
MQTT = frozenset({"chirpstack", "sparkplug", "onvif", "frigate", "thingsboard", "senml", "city"})
PROTOCOLS = frozenset({"jsonlines", "http"}) | TCP | SERVED | MQTT
DEVIATIONS = frozenset("abcdefghij") | {"blind"}
KEYS = {
    "id", "count", "layout", "profile", "protocol", "address", "department", "gateway", "every_s", "measure",
    "report_s", "thresholds", "deviations", "share", "clock", "reboots_per_day", "counts_zone", "class", "base_m",
    "picture_s", "functions", "battery", "name", "place", "ascii",
}  # fmt: skip
PATTERN = re.compile(r"\{n(?::(0?\d{1,2}[dxX]?))?\}")


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the devices of one entry have in common."""

    id: str
    profile: str
    protocol: str
    measure: tuple[str, ...]
    every_s: float
    report_s: float
    department: str = "municipal"
    gateway: str = ""
    place: str = ""  # what of the world it measures, where more than the place decides
    thresholds: Mapping[str, float] = field(default_factory=dict)
    share: float = 1.0  # of the devices that have the deviations
    clock_offset_s: float = 0.0  # spread of the clocks, one standard deviation
    clock_drift_ppm: float = 0.0
    clock_behind_s: float = 0.0  # all of them, on their own topics
    reboots_per_day: float = 0.0
    class_: str = "H"
    base_m: float = 0.0
    picture_s: float = 0.0
    functions: frozenset[int] = frozenset({0x32, 0x33, 0x34})
    battery: str = "solar"


@dataclass(frozen=True, slots=True)
class Unit:
    """One device: what it is, where it stands, how it is called on the wire."""

    id: str
    n: int
    fleet: Fleet
    address: str
    x: float
    y: float
    at: float  # metres along its line; where it stands on none, 0
    name: str = ""
    counts_zone: str = ""
    deviations: frozenset[str] = frozenset()


def units(entries: object, ground: Ground, seed: int, where: str) -> tuple[Unit, ...]:
    """Read the fleets of a scenario (raises `ScenarioError`)."""
    if not isinstance(entries, list) or not entries:
        raise ScenarioError(
            f"{where}: fleets is {entries!r}", "a list of mappings with id, count and protocol."
        )
    found = [unit for entry in entries for unit in _fleet(entry, ground, seed, where)]
    seen: set[str] = set()
    for unit in found:
        if unit.id in seen:
            raise ScenarioError(f"{where}: {unit.id} is there twice", "ids that differ.")
        seen.add(unit.id)
    return tuple(found)


def _fleet(entry: object, ground: Ground, seed: int, where: str) -> list[Unit]:
    if not isinstance(entry, dict):
        raise ScenarioError(f"{where}: {entry!r} is not a fleet", "a mapping with id, count and protocol.")
    refuse_unknown(entry, KEYS, f"{where}: {entry.get('id')}")
    pattern = str(entry.get("id"))
    here = f"{where}: {pattern}"
    count = int(number(entry.get("count", 1), f"{here}: count", above=0))
    if count > 1 and not PATTERN.search(pattern):
        raise ScenarioError(f"{here}: {count} devices of one id", "an id with {n}, as in gauge-{n:03}.")
    protocol = str(entry.get("protocol", "jsonlines"))
    if protocol not in PROTOCOLS:
        raise ScenarioError(f"{here}: protocol is {protocol!r}", f"one of {', '.join(sorted(PROTOCOLS))}.")
    wrong = set(map(str, entry.get("deviations", []))) - DEVIATIONS
    if wrong:
        raise ScenarioError(
            f"{here}: deviations {', '.join(sorted(wrong))}", "letters from a to j, or blind."
        )
    every_s = number(entry.get("every_s", 300), f"{here}: every_s", above=0)
    clock = entry.get("clock") or {}
    refuse_unknown(clock, {"offset_s", "drift_ppm", "behind_s"}, f"{here}: clock")
    fleet = Fleet(
        id=pattern,
        profile=str(entry.get("profile", "river-gauge")),
        protocol=protocol,
        measure=tuple(map(str, entry.get("measure", []))),
        every_s=every_s,
        report_s=number(entry.get("report_s", every_s), f"{here}: report_s", above=0),
        department=str(entry.get("department", "municipal")),
        gateway=str(entry.get("gateway", "")),
        place=str(entry.get("place", "")),
        thresholds={
            str(k): number(v, f"{here}: {k}", above=0) for k, v in (entry.get("thresholds") or {}).items()
        },
        share=number(entry.get("share", 1), f"{here}: share"),
        clock_offset_s=number(clock.get("offset_s", 0), f"{here}: clock"),
        clock_drift_ppm=number(clock.get("drift_ppm", 0), f"{here}: clock"),
        clock_behind_s=number(clock.get("behind_s", 0), f"{here}: clock"),
        reboots_per_day=number(entry.get("reboots_per_day", 0), f"{here}: reboots_per_day"),
        class_=str(entry.get("class", "H")),
        base_m=number(entry.get("base_m", 0), f"{here}: base_m"),
        picture_s=number(entry.get("picture_s", 0), f"{here}: picture_s"),
        functions=frozenset(int(str(f), 16) for f in entry.get("functions", ["32", "33", "34"])),
        battery=str(entry.get("battery", "solar")),
    )
    chance = Random(f"{seed}/{pattern}")  # noqa: S311 - places, not secrets
    spots = _spots(entry.get("layout") or {}, ground, count, chance, here)
    deviant = frozenset(map(str, entry.get("deviations", [])))
    return [
        _unit(entry, fleet, n, spot, deviant if chance.random() < fleet.share else frozenset(), here)
        for n, spot in enumerate(spots, start=1)
    ]


def _unit(
    entry: dict[str, Any],
    fleet: Fleet,
    n: int,
    spot: tuple[float, float, float],
    deviations: frozenset[str],
    here: str,
) -> Unit:
    name = numbered(fleet.id, n)
    if not IDENTIFIER.fullmatch(name):
        raise ScenarioError(f"{here}: {name!r} is no device id", "small letters, digits and hyphens.")
    return Unit(
        id=name,
        n=n,
        fleet=fleet,
        address=numbered(str(entry.get("address", name)), n),
        x=spot[0],
        y=spot[1],
        at=spot[2],
        name=numbered(str(entry.get("name", name)), n),
        counts_zone=numbered(str(entry.get("counts_zone", "")), n),
        deviations=deviations,
    )


def numbered(pattern: str, n: int) -> str:
    """A pattern with its number: `{n}`, `{n:03}`, `{n:04X}`."""
    return PATTERN.sub(lambda match: format(n, match[1] or ""), pattern)


def _spots(
    layout: dict[str, Any], ground: Ground, count: int, chance: Random, here: str
) -> list[tuple[float, float, float]]:
    """Place so many devices: `along` a line, `within` an area, or `at` points in metres."""
    refuse_unknown(layout, {"along", "within", "at", "from", "to", "beside_m"}, f"{here}: layout")
    if "along" in layout:
        line = _known(ground.lines, layout["along"], f"{here}: layout: along")
        start, end = (number(layout.get(key, n), f"{here}: {key}") for n, key in enumerate(("from", "to")))
        beside = number(layout.get("beside_m", 0), f"{here}: beside_m")
        whole = length(line)
        metres = [whole * (start + (end - start) * (n + 0.5) / count) for n in range(count)]
        placed = [(along(line, m), m) for m in metres]
        return [
            (x + chance.uniform(-beside, beside), y + chance.uniform(-beside, beside), m)
            for (x, y), m in placed
        ]
    if "within" in layout:
        area = _known(ground.areas, layout["within"], f"{here}: layout: within")
        return [(x, y, 0.0) for x, y in spread(area, count, chance)]
    points = layout.get("at", [[0, 0]])
    if not isinstance(points, list) or not points:
        raise ScenarioError(
            f"{here}: layout: at is {points!r}", "points in metres, as in [[0, 0], [120, 40]]."
        )
    chosen = [points[n % len(points)] for n in range(count)]
    if not all(isinstance(point, list) and len(point) == 2 for point in chosen):  # noqa: PLR2004 - x, y
        raise ScenarioError(
            f"{here}: layout: at is {points!r}", "points in metres, as in [[0, 0], [120, 40]]."
        )
    return [(number(x, here), number(y, here), 0.0) for x, y in chosen]


def _known(shapes: dict[str, list[Point]], name: object, where: str) -> list[Point]:
    if name not in shapes:
        raise ScenarioError(f"{where} is {name!r}", f"one of {', '.join(sorted(shapes))}.")
    return shapes[str(name)]
