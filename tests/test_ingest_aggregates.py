"""Aggregates against numpy: late rows, duplicates, failed commits, killed jobs; the same on every edition."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from fix_services import Cluster

from edge.reading import FAIL, MISSING, READING, Rows
from ingest import aggregates
from ingest.batch import Batch
from ingest.dirty import Marks
from ingest.store import Store, Unavailable, Write

START = datetime(2026, 3, 1, 10, 37, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
MINUTE, HOUR = 60_000_000, 3_600_000_000
ORDER = {1: 1, 2: 2, 9: 3, 3: 4, 4: 5}

Made = dict[tuple[int, int], tuple[Any, ...]]


@pytest.fixture(params=["timescaledb", "plain"])
def start(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Callable[..., Hub]]:
    """A hub's store over a fresh database, with the extension and without."""
    server: Cluster = cluster if request.param == "timescaledb" else request.getfixturevalue("plain")
    if request.param == "timescaledb" and not server.server.timescaledb:
        pytest.skip("no TimescaleDB: the plain way is tested alone")
    private = server.fresh()
    hubs: list[Hub] = []

    def make(*writes: Write) -> Hub:
        hubs.append(Hub(private.url, *writes))
        return hubs[-1]

    yield make
    for hub in hubs:
        hub.close()
    server.drop(private)


class Hub:
    """The store with its marks over a database, and what was committed as numpy sees it."""

    def __init__(self, url: str, *writes: Write) -> None:
        self.url = url
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute(
            """with department as (insert into department (key, name) values ('water', 'Water') returning id),
                    profile as (insert into profile (key, body, sha256) values ('p', '{}', '') returning key),
                    device as (insert into device (key, name, department_id, profile)
                               select 'gauge', 'Gauge', department.id, profile.key from department, profile
                               returning id)
               insert into series (device_id, metric, unit)
               select device.id, 'm' || n, 'm' from device, generate_series(1, 20) as n"""
        )
        self.more = writes
        self.stored: dict[tuple[int, int], tuple[float, int]] = {}
        self._begin()

    def close(self) -> None:
        self.store.close()
        self.connection.close()

    def restart(self) -> None:
        """As after a kill: a process remembers nothing."""
        self.store.close()
        self._begin()

    def _begin(self) -> None:
        self.marks = Marks()
        self.store = Store(self.url, uuid4(), [self.marks.write, *self.more])
        self.store.begin()

    def commit(self, rows: Rows) -> None:
        batch = Batch([], rows.copy())
        batch.device, batch.source = np.ones(len(rows), np.int32), np.zeros(len(rows), np.intp)
        batch.newer = batch.late = batch.delayed = np.ones(len(rows), np.bool_)
        batch.ledger.add(batch.device, stored=batch.newer, late=batch.late)
        while True:
            try:
                self.store.commit(batch)
            except Unavailable:
                continue
            break
        self.marks.committed(batch)
        for row in rows:
            self.stored.setdefault(
                (int(row["series"]), int(row["time"])), (float(row["value"]), int(row["flag"]))
            )

    def run(self, now: datetime) -> aggregates.Done:
        return aggregates.run(self.connection, now=now, lag=timedelta(minutes=10))

    def view(self, name: str) -> Made:
        rows = self.connection.execute(
            f"""select series_id, (extract(epoch from time) * 1000000)::bigint, min, max, mean, count, failed, missing, flag
                from {name}"""  # noqa: S608 -- one of our two views
        ).fetchall()
        return {row[:2]: row[2:] for row in rows}

    def expected(self, span: int, up_to: datetime) -> Made:
        """The same by numpy, one bucket after the other."""
        gathered: dict[tuple[int, int], list[tuple[float, int]]] = {}
        for (series, at), reading in self.stored.items():
            start = at // span * span
            if start + span <= int(up_to.timestamp() * 1_000_000):
                gathered.setdefault((series, start), []).append(reading)
        made: Made = {}
        for key, readings in gathered.items():
            good = np.array(
                [value for value, flag in readings if flag not in (FAIL, MISSING) and math.isfinite(value)]
            )
            failed = sum(flag == FAIL for _, flag in readings)
            made[key] = (
                *((good.min(), good.max(), good.mean()) if len(good) else (None, None, None)),
                len(good), failed, len(readings) - len(good) - failed,
                max((flag for _, flag in readings), key=ORDER.__getitem__),
            )  # fmt: skip
        return made

    def check(self, up_to: datetime | None) -> None:
        assert up_to is not None
        for name, span in (("readings_by_minute", MINUTE), ("readings_by_hour", HOUR)):
            got, wanted = self.view(name), self.expected(span, up_to)
            assert got.keys() == wanted.keys()
            for key, row in wanted.items():
                assert got[key][:2] == row[:2], (name, key)
                assert got[key][2] == (pytest.approx(row[2], rel=1e-12, abs=1e-9) if row[3] else None)
                assert got[key][3:] == row[3:], (name, key)


def some(random: np.random.Generator, count: int, since_us: int, until_us: int) -> Rows:
    """Rows of 20 series in order of time, each key once; one in ten is failed, missing, or both in one way."""
    rows = np.zeros(count, READING)
    rows["time"] = np.sort(random.integers(since_us // 1000, until_us // 1000, count)) * 1000
    rows["series"] = random.integers(1, 21, count)
    rows["value"] = random.normal(20, 100, count)
    rows["flag"] = random.choice([1, 2, 3, FAIL, MISSING], count, p=[0.5, 0.2, 0.2, 0.05, 0.05])
    rows["value"][rows["flag"] == MISSING] = np.nan
    _, first = np.unique(rows[["time", "series"]], return_index=True)
    kept: Rows = rows[np.sort(first)]
    return kept


def test_aggregates_equal_numpy_after_late_rows_duplicates_and_restarts(start: Callable[..., Hub]) -> None:
    hub, random = start(), np.random.default_rng(8)
    fails = 0
    for step in range(40):
        now_us = START_US + step * 9 * MINUTE
        now = START + step * timedelta(minutes=9)
        hub.commit(some(random, 300, now_us - 9 * MINUTE, now_us))
        if step % 3 == 1:  # an edge comes back after hours, and its last batches come twice
            late = some(random, 200, now_us - int(random.integers(1, 6)) * HOUR, now_us - 5 * MINUTE)
            hub.commit(late)
            hub.commit(np.concatenate([late[-50:], some(random, 5, now_us - HOUR, now_us)]))
        if step % 4 == 2:
            done = hub.run(now)
            fails += done.up_to is None
            if step % 3 != 1:
                hub.check(done.up_to)
        if step == 20:
            hub.restart()
    done = hub.run(START + timedelta(days=1))
    assert fails == 0
    assert done.repaired > 0
    hub.check(done.up_to)
    assert hub.connection.execute("select count(*) from reading_dirty").fetchone() == (0,)
    assert len(hub.view("readings_by_hour")) > 100


def test_what_was_stored_before_there_were_aggregates_is_aggregated_too(start: Callable[..., Hub]) -> None:
    hub, random = start(), np.random.default_rng(1)
    hub.commit(some(random, 2000, START_US - 50 * HOUR, START_US))
    done = hub.run(START + timedelta(minutes=13))
    hub.check(done.up_to)
    hub.connection.execute("delete from reading_minute")
    aggregates.forget(hub.connection)
    hub.check(hub.run(START + timedelta(minutes=14)).up_to)


def test_a_long_stop_loses_no_hour_that_had_begun(start: Callable[..., Hub]) -> None:
    hub, random = start(), np.random.default_rng(2)
    hub.run(START - timedelta(hours=3))
    hub.commit(some(random, 500, START_US - 3 * HOUR, START_US))
    hub.check(hub.run(START).up_to)
    hub.restart()
    hub.commit(some(random, 20, START_US + 90 * HOUR, START_US + 91 * HOUR))
    hub.check(hub.run(START + timedelta(hours=95)).up_to)


def test_a_job_killed_between_two_portions_is_continued(start: Callable[..., Hub]) -> None:
    hub, random = start(), np.random.default_rng(3)
    hub.run(START)
    hub.commit(some(random, 2000, START_US - 20 * HOUR, START_US + 5 * HOUR))
    for portions in (0, 1, 2):
        left = iter([False] * portions)
        done = aggregates.run(
            hub.connection,
            now=START + timedelta(hours=5),
            stop=lambda left=left: next(left, True),  # type: ignore[misc]
        )
    hub.commit(some(random, 100, START_US, START_US + 5 * HOUR))
    with psycopg.connect(hub.url, autocommit=True) as victim:
        pid = victim.info.backend_pid
        killer = threading.Timer(
            0.01, lambda: hub.connection.execute("select pg_terminate_backend(%s)", (pid,))
        )
        killer.start()
        try:
            aggregates.run(victim, now=START + timedelta(hours=5))
        except psycopg.OperationalError:
            victim.close()
        killer.join()
    done = hub.run(START + timedelta(hours=5))
    hub.check(done.up_to)


def test_a_batch_in_flight_while_the_frontier_moves_is_aggregated(start: Callable[..., Hub]) -> None:
    written, go = threading.Event(), threading.Event()

    def dawdle(*_: object) -> None:
        written.set()
        go.wait(20)

    hub, random = start(dawdle), np.random.default_rng(4)
    go.set()
    hub.run(START)
    go.clear()
    written.clear()
    rows = some(random, 200, START_US - HOUR, START_US + HOUR)
    writer = threading.Thread(target=hub.commit, args=(rows,))
    writer.start()
    assert written.wait(20)
    job: list[aggregates.Done] = []
    runner = threading.Thread(target=lambda: job.append(hub.run(START + timedelta(hours=2))))
    runner.start()
    runner.join(0.3)
    assert runner.is_alive(), "the frontier moved under a batch that has marked by the old one"
    go.set()
    writer.join()
    runner.join()
    hub.check(job[0].up_to)


def test_a_commit_that_fails_and_is_repeated_marks_again(start: Callable[..., Hub]) -> None:
    refuse = [False]

    def fail(*_: object) -> None:
        if refuse[0]:
            refuse[0] = False
            raise psycopg.OperationalError("the database goes away before the commit")

    hub, random = start(fail), np.random.default_rng(5)
    hub.commit(some(random, 10, START_US - HOUR, START_US))
    hub.run(START + timedelta(hours=1))
    refuse[0] = True
    hub.commit(some(random, 200, START_US - 2 * HOUR, START_US))
    assert not refuse[0]
    hub.check(hub.run(START + timedelta(hours=1)).up_to)


def test_a_generation_marks_each_hour_once(start: Callable[..., Hub]) -> None:
    hub, random = start(), np.random.default_rng(6)
    hub.run(START)
    for _ in range(3):
        hub.commit(some(random, 500, START_US - 2 * HOUR, START_US - HOUR))
    rows = hub.connection.execute(
        "select count(*), count(distinct (series_id, hour)) from reading_dirty"
    ).fetchone()
    assert rows is not None
    assert rows[0] == rows[1] > 0


def test_two_jobs_at_once_do_not_disturb_each_other(start: Callable[..., Hub]) -> None:
    hub, random = start(), np.random.default_rng(7)
    hub.run(START)
    hub.commit(some(random, 5000, START_US - 30 * HOUR, START_US + 4 * HOUR))
    now = START + timedelta(hours=5)

    def job() -> None:
        with psycopg.connect(hub.url, autocommit=True) as connection:
            for _ in range(5):
                aggregates.run(connection, now=now)

    jobs = [threading.Thread(target=job) for _ in range(3)]
    for each in jobs:
        each.start()
    for _ in range(10):
        hub.commit(some(random, 100, START_US - 30 * HOUR, START_US + 4 * HOUR))
    for each in jobs:
        each.join()
    hub.check(hub.run(now).up_to)
