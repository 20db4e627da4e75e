"""C1: the disk under the edge journal is full; what is said to be kept is kept, and it goes on when there is room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.ground import Ground, loaded, root
from faults.load import Order
from faults.rounds import PATIENCE_S
from faults.wrong_agents import swallow_full
from fix_hub import wait_for

from edge.agent import Agent


@pytest.fixture
def cramped(ground: Ground) -> Iterator[Order]:
    """Agents whose journals share a disk of 2 MiB."""
    if not root():
        pytest.skip("only root can mount the small disk that this test fills")
    order = ground.order("cramped", each=1_800, every_s=0.01)
    disk = Path(order.folder)
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield order
    subprocess.run(["umount", "-l", disk], check=True)


def test_agents_on_a_full_disk_accept_nothing_that_they_cannot_keep_and_go_on_when_there_is_room(
    ground: Ground, cramped: Order
) -> None:
    with loaded(cramped) as load:
        wait_for(lambda: load.refused > 20, "the disk to be full", PATIENCE_S)
        with ground.hub():
            accepted = load.accepted
            wait_for(lambda: load.accepted > accepted + 30, "readings to be accepted again", PATIENCE_S)
    with ground.hub():
        assert load.drain(PATIENCE_S)
    load.close()
    assert ground.judge().wrong == {}


def test_control_a_driver_that_takes_a_full_journal_for_a_yes_is_caught(
    ground: Ground, cramped: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Agent, "accept", Agent.accept)  # to be put back afterwards
    swallow_full()
    with loaded(cramped) as load:
        wait_for(lambda: load.accepted > 200, "the load to have gone on", PATIENCE_S)
    with ground.hub():
        assert load.drain(PATIENCE_S)
    load.close()
    assert ground.judge().lost
