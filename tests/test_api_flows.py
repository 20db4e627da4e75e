"""Where people go and how long they stay, over the API: by whole hours, of groups alone, and the same for ever after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import shapely
from fix_places import Places

from geo.datum import from_wgs84
from geo.zones import Zone

HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
MINUTES = timedelta(minutes=1)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture(scope="module")
def halls(places: Places) -> dict[str, int]:
    """Three halls of their own kind, and who went through them: tracks are numbered, one number a person."""
    boxes = {
        key: shapely.box(121 + n, 32, 121.01 + n, 32.01)
        for n, key in enumerate(("hall-a", "hall-b", "hall-c"))
    }
    places.keep(*(Zone(key, key, "hall", ground) for key, ground in boxes.items()))
    halls: dict[str, int] = dict(places.ask("select key, id from zone where kind = 'hall'"))
    [[camera]] = places.ask("select id from device where key = 'thing-21'")

    def walk(
        person: int, steps: list[tuple[str, float, float | None]], name: str = "~{:016x}", told: float = 0
    ) -> None:
        """Enter a hall at a minute of the hour and leave it at another, or not."""
        called = name.format(person)
        [[track]] = places.ask(
            """insert into track (device_id, name, first_at, last_at) values (%s, %s, %s, %s)
               on conflict (device_id, name) do update set last_at = excluded.last_at returning id""",
            camera, called, HOUR, HOUR,
        )  # fmt: skip
        for hall, came, went in steps:
            for kind, minute in (("enter", came), ("exit", went)):
                if minute is None:
                    continue
                at = HOUR + minute * MINUTES
                places.ask(
                    "insert into crossing values (%s, %s, %s, %s, 1, %s, %s)",
                    at, at + told * MINUTES, track, halls[hall], kind, None if kind == "enter" else (minute - came) * 60,
                )  # fmt: skip

    for person in range(1000, 1006):  # six go from a to b, and stay there; one of them to and fro
        walk(person, [("hall-a", 5, 15), ("hall-b", 20, None)])
    walk(1000, [("hall-a", 30, 31), ("hall-b", 32, None)])
    for person in range(1010, 1014):  # four go from b to c: too few
        walk(person, [("hall-b", 1, 2), ("hall-c", 3, 4)])
    for person in range(
        1020, 1025
    ):  # five leave a before the hour and come to c in it; five more were away too long
        walk(person, [("hall-a", -20, -10), ("hall-c", 10, None)])
        walk(person + 10, [("hall-a", -60, -50), ("hall-c", 10, None)])
    for person in range(1040, 1049):  # told of when the hour's answer stood already
        walk(person, [("hall-c", 50, 51), ("hall-a", 52, 53)], told=25)
    walk(1060, [("hall-c", 40, 41), ("hall-b", 42, 43)], name="thing-{}")  # a device: no crowd
    return halls


def ask(places: Places, who: str = "olga", **query: str) -> dict[str, Any]:
    answer = places.signed_in(who).get("/api/v1/flows", params={"kind": "hall", "hour": stamp(HOUR), **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_groups_are_shown_and_smaller_ones_are_not(places: Places, halls: dict[str, int]) -> None:
    assert len(halls) == 3
    found = ask(places)
    assert {(way["from_zone"], way["to_zone"]): way["persons"] for way in found["ways"]} == {
        ("hall-a", "hall-b"): 6,
        ("hall-a", "hall-c"): 5,
    }
    # Six have stayed in a and left it in the hour, one of them twice; four and four elsewhere are not told of.
    [stay] = found["stays"]
    assert (stay["zone"], stay["persons"], sum(stay["counts"])) == ("hall-a", 6, 6)
    assert stay["edges_s"] == [0, 86_400]
    # An hour before, those who came to c were in a and left it.
    [before] = ask(places, hour=stamp(HOUR - timedelta(hours=1)))["stays"]
    assert (before["zone"], before["persons"]) == ("hall-a", 10)
    assert ask(places, hour=stamp(HOUR + 59 * MINUTES)) == found
    assert ask(places, "pete") == found
    hidden = ask(places, "wang")
    assert (hidden["ways"], hidden["stays"], hidden["map"]["features"]) == ([], [], [])
    assert ask(places, kind="crowd")["ways"] == []


def test_the_map_draws_the_ways_in_the_datum_of_the_map(places: Places, halls: dict[str, int]) -> None:
    del halls
    plain, shifted = ask(places)["map"], ask(places, datum="GCJ02")["map"]
    assert [line["properties"] for line in plain["features"]] == [
        line["properties"] for line in shifted["features"]
    ]
    for line, moved in zip(plain["features"], shifted["features"], strict=True):
        drawn = np.array(line["geometry"]["coordinates"])
        there = np.column_stack(from_wgs84("GCJ02", *drawn.T))
        assert np.abs(there - moved["geometry"]["coordinates"]).max() < 1e-6
        assert np.abs(drawn - moved["geometry"]["coordinates"]).max() > 1e-3


def test_hours_that_are_not_over_and_questions_that_are_none_are_refused(places: Places) -> None:
    olga = places.signed_in()
    for query in (
        {}, {"kind": "Hall"}, {"kind": "hall", "hour": stamp(datetime.now(UTC))}, {"kind": "hall", "hour": "yesterday"},
        {"kind": "hall", "hour": "2199-01-01T00:00:00Z"}, {"kind": "hall", "datum": "x"}, {"kind": "hall", "layer": ""},
    ):  # fmt: skip
        assert olga.get("/api/v1/flows", params=query).status_code == 422, query
    assert (
        olga.get("/api/v1/flows", params={"kind": "hall", "hour": "1900-01-01T00:00:00Z"}).status_code == 200
    )
    assert olga.get("/api/v1/flows", params={"kind": "hall"}).json()["minimum"] == 5
    assert places.ask("select count(*) > 0 from audit_entry where action = 'flows.look'") == [(True,)]
