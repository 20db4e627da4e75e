"""A2: kill -9 of the broker under load; in half of the rounds its data are gone as well, in some the hub is away."""

from __future__ import annotations

import random

import pytest
from faults.ground import Ground, nap
from faults.programs import LoadProcess
from faults.rounds import BROKERS, IN_VAIN_S, rounds
from faults.services import kill_broker, start_broker_again
from faults.walkers import NAMED, SEEN

on_each_broker = pytest.mark.parametrize("broker", BROKERS, indirect=True)


@on_each_broker
def test_a_broker_killed_under_load_with_and_without_its_data_costs_nothing(ground: Ground) -> None:
    moments = random.Random(2)
    load = ground.load_process(walkers=[*NAMED, SEEN])
    with ground.hub() as hub:
        load.start()
        for number in range(rounds("broker kills")):
            ground.passes(100)
            kill_broker(ground.house, wiped=number % 2 == 1)
            nap(moments.uniform(0, 0.5))
            start_broker_again(ground.house)
        ground.passes(100)
        assert load.finish()
    assert ground.judge().wrong == {}
    assert hub.deaths == []


def while_the_hub_is_away(ground: Ground, patch: str = "") -> LoadProcess:
    """Readings that only the broker has taken, when it loses them."""
    load = ground.load_process(patch=patch)
    load.start()
    with ground.hub():
        ground.passes(100)
    nap(1)  # its session is at the broker, and fills
    kill_broker(ground.house, wiped=True)
    start_broker_again(ground.house)
    return load


@on_each_broker
def test_a_broker_that_loses_what_it_kept_for_an_absent_hub_costs_nothing(ground: Ground) -> None:
    load = while_the_hub_is_away(ground)
    with ground.hub():
        assert load.finish()
    assert ground.judge().wrong == {}


def test_control_an_agent_that_forgets_on_puback_is_caught(ground: Ground) -> None:
    load = while_the_hub_is_away(ground, "prune_when_published")
    with ground.hub():
        load.finish(IN_VAIN_S)
    assert ground.judge().lost
