"""A8: the thread that listens to the broker dies of an exception; the client still says that it is connected."""

from __future__ import annotations

import pytest
from faults.ground import Ground, loaded
from faults.rounds import IN_VAIN_S, PATIENCE_S, rounds
from fix_hub import wait_for

from ingest import inbox
from ingest.inbox import Inbox

# Whoever dies says so in the test's log; that it died is what the test wants.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class Poison:
    """Makes the inbox raise at its next message, in paho's thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.due = self.taken = 0
        take = Inbox._take

        def taken(box: Inbox, topic: bytes, payload: bytes, mid: int) -> None:
            if self.taken < self.due:
                self.taken += 1
                raise MemoryError("no room for one more")
            take(box, topic, payload, mid)

        monkeypatch.setattr(Inbox, "_take", taken)


def test_a_hub_whose_listening_thread_dies_is_found_out_by_its_canary_and_misses_nothing(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "CANARY_EVERY_S", 0.5)
    monkeypatch.setattr(inbox, "CANARY_LOST_S", 1.5)
    poison = Poison(monkeypatch)
    with ground.hub() as hub:
        with loaded(ground.order()) as load:
            for number in range(rounds("dead threads")):
                ground.passes(50)
                poison.due = number + 1
                wait_for(lambda: poison.taken == poison.due, "the thread to die", PATIENCE_S)
                ground.passes(50)
        assert load.drain(PATIENCE_S)
        load.close()
    assert ground.judge().wrong == {}
    assert hub.deaths == []


def test_control_without_a_canary_the_hub_stays_deaf_and_is_caught(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "CANARY_LOST_S", 1e9)
    poison = Poison(monkeypatch)
    with ground.hub():
        with loaded(ground.order()) as load:
            ground.passes(50)
            poison.due = 1
            wait_for(lambda: poison.taken, "the thread to die", PATIENCE_S)
        assert not load.drain(IN_VAIN_S)
        load.close()
    assert ground.judge().lost
