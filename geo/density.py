"""Crowd density: persons per square metre of usable ground, as a plain count and by the room each person has.

Classic density is persons / area (it jumps by 1 / area when somebody steps over the border). Voronoi density
(Steffen and Seyfried, Physica A 389, 2010) gives each person the ground that is nearer to them than to anybody
else, cut to where one can walk and to a radius, and spreads the person over it. Both as PedPy defines them.

Positions and polygons are in metres of one local plane.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely import MultiPolygon, Polygon

    Column = NDArray[np.float64]

# The cut-off circle is a twelve-sided polygon inside it, as PedPy draws it by default: 95.5 % of the disc.
QUARTER = 3
INNER = np.cos(np.pi / (4 * QUARTER))  # of the radius, is within that polygon in any direction
# Two people on one spot have one cell between them; no camera tells a tenth of a millimetre apart.
GRID_M = 1e-4
NOWHERE = shapely.Polygon()


class Crowd(NamedTuple):
    """What was measured in an area at one moment; NaN where there is nobody to measure, or no area."""

    persons: int
    classic: float  # persons/m2
    voronoi: float  # persons/m2
    speed: float  # m/s, mean of the persons in the area
    voronoi_speed: float  # m/s, mean weighted with the ground that each person has of the area


def per_m2(persons: Column, usable_m2: Column) -> Column:
    """Density of columns of counts, persons/m2.

    Args:
        persons: float64 (n,); a count below zero or not finite is no count.
        usable_m2: float64 (n,), the walkable area.

    Returns:
        float64 (n,); NaN where there is no count, or the area is not above zero.
    """
    persons, usable_m2 = np.asarray(persons, np.float64), np.asarray(usable_m2, np.float64)
    known = np.isfinite(persons) & (persons >= 0) & np.isfinite(usable_m2) & (usable_m2 > 0)
    density = np.full(known.shape, np.nan)
    np.divide(persons, usable_m2, out=density, where=known)
    return density


def cells(
    x: Column, y: Column, walkable: Polygon | MultiPolygon, cut_off_m: float | None = None
) -> NDArray[np.object_]:
    """Ground of each person: nearer to them than to anybody else, walkable, and within the radius.

    Args:
        x: float64 (n,), metres east.
        y: float64 (n,), metres north.
        walkable: where one can walk, valid.
        cut_off_m: radius; None for none.

    Returns:
        Polygons (n,); empty for a position off the walkable ground or not finite, who takes no ground from
        others. People on one spot share one cell. Where a wall cuts a cell in two, the part with the person.

    Raises:
        ValueError: the columns differ in length, or the radius is not above zero.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x and y must be columns of one length, not {x.shape} and {y.shape}")
    if cut_off_m is not None and not cut_off_m > 0:
        raise ValueError(f"a cut-off radius of {cut_off_m} m is not above 0")
    ground = np.full(len(x), NOWHERE, dtype=object)
    on = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    shapely.prepare(walkable)
    on = on[shapely.intersects_xy(walkable, x[on], y[on])]
    if len(on):
        place = np.round(np.column_stack((x[on], y[on])) / GRID_M) * GRID_M
        spot, person = np.unique(place, axis=0, return_inverse=True)
        ground[on] = _clipped(spot, walkable, cut_off_m)[person.ravel()]
    return ground


def _clipped(
    spot: NDArray[np.float64], walkable: Polygon | MultiPolygon, cut_off_m: float | None
) -> NDArray[np.object_]:
    west, south, east, north = walkable.bounds
    far = 10 * max(east - west, north - south)
    # Four sites far away, as PedPy adds them: one, two or collinear persons have cells as well, and no border
    # with a far site comes near the ground.
    around = np.array([(west - far, south - far), (east + far, south - far)])
    around = np.vstack((around, [(west - far, north + far), (east + far, north + far)]))
    sites = shapely.multipoints(np.vstack((spot, around)))
    ground = shapely.get_parts(shapely.voronoi_polygons(sites, ordered=True))[: len(spot)]
    point = np.asarray(shapely.points(spot))
    if cut_off_m is not None:
        corner, owner = shapely.get_coordinates(ground, return_index=True)
        reach = np.zeros(len(spot))
        np.maximum.at(reach, owner, np.hypot(*(corner - spot[owner]).T))
        wide = np.flatnonzero(reach > cut_off_m * INNER)
        disc = shapely.buffer(point[wide], cut_off_m, quad_segs=QUARTER)
        ground[wide] = shapely.intersection(ground[wide], disc)
    # Few cells touch a wall: the others are not cut (300 persons on a square: 3 ms instead of 8).
    cut = np.flatnonzero(~shapely.contains_properly(walkable, ground))
    ground[cut] = shapely.intersection(ground[cut], walkable)
    for each in cut[shapely.get_type_id(ground[cut]) != shapely.GeometryType.POLYGON]:
        parts = shapely.get_parts(ground[each])
        parts = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
        ground[each] = parts[np.argmin(shapely.distance(parts, point[each]))] if len(parts) else NOWHERE
    return ground


def measure(
    x: Column, y: Column, speed: Column, ground: NDArray[np.object_], area: Polygon | MultiPolygon
) -> Crowd:
    """Density and mean speed in an area, from the positions of the persons and their `cells`.

    Args:
        x: float64 (n,), metres east.
        y: float64 (n,), metres north; a position that is not finite is nobody.
        speed: float64 (n,), m/s; NaN where it is not known, and then in no mean.
        ground: the `cells` of these persons.
        area: where it is measured, as a rule part of the walkable ground; a person on its border is in it.
    """
    x, y, speed = (np.asarray(each, np.float64) for each in (x, y, speed))
    there = np.isfinite(x) & np.isfinite(y)
    shapely.prepare(area)
    there[there] = shapely.intersects_xy(area, x[there], y[there])
    persons, m2 = int(there.sum()), float(area.area)
    whole = shapely.area(ground)
    # Most cells lie wholly inside or wholly outside: only those on the border are cut.
    inside = shapely.contains_properly(area, ground)
    overlap = np.where(inside, whole, 0.0)
    cut = np.flatnonzero(~inside & shapely.intersects(area, ground))
    overlap[cut] = shapely.area(shapely.intersection(ground[cut], area))
    share = np.divide(overlap, whole, out=np.zeros(len(x)), where=whole > 0)
    return Crowd(
        persons,
        persons / m2 if m2 > 0 else np.nan,
        float(share.sum()) / m2 if m2 > 0 else np.nan,
        _mean(speed, there.astype(np.float64)),
        _mean(speed, overlap),
    )


def densest(x: Column, y: Column, ground: NDArray[np.object_], radius_m: float, least: int) -> float:
    """The highest density around any person: those within a radius of them, over the ground that these have together.

    One person's own cell says little of a crush: two who walk arm in arm have next to none. So fewer than `least`
    persons are no crowd.

    Args:
        x: float64 (n,), metres east.
        y: float64 (n,), metres north.
        ground: the `cells` of these persons.
        radius_m: above 0.
        least: persons, themselves included.

    Returns:
        Persons/m2; NaN where nobody has so many around.
    """
    m2 = shapely.area(ground)
    on = np.flatnonzero(m2 > 0)
    if not len(on):
        return np.nan
    place = np.asarray(shapely.points(np.asarray(x)[on], np.asarray(y)[on]))
    # Who stands on one spot shares one cell.
    _, spot, shared = np.unique(
        np.round(shapely.get_coordinates(place) / GRID_M), axis=0, return_inverse=True, return_counts=True
    )
    room_of = m2[on] / shared[spot.ravel()]
    who, near = shapely.STRtree(place).query(place, predicate="dwithin", distance=radius_m)
    persons = np.bincount(who, minlength=len(on))
    room = np.zeros(len(on))
    np.add.at(room, who, room_of[near])
    crowded = persons >= least
    return float((persons[crowded] / room[crowded]).max()) if crowded.any() else np.nan


def _mean(speed: Column, weight: Column) -> float:
    known = np.isfinite(speed) & (weight > 0)
    return float(np.average(speed[known], weights=weight[known])) if known.any() else np.nan
