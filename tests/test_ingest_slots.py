"""Tables of names: what senders make up is remembered within bounds."""

from __future__ import annotations

import pytest

from ingest import profile, slots
from ingest.registry import Device, Registry
from ingest.slots import Slots


def test_long_tables_of_made_up_names_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "NAMES_LIMIT", 1_000)
    registry = Registry()
    registry.profiles = {one.profile.profile: one.profile for one in profile.load()}
    device = Device(1, "river-1", "water", "river-gauge", None, None, None, recorded=False)
    registry.devices = {device.key: device}
    known = Slots(registry, lambda _: pytest.fail("no name of these is a metric"))
    for message in range(100):
        names = [f"made-up-{message}-{place}" for place in range(100)]
        _, refusals = known.take(device, names, None)
        assert len(refusals) == 100
        assert sum(len(table) for _, table, _ in known._known) <= 1_200
