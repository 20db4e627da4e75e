"""A reader of what is stored: signed in, asks as a user does, and knows what each answer must be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from random import Random
from typing import Any

import httpx
import numpy as np
import orjson

from bench.errors import Mismatch
from bench.rig import Rig
from bench.stored import DAY, EVERY_MINUTE, MINUTE_US, City
from edge.reading import Rows

PAGE = 10_000

DAY_SQL = """select time, value, flag from reading
             where series_id = %s and time >= %s and time < %s order by time"""
LATEST_SQL = """select series_id, key, metric, unit, time, value, flag
                from latest join series on series.id = series_id join device on device.id = device_id
                where retired_at is null order by series_id"""

Ask = tuple[int, int]
"""A series and the minute with which its day begins."""


class Reader:
    """Asks the API by `client`, and the database by the rig's own connection. Raises Mismatch at a wrong answer."""

    def __init__(self, at: Rig, client: httpx.Client, city: City, newest: Rows) -> None:
        self._at, self._client, self._city, self._newest = at, client, city, newest

    def asks(self, random: Random) -> Iterator[Ask]:
        """Days of series that report every minute, in no order, each series once."""
        series = list(range(EVERY_MINUTE, self._city.series + 1, EVERY_MINUTE))
        random.shuffle(series)
        for each in series:
            yield each, random.randrange(self._city.minutes - DAY)

    def greet(self) -> None:
        """Have both connections made and the tables' definitions read, as they are in a service that runs."""
        for way in (self.day, self.day_by_sql):
            way((EVERY_MINUTE, 0))

    def day(self, ask: Ask) -> float:
        """Milliseconds until a day of a series is here, page by page."""
        begin, end = self._span(ask)
        asked = {
            "series": str(ask[0]),
            "from": str(begin // 1_000),
            "to": str(end // 1_000),
            "limit": str(PAGE),
        }
        items: list[dict[str, Any]] = []
        begun, following = time.perf_counter(), None
        while True:
            page = self._get("/api/v1/readings", asked | ({"cursor": following} if following else {}))
            items += page["items"]
            following = page["next"]
            if following is None:
                break
        took = time.perf_counter() - begun
        self._check_day(ask, [(_us(item["time"]), item["value"]) for item in items])
        return 1_000 * took

    def day_by_sql(self, ask: Ask) -> float:
        """Milliseconds until the rows of a day are in the program that asks the database for them."""
        begin, end = (datetime.fromtimestamp(us / 1e6).astimezone() for us in self._span(ask))
        begun = time.perf_counter()
        rows = self._at.connection.execute(DAY_SQL, (ask[0], begin, end), binary=True).fetchall()
        took = time.perf_counter() - begun
        self._check_day(ask, [(round(at.timestamp() * 1e6), value) for at, value, _ in rows])
        return 1_000 * took

    def latest(self) -> float:
        """Milliseconds until the newest reading of every series is here and read, in one answer."""
        begun = time.perf_counter()
        columns = self._get("/api/v1/latest/columns", {})
        took = time.perf_counter() - begun
        self._check_latest(*(columns[name] for name in ("series", "time", "value")))
        return 1_000 * took

    def latest_by_pages(self) -> float:
        """Milliseconds until all pages of the list are here."""
        items: list[dict[str, Any]] = []
        begun, following = time.perf_counter(), None
        while True:
            page = self._get(
                "/api/v1/latest", {"limit": "1000"} | ({"cursor": following} if following else {})
            )
            items += page["items"]
            following = page["next"]
            if following is None:
                break
        took = time.perf_counter() - begun
        self._check_latest(
            [item["series"] for item in items],
            [_us(item["time"]) for item in items],
            [item["value"] for item in items],
        )
        return 1_000 * took

    def latest_by_sql(self) -> float:
        """Milliseconds until the same rows, with their names, are in the program that asks the database for them."""
        begun = time.perf_counter()
        rows = self._at.connection.execute(LATEST_SQL.encode(), binary=True).fetchall()
        took = time.perf_counter() - begun
        self._check_latest(
            [row[0] for row in rows],
            [round(row[4].timestamp() * 1e6) for row in rows],
            [row[5] for row in rows],
        )
        return 1_000 * took

    def _span(self, ask: Ask) -> tuple[int, int]:
        begin = self._city.begin_us + ask[1] * MINUTE_US
        return begin, begin + DAY * MINUTE_US

    def _get(self, path: str, asked: dict[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self._client.get(path, params=asked).raise_for_status().content)
        return found

    def _check_day(self, ask: Ask, rows: list[tuple[int, float]]) -> None:
        times, values = self._city.day_of(*ask)
        if rows != list(zip(times.tolist(), values.tolist(), strict=True)):
            raise Mismatch(
                f"the day of series {ask[0]} from minute {ask[1]} is not as stored: {len(rows):,} rows"
            )

    def _check_latest(self, series: list[int], times: list[int], values: list[float]) -> None:
        wanted = self._newest
        for name, found in (("series", series), ("time", times), ("value", values)):
            if not np.array_equal(wanted[name], found):
                raise Mismatch(
                    f"the newest of {len(wanted):,} series are not as stored: {name} of {len(found):,}"
                )


def _us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1e6)
