"""Horizontal datums of Chinese sources: columns of GCJ-02 and BD-09 into WGS 84 and back. Pure trigonometry.

The formulas are the public ones (eviltransform and wandergis print them, with the ellipsoid of Krassovsky 1940); the
packages that carry them have had no release since 2018 and 2019 and go point by point. The way back is found by iteration to
a tenth of a millimetre. CGCS2000 lies within decimetres of WGS 84 and is taken as it.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Datum = Literal["WGS84", "CGCS2000", "GCJ02", "BD09"]
DATUMS: tuple[Datum, ...] = get_args(Datum)
Column = NDArray[np.float64]

A, EE = 6_378_245.0, 0.00669342162296594323
X_PI = np.pi * 3000.0 / 180.0
# Outside this box the public formula shifts nothing. It is a box: it shifts some of the neighbours' ground as well.
WEST, EAST, SOUTH, NORTH = 72.004, 137.8347, 0.8293, 55.8271
NEAR_DEG = 1e-9  # a tenth of a millimetre
MOST_ROUNDS = 30


def to_wgs84(datum: Datum, lon: Column, lat: Column) -> tuple[Column, Column]:
    """Convert columns of degrees given in `datum` to WGS 84.

    Args:
        datum: what the coordinates are in.
        lon: float64 (n,), degrees east.
        lat: float64 (n,), degrees north; NaN stays NaN.

    Returns:
        Two columns, float64 (n,).
    """
    lon, lat = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    if datum == "BD09":
        lon, lat = bd09_to_gcj02(lon, lat)
    if datum in ("BD09", "GCJ02"):
        return gcj02_to_wgs84(lon, lat)
    return lon, lat


def from_wgs84(datum: Datum, lon: Column, lat: Column) -> tuple[Column, Column]:
    """Convert columns of WGS 84 degrees, float64 (n,) each, to `datum`, for a map that is drawn in it."""
    lon, lat = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    if datum in ("BD09", "GCJ02"):
        lon, lat = wgs84_to_gcj02(lon, lat)
    return gcj02_to_bd09(lon, lat) if datum == "BD09" else (lon, lat)


def wgs84_to_gcj02(lon: Column, lat: Column) -> tuple[Column, Column]:
    """Shift WGS 84 to GCJ-02; degrees in, degrees out."""
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    wave = 20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north += (
        wave
        + 20.0 * np.sin(y * np.pi)
        + 40.0 * np.sin(y / 3.0 * np.pi)
        + 160.0 * np.sin(y / 12.0 * np.pi)
        + 320.0 * np.sin(y * np.pi / 30.0)
    ) * (2.0 / 3.0)
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east += (
        wave
        + 20.0 * np.sin(x * np.pi)
        + 40.0 * np.sin(x / 3.0 * np.pi)
        + 150.0 * np.sin(x / 12.0 * np.pi)
        + 300.0 * np.sin(x / 30.0 * np.pi)
    ) * (2.0 / 3.0)
    radians = np.radians(lat)
    magic = 1.0 - EE * np.sin(radians) ** 2
    north = np.degrees(north) / (A * (1.0 - EE) / (magic * np.sqrt(magic)))
    east = np.degrees(east) / (A / np.sqrt(magic) * np.cos(radians))
    inside = (lon >= WEST) & (lon <= EAST) & (lat >= SOUTH) & (lat <= NORTH)
    return np.where(inside, lon + east, lon), np.where(inside, lat + north, lat)


def gcj02_to_wgs84(lon: Column, lat: Column) -> tuple[Column, Column]:
    """Find the WGS 84 of which the shift gives these degrees.

    Across the edge of the box, where the shift begins, some points have no such origin: they are left as near as the
    rounds came, within the shift itself.
    """
    found_lon, found_lat = lon.copy(), lat.copy()
    for _ in range(MOST_ROUNDS):
        there_lon, there_lat = wgs84_to_gcj02(found_lon, found_lat)
        off_lon, off_lat = there_lon - lon, there_lat - lat
        found_lon, found_lat = found_lon - off_lon, found_lat - off_lat
        if not (np.fmax(np.abs(off_lon), np.abs(off_lat)) > NEAR_DEG).any():
            break
    return found_lon, found_lat


def gcj02_to_bd09(lon: Column, lat: Column) -> tuple[Column, Column]:
    """Shift GCJ-02 to BD-09; degrees in, degrees out."""
    radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * X_PI)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * X_PI)
    return radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006


def bd09_to_gcj02(lon: Column, lat: Column) -> tuple[Column, Column]:
    """Find the GCJ-02 of which the shift gives these degrees."""
    found_lon, found_lat = lon - 0.0065, lat - 0.006
    for _ in range(MOST_ROUNDS):
        there_lon, there_lat = gcj02_to_bd09(found_lon, found_lat)
        off_lon, off_lat = there_lon - lon, there_lat - lat
        found_lon, found_lat = found_lon - off_lon, found_lat - off_lat
        if not (np.fmax(np.abs(off_lon), np.abs(off_lat)) > NEAR_DEG).any():
            break
    return found_lon, found_lat
