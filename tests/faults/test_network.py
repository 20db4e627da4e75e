"""B1 once more, with a real cable pulled: the kernel's own patience with a silent peer, which no proxy can show."""

from __future__ import annotations

import pytest
from faults import proxy
from faults.ground import Ground, loaded, nap
from faults.namespace import cable
from faults.rounds import IN_VAIN_S, PATIENCE_S, SOAK, rounds

from edge import link
from ingest import connection, inbox

LINKS = ("database_url", "mqtt_url", "broker") if SOAK else ("database_url",)


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is noticed within seconds."""
    for name, value in (
        ("IDLE_S", 1),
        ("AGAIN_S", 1),
        ("TIMES", 2),
        ("PATIENCE_MS", 3_000),
        ("CONNECT_S", 2),
    ):
        monkeypatch.setattr(connection, name, value)
    monkeypatch.setattr(link, "KEEPALIVE_S", 2)
    monkeypatch.setattr(inbox, "CANARY_EVERY_S", 0.5)
    monkeypatch.setattr(inbox, "CANARY_LOST_S", 1.5)


def pull(ground: Ground, which: str, times: int, patience_s: float) -> bool:
    """Pull a link's cable under load; plugged in again, it carries new connections only, as after a router's restart.

    Whether everything came through in the end.
    """
    house = ground.house
    urls = {
        "database_url": house.database.url,
        "mqtt_url": house.broker.url,
        "broker": house.broker.field_url,
    }
    with cable() as wire, proxy.before(urls[which], wire.listener) as between:
        through = {which: between.url(urls[which])}
        fields, hubs = (through, {}) if which == "broker" else ({}, through)
        with ground.hub(**hubs):
            with loaded(ground.order(**fields)) as load:
                for _ in range(times):
                    ground.passes(50)
                    wire.pull()
                    nap(4.5)  # longer than the patience of both ends
                    between.silence("up", "down")
                    wire.plug()
            done = load.drain(patience_s)
            load.close()
            verdict = ground.judge()
            between.reset()
    assert done == (verdict.wrong == {}), verdict.wrong
    return done


@pytest.mark.usefixtures("watchful")
@pytest.mark.parametrize("which", LINKS)
def test_a_link_that_goes_silent_is_given_up_and_made_anew_and_nothing_is_lost(
    ground: Ground, which: str
) -> None:
    assert pull(ground, which, rounds("cables pulled"), PATIENCE_S)


@pytest.mark.skipif(not SOAK, reason="the control of the pulled cable runs in the long size")
def test_control_a_hub_with_the_patience_of_tcp_waits_for_hours_and_is_caught(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("IDLE_S", 7_200), ("PATIENCE_MS", 0)):
        monkeypatch.setattr(connection, name, value)
    assert not pull(ground, "database_url", 1, 15 + IN_VAIN_S)
