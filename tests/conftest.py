"""Fixtures by what they start: services, a whole hub, and a timeline to tell a story on."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

pytest_plugins = ["fix_services", "fix_hub", "fix_places"]

# No deadline: machines are noisy. On CI the same examples every time; a person's runs look for new ones.
settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("house")
# Of the run without compilation (tests/test_alerts_plain.py): the same code, a hundred times slower.
settings.register_profile("plain", settings.get_profile("house"), max_examples=20)

WHOLE = ("test_hub", "test_cityhub", "test_bench", "test_console")
"""Files whose tests start processes and wait for them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first: a worker that begins one at the end keeps everybody waiting."""
    items.sort(key=lambda item: item.path.parent.name != "faults" and not item.path.name.startswith(WHOLE))
