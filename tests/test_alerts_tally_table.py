"""The table `quality_tally` against a count from scratch over what is stored, on a real database."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import psycopg
import pytest
from fix_hub import House, wait_for
from fix_services import Private
from numpy.typing import NDArray

from alerts.checks.tally import DOUBTFUL, DUPLICATE, REFUSED, TESTED, Tally
from alerts.days import Days, as_date
from alerts.tally import COUNTED, Tallies, fold, kernels
from edge.reading import FAIL, MISSING, PASS, READING, SUSPECT, UNEVALUATED, Rows

DAYS = Days("Europe/Berlin")
BEGIN_US = 1_792_700_000_000_000  # the evening before a night with a clock change, October 2026
INTERVALS_S = {1: 60.0, 2: 300.0, 3: 3600.0, 4: 7 * 86_400.0}
MINUTE_US = 60_000_000

FROM_SCRATCH = """
with slots as (
    select series_id, flag, date_bin(interval_s * interval '1 second', time, '2000-01-01 00:00 Europe/Berlin') as slot
    from reading join unnest(%s::int[], %s::float8[]) as known (series_id, interval_s) using (series_id))
select series_id, (slot at time zone 'Europe/Berlin')::date as day, count(*),
       count(distinct slot) filter (where flag in (1, 2, 3)),
       count(*) filter (where flag in (1, 3, 4)), count(*) filter (where flag = 3), count(*) filter (where flag = 4)
from slots group by 1, 2 order by 1, 2"""


def checked_by_flag(flag: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """TESTED where a flag says that a check has run."""
    return np.where((flag == UNEVALUATED) | (flag == MISSING), 0, TESTED).astype(np.uint8)


@pytest.fixture
def connection(database: Private) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.url, autocommit=True) as opened:
        yield opened


class Writer:
    """A hub as far as the tally knows it: it can lose its memory, or go back to a checkpoint."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.newest: dict[int, int] = {}
        self.stored: dict[tuple[int, int], int] = {}  # flags
        self.counted = {"duplicate": 0, "refused": 0, "out_of_order": 0}
        self.saved: tuple[Any, dict[int, int]] | None = None
        self.start()

    def start(self) -> None:
        """Begin without memory, or with that of the last checkpoint and what was stored after it."""
        self.tallies = Tallies(Tally(DAYS))
        version = self.tallies.register(self.connection, {"gauge": {}})["gauge"]
        for series, interval_s in INTERVALS_S.items():
            self.tallies.add(series, interval_s, version)
        if self.saved is not None:
            state, newest = self.saved
            self.tallies.tally.take_up(state)
            later = sorted(
                (series, at) for series, at in self.stored if at > newest.get(series, -1)
            )  # as checkpoint.stored_since gives them
            rows = np.array([(at, series, 1.0, self.stored[series, at]) for series, at in later], READING)
            self.mark(rows, np.ones(len(rows), np.bool_))

    def mark(self, rows: Rows, newer: Any) -> Any:
        nothing = np.zeros(len(rows), np.bool_)
        return self.tallies.tally.mark(rows, newer, nothing, checked_by_flag(rows["flag"]))

    def take(self, readings: list[tuple[int, int, int]], *, fails: bool) -> None:
        """Store readings `(series, time, flag)` and their counts in one transaction, or nothing at all."""
        fresh, again, newer = [], [], []
        newest, stored = dict(self.newest), dict(self.stored)
        for series, at, flag in readings:
            row = (at, series, 1.0, flag)
            if (series, at) in stored:
                again.append(row)
                continue
            stored[series, at] = flag
            newer.append(at > newest.get(series, -1))
            newest[series] = max(at, newest.get(series, -1))
            fresh.append(row)
        rows, repeated = np.array(fresh, READING), np.array(again, READING)
        refused = rows[:0] if not len(rows) or random.random() < 0.8 else rows[:1].copy()
        marks = self.mark(rows, np.array(newer, np.bool_))
        with self.connection.transaction(force_rollback=fails), self.connection.cursor() as cursor:
            cursor.executemany(
                "insert into reading values (to_timestamp(0) + %s * interval '1 microsecond', %s, %s, %s)",
                [(at, series, value, flag) for at, series, value, flag in rows.tolist()],
            )
            self.tallies.write(cursor, rows, marks, (repeated, DUPLICATE | DOUBTFUL), (refused, REFUSED))
        if fails:
            self.start()  # the state advances with the commit: a hub that could not commit begins anew
            return
        self.newest, self.stored = newest, stored
        self.counted["duplicate"] += len(repeated)
        self.counted["refused"] += len(refused)
        self.counted["out_of_order"] += newer.count(False)


@pytest.mark.parametrize("seed", range(12))
def test_after_any_order_duplicates_failures_and_restarts_the_table_is_the_count_from_scratch(
    connection: psycopg.Connection, seed: int
) -> None:
    chance = random.Random(seed)
    random.seed(seed)
    writer = Writer(connection)
    everything = [
        (series, BEGIN_US + chance.randrange(3 * 1440) * MINUTE_US, chance.choice([PASS, PASS, UNEVALUATED, SUSPECT, FAIL, MISSING]))
        for series in INTERVALS_S
        for _ in range(60)
    ]  # fmt: skip
    everything.sort(key=lambda reading: reading[1] + chance.randrange(chance.choice([1, 900]) * MINUTE_US))
    place = 0
    while place < len(everything):
        until = place + chance.randint(1, 20)
        batch = everything[place:until] + chance.sample(everything[:until], min(2, place))
        writer.take(batch, fails=chance.random() < 0.1)
        # What failed comes again: the devices were never told that it is stored.
        if all((series, at) in writer.stored for series, at, _ in batch):
            place = until
        if chance.random() < 0.2:
            writer.saved = writer.tallies.tally.state.copy(), dict(writer.newest)
        if chance.random() < 0.2:
            writer.saved = None if chance.random() < 0.3 else writer.saved
            writer.start()
        if chance.random() < 0.3:
            fold(connection, DAYS, BEGIN_US)
    fold(connection, DAYS, BEGIN_US)
    wanted = connection.execute(FROM_SCRATCH, (list(INTERVALS_S), list(INTERVALS_S.values()))).fetchall()
    assert (
        connection.execute(
            """select series_id, day, stored, filled, tested, suspect, failed from quality_tally
               where stored > 0 order by 1, 2"""
        ).fetchall()
        == wanted
    )
    sums = connection.execute(
        """select sum(duplicate), sum(received - stored - duplicate), sum(out_of_order), sum(on_time - stored)
           from quality_tally"""
    ).fetchone()
    assert sums == (*writer.counted.values(), 0)
    for series, day, interval_us, due in connection.execute(
        "select series_id, day, interval_us, due from quality_tally"
    ):
        assert interval_us == INTERVALS_S[series] * 1e6
        number = next(number for number in range(46_000, 47_000) if as_date(number) == day)
        assert due == DAYS.slots(number, interval_us)[2]
    assert connection.execute("select count(*) from tally_pending").fetchone() == (0,)


def test_every_count_has_its_bits() -> None:
    bits = 0
    for mask in COUNTED.values():
        bits |= mask
    assert bits == 2**10 - 1


def test_an_interval_that_changes_counts_that_day_anew_and_leaves_the_days_before(
    connection: psycopg.Connection,
) -> None:
    tallies = Tallies(Tally(DAYS))
    for interval_s, moments in ((60.0, (0, 60, 86_400, 86_460)), (3600.0, (90_000,))):
        tallies.add(1, interval_s, 1 if interval_s < 100 else 2)
        # The later one fails, and says nothing of its slot: the day is counted anew because of the interval alone.
        flag = PASS if interval_s < 100 else FAIL
        rows = np.array([(BEGIN_US + at * 1_000_000, 1, 1.0, flag) for at in moments], READING)
        yes, no = np.ones(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
        marks = tallies.tally.mark(rows, yes, no, checked_by_flag(rows["flag"]))
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(
                "insert into reading values (to_timestamp(0) + %s * interval '1 microsecond', 1, 1, %s)",
                [(at, flag) for at in rows["time"].tolist()],
            )
            tallies.write(cursor, rows, marks)
        fold(connection, DAYS, BEGIN_US)
    first, second = connection.execute(
        "select interval_us, due, filled, judged_by from quality_tally order by day"
    ).fetchall()
    assert first == (60_000_000, 1440, 2, [1])
    assert second == (3_600_000_000, 24, 1, [1, 2])


def test_a_series_that_says_nothing_has_its_row_each_day(connection: psycopg.Connection) -> None:
    connection.execute("insert into department (key, name) values ('water', 'Water')")
    connection.execute(
        """insert into device (key, name, department_id, profile, recorded, retired_at)
           values ('r-1', '', 1, 'river-gauge', false, null), ('r-2', '', 1, 'river-gauge', true, null),
                  ('r-3', '', 1, 'river-gauge', false, now())"""
    )
    connection.execute(
        "insert into series (device_id, metric, unit) select id, 'level', 'm' from device order by id"
    )
    now = datetime.now(UTC)
    for later in (0, 0, 3):
        fold(connection, DAYS, round((now + timedelta(days=later)).timestamp() * 1e6))
    rows = connection.execute(
        "select series_id, day, due, filled, received from quality_tally order by day"
    ).fetchall()
    today = now.astimezone(DAYS.zone).date()
    assert [day for _, day, *_ in rows] == [today + timedelta(days=later) for later in range(4)]
    assert {(series, filled, received) for series, _, _, filled, received in rows} == {(1, 0, 0)}
    assert all(due in {276, 288, 300} for _, _, due, *_ in rows)


def test_checks_that_change_are_another_version(connection: psycopg.Connection) -> None:
    one = Tallies.register(connection, {"gauge": {"level": {"gross_range": {"fail": [0, 1]}}}})
    same = Tallies.register(connection, {"gauge": {"level": {"gross_range": {"fail": [0, 1]}}}})
    other = Tallies.register(connection, {"gauge": {"level": {"gross_range": {"fail": [0, 2]}}}})
    assert one == same != other
    body = connection.execute("select body from check_version where id = %s", (one["gauge"],)).fetchone()
    assert body == ({"checks": {"level": {"gross_range": {"fail": [0, 1]}}}, "kernels": kernels()},)


@pytest.mark.timeout(240)
def test_a_hub_killed_between_late_and_repeated_readings_counts_each_once(house: House) -> None:
    house.city()
    house.start_hub(CITYHUB_TIME_ZONE="Europe/Berlin")
    device, chance = house.publisher(), random.Random(5)
    now = round(time.time() * 1000)
    begin = now - now % 10_000 - 200_000
    moments = [begin + second * 5000 for second in range(40)]
    chance.shuffle(moments)
    for place, moment in enumerate(moments):
        for _ in range(chance.choice([1, 1, 2])):
            payload = orjson.dumps({"ts": moment, "values": {"people": moment % 100}})
            house.send(device, "city/v1/police/camera-01/telemetry", payload)
        if place in {12, 25}:
            house.kill_hub()
            house.start_hub(CITYHUB_TIME_ZONE="Europe/Berlin")
    wait_for(lambda: house.ask("select count(*) from reading") == [(80,)], "all forty, and what they derive")
    assert house.stop_hub() == 0
    with house.connect() as connection:
        fold(connection, DAYS, round(time.time() * 1e6))
    filled, stored, received, duplicate, tested = house.ask(
        """select sum(filled), sum(stored), sum(received), sum(duplicate), sum(tested) from quality_tally
           join series on series.id = series_id where metric = 'people'"""
    )[0]
    book = house.ask("select sum(stored), sum(received), sum(duplicate) from ledger_minute")[0]
    assert (filled, stored, tested) == (20, 40, 40)
    assert (stored, received, duplicate) == book
    judged = (
        "select distinct profile from quality_tally join check_version on check_version.id = any (judged_by)"
    )
    assert house.ask(judged) == [("counting-camera",)]


def test_the_grid_begins_with_the_day(connection: psycopg.Connection) -> None:
    row = connection.execute(
        "select extract(epoch from timestamptz '2000-01-01 00:00 Europe/Berlin')"
    ).fetchone()
    assert row is not None
    assert int(row[0]) * 1_000_000 == DAYS.origin
    assert as_date(DAYS.number(DAYS.origin)) == date(2000, 1, 1)
