"""The agent's own health arrives at the hub as readings of its gateway, and a loss there raises an alarm."""

from __future__ import annotations

from fix_hub import House, wait_for

from edge.agent import Agent
from edge.health import Health


def test_an_edge_journal_that_has_dropped_readings_is_told_of(house: House) -> None:
    house.city()
    house.start_hub()
    agent = Agent(
        house.home / "edge",
        house.broker.field_url,
        "municipal",
        "gateway-01",
        limit_bytes=500,
        when_full="drop-oldest",
    )
    for second in range(20):  # before it may send: the way to the hub is shut
        agent.accept([("lamp-01/current", 1_790_000_000_000_000 + second, 1.0)])
    dropped = agent.journal.dropped
    assert dropped > 0
    health = Health(agent)
    health.start()
    agent.start()
    assert agent.publisher.wait_committed(60)
    alarm = "select level, value from alarm where rule = 'edge-dropped'"
    wait_for(lambda: house.ask(alarm) == [(2, float(dropped))], "the alarm")
    health.close()
    agent.close()
