"""B3 in small: what waited through an outage comes in while new readings keep coming, and both arrive."""

from __future__ import annotations

import pytest
from faults import proxy
from faults.ground import Ground, loaded
from faults.load import GATEWAY
from faults.rounds import IN_VAIN_S, PATIENCE_S
from fix_hub import wait_for

from edge import publisher


def test_a_backlog_is_made_up_for_while_new_readings_keep_coming(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "OUTAGE_S", 0.1)
    url = ground.house.broker.field_url
    with proxy.before(url) as between, ground.hub():
        order = ground.order(broker=between.url(url), agents=[GATEWAY], each=1, every_s=0.005)
        with loaded(order) as load:
            load.agents[0].publisher._window.size = 20
            ground.passes(5)
            between.cut()
            wait_for(lambda: load.agents[0].publisher.waiting > 300, "a backlog", PATIENCE_S)
            between.heal()
            had = load.accepted
            wait_for(lambda: ground.stored() >= had, "the backlog to be stored", 5 * IN_VAIN_S)
        assert load.drain(PATIENCE_S)
        load.close()
    assert ground.judge().wrong == {}
