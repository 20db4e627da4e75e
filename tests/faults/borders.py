"""What must have been told of those who walked: the crossings of fences of ours, fed with the fixes that are stored."""

from __future__ import annotations

from collections import Counter

import numpy as np
import psycopg

from cityhub.redrawing import Drawn, read
from geo.fence import KINDS
from ingest.fix_rows import LATE


def mistold(connection: psycopg.Connection) -> list[str]:
    """Where the crossings are not those that fences of ours tell, which are fed with what is stored."""
    rows = connection.execute(
        """select track_id, (extract(epoch from time) * 1000000)::bigint, lon, lat, accuracy from fix
           where outcome <> %s order by time, track_id""",
        (LATE,),
    ).fetchall()
    drawn = read(connection, Drawn())
    columns = [np.array(column) for column in zip(*rows, strict=True)] or [np.zeros(0)] * 5
    ids, slots = np.unique(columns[0], return_inverse=True)
    events = drawn.crossings.feed(slots, *columns[1:]).events
    zones = drawn.crossings.standing.keys
    due = Counter(
        (int(ids[event["track"]]), int(zones[event["zone"]]), KINDS[event["kind"]], int(event["at"]))
        for event in events
    )
    told = Counter(
        connection.execute(
            "select track_id, zone_id, kind, (extract(epoch from time) * 1000000)::bigint from crossing"
        ).fetchall()
    )
    never, beside = due - told, told - due
    return [f"never told: {one}" for one in never] + [f"told beside: {one}" for one in beside]
