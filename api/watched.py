"""Watched zones and counting lines as devices: the hub speaks for them, so that their series are like any others.

Here because both the command line and the API import zones, and neither `ingest` knows zones nor `geo` devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
import shapely
from shapely.geometry.base import BaseGeometry

from geo import table
from geo.lines import COUNTING
from geo.zones import WATCHED
from ingest import spoken
from ingest.registry import HUB
from ingest.spoken import Spoken, SpokenError

ZONE, LINE = "zone", "counting-line"
"""The profiles, which are also what tells such a device from one of the field."""
OURS = (HUB, ZONE, LINE)
"""Of these the hub alone speaks, by its own clock."""
PREFIX = {ZONE: "zone-", LINE: "line-"}


class WatchedError(ValueError):
    """A device of the field has the name that a watched zone needs; `hint` says what to do."""

    def __init__(self, taken: SpokenError) -> None:
        super().__init__(f"{taken}: registered already, and no watched zone or line")
        self.hint = "give the zone another id, or retire and rename the device"


def register(cursor: psycopg.Cursor[Any]) -> None:
    """Bring the devices of watched zones and lines to what the tables of zones and lines say now.

    Those that are new or have moved are put onto their ground. Raises WatchedError.
    """
    listed = {
        **{PREFIX[ZONE] + one.key: (one, ZONE, one.id) for one in table.listed(cursor, "zone", WATCHED)},
        **{PREFIX[LINE] + one.key: (one, LINE, None) for one in table.listed(cursor, "line", (COUNTING,))},
    }
    wanted = [
        Spoken(key, one.name, one.department or HUB, profile, zone_id)
        for key, (one, profile, zone_id) in listed.items()
    ]
    try:
        unplaced = spoken.keep(cursor, wanted, (ZONE, LINE))
    except SpokenError as error:
        raise WatchedError(error) from error
    _place(cursor, sorted({*unplaced, *(key for key, (one, _, _) in listed.items() if one.fresh)}))


def _place(cursor: psycopg.Cursor[Any], keys: Sequence[str]) -> None:
    """A zone's device stands at a point inside, a line's in its middle."""
    of = {
        kind: [key[len(prefix) :] for key in keys if key.startswith(prefix)]
        for kind, prefix in PREFIX.items()
    }
    spots: dict[str, BaseGeometry] = {
        PREFIX[ZONE] + one.key: one.geometry for one in (table.zones(cursor, of[ZONE]) if of[ZONE] else [])
    }
    for line in table.lines(cursor, COUNTING) if of[LINE] else []:
        if line.key in of[LINE]:
            spots[PREFIX[LINE] + line.key] = shapely.line_interpolate_point(
                line.geometry, 0.5, normalized=True
            )
    if spots:
        lon, lat = shapely.get_coordinates(shapely.point_on_surface(list(spots.values()))).round(8).T.tolist()
        spoken.place(cursor, list(spots), lon, lat)
