"""A1: kill -9 of the hub under load, at random moments."""

from __future__ import annotations

import random
import signal

from faults.ground import Ground, nap
from faults.oracle import Verdict
from faults.rounds import IN_VAIN_S, PATIENCE_S, rounds
from faults.walkers import NAMED, SEEN, key


def kill_and_start(ground: Ground, kills: int, patch: str = "") -> Verdict:
    """Kill the hub in the middle of its work, as often as asked, and judge when all is at rest."""
    moments = random.Random(1)
    hub, load = ground.hub_process(patch), ground.load_process(walkers=[*NAMED, SEEN])
    hub.start()
    load.start()
    for _ in range(kills):
        ground.passes(100)  # not idle when it dies
        nap(moments.uniform(0, 0.5))
        hub.end(signal.SIGKILL)
        hub.start()
    ground.passes(100)
    assert load.finish(IN_VAIN_S if patch else PATIENCE_S) or patch
    hub.end(signal.SIGTERM)
    return ground.judge()


def test_a_hub_killed_under_load_loses_doubles_and_invents_nothing(ground: Ground) -> None:
    assert kill_and_start(ground, rounds("hub kills")).wrong == {}
    assert ground.house.ask("select count(distinct track_id) from crossing") == [(3,)]
    # And the control of that: a crossing that is missing, and one that nobody made, are seen.
    moved = ground.house.ask(
        """update crossing set time = time + interval '1 s' where time = (select min(time) from crossing)
           returning track_id"""
    )
    assert len(ground.judge().mistold) == 2 * len(moved) > 0


def test_control_a_hub_that_acknowledges_before_it_commits_is_caught(ground: Ground) -> None:
    lost = {name for name, _ in kill_and_start(ground, 1, "early_ack").lost}
    assert lost & {*NAMED, key(SEEN)}
    assert lost - {*NAMED, key(SEEN)}
