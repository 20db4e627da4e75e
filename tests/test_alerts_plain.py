"""The kernels without compilation: Python itself must come to the same results as numba's machine code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="this is the run without compilation")
def test_the_kernels_pass_their_tests_as_plain_python_too() -> None:
    names = ("quality", "threshold", "verdict", "tally", "silence", "forecast")
    files = [str(ROOT / "tests" / f"test_alerts_{name}.py") for name in names]
    # What else that file does takes months of readings: too slow here, and the same code.
    files.append(
        str(ROOT / "tests" / "test_alerts_anomaly.py") + "::test_any_readings_get_the_references_scores"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "--hypothesis-profile=plain",
            *files,
        ],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-1_000:]
