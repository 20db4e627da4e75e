"""Scenarios: which devices there are and what happens to them, out of a YAML file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from firmware_sim.cover import ManholeCover
from firmware_sim.crowd import CountingCamera
from firmware_sim.lamp import StreetLight
from firmware_sim.plan import Unit, units
from firmware_sim.refusal import IDENTIFIER, ScenarioError, number, refuse_unknown
from firmware_sim.river import RiverGauge
from firmware_sim.track import Track
from firmware_sim.worlds import made
from firmware_sim.worlds.world import Moving, World

__all__ = ["PROFILES", "Device", "Part", "Scenario", "ScenarioError", "load", "names", "parse"]

Device = RiverGauge | CountingCamera | ManholeCover | StreetLight

PROFILES: dict[str, type[Device]] = {
    "river-gauge": RiverGauge,
    "counting-camera": CountingCamera,
    "manhole-cover": ManholeCover,
    "street-light": StreetLight,
}
HELD = {"open", "lit", "fault"}


@dataclass(frozen=True, slots=True)
class Part:
    """One device of a scenario: what it is and what happens to it."""

    id: str
    profile: str
    every_s: float
    model: dict[str, float] = field(default_factory=dict)
    drive: dict[str, Track] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story of `cycle_s` seconds for some devices, or a world of `length_s` seconds and the fleets in it."""

    parts: tuple[Part, ...]
    cycle_s: float
    drift_s: float = 0.0
    swing: float = 0.0
    local_time: bool = False  # the story begins at local midnight, not now
    utc_offset_h: float = 0.0
    world: World | None = None
    units: tuple[Unit, ...] = ()
    length_s: float = math.inf
    story_time: bool = False  # times are the story's own, its end is now


def names() -> list[str]:
    """Names of the scenarios that come with the package."""
    shelf = resources.files("firmware_sim") / "scenarios"
    return sorted(Path(entry.name).stem for entry in shelf.iterdir() if entry.name.endswith(".yaml"))


def load(scenario: str, seed: int = 0) -> Scenario:
    """Read a scenario by its name or by the path of a YAML file.

    Args:
        scenario: name or path.
        seed: of the places and fates of its fleets; what it lists one by one does not depend on it.

    Raises:
        ScenarioError: it is not there, not readable, or not a scenario.
    """
    path = Path(scenario)
    if scenario in names():
        text = (resources.files("firmware_sim") / "scenarios" / f"{scenario}.yaml").read_text(
            encoding="utf-8"
        )
    elif path.suffix not in (".yaml", ".yml") and not path.is_file():
        raise ScenarioError(
            f"there is no scenario '{scenario}'", f"one of {', '.join(names())}, or the path of a YAML file."
        )
    else:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(
                f"cannot read {scenario}: {error}", "the path of a readable YAML file."
            ) from error
    return parse(text, scenario, seed)


def parse(text: str, name: str, seed: int = 0) -> Scenario:
    """Read a scenario's YAML; `name` is used in sentences only (raises `ScenarioError`)."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioError(
            f"{name} is not YAML: {' '.join(str(error).split())}", "correct that line."
        ) from error
    if isinstance(document, dict) and "fleets" in document:
        return _with_fleets(document, name, seed)
    known = {"cycle_s", "drift_s", "swing", "begin", "utc_offset_h", "devices"}
    if (
        not isinstance(document, dict)
        or not isinstance(document.get("devices"), list)
        or not document["devices"]
    ):
        raise ScenarioError(f"{name} lists no devices", "a 'devices' list, as in the scenario 'demo'.")
    refuse_unknown(document, known, name)
    parts: list[Part] = []
    for entry in document["devices"]:
        parts.extend(_parts(entry, name))
    twice = {part.id for part in parts if [other.id for other in parts].count(part.id) > 1}
    if twice:
        raise ScenarioError(
            f"{name} has {', '.join(sorted(twice))} twice", "an id of its own for each device."
        )
    begin = document.get("begin", "now")
    if begin not in ("now", "local_time"):
        raise ScenarioError(f"{name}: begin is {begin!r}", "'now' or 'local_time'.")
    return Scenario(
        parts=tuple(parts),
        cycle_s=number(document.get("cycle_s", 86400), f"{name}: cycle_s", above=0),
        drift_s=number(document.get("drift_s", 0), f"{name}: drift_s"),
        swing=number(document.get("swing", 0), f"{name}: swing"),
        local_time=begin == "local_time",
        utc_offset_h=number(document.get("utc_offset_h", 0), f"{name}: utc_offset_h"),
    )


def _with_fleets(document: dict[str, Any], name: str, seed: int) -> Scenario:
    refuse_unknown(document, {"world", "fleets", "times"}, name)
    times = document.get("times", "wall")
    if times not in ("wall", "story"):
        raise ScenarioError(f"{name}: times is {times!r}", "'wall' or 'story'.")
    world = made(document.get("world"), seed, name)
    found = units(document["fleets"], world.ground, seed, name)
    for unit in found:
        if "position" in unit.fleet.measure and not (
            unit.fleet.protocol == "city" and isinstance(world, Moving)
        ):
            raise ScenarioError(
                f"{name}: {unit.id} measures position",
                "protocol: city, in a world that knows where people are, as in the scenario 'square'.",
            )
    world.join(found)
    return Scenario(
        parts=(),
        cycle_s=world.length_s,
        world=world,
        units=found,
        length_s=world.length_s,
        story_time=times == "story",
    )


def _parts(entry: object, name: str) -> list[Part]:
    if not isinstance(entry, dict):
        raise ScenarioError(f"{name}: {entry!r} is not a device", "a mapping with id, profile and every_s.")
    ids = entry.get("ids", [entry.get("id")])
    if not isinstance(ids, list) or not all(
        isinstance(one, str) and IDENTIFIER.fullmatch(one) for one in ids
    ):
        raise ScenarioError(f"{name}: {ids!r} is no device id", "small letters, digits and hyphens.")
    where = f"{name}: {', '.join(ids)}"
    refuse_unknown(entry, {"id", "ids", "profile", "every_s", "model", "drive"}, where)
    kind = PROFILES.get(str(entry.get("profile")))
    if kind is None:
        raise ScenarioError(f"{where}: profile is {entry.get('profile')!r}", f"one of {', '.join(PROFILES)}.")
    model, drive = entry.get("model") or {}, entry.get("drive") or {}
    constants = {member.name for member in fields(kind) if member.init} - {"chance"}
    refuse_unknown(model, constants, f"{where}: model")
    refuse_unknown(drive, set(kind.DRIVEN), f"{where}: drive")
    every_s = number(entry.get("every_s"), f"{where}: every_s", above=0)
    constants_given = {key: number(value, f"{where}: {key}") for key, value in model.items()}
    tracks = {key: _track(points, key in HELD, f"{where}: {key}") for key, points in drive.items()}
    return [Part(one, str(entry["profile"]), every_s, constants_given, tracks) for one in ids]


def _track(points: object, held: bool, where: str) -> Track:  # noqa: FBT001 - private, one caller
    pairs: list[tuple[float, float]] = []
    for point in points if isinstance(points, list) and points else [None]:
        if not isinstance(point, list) or len(point) != 2:  # noqa: PLR2004 - second, value
            raise ScenarioError(f"{where}: {point!r} is not a point", "points as in [[0, 60], [30, 420]].")
        pairs.append((number(point[0], where), number(point[1], where)))
    if any(later[0] <= earlier[0] for earlier, later in pairwise(pairs)):
        raise ScenarioError(f"{where}: its seconds do not ascend", "each point later than the one before.")
    return Track(tuple(pairs), held)
