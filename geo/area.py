"""Area of lon/lat polygons on the WGS 84 ellipsoid, in square metres.

RFC 7946 draws a straight line *in longitude and latitude* between two positions. For such edges Green's
theorem gives the area exactly: the sum over the edges of (change of longitude) x (mean of S along the edge),
S(lat) being the ellipsoid's area between the equator and a parallel, per radian of longitude. No projection
is involved, so no distance from a centre makes it worse.

Error bound: rounding only, about 1e-2 m2 x (sum of |change of longitude| in radians), which is 1e-8 m2 for a
plaza and 1e-5 m2 for a city; the quadrature adds less than 1e-12 of the area even for edges 90 degrees long.
A tool that draws its edges as geodesics differs by what lies between the two curves: about
L^3 tan(lat) / (12 R) for an east-west edge of length L, 8 m2 for 1 km at 31 degrees north.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from shapely import MultiPolygon, Polygon

# WGS 84: semi-major axis in metres, flattening.
SEMI_MAJOR_M = 6_378_137.0
FLATTENING = 1 / 298.257223563
ECCENTRICITY = (FLATTENING * (2 - FLATTENING)) ** 0.5
SEMI_MINOR_M = SEMI_MAJOR_M * (1 - FLATTENING)

# Gauss-Legendre, 12 nodes: pole to equator in one edge is right to 1e-15; 6 nodes leave 1e-9 there.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


def strip_m2(lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area between the equator and a parallel, per radian of longitude.

    Args:
        lat: latitudes in radians, any shape.

    Returns:
        m2 per radian, same shape, negative in the south.
    """
    sine = np.sin(lat)
    eccentric = ECCENTRICITY * sine
    strip: NDArray[np.float64] = (
        SEMI_MINOR_M**2 / 2 * (sine / (1 - eccentric**2) + np.arctanh(eccentric) / ECCENTRICITY)
    )
    return strip


def areas_m2(polygons: Sequence[Polygon | MultiPolygon]) -> NDArray[np.float64]:
    """Areas of polygons given in degrees, longitude before latitude.

    Args:
        polygons: n valid polygons or multipolygons; the direction of their rings does not matter.

    Returns:
        float64 (n,), m2; 0 for an empty geometry.
    """
    total = np.zeros(len(polygons))
    parts, owner = shapely.get_parts(np.asarray(polygons, dtype=object), return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    if len(rings) == 0:
        return total
    # The first ring of a part is its shell, the others are holes.
    shell = np.concatenate(([True], part[1:] != part[:-1]))
    enclosed = np.abs(_enclosed_m2(rings))
    np.add.at(total, owner[part], np.where(shell, enclosed, -enclosed))
    return total


def area_m2(polygon: Polygon | MultiPolygon) -> float:
    """Area of one polygon given in degrees, in m2 (see `areas_m2`)."""
    return float(areas_m2([polygon])[0])


def _enclosed_m2(rings: NDArray[np.object_]) -> NDArray[np.float64]:
    """Signed area inside each closed ring, m2 (n,)."""
    position, ring = shapely.get_coordinates(rings, return_index=True)
    lon, lat = np.radians(position).T
    # An edge joins neighbours of the same ring; the step from one ring to the next is not an edge.
    edge = ring[1:] == ring[:-1]
    width = (lon[1:] - lon[:-1])[edge]
    middle = ((lat[1:] + lat[:-1]) / 2)[edge]
    half = ((lat[1:] - lat[:-1]) / 2)[edge]
    # Node by node: all at once would be a gigabyte for fifty thousand zones.
    along = np.zeros(len(width))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        along += weight * strip_m2(middle + half * node)
    enclosed = np.zeros(len(rings))
    np.add.at(enclosed, ring[1:][edge], width * along / 2)
    return enclosed
