"""The benches as a person runs them, on tiny loads: what they print, and that they count every reading."""

import json
import subprocess
import sys
from typing import Any

import pytest

from bench import balance, meters
from bench.errors import Mismatch


def bench(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cityhub.cli", "bench", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_copy_prints_one_object_that_names_the_machine() -> None:
    found = bench("copy", "--seconds", "2", "--runs", "1")
    assert found["copy_rows_per_s"] > 0
    assert found["machine"].keys() >= {"cpu", "cores", "memory_gb", "broker", "database", "python"}
    assert found.keys() >= {"load", "runs"}


def test_ingest_finds_every_reading_stored_exactly_once() -> None:
    found = bench("ingest", "--seconds", "1", "--runs", "1", "--devices", "50")
    for key in ("single_messages_per_s", "single_readings_per_s", "batch_readings_per_s", "copy_rows_per_s"):
        assert found[key] > 0
    assert found["batch_share"] > 0
    assert found["script_messages_per_s"] > 0
    assert found["exactly_once"]["single_messages"] > 0
    assert found["exactly_once"]["batch_readings"] > 0


def test_flood_counts_every_message_of_the_runaway_device_and_loses_none_of_the_others() -> None:
    found = bench("flood", "--seconds", "2", "--runs", "1", "--rate", "200", "--devices", "50")
    assert found["lost"] == 0
    assert found["p99_ms"] > 0
    told = found["runaway"]
    assert told["stored"] + told["refused"] + told["held"] >= told["sent"] > 0
    assert told["refused"] > 0


class Said:
    """A database connection that answers every question with the same rows."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = rows

    def execute(self, _query: object) -> list[tuple[Any, ...]]:
        return self._rows


def stored(devices: int, messages: int) -> dict[tuple[str, str], tuple[int, int]]:
    table: dict[tuple[str, str], tuple[int, int]] = {}
    for m in range(messages):
        turn, device = divmod(m, devices)
        values = json.loads(meters.payload(device, turn, 1_700_000_000_000 + turn))["values"]
        for metric, value in values.items():
            count, tenths = table.get((meters.key(device), metric), (0, 0))
            table[meters.key(device), metric] = (count + 1, tenths + round(value * 10))
    return table


def test_what_the_meters_say_is_what_the_balance_expects() -> None:
    rows = [(*place, *numbers) for place, numbers in stored(7, 40).items()]
    balance.check_meters(Said(rows), 7, 40)  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", ["lost", "twice", "changed"])
def test_a_reading_that_is_lost_or_doubled_or_changed_fails_the_bench(fault: str) -> None:
    rows = [(*place, *numbers) for place, numbers in stored(7, 40).items()]
    device, metric, count, tenths = rows[5]
    rows[5] = {
        "lost": (device, metric, count - 1, tenths),
        "twice": (device, metric, count + 1, tenths),
        "changed": (device, metric, count, tenths + 1),
    }[fault]
    with pytest.raises(Mismatch, match="1 of 21 series"):
        balance.check_meters(Said(rows), 7, 40)  # type: ignore[arg-type]
