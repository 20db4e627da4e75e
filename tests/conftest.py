"""Fixtures by what they start: services, a whole hub, and a timeline to tell a story on."""

from __future__ import annotations

pytest_plugins = ["fix_services", "fix_hub"]
