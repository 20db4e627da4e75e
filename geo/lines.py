"""Lines out of GeoJSON: waterways, drawn downstream, and counting lines, the doors and gates that people pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import shapely
from shapely import LineString, MultiLineString

from geo.plane import apart
from geo.properties import MAX_NAME, Properties
from geo.refusal import ShapeError, place_of
from geo.shapes import course

LineKind = Literal["waterway", "counting-line"]
WATERWAY: LineKind = "waterway"
COUNTING: LineKind = "counting-line"
LINE_KINDS = frozenset((WATERWAY, COUNTING))
MAX_SPEED_M_S, MAX_WIDTH_M = 20.0, 10_000.0


@dataclass(frozen=True, slots=True)
class Line:
    """A line with a direction, in WGS 84 degrees, longitude first; `id` and `version` are the table's."""

    key: str
    name: str
    kind: LineKind
    geometry: LineString
    layer: str = "zones"
    speed_m_s: float | None = None  # of a waterway: how fast a wave or a slick travels
    width_m: float | None = None  # of a counting line: its clear width
    counter: str | None = None  # the device that counts at it, and its metrics
    forward: str = "in"
    backward: str = "out"
    into_zone: str | None = None  # where forward leads; None: outdoors
    from_zone: str | None = None
    department: str | None = None
    id: int = 0
    version: int = 0

    @property
    def length_m(self) -> float:
        """Along it, metres."""
        return sum(
            apart(*one, *other) for one, other in pairwise(shapely.get_coordinates(self.geometry).tolist())
        )


def read_line(
    key: str, kind: LineKind, geometry: Any, given: Properties, layer: str
) -> tuple[Line, list[str]]:
    """A feature of a kind of line, and clauses of what was assumed; what is wrong with its properties is in `given.wrong`.

    Raises:
        ShapeError: its geometry is no line.
    """
    if not isinstance(geometry, dict) or geometry.get("type") not in ("LineString", "MultiLineString"):
        what = geometry.get("type") if isinstance(geometry, dict) else None
        raise ShapeError(f"its geometry is a {str(what)[:40]}, and a {kind} is a line", "Draw a LineString.")
    drawn = course(geometry)
    if isinstance(drawn, MultiLineString):
        if len(drawn.geoms) > 1:
            raise ShapeError(
                f"it has {len(drawn.geoms)} lines, and a {kind} is one",
                "Give each line a feature of its own.",
                place_of(drawn.geoms[1]),
            )
        drawn = drawn.geoms[0]
    line = Line(
        key,
        given.line("name", MAX_NAME) or key,
        kind,
        drawn,
        layer,
        given.amount("speed_m_s", MAX_SPEED_M_S) if kind == WATERWAY else None,
        given.amount("width_m", MAX_WIDTH_M),
        department=given.identifier("department", "police"),
    )
    if kind == WATERWAY:
        return line, []
    return _counting(line, given)


def _counting(line: Line, given: Properties) -> tuple[Line, list[str]]:
    line = replace(
        line,
        counter=given.identifier("counter", "door-counter-1"),
        forward=given.identifier("forward", "in") or line.forward,
        backward=given.identifier("backward", "out") or line.backward,
        into_zone=given.identifier("into_zone", "market-hall"),
        from_zone=given.identifier("from_zone", "forecourt"),
    )
    if line.forward == line.backward:
        given.wrong.append(
            (f"its forward and its backward are both {line.forward!r}", "Name the counter's two metrics.")
        )
    if line.into_zone is not None and line.into_zone == line.from_zone:
        given.wrong.append(
            (f"it leads from {line.into_zone!r} into the same", "Name the zones on its two sides.")
        )
    clauses = []
    if line.into_zone is None and line.from_zone is None:
        clauses.append("it leads into no zone: its flow is told, nobody's number of persons changes by it")
    if line.width_m is None:
        clauses.append("it has no width_m: its own length is taken for its clear width")
    return line, clauses
