"""Why a document of zones is refused: every fault with its feature, its place on the map, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import shapely
from shapely.geometry.base import BaseGeometry

MOST = 100
"""Faults that are told of a document; of those beyond it their number."""

Place = tuple[float, float]
"""Degrees, longitude first."""


class ShapeError(ValueError):
    """A geometry that is no zone and no line; the text is a sentence, `hint` says what to do about it."""

    def __init__(self, sentence: str, hint: str, place: Place | None = None) -> None:
        super().__init__(sentence)
        self.hint = hint
        self.place = place


class Fault(NamedTuple):
    """One thing that is wrong: with a feature, or with the document where `feature` is None."""

    sentence: str
    hint: str
    feature: int | None = None
    key: str | None = None
    place: Place | None = None

    def __str__(self) -> str:
        """The feature, what is wrong with it, and where."""
        at = "" if self.place is None else f", at {written(self.place)}"
        return f"{named(self.feature, self.key)}{self.sentence}{at}"


class ZoneError(ValueError):
    """A document that cannot be imported; nothing of it is. `faults` has all of them, `MOST` at most."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults, self.more = tuple(faults[:MOST]), len(faults) - len(faults[:MOST])
        first = self.faults[0]
        self.feature: int | str | None = first.feature if first.key is None else first.key
        self.hint = first.hint
        if len(faults) == 1:
            super().__init__(str(first))
            return
        told = [f"  {fault}. {fault.hint}" for fault in self.faults]
        if self.more:
            told.append(f"  and {self.more} more")
        super().__init__("\n".join((f"{len(faults)} faults, nothing was imported:", *told)))
        self.hint = "Correct them and import again; `cityhub zone check` looks without importing."


def place_of(geometry: BaseGeometry) -> Place:
    """The first position of a geometry that is not empty."""
    lon, lat = shapely.get_coordinates(geometry)[0].tolist()
    return lon, lat


def written(place: Place) -> str:
    """A place as GeoJSON has it, to a centimetre."""
    return f"[{round(place[0], 7):.10g}, {round(place[1], 7):.10g}]"


def named(index: int | None, key: str | None) -> str:
    """How a sentence about a feature begins."""
    if index is None:
        return "" if key is None else f"'{key}': "
    return f"feature {index}: " if key is None else f"feature {index} '{key}': "
