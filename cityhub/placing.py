"""Placing: every device into the zones that it stands in, whenever devices or zones have changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg

from geo.locate import Locator
from geo.table import polygons


def place_devices(cursor: psycopg.Cursor) -> int:
    """Rewrite device_zone from positions and polygons; returns how many devices stand in some zone."""
    zone_ids, shapes = polygons(cursor)
    devices = cursor.execute(
        "select id, lon, lat from device where lon is not null and retired_at is null"
    ).fetchall()
    cursor.execute("delete from device_zone")
    if not shapes or not devices:
        return 0
    columns: Any = np.array(devices, np.float64).T
    point, zone = Locator(shapes).locate(columns[1], columns[2])  # type: ignore[arg-type]  # what the zone table holds was polygons
    cursor.execute(
        "insert into device_zone (device_id, zone_id) select * from unnest(%s::int[], %s::int[])",
        (columns[0][point].astype(int).tolist(), [zone_ids[place] for place in zone]),
    )
    return len(np.unique(point))
