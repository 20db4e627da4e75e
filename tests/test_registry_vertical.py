"""Levels of two vertical datums are never compared: neither with a rule's limits nor with a neighbour's."""

from __future__ import annotations

import psycopg
import pytest
from fix_services import Private

from alerts.rule import Rule
from alerts.rulebook import Subject, Version
from alerts.watch import Watches
from api import importing
from cityhub.judging import registered
from ingest import neighbours
from ingest.neighbours import NeighbourError
from ingest.registry import Registry
from ingest.vertical import apart, is_height

LIST = """id,name,department,profile,vertical_datum,vertical_offset
a,A,water,river-gauge,wusong,
b,B,water,river-gauge,1985,
c,C,water,river-gauge,1985国家高程基准,2.5
d,D,water,river-gauge,,
e,E,water,river-gauge,,
l,L,water,river-gauge,local,
k,K,water,river-gauge,local,
"""


def beside(connection: psycopg.Connection, metric: str, one: str, other: str) -> None:
    head = "device,metric,neighbour,tolerance,max_age_s"
    neighbours.replace(connection, neighbours.read_csv(f"{head}\n{one},{metric},{other},0.5,900\n"))


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        (
            "a",
            "b",
            "a beside b: the levels of the one are in wusong, of the other in 1985: their zeros lie apart",
        ),
        ("a", "d", "in a datum that nobody has said"),
        ("l", "k", "both count from the zero of their own gauge"),
        ("b", "c", None),
        ("d", "e", None),
    ],
)
def test_two_levels_are_neighbours_in_one_datum_alone(
    database: Private, one: str, other: str, wanted: str | None
) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        importing.take(connection, LIST.encode(), file="list", who="ada")
        beside(connection, "rain", one, other)  # the control: rain has no zero
        if wanted is None:
            beside(connection, "level", one, other)
        else:
            with pytest.raises(NeighbourError, match=wanted):
                beside(connection, "level", one, other)


def test_a_pair_whose_datum_was_corrected_later_is_compared_no_more(database: Private) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        importing.take(connection, LIST.encode(), file="list", who="ada")
        connection.execute(
            "insert into series (device_id, metric, unit) select id, 'level', 'm' from device where key in ('b', 'c')"
        )
        beside(connection, "level", "b", "c")
        assert len(neighbours.links(connection)) == 1
        connection.execute("update device set vertical_datum = 'wusong' where key = 'c'")
        assert neighbours.links(connection) == []


def test_a_rule_that_names_a_datum_refuses_other_levels_with_a_sentence(database: Private) -> None:
    rule = Rule.model_validate(
        {
            "rule": "stage",
            "title": "Stage",
            "applies_to": {"metric": "level"},
            "unit": "m",
            "datum": "1985",
            "above": {"red": 3},
        }
    )
    with psycopg.connect(database.url, autocommit=True) as connection:
        importing.take(connection, LIST.encode(), file="list", who="ada")
        said = {
            one.device: rule.refuses(one.unit, one.datum)
            for one in registered(connection)
            if one.metric == "level"
        }
        registry = Registry()
        registry.refresh(connection)
        ids = {device.key: device.id for device in registry.devices.values()}
        assert registry.vertical[ids["c"]] == "1985 with its zero at 2.5 m"
        assert ids["d"] not in registry.vertical
    assert said["b"] == ""
    assert said["a"] == "its zero is wusong, the rule's limits are in 1985"
    assert said["c"] == "its zero is 1985 with its zero at 2.5 m, the rule's limits are in 1985"
    assert said["d"] == "its zero is of a datum that nobody has said, the rule's limits are in 1985"
    watches = Watches([Version(rule, {}, "")])
    for slot, datum in ((1, "1985"), (2, "wusong"), (3, "")):
        watches.add(Subject(slot, "level", "g", "w", "d", unit="m", datum=datum))
    assert watches.count == 1


@pytest.mark.parametrize(
    ("metric", "unit", "height"),
    [("level", "m", True), ("level-above", "m", True), ("battery-level", "%", False), ("gate-opening", "m", False), ("rain", "mm", False)],
)  # fmt: skip
def test_heights_are_levels_in_metres(metric: str, unit: str, height: bool) -> None:  # noqa: FBT001
    assert is_height(metric, unit) is height
    assert apart("1985", "1985") is None
