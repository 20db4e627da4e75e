"""The benches as a person runs them, on tiny loads: what they print, and that they count every reading."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import balance, checking, drawing, fences, following, labelled, meters
from bench.errors import BenchError, Mismatch
from bench.reader import Reader
from bench.stored import City
from geo.fence import Fence

SOAKED = pytest.mark.skipif(
    "CITYHUB_SOAK" not in os.environ, reason="half a minute each: `make soak` runs them"
)


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


def test_protocols_reads_every_frame_it_counts() -> None:
    found = bench("protocols", "--runs", "1")
    assert found["sl651_frames_per_s"] > 1000
    assert found["hj212_frames_per_s"] > 1000
    assert found["machine"]["cores"] >= 1


def test_crowd_spreads_everybody_it_counts() -> None:
    found = bench("crowd", "--seconds", "1", "--runs", "1")
    assert found["persons"] == 300
    assert found["percent_of_a_core"] > 0
    assert found["census_tick_ms"] > 0
    assert found["load"].keys() >= {"ground", "time", "census"}


def test_fences_follows_every_track_and_locates_as_shapely_does() -> None:
    if not fences.SHARED.is_dir():
        pytest.skip("the outlines of a real city are not beside the repository (../shared/data)")
    zones = fences.city(10)
    rate, events = fences.walk(zones, 8, lambda _: None)
    assert min(rate, events) > 0
    assert fences.flaps(Fence(), 6.0) == 0
    assert fences.flaps(fences.SHARP, 0.0) > 0
    cells, wide = fences.real(fences.SHARED / "geo", 80)
    assert len(cells) == 100
    assert min(fences.locate([*cells, wide[0]], 1)) > 0


def test_positions_finds_every_fix_stored_once() -> None:
    found = following.run(1, 1, lambda _: None, coarser=10)
    assert found["fixes_per_s"]
    assert found["fixes_per_cpu_s"]


def test_fences_without_its_data_says_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="is missing") as missing:
        fences.real(tmp_path)
    assert "--data" in missing.value.hint


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


def test_edge_answers_every_station_and_keeps_every_reading() -> None:
    found = bench("edge", "--seconds", "1", "--runs", "1", "--rtus", "30")
    assert found["rtus"] == 30
    assert 20 < found["edge_rss_mb"] < 60
    for key in ("links_per_s", "reports_per_s", "cpu_percent_of_a_core"):
        assert found[key] > 0


@SOAKED
def test_flood_counts_every_message_of_the_runaway_device_and_loses_none_of_the_others() -> None:
    found = bench("flood", "--seconds", "2", "--runs", "1", "--rate", "200", "--devices", "50")
    assert found["lost"] == 0
    assert found["p99_ms"] > 0
    told = found["runaway"]
    assert told["stored"] + told["refused"] + told["held"] >= told["sent"] > 0
    assert told["refused"] > 0


RECORDINGS = Path(__file__).parents[2] / "shared"


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the labelled recordings are not beside the project")
def test_anomaly_scores_the_labelled_recordings() -> None:
    found = bench("anomaly", "--seconds", "1", "--runs", "1", "--data", str(RECORDINGS))
    assert found["standard"] >= 70
    assert found["perturbed"]["least"] >= 70
    assert len(found["series"]) == 30
    assert [len(each) for each in found["labels"].values()] == [4, 4, 4]


def test_anomaly_without_its_recordings_says_where_to_name_them(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cityhub.cli", "bench", "anomaly", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode == 2
    assert "Try: name their folder with --data" in " ".join(done.stderr.split())


def test_marks_and_labels_agree_by_rows_and_by_events() -> None:
    hour = labelled.NEAR_US
    times = hour * np.array([0, 1, 2, 10, 11, 12, 30, 31, 50])
    labels = np.array([1, 1, 0, 0, 0, 0, 1, 1, 0], np.bool_)
    marks = np.array([0, 0, 1, 0, 1, 0, 0, 0, 1], np.bool_)
    # Events: the label at 0-1 with the mark an hour after it; the label at 30-31 with none; marks at 11 and 50 alone.
    assert (
        labelled.event_agreement(times, labels, marks) == "precision 0.33 (1/3), recall 0.50 (1/2), F1 0.40"
    )
    assert labelled.event_agreement(times, labels, np.zeros(9, np.bool_)).startswith("precision 0.00 (0/0)")
    assert (
        labelled.agreement(labels[marks], marks[labels]) == "precision 0.00 (0/3), recall 0.00 (0/4), F1 0.00"
    )


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


@SOAKED
def test_query_checks_every_answer_against_what_was_stored() -> None:
    found = bench("query", "--rows", "100000", "--seconds", "1", "--runs", "1")
    assert found["day_p95_ms"] > 0
    assert found["latest_p95_ms"] > 0
    assert (found["rows"], found["series"]) == (100_000, 100)
    assert found["answers_checked"] > 40


@SOAKED
def test_footprint_starts_three_times_and_finds_every_reading_stored_exactly_once() -> None:
    found = bench("footprint", "--series", "300", "--seconds", "1", "--runs", "1")
    assert found["rss_mb"] > 10
    assert found["start_s"] > 0
    assert found["start_after_kill_s"] > 0
    assert found["exactly_once"]["messages"] > 300


class Answers:
    """An API that answers every question with the same object."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.content = json.dumps(said).encode()

    def get(self, _path: str, params: object) -> "Answers":
        assert params is not None
        return self

    def raise_for_status(self) -> "Answers":
        return self


@pytest.mark.parametrize("fault", ["none", "lost", "changed", "another time"])
def test_an_answer_that_is_not_what_was_stored_fails_the_bench(fault: str) -> None:
    city = City(100_000)
    times, values = city.day_of(10, 60)
    items = [
        {"time": f"{np.datetime64(int(at), 'us')}Z", "value": value}
        for at, value in zip(times, values.tolist(), strict=True)
    ]
    if fault == "lost":
        items.pop()
    elif fault == "changed":
        items[7]["value"] += 0.1
    elif fault == "another time":
        items[7]["time"] = items[8]["time"]
    reader = Reader(None, Answers({"items": items, "next": None}), city, np.zeros(0))  # type: ignore[arg-type]
    if fault == "none":
        reader.day((10, 60))
        return
    with pytest.raises(Mismatch, match="series 10 "):
        reader.day((10, 60))


def test_the_stored_city_holds_a_thousand_readings_of_each_series_in_order_and_none_ahead_of_now() -> None:
    city = City(100_000)
    rows = np.concatenate(list(city.batches()))
    assert len(rows) == 100_000
    assert len(np.unique(rows[["series", "time"]])) == len(rows)
    assert rows["time"].max() <= time.time() * 1e6
    assert (np.diff(rows["time"]) >= 0).all()
    one = rows[rows["series"] == 10]
    times, values = city.day_of(10, 60)
    assert one["time"][60:1500].tolist() == times.tolist()
    assert one["value"][60:1500].tolist() == values.tolist()


def test_the_checks_bench_judges_a_fleet_and_names_a_peer_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates, kernels = checking.measure(500, 0.01, 2)
    assert len(rates) == 2
    assert min(rates) > 0
    assert kernels.keys() == {"mark", "observe"}
    monkeypatch.setitem(sys.modules, "ioos_qc.qartod", None)  # its own name: it may have been imported before
    with pytest.raises(BenchError, match="ioos_qc is not installed") as missing:
        checking.run(1, 1, lambda _: None)
    assert "make peers" in missing.value.hint


def test_the_plot_of_the_checks_shows_what_the_kernel_does_today() -> None:
    assert drawing.TARGET.read_text() == drawing.draw()
