"""Which zones devices stand in, as whoever knows the zones finds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg


def clear(cursor: psycopg.Cursor[Any]) -> None:
    """Forget all, before it is written anew; a second writer waits for the end of the transaction."""
    # Two at once would both write the same rows.
    cursor.execute("lock table device_zone in share row exclusive mode")
    cursor.execute("delete from device_zone")


def put(cursor: psycopg.Cursor[Any], devices: Sequence[int], zones: Sequence[int]) -> None:
    """Write pairs of the id of a device and that of a zone it stands in."""
    cursor.execute(
        "insert into device_zone (device_id, zone_id) select * from unnest(%s::int[], %s::int[])",
        (list(devices), list(zones)),
    )
