"""A city that has reported for days: readings whose every value is known, written straight into the real tables."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import psycopg
from numpy.typing import NDArray

from bench import fleet, meters
from bench.errors import Mismatch
from bench.rig import Rig
from edge.reading import PASS, READING, Rows, now_us
from ingest.rows import copy_into

READINGS_A_SERIES = 1_000
MINUTE_US = 60_000_000
DAY = 1_440
# One series in ten reports every minute and is the harder one to read back: of its day each reading lies on another
# page, because the table is in the order of arrival. The others report every quarter of an hour, at their own minute.
EVERY_MINUTE = 10
QUARTER = 15
MINUTES_A_BATCH = 10


class City:
    """Series 1 to `series` over the minutes up to now; about a thousand readings of each, 4.3 days of them."""

    def __init__(self, rows: int) -> None:
        self.rows, self.series = rows, rows // READINGS_A_SERIES
        ids = np.arange(1, self.series + 1, dtype=np.int32)
        order = ids[np.argsort(_second(ids), kind="stable")]
        self._due = [
            order[(order % EVERY_MINUTE == 0) | (order % QUARTER == place)] for place in range(QUARTER)
        ]
        self.minutes = math.ceil(rows * QUARTER / sum(map(len, self._due)))
        self.begin_us = (now_us() // MINUTE_US - self.minutes) * MINUTE_US

    def batches(self) -> Iterator[Rows]:
        """All readings in the order of time."""
        left = self.rows
        for first in range(0, self.minutes, MINUTES_A_BATCH):
            minutes = range(first, min(first + MINUTES_A_BATCH, self.minutes))
            rows = np.concatenate([self._of(minute) for minute in minutes])[:left]
            left -= len(rows)
            yield rows

    def _of(self, minute: int) -> Rows:
        series = self._due[minute % QUARTER]
        rows = np.zeros(len(series), READING)
        rows["series"], rows["flag"] = series, PASS
        rows["time"] = self.begin_us + minute * MINUTE_US + _second(series)
        rows["value"] = _value(series, minute)
        return rows

    def day_of(self, series: int, first: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Times and values of a series that reports every minute, over a day from minute `first`."""
        minute = np.arange(first, first + DAY)
        return self.begin_us + minute * MINUTE_US + _second(series), _value(series, minute)


def _second(series: NDArray[np.int32] | int) -> NDArray[np.int64]:
    """Where in its minute a series reports, in microseconds."""
    return np.asarray(series, np.int64) // QUARTER % 60 * 1_000_000


def _value(series: NDArray[np.int32] | int, minute: NDArray[np.int64] | int) -> NDArray[np.float64]:
    value: NDArray[np.float64] = (7 * np.asarray(series, np.int64) + 3 * minute) % 2_000 / 10
    return value


def fill(at: Rig, city: City) -> Rows:
    """Enrol the city and write its readings; returns the newest of each series. Raises Mismatch.

    The index is built behind the load, because that is faster; what stands at the end is the real schema.
    """
    devices = math.ceil(city.series / len(meters.METRICS))
    fleet.enrol(at, devices=devices)
    at.connection.execute(
        """insert into series (device_id, metric, unit)
           select device.id, metric, '1' from device, unnest(%s::text[]) with ordinality as measured (metric, place)
           where profile = 'bench-meter' order by device.id, place limit %s""",
        (list(meters.METRICS), city.series),
    )
    newest = np.zeros(city.series + 1, READING)
    (index,) = at.connection.execute(
        "select indexdef from pg_indexes where schemaname = 'public' and indexname = 'reading_series_time'"
    ).fetchone() or ("",)
    at.connection.execute("drop index reading_series_time")
    written = 0
    for rows in city.batches():
        with at.connection.transaction(), at.connection.cursor() as cursor:
            copy_into(cursor, "reading", rows)
        newest[rows["series"]] = rows  # of several rows of a series the last one stays
        written += len(rows)
        at.say(f"writing readings: {written / city.rows:.0%} of {city.rows:,}")
    at.say("building the index of the readings")
    at.connection.execute("set maintenance_work_mem = '1GB'")
    at.connection.execute(index.encode())
    with at.connection.transaction(), at.connection.cursor() as cursor:
        copy_into(cursor, "latest", newest[1:])
    at.say("as the database tends its tables by itself: vacuum, analyze")
    at.connection.execute("vacuum analyze")
    check(at.connection, city)
    return newest[1:]


def check(connection: psycopg.Connection, city: City) -> None:
    """Every reading is there. Raises Mismatch."""
    row = connection.execute("select count(*), count(distinct series_id) from reading").fetchone()
    if row != (city.rows, city.series):
        raise Mismatch(f"{city.rows:,} readings of {city.series:,} series were written, {row} are stored")
