"""The crossing table: what was told of tracks and zones, each thing once."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from geo.fence import KINDS

CROSSING = np.dtype(
    [
        ("time", "<i8"),  # us; when the evidence began
        ("track", "<i4"),
        ("zone", "<i4"),
        ("version", "<i4"),  # of the zone
        ("kind", "u1"),  # of geo.fence.KINDS
        ("stayed", "<i8"),  # us inside so far: of exit and dwell
    ]
)

NONE = np.zeros(0, CROSSING)


def write(cursor: psycopg.Cursor, crossings: NDArray[Any]) -> None:
    """Write crossings; one that is there already was told before."""
    if not len(crossings):
        return
    kinds = [KINDS[kind] for kind in crossings["kind"].tolist()]
    cursor.execute(
        """insert into crossing (time, track_id, zone_id, zone_version, kind, stayed_s)
           select to_timestamp(0) + us * interval '1 microsecond', track, zone, version, kind,
                  case when kind in ('exit', 'dwell') then stayed end
           from unnest(%s::bigint[], %s::int[], %s::int[], %s::int[], %s::text[], %s::float8[])
                as told (us, track, zone, version, kind, stayed)
           on conflict do nothing""",
        [
            *(crossings[column].tolist() for column in ("time", "track", "zone", "version")),
            kinds,
            (crossings["stayed"] / 1e6).tolist(),
        ],
    )
