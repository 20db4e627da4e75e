"""What a start has compiled is all that readings and positions need."""

from __future__ import annotations

import subprocess
import sys

FIRST_READING = """
import sys
import numpy as np
from shapely import box
from alerts import rulebook
from alerts.days import Days
from cityhub.kernels import Kernels
from cityhub.warming import warm
from edge.reading import READING
from geo import crossing, fence
from ingest.batch import Batch
from ingest.fixes import FIX
from ingest.order import Newest
from ingest.quota import Quotas
from ingest.registry import Registry

def compiled():
    ours = [module for name, module in sys.modules.items() if name.split(".")[0] in {"alerts", "geo", "ingest"}]
    return {
        f"{module.__name__}.{name}": len(kernel.signatures)
        for module in ours
        for name, kernel in vars(module).items()
        if hasattr(kernel, "signatures") and kernel.signatures
    }

if "cold" not in sys.argv:
    warm()
before = compiled()
newest, quotas = Newest(), Quotas()
kernels = Kernels(Registry(lambda: None), newest, rulebook.load(rulebook.SHIPPED), Days("UTC"))
crossings = crossing.Crossings([box(0, 0, 1, 1), box(0, 0, 2, 2)], fence.Fence())
for count in (1, 2, 50):
    rows, fixes = np.zeros(count, READING), np.zeros(count, FIX)
    rows["time"] = fixes["time"] = np.arange(count)
    quotas.admit(np.zeros(count, np.int32), np.zeros(count, np.int64), np.arange(count))
    newer = newest.advance(rows["series"], rows["time"])
    device = np.zeros(count, np.int32)
    kernels.judge(Batch([], rows=rows, device=device, newer=newer, late=~newer, delayed=~newer))
    newest.advance(np.zeros(count, np.int32), fixes["time"])
    crossings.feed(np.zeros(count, np.int32), fixes["time"], fixes["lon"], fixes["lat"], fixes["accuracy"])
after = compiled()
print("compiled later:", sorted(name for name in after if after[name] != before.get(name)))
"""


def compiled_later(*arguments: str) -> str:
    said = subprocess.run(
        [sys.executable, "-c", FIRST_READING, *arguments], capture_output=True, text=True, check=True
    )
    return said.stdout.splitlines()[-1]


def test_no_reading_and_no_position_waits_for_a_compiler_once_the_hub_has_started() -> None:
    assert compiled_later() == "compiled later: []"


def test_control_without_it_the_first_ones_do() -> None:
    assert "alerts.checks.quality._mark" in compiled_later("cold")
