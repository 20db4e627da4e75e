"""The ground of a fault test, and shorter patience for what would make it wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from faults.ground import Ground
from faults.rounds import LIMIT_S
from faults.services import Own
from fix_hub import House
from fix_services import Private

from cityhub.services import Broker
from cityhub.settings import Settings
from cityhub.stack import prepare
from edge import publisher


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A fault test may take as long as its size asks for."""
    for item in items:
        if "/faults/" in item.nodeid:
            item.add_marker(pytest.mark.timeout(LIMIT_S))


@pytest.fixture
def ground(house: House, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """A city without a hub yet; agents of ours repeat what was not committed after seconds, not after twenty."""
    monkeypatch.setattr(publisher, "RESEND_AFTER_S", 3.0)
    return Ground(house)


@pytest.fixture
def own(home: Path) -> Iterator[Own]:
    """A database server that may be killed."""
    started = Own(home)
    prepare(started.server.url, Settings(), lambda _: None)
    yield started
    started.server.stop()


@pytest.fixture
def apart(own: Own, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """A ground on that server."""
    monkeypatch.setattr(publisher, "RESEND_AFTER_S", 3.0)
    with ExitStack() as stack:
        yield Ground(House(own.home, Private(own.server.url), broker, stack))
