"""A3: the database's postmaster is killed or stopped at once under load; commits whose answer nobody heard."""

from __future__ import annotations

import random

import pytest
from faults import proxy
from faults.ground import Ground, believe_everything_new, due, loaded, nap, transitions
from faults.oracle import Record
from faults.rounds import PATIENCE_S, rounds
from faults.services import Own
from faults.walkers import NAMED

from ingest.store import Store


def test_a_database_killed_under_load_loses_nothing_and_no_alarm_comes_twice(own: Own, apart: Ground) -> None:
    moments = random.Random(3)
    with apart.hub() as hub:
        with loaded(apart.order(walkers=NAMED)) as load:
            for number in range(rounds("database kills")):
                apart.passes(100)
                nap(moments.uniform(0, 0.3))
                own.kill(at_once=number % 2 == 1)
                nap(moments.uniform(0, 0.5))
                own.start()
            apart.passes(100)
        assert load.drain(PATIENCE_S)
        load.close()
    assert apart.judge().wrong == {}
    record = Record.of(*apart.records)
    assert transitions(apart.house) == due(record, "cover-01/open")
    assert hub.deaths == []


def lose_answers(ground: Ground, times: int) -> None:
    """The hub commits, and the connection breaks before it hears so; first of all where it makes its series."""
    url = ground.house.database.url
    with proxy.before(url) as between, ground.hub(database_url=between.url(url)):
        between.lose_answer(b"COMMIT\0", of=b"cityhub main")
        with loaded(ground.order(walkers=NAMED)) as load:
            for _ in range(times):
                between.lose_answer(b"COMMIT\0", of=b"cityhub writer")
                ground.passes(50)
        assert load.drain(PATIENCE_S)
        load.close()
        assert between.sprung == times + 1


def test_a_commit_whose_answer_was_lost_is_neither_repeated_nor_forgotten(ground: Ground) -> None:
    lose_answers(ground, rounds("lost commit answers"))
    assert ground.judge().wrong == {}
    assert transitions(ground.house) == due(Record.of(*ground.records), "cover-01/open")
    assert ground.house.ask("select sum(duplicate) from ledger_minute") == [(0,)]


def test_control_a_store_that_repeats_a_commit_in_doubt_without_a_unique_index_is_caught(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> bool:
        return False

    monkeypatch.setattr(Store, "_has_committed", never)
    believe_everything_new(ground, monkeypatch)
    lose_answers(ground, 2)
    doubled = {name for name, _ in ground.judge().doubled}
    assert doubled & {*NAMED}
    assert doubled - {*NAMED}
