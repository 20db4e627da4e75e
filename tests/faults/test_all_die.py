"""A6: hub, broker, database and edge agents are killed at once, and started again in any order."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import pairwise

from faults.ground import Ground, nap, transitions
from faults.oracle import Verdict
from faults.rounds import IN_VAIN_S, PATIENCE_S, rounds
from faults.services import Own, kill_broker, start_broker_again


def kill_everything(own: Own, apart: Ground, times: int, patch: str = "") -> Verdict:
    """A power cut, and what comes back when it comes back; a part that needs another is started until it is there."""
    moments = random.Random(6)
    hub, load = apart.hub_process(), apart.load_process(patch=patch)
    hub.start()
    load.start()
    for number in range(times):
        apart.passes(100)
        nap(moments.uniform(0, 0.5))
        wiped = number % 2 == 1
        with ThreadPoolExecutor() as hands:  # at once
            ends: list[Future[None]] = [
                hands.submit(load.kill),
                hands.submit(own.kill),
                hands.submit(hub.end, signal.SIGKILL),
                hands.submit(kill_broker, apart.house, wiped=wiped),
            ]
        for end in ends:
            end.result()
        starts: list[Callable[[], None]] = [
            hub.start,
            load.start,
            own.start,
            partial(start_broker_again, apart.house),
        ]
        for start in moments.sample(starts, len(starts)):
            start()
            nap(moments.uniform(0, 0.5))
    apart.passes(100)
    assert load.finish(IN_VAIN_S if patch else PATIENCE_S) or patch
    hub.end(signal.SIGTERM)
    return apart.judge()


def test_when_everything_dies_at_once_nothing_is_lost_and_nothing_doubled(own: Own, apart: Ground) -> None:
    assert kill_everything(own, apart, rounds("kills of everything")).wrong == {}
    steps = transitions(apart.house)
    assert len(set(steps)) == len(steps)
    assert all(one[0] != following[0] for one, following in pairwise(steps)), "an alarm that came twice"


def test_control_with_agents_that_say_yes_before_they_write_the_power_cut_loses_readings(
    own: Own, apart: Ground
) -> None:
    assert kill_everything(own, apart, 1, "accept_before_append").lost
