"""Ground that somebody draws: GeoJSON of a request as a geometry in WGS 84, bounded; and back in the datum of a map."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from api.problems import Problem
from geo.datum import Datum, from_wgs84, to_wgs84
from geo.shapes import ShapeError, course, polygon, spot

MOST_POSITIONS = 10_000
WIDEST_DEG = 3.0
"""A province; what is wider is a mistake."""
STEP_DEG = 0.002
"""Edges are bent by a shifted datum: cut into pieces of this, they are off by less than a centimetre."""
SHIFTED = ("GCJ02", "BD09")


def area(geometry: dict[str, Any], datum: Datum) -> Polygon | MultiPolygon:
    """Read a Polygon or MultiPolygon; raises Problem."""
    read = drawn(geometry, datum)
    if not isinstance(read, Polygon | MultiPolygon):
        raise Problem(422, "The area is a Polygon or a MultiPolygon.", kind="geometry")
    return read


def drawn(geometry: dict[str, Any], datum: Datum) -> BaseGeometry:
    """Read a Point, LineString, Polygon or several of the last two; raises Problem."""
    if _positions(geometry.get("coordinates")) > MOST_POSITIONS:
        raise Problem(422, f"A geometry has at most {MOST_POSITIONS} positions here.", kind="geometry")
    read: BaseGeometry
    try:
        match geometry.get("type"):
            case "Point":
                read = spot(geometry)
            case "LineString" | "MultiLineString":
                read = course(geometry)
            case _:
                read, _ = polygon(geometry)
    except ShapeError as error:
        raise Problem(
            422, f"The geometry cannot be used: {error}. Try: {error.hint}", kind="geometry"
        ) from error
    read = shapely.transform(read, lambda place: np.column_stack(to_wgs84(datum, *place.T)))
    west, south, east, north = read.bounds
    if max(east - west, north - south) > WIDEST_DEG or not read.is_valid:
        raise Problem(
            422, f"The geometry is wider than {WIDEST_DEG:g} degrees, or not valid.", kind="geometry"
        )
    return read


def outward(geometry: BaseGeometry, datum: Datum) -> BaseGeometry:
    """A geometry as a map in this datum shows it."""
    if datum not in SHIFTED:
        return geometry
    finer = shapely.segmentize(geometry, STEP_DEG)
    return shapely.transform(finer, lambda place: np.column_stack(from_wgs84(datum, *place.T)))


def _positions(coordinates: object) -> int:
    """How many numbers stand in it, by two; without recursion, for a stranger may nest as he likes."""
    count, waiting = 0, [coordinates]
    while waiting and count <= 3 * MOST_POSITIONS:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        else:
            count += 1
    return count // 2
