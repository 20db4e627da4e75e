"""What the standing alarms of one reach measure now, and whether that has changed since the last look."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from api.alarms import WITHIN, Now

MOST = 200
STEPS = 5
"""Readings that make a trend, as for the alarm itself."""
SOUND = (1, 2, 3)
"""Flags of readings that no check refused."""
LARGEST = 1e300

# The worst first, as in the list; the values come by key from `latest`, one row each.
QUERY = f"""
    select a.id::text as id, a.series_id as series, l.value, l.time, l.flag
    from (
        select a.id, a.series_id from alarm a join device d on d.id = a.device_id
        where a.returned_at is null and {WITHIN}
        order by a.exercise, a.level desc, a.raised_at, a.id limit {MOST}
    ) as a
    join latest l on l.series_id = a.series_id
"""  # noqa: S608 -- every part is a constant of ours


class Standing:
    """Looks at the values of one reach again and again, and remembers what it told."""

    def __init__(self, reach: int | None) -> None:
        self._reach = reach
        self._told: dict[str, dict[str, Any]] = {}
        self._recent: dict[int, deque[tuple[datetime, float]]] = {}

    async def look(self, connection: AsyncConnection[DictRow]) -> dict[str, dict[str, Any]] | None:
        """Give the values by alarm, None where nothing has changed."""
        found = await connection.execute(QUERY, {"reach": self._reach})
        return self.take(await found.fetchall())

    def take(self, rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]] | None:
        """Take what was read; gives all of it, None where nothing has changed."""
        rows = list(rows)
        self._recent = {row["series"]: self._recent.get(row["series"]) or deque(maxlen=STEPS) for row in rows}
        values = {
            row["id"]: {**Now(**row).model_dump(mode="json"), "trend": self._trend(row)} for row in rows
        }
        if values == self._told:
            return None
        self._told = values
        return values

    def _trend(self, row: dict[str, Any]) -> int | None:
        """Give the sign of the change over the last readings that were looked at, None until there are enough."""
        recent = self._recent[row["series"]]
        if (
            row["flag"] in SOUND
            and abs(row["value"]) < LARGEST
            and (not recent or recent[-1][0] < row["time"])
        ):
            recent.append((row["time"], row["value"]))
        if len(recent) < STEPS:
            return None
        change = recent[-1][1] - recent[0][1]
        return (change > 0) - (change < 0)
