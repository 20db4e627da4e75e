"""Clock offsets: the least delayed reading tells how far ahead a device's clock is."""

from __future__ import annotations

import time

import numpy as np
import psycopg
from fix_hub import House, wait_for
from fix_services import Private
from hypothesis import given
from hypothesis import strategies as st

from ingest.clock import Clocks

S = 1_000_000


def observe(clocks: Clocks, device: int, *readings: tuple[float, float]) -> None:
    """Readings as (own time, arrival) in seconds."""
    at, arrived = (np.array([round(pair[column] * S) for pair in readings], np.int64) for column in (0, 1))
    clocks.observe(np.full(len(readings), device, np.int32), at, arrived)


def written(
    clocks: Clocks, database: Private, keys: list[str], recorded: set[str] | None = None
) -> dict[str, float | None]:
    """What the devices' rows say after a write."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(
            "insert into department (key, name) values ('water', 'Water') on conflict do nothing"
        )
        for key in keys:
            connection.execute(
                """insert into device (key, name, department_id, profile)
                   select %s, %s, id, 'river-gauge' from department on conflict (key) do nothing""",
                (key, key),
            )
        ids: dict[str, int] = dict(connection.execute("select key, id from device").fetchall())
        clocks.write(connection, {ids[key] for key in recorded or set()})
        return dict(connection.execute("select key, clock_offset_s from device").fetchall())


def test_delays_of_a_network_do_not_move_the_estimate_of_a_clock_that_is_ahead(database: Private) -> None:
    clocks = Clocks()
    observe(clocks, 1, (100 + 42, 100.2), (200 + 42, 203), (300 + 42, 300.1), (400 + 42, 460))
    observe(clocks, 2, (100 - 7, 100.0), (200 - 7, 209.0))
    assert written(clocks, database, ["a", "b", "c"]) == {"a": 41.9, "b": -7.0, "c": None}


def test_a_backlog_says_nothing_against_the_live_readings_beside_it(database: Private) -> None:
    clocks = Clocks()
    observe(clocks, 1, (1_000, 90_000), (1_010, 90_001), (90_002, 90_002.1))
    assert written(clocks, database, ["a"]) == {"a": -0.1}


def test_the_times_of_a_recording_are_no_clock(database: Private) -> None:
    clocks = Clocks()
    observe(clocks, 1, (5, 1_000_000))
    assert written(clocks, database, ["a"], recorded={"a"}) == {"a": None}


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**52)), min_size=1, max_size=20))
def test_no_time_that_a_sender_writes_overflows(readings: list[tuple[int, int]]) -> None:
    clocks = Clocks()
    at, arrived = (np.array([pair[column] for pair in readings], np.int64) for column in (0, 1))
    clocks.observe(np.ones(len(readings), np.int32), at, arrived)
    assert abs(int(clocks._now[1])) < 2**62


def test_a_device_whose_readings_are_set_aside_for_their_time_shows_its_offset(house: House) -> None:
    house.city()
    house.start_hub()
    device = house.publisher()
    ahead = round(time.time() * 1000) + 86_400_000
    house.send(device, "city/v1/water/river-01/telemetry", {"ts": ahead, "values": {"level": 1.0}})
    offset = wait_for(
        lambda: house.ask("select clock_offset_s from device where clock_offset_s is not null"),
        "the estimate",
    )
    assert 86_000 < offset[0][0] < 86_401
    assert house.ask("select reason from dead_letter") == [("time-outside",)]
