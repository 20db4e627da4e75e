"""Bucketed reads: whatever the aggregates know and do not know yet, the answer is that of the raw readings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from fix_services import Private
from psycopg.rows import dict_row

from api import readings
from edge.reading import READING
from ingest import aggregates
from ingest.batch import Batch
from ingest.dirty import Marks
from ingest.store import Store

START = datetime(2026, 3, 1, 0, 0, tzinfo=UTC)
HOUR_US = 3_600_000_000

RAW = """
    select date_bin(make_interval(secs => %(bucket)s), time, 'epoch') as time,
           min(value) filter (where good) as min, max(value) filter (where good) as max,
           avg(value) filter (where good) as mean, count(*) as count,
           (array[1, 2, 9, 3, 4])[max(array_position(array[1, 2, 9, 3, 4], flag::integer))] as flag
    from (select *, abs(value) < 1e300 and flag not in (4, 9) as good from reading
          where series_id = %(series)s and time >= %(begin)s and time < %(end)s) as judged
    group by 1 order by 1"""


async def gathered(url: str, asked: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    """All pages of an answer, as the route makes them."""
    items: list[dict[str, Any]] = []
    async with await psycopg.AsyncConnection.connect(
        url, autocommit=True, row_factory=dict_row
    ) as connection:
        after = None
        while True:
            page = await readings._gathered(connection, {**asked, "after": after, "limit": limit + 1}, limit)
            items += [each.model_dump(exclude={"time"}) | {"time": each.time} for each in page.items]
            if page.next is None:
                return items
            after = items[-1]["time"]


def compare(url: str, random: np.random.Generator, until: datetime) -> None:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        for bucket in (60, 3600, 300, 7200, 86_400, 45, 90 * 60):
            for _ in range(3):
                ends = np.sort(random.integers(0, int((until - START).total_seconds()), 2))
                asked = {
                    "series": int(random.integers(1, 4)),
                    "begin": START + timedelta(seconds=int(ends[0]), milliseconds=int(random.integers(1000))),
                    "end": START + timedelta(seconds=int(ends[1]) + 1),
                    "bucket": bucket,
                }
                wanted = connection.execute(RAW, asked).fetchall()
                got = asyncio.run(gathered(url, asked, int(random.choice([7, 1000]))))
                assert [
                    (each["time"], each["count"], each["flag"], each["min"], each["max"]) for each in got
                ] == [
                    (each["time"], each["count"], each["flag"], each["min"], each["max"]) for each in wanted
                ]
                for one, other in zip(got, wanted, strict=True):
                    assert one["mean"] == (
                        None if other["mean"] is None else pytest.approx(other["mean"], rel=1e-9, abs=1e-9)
                    )


@pytest.fixture
def commit(database: Private) -> Callable[[int, int, int], None]:
    """Stores random readings of three series between two hours after the start."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("insert into department (key, name) values ('water', 'Water')")
        connection.execute("insert into profile (key, body, sha256) values ('p', '{}', '')")
        connection.execute(
            """with made as (insert into device (key, name, department_id, profile) values ('d', 'D', 1, 'p')
                             returning id)
               insert into series (device_id, metric, unit)
               select id, 'm' || n, 'm' from made, generate_series(1, 3) n"""
        )
    random = np.random.default_rng(3)
    marks = Marks()

    def store(count: int, first_hour: int, last_hour: int) -> None:
        writer = Store(database.url, uuid4(), [marks.write])
        rows = np.zeros(count, READING)
        start = int(START.timestamp()) * 1_000_000
        rows["time"] = start + random.integers(first_hour * HOUR_US, last_hour * HOUR_US, count)
        rows["series"] = random.integers(1, 4, count)
        rows["value"] = random.normal(5, 50, count)
        rows["flag"] = random.choice([1, 2, 3, 4, 9], count, p=[0.5, 0.2, 0.1, 0.1, 0.1])
        rows["value"][rows["flag"] == 9] = np.nan
        try:
            writer.begin()
            writer.commit(Batch([], rows))
        finally:
            writer.close()

    return store


def test_the_answer_is_the_raw_one_before_between_and_after_runs_of_the_job(
    database: Private, commit: Callable[[int, int, int], None]
) -> None:
    random = np.random.default_rng(4)
    until = START + timedelta(hours=60)
    with psycopg.connect(database.url, autocommit=True) as job:
        commit(3000, 0, 30)
        compare(database.url, random, until)  # nothing is aggregated yet
        aggregates.run(job, now=START + timedelta(hours=30, minutes=23))
        compare(database.url, random, until)
        commit(2000, 30, 60)  # the tail
        commit(200, 3, 9)  # late, not repaired yet
        compare(database.url, random, until)
        aggregates.run(job, now=START + timedelta(hours=50, minutes=41))
        compare(database.url, random, until)
        commit(50, 0, 60)
        compare(database.url, random, until)


def test_aggregates_are_what_is_read_where_they_stand(
    database: Private, commit: Callable[[int, int, int], None]
) -> None:
    commit(3000, 0, 30)
    with psycopg.connect(database.url, autocommit=True) as job:
        aggregates.run(job, now=START + timedelta(hours=31))
        job.execute("delete from reading")
    asked = {"series": 1, "begin": START, "end": START + timedelta(hours=29), "bucket": 3600}
    assert len(asyncio.run(gathered(database.url, asked, 100))) == 29
    asked["bucket"] = 60
    assert len(asyncio.run(gathered(database.url, asked, 1000))) > 300
    asked["bucket"] = 45
    assert asyncio.run(gathered(database.url, asked, 100)) == []


def test_an_hour_that_is_marked_is_read_raw(
    database: Private, commit: Callable[[int, int, int], None]
) -> None:
    commit(500, 0, 30)
    with psycopg.connect(database.url, autocommit=True) as job:
        aggregates.run(job, now=START + timedelta(hours=31))
        job.execute("update reading_hour set max = 1e6")
        job.execute("insert into reading_dirty values (1, %s, 99)", (START + timedelta(hours=4),))
    asked = {"series": 1, "begin": START, "end": START + timedelta(hours=29), "bucket": 3600}
    answer = asyncio.run(gathered(database.url, asked, 100))
    assert [each["time"].hour for each in answer if each["max"] != 1e6 and each["max"] is not None] == [4]
