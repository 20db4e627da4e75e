"""Checks that look at other series, through a whole hub: neighbours and metrics that decide each other's range."""

from __future__ import annotations

import time

import pytest
from fix_hub import House, wait_for

from edge.reading import PASS, SUSPECT
from ingest import neighbours
from ingest.neighbours import Neighbour, NeighbourError

LIST = """device,metric,neighbour,tolerance,max_age_s,offset,lag_s
river-02,level,river-01,0.5,900,1.0,
river-01,level,river-99,0.5,900,,600
"""


def send(house: House, topic: str, at: int, **values: float) -> None:
    house.send(house.publisher(), f"city/v1/{topic}/telemetry", {"ts": at, "values": values})


def flags(house: House, device: str, metric: str) -> list[int]:
    return [
        flag
        for (flag,) in house.ask(
            """select flag from reading join series on series.id = series_id join device on device.id = device_id
               where device.key = %s and metric = %s order by time""",
            device,
            metric,
        )
    ]


def wait(house: House, device: str, metric: str, count: int) -> None:
    wait_for(lambda: len(flags(house, device, metric)) == count, f"{count} readings of {device}")


def test_a_gauge_that_leaves_its_neighbour_is_suspect_also_after_a_restart(house: House) -> None:
    house.city()
    with house.connect() as connection:
        neighbours.replace(connection, neighbours.read_csv(LIST))
    house.start_hub()
    now = round(time.time() * 1000) - 60_000
    for second, lower in ((0, 3.2), (1, 3.6)):
        # The upper one commits before the lower one comes, so that it is known by then.
        send(house, "water/river-01", now + second * 1000, level=2.0)
        wait(house, "river-01", "level", second + 1)
        send(house, "water/river-02", now + second * 1000 + 500, level=lower)
        wait(house, "river-02", "level", second + 1)
    assert flags(house, "river-02", "level") == [PASS, SUSPECT]
    assert house.stop_hub() == 0
    house.start_hub()
    send(house, "water/river-02", now + 2500, level=3.6)
    wait(house, "river-02", "level", 3)
    assert flags(house, "river-02", "level")[-1] == SUSPECT
    with house.connect() as connection:
        neighbours.replace(connection, [])
    time.sleep(2)  # the hub looks at the registry once a second
    send(house, "water/river-02", now + 3500, level=3.6)
    wait(house, "river-02", "level", 4)
    assert flags(house, "river-02", "level")[-1] == PASS


def test_a_light_that_is_off_and_draws_current_is_suspect(house: House) -> None:
    house.city()
    house.start_hub()
    now = round(time.time() * 1000) - 60_000
    for second, (lamp, current) in enumerate(((1, 0.5), (0, 0.012), (0, 0.5), (1, 0.012))):
        send(house, "municipal/lamp-01", now + second * 1000, lamp=lamp, current=current)
        wait(house, "lamp-01", "current", second + 1)
    assert flags(house, "lamp-01", "current") == [PASS, PASS, SUSPECT, SUSPECT]


FAULTS = [
    ("river-02,level,river-02,0.5,900,,", "line 2: river-02 cannot be its own neighbour"),
    ("river-02,level,River 1,0.5,900,,", "line 2: neighbour 'River 1' is not the id of a device"),
    ("river-02,level,river-01,0,900,,", "line 2: tolerance and max_age_s must be more than 0"),
    ("river-02,level,river-01,much,900,,", "line 2: could not convert"),
    ("river-02,level,river-01,nan,900,,", "line 2: a number is not finite"),
    ("river-02,depth,river-01,1,900,,", "river-02: no metric depth"),
    ("river-77,level,river-01,1,900,,", "river-77: no such device"),
    (
        "river-02,level,river-01,1,900,,\nriver-02,level,river-01,2,900,,",
        "river-02/level stands in the list",
    ),
]


def test_a_list_of_neighbours_with_a_fault_changes_nothing(house: House) -> None:
    house.city()
    with house.connect() as connection:
        neighbours.replace(connection, [Neighbour("river-02", "level", "river-01", 1, 900)])
        for line, fault in FAULTS:
            with pytest.raises(NeighbourError, match="nothing was imported") as refused:
                neighbours.replace(connection, neighbours.read_csv(f"{LIST.splitlines()[0]}\n{line}\n"))
            assert fault in str(refused.value)
    assert house.ask("select metric, other, tolerance from neighbour") == [("level", "river-01", 1.0)]


def test_a_list_of_neighbours_without_its_columns_is_refused() -> None:
    with pytest.raises(NeighbourError, match="column tolerance, max_age_s is missing"):
        neighbours.read_csv("device,metric,neighbour\n")
