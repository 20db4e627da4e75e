"""A4: kill -9 of the edge agents while they append, as fast as they can."""

from __future__ import annotations

import random

from faults.ground import Ground, nap
from faults.oracle import Verdict
from faults.rounds import IN_VAIN_S, PATIENCE_S, rounds


def kill_agents(ground: Ground, kills: int, patch: str = "") -> Verdict:
    """Kill the agents again and again; the last ones end in peace, and send what all of them have left."""
    moments = random.Random(4)
    load = ground.load_process(every_s=0, each=3, patch=patch)
    with ground.hub():
        for _ in range(kills):
            load.start()
            load.works()
            nap(moments.uniform(0, 0.3))
            load.kill()
        load.start()
        load.works()
        assert load.finish(IN_VAIN_S if patch else PATIENCE_S) or patch
    return ground.judge()


def test_agents_killed_in_mid_append_keep_what_they_accepted_and_repeat_no_number(ground: Ground) -> None:
    assert kill_agents(ground, rounds("edge kills")).wrong == {}


def test_control_an_agent_that_says_yes_before_it_writes_is_caught(ground: Ground) -> None:
    assert kill_agents(ground, 2, "accept_before_append").lost


def test_control_agents_whose_boots_all_have_one_name_are_caught(ground: Ground) -> None:
    assert kill_agents(ground, 2, "one_boot").places_reused
