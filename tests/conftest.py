"""Fixtures by what they start: services, a whole hub, and a timeline to tell a story on."""

from __future__ import annotations

import os

from hypothesis import settings

pytest_plugins = ["fix_services", "fix_hub", "fix_places"]

# No deadline: machines are noisy. On CI the same examples every time; a person's runs look for new ones.
settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("house")
# Of the run without compilation (tests/test_alerts_plain.py): the same code, a hundred times slower.
settings.register_profile("plain", settings.get_profile("house"), max_examples=20)
