"""Running counters through a whole hub: what they grew by outlives a restart, and a profile may learn of it late."""

from __future__ import annotations

import time

from fix_hub import House, wait_for

from edge.reading import PASS, SUSPECT
from ingest import enrolment, profile


def told(house: House, metric: str = "rain") -> list[tuple[float, int]]:
    return house.ask(
        """select value, flag from reading join series on series.id = series_id join device on device.id = device_id
           where device.key = 'rain-01' and metric = %s order by time""",
        metric,
    )


def gauge(house: House) -> None:
    with house.connect() as connection:
        enrolment.keep_profiles(connection, profile.load())
        enrolment.enrol(connection, [enrolment.Entry("rain-01", "Rain 1", "water", "rain-gauge")])


def send(house: House, at: int, total: float | None) -> None:
    body = {"ts": at, "values": {"rain-total": total}}
    before = len(told(house, "rain-total"))
    house.send(house.publisher(), "city/v1/water/rain-01/telemetry", body)
    wait_for(lambda: len(told(house, "rain-total")) > before, "the counter to be stored")


def test_what_a_counter_grew_by_is_the_same_after_a_power_cut(house: House) -> None:
    house.city()
    gauge(house)
    house.start_hub()
    start = round(time.time() * 1000) - 3_600_000
    send(house, start, 99_999.0)
    send(house, start + 300_000, 99_999.5)
    house.kill_hub()
    house.start_hub()
    send(house, start + 600_000, None)  # no value: the next counts from the last that had one
    send(house, start + 900_000, 1.5)  # it went round meanwhile
    assert told(house) == [(0.5, PASS), (2.0, PASS)]
    assert house.stop_hub() == 0
    house.start_hub()
    send(house, start + 1_200_000, 0.2)  # the station was exchanged
    send(house, start + 1_500_000, 0.7)
    assert told(house) == [(0.5, PASS), (2.0, PASS), (0.2, SUSPECT), (0.5, PASS)]
    assert house.ask("select sum(derived)::int from ledger_minute") == [(4,)]


def test_a_profile_that_learns_of_its_counter_late_begins_where_it_stands(house: House) -> None:
    house.city()
    gauge(house)
    with house.connect() as connection:
        connection.execute("update profile set body = body - 'derived', sha256 = '' where key = 'rain-gauge'")
    house.start_hub()
    start = round(time.time() * 1000) - 3_600_000
    send(house, start, 100.0)
    send(house, start + 300_000, 103.0)
    assert told(house) == []
    gauge(house)  # tells the hub
    wait_for(lambda: house.ask("select 1 from series where metric = 'rain'"), "the derived series")
    send(house, start + 600_000, 104.5)
    assert told(house) == [(1.5, PASS)]
