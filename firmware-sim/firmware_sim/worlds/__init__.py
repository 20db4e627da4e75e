"""Worlds: what really happens, by physical rules, before any sensor looks at it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from firmware_sim.refusal import ScenarioError, refuse_unknown
from firmware_sim.worlds.basin import Basin
from firmware_sim.worlds.harbour import Harbour
from firmware_sim.worlds.square import Square
from firmware_sim.worlds.stadium import Stadium
from firmware_sim.worlds.winter import Winter
from firmware_sim.worlds.world import World

KINDS: dict[str, type[Basin | Harbour | Square | Stadium | Winter]] = {
    "basin": Basin,
    "stadium": Stadium,
    "harbour": Harbour,
    "square": Square,
    "winter": Winter,
}


def made(entry: Any, seed: int, where: str) -> World:
    """The world that a scenario describes: its kind and constants (raises `ScenarioError`)."""
    kind = KINDS.get(str(entry.get("kind"))) if isinstance(entry, dict) else None
    if kind is None:
        raise ScenarioError(f"{where}: world is {entry!r}", f"kind: one of {', '.join(KINDS)}.")
    constants = {key: value for key, value in entry.items() if key != "kind"}
    refuse_unknown(constants, {one.name for one in fields(kind) if one.init} - {"seed"}, f"{where}: world")
    for key, value in constants.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ScenarioError(f"{where}: world: {key} is {value!r}", "a number.")
    return kind(seed=seed, **constants)
