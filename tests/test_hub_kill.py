"""kill -9 of the hub in the middle of a stream: nothing lost, nothing doubled; with early acknowledgement it is."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import pytest
from fix_hub import House, wait_for
from fix_services import on_both_brokers

from edge.agent import Agent
from edge.reading import now_us

MESSAGES, EACH, KILLS = 150, 40, 2
SLOW_HUB = [sys.executable, "-P", str(Path(__file__).with_name("early_ack_hub.py"))]


def stream_through_kills(house: House, *, early: str) -> None:
    """Send every reading once through an agent, kill the hub in between, and wait until it has had its chance."""
    moments = sorted(random.Random(7).sample(range(20, MESSAGES - 20), KILLS))
    house.start_hub(SLOW_HUB, EARLY=early)
    agent = Agent(house.home / "edge", house.broker.field_url, "municipal", "gateway-01")
    agent.start()
    try:
        begin = now_us() - 60_000_000
        for message in range(MESSAGES):
            agent.accept(
                (
                    "river-01/level",
                    begin + (message * EACH + place) * 1000,
                    float(message * EACH + place) / 10_000,
                )
                for place in range(EACH)
            )
            time.sleep(0.01)
            if message in moments:
                # Not before the hub has something in hand: the kill must hit work, not idleness.
                house.kill_hub()
                house.start_hub(SLOW_HUB, EARLY=early)
        agent.publisher.wait_committed(60)
    finally:
        agent.close()
    assert house.stop_hub() == 0


@on_both_brokers
@pytest.mark.timeout(240)
def test_a_hub_killed_in_mid_stream_loses_nothing_and_doubles_nothing(house: House) -> None:
    house.city()
    stream_through_kills(house, early="no")
    wanted = MESSAGES * EACH
    rows, different, total = house.ask("select count(*), count(distinct time), sum(value) from reading")[0]
    assert (rows, different) == (wanted, wanted)
    assert total == pytest.approx(sum(number / 10_000 for number in range(wanted)))
    stored, balance = house.ask(
        "select sum(stored), sum(received - stored - duplicate - quarantined - rejected) from ledger_minute"
    )[0]
    assert (stored, balance) == (wanted, 0)
    assert house.ask("select count(*) from dead_letter") == [(0,)]


@pytest.mark.timeout(240)
def test_control_a_hub_that_acknowledges_before_it_commits_loses_readings(house: House) -> None:
    house.city()
    stream_through_kills(house, early="yes")
    rows = house.ask("select count(*) from reading")[0][0]
    assert rows < MESSAGES * EACH, "the control lost nothing: the kill test proves nothing"


def test_a_hub_told_to_end_commits_what_it_has_taken(house: House) -> None:
    house.city()
    house.start_hub()
    device = house.publisher()
    for number in range(50):
        house.send(device, "city/v1/water/river-01/telemetry", {"level": 1 + number / 100})
    assert house.stop_hub() == 0
    house.start_hub()
    wait_for(lambda: house.ask("select count(*) from reading") == [(50,)], "all fifty")
    assert house.ask("select count(*) from hub_run where batch > 0")[0][0] >= 1
