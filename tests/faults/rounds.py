"""How many rounds each fault gets: a few in `make test`, many in `make soak`; all numbers stand in one table.

CITYHUB_SOAK=1 runs the long size; CITYHUB_SOAK=0.2 a fifth of it, never less than the short one.
"""

from __future__ import annotations

import os

SHARE = float(os.environ.get("CITYHUB_SOAK") or 0)
SOAK = SHARE > 0

# name: short, long
TABLE = {
    "hub kills": (2, 100),
    "broker kills": (2, 50),
    "database kills": (2, 50),
    "lost commit answers": (3, 100),
    "edge kills": (6, 200),
    "kills of everything": (1, 30),
    "dead threads": (1, 50),
    "cuts": (1, 20),
    "cables pulled": (1, 20),
    "journal damages": (150, 100_000),
    "journal histories": (5, 20_000),
    "duplicated batches": (60, 3_000),
    "poisoned rows": (4_000, 1_000_000),
    "fuzzed payloads": (2_000, 1_000_000),
    "fuzzed messages of platforms": (300, 1_000_000),
}


def rounds(name: str) -> int:
    """How often, at the size that this run has."""
    short, long = TABLE[name]
    return max(short, round(long * SHARE)) if SOAK else short


BROKERS = ("mosquitto", "nats") if SOAK else ("mosquitto",)
"""The brokers whose death is tried; the kills of the hub in tests/test_hub_kill.py always run on both."""

LIMIT_S = 6 * 3600.0 if SOAK else 180.0
"""After this long a test hangs."""

PATIENCE_S = float(os.environ.get("CITYHUB_PATIENCE") or (900 if SOAK else 90))
"""Every wait is for a condition; this long it may take on a busy machine."""

IN_VAIN_S = 2.0
"""How long a control waits for what will not come."""
