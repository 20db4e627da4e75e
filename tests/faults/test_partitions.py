"""B1: links that break, stall, fall silent one way, or break in the middle of a packet: edge|broker|hub|database."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from faults import proxy
from faults.ground import Ground, due, loaded, nap, transitions
from faults.oracle import Record
from faults.proxy import Proxy
from faults.rounds import IN_VAIN_S, PATIENCE_S, rounds
from faults.wrong_agents import offer_when_connected

from edge import link
from edge.publisher import Publisher
from ingest import inbox


def cut(between: Proxy) -> None:
    between.cut()
    nap(0.5)
    between.heal()


def stall(between: Proxy) -> None:
    between.stall()
    nap(0.5)
    between.heal()


# Of the links to the broker. To the database, silence is a partition of the network: see test_namespace.py.
FAULTS: dict[str, Callable[[Proxy], None]] = {
    "cut": cut,
    "stalled": stall,
    "reset in mid-packet on the way up": lambda between: between.reset_after("up", 700),
    "reset in mid-packet on the way down": lambda between: between.reset_after("down", 77),
    "silent on the way up": lambda between: between.silence("up"),
    "silent on the way down": lambda between: between.silence("down"),
    "silent both ways": lambda between: between.silence("up", "down"),
}


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is noticed within seconds."""
    monkeypatch.setattr(link, "KEEPALIVE_S", 2)
    monkeypatch.setattr(inbox, "CANARY_EVERY_S", 0.5)
    monkeypatch.setattr(inbox, "CANARY_LOST_S", 1.5)


@pytest.mark.usefixtures("watchful")
def test_whatever_befalls_the_links_to_the_broker_nothing_is_lost_or_doubled(ground: Ground) -> None:
    outer, inner = ground.house.broker.field_url, ground.house.broker.url
    with (
        proxy.before(outer) as edge,
        proxy.before(inner) as hubs,
        ground.hub(mqtt_url=hubs.url(inner)) as hub,
    ):
        with loaded(ground.order(broker=edge.url(outer))) as load:
            for number in range(rounds("cuts")):
                for place, fault in enumerate(FAULTS.values()):
                    ground.passes(20)
                    fault((edge, hubs)[(place + number) % 2])
            ground.passes(200)
        assert load.drain(PATIENCE_S)
        load.close()
    assert ground.judge().wrong == {}
    assert hub.deaths == []


def test_whatever_befalls_the_link_to_the_database_nothing_is_lost_or_told_twice(ground: Ground) -> None:
    url = ground.house.database.url
    with proxy.before(url) as between, ground.hub(database_url=between.url(url)) as hub:
        with loaded(ground.order()) as load:
            for _ in range(rounds("cuts")):
                for name in ("cut", "stalled", "reset in mid-packet on the way up"):
                    ground.passes(50)
                    FAULTS[name](between)
            ground.passes(100)
        assert load.drain(PATIENCE_S)
        load.close()
    assert ground.judge().wrong == {}
    assert transitions(ground.house) == due(Record.of(*ground.records), "cover-01/open")
    assert hub.deaths == []


def test_a_transaction_that_the_server_still_holds_open_after_the_link_broke_stops_nobody(
    ground: Ground,
) -> None:
    url = ground.house.database.url
    with proxy.before(url) as between, ground.hub(database_url=between.url(url)):
        with loaded(ground.order()) as load:
            ground.passes(50)
            between.leave_behind(b"insert into ledger_minute", of=b"cityhub writer")
            ground.passes(200)
            assert between.sprung == 1
        assert load.drain(PATIENCE_S)
        load.close()
    assert ground.judge().wrong == {}


def test_control_an_agent_that_sends_only_while_it_is_connected_is_caught(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Publisher, "offer", Publisher.offer)  # to be put back afterwards
    offer_when_connected()
    url = ground.house.broker.field_url
    with proxy.before(url) as between, ground.hub():
        with loaded(ground.order(broker=between.url(url))) as load:
            ground.passes(50)
            cut(between)
            ground.passes(50)
        assert load.drain(PATIENCE_S)
        nap(IN_VAIN_S)
        load.close()
    assert ground.judge().lost


def test_control_a_hub_that_waits_for_ever_on_a_silent_link_is_caught(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "KEEPALIVE_S", 60_000)
    monkeypatch.setattr(inbox, "CANARY_LOST_S", 1e9)
    url = ground.house.broker.url
    with proxy.before(url) as between, ground.hub(mqtt_url=between.url(url)):
        with loaded(ground.order()) as load:
            ground.passes(50)
            between.silence("down")
            nap(0.5)
        assert not load.drain(IN_VAIN_S)
        load.close()
        between.reset()
    assert ground.judge().lost
