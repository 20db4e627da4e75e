"""A corridor: the ground within half a width of a line, which an operator gives as a line and a width.

Drawn piece by piece, each in the plane of `geo.buffer`, which spans little latitude: the sides are right to 0.2 % of the width
at 31 degrees and 0.4 % at 60, outwards; the round ends and the outer bends lie inside the circle by up to 0.3 %.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString, MultiLineString, MultiPolygon, Polygon

from geo.buffer import OUTSIDE, DrawError, buffer
from geo.refusal import ShapeError, place_of

PIECE_DEG = 0.1
MAX_WIDTH_M = 10_000.0
# From pole to pole is a thousand and takes seconds; a province is 50.
MOST_PIECES = 200


def corridor(line: LineString | MultiLineString, width_m: float) -> Polygon | MultiPolygon:
    """The ground within half a width of a line in degrees, its ends round.

    Args:
        line: with a length.
        width_m: metres from side to side, above 0, at most `MAX_WIDTH_M`.

    Raises:
        ShapeError: the width is out of bounds, or it reaches over a pole or the antimeridian.
    """
    if not 0 < width_m <= MAX_WIDTH_M:
        raise ShapeError(
            f"its width_m is not above 0 and at most {MAX_WIDTH_M:g} m", "Write metres from side to side."
        )
    pieces = [piece for part in shapely.get_parts(line) for piece in _pieces(shapely.get_coordinates(part))]
    if len(pieces) > MOST_PIECES:
        raise ShapeError("its line is too long to draw a corridor along", "Cut it into several features.")
    try:
        drawn = shapely.union_all([buffer(piece, width_m / 2 / OUTSIDE) for piece in pieces])
    except DrawError as error:
        raise ShapeError(f"as a corridor, {error}", error.hint, place_of(pieces[0])) from error
    if not isinstance(drawn, Polygon | MultiPolygon):
        raise ShapeError("its corridor has no ground", "Draw its line again.")
    return drawn


def _pieces(positions: NDArray[np.float64]) -> list[LineString]:
    """A line cut at its positions, and within long edges, so that no piece spans much latitude."""
    lat = positions[:, 1]
    steps = np.maximum(np.ceil(np.abs(np.diff(lat)) / PIECE_DEG).astype(int), 1)
    edge = np.repeat(np.arange(len(steps)), steps)
    part = (np.arange(len(edge)) - np.repeat(np.cumsum(steps) - steps, steps)) / steps[edge]
    fine = np.vstack((positions[edge] + part[:, None] * np.diff(positions, axis=0)[edge], positions[-1:]))
    found: list[LineString] = []
    first = 0
    while first < len(fine) - 1:
        reach = np.maximum.accumulate(fine[first:, 1]) - np.minimum.accumulate(fine[first:, 1])
        last = first + max(int(np.searchsorted(reach, 1.5 * PIECE_DEG, side="right")) - 1, 1)
        found.append(LineString(fine[first : last + 1]))
        first = last
    return found
