"""Recordings as people have them: zipped, with gaps, with a byte order mark, with mistakes that are named."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest

from edge.drivers.recording import RecordingError, read

US = 1_000_000
NOON = 1_780_488_000 * US  # 2026-06-03T12:00:00Z


def recording(folder: Path, text: str, name: str = "gauge.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_rows_come_in_the_files_order_in_microseconds(tmp_path: Path) -> None:
    path = recording(
        tmp_path,
        "time,value\n2026-06-03T12:00:01Z,2\n2026-06-03T12:00:00.000001Z,-1.5e3\n2026-06-03T20:00:02+08:00,3\n",
    )
    assert list(read(path)) == [(NOON + US, 2.0), (NOON + 1, -1500.0), (NOON + 2 * US, 3.0)]


def test_a_zipped_recording_is_read_like_a_plain_one(tmp_path: Path) -> None:
    path = tmp_path / "gauge.csv.gz"
    path.write_bytes(gzip.compress(b"time,value\n2026-06-03T12:00:00Z,2\n"))
    assert list(read(path)) == [(NOON, 2.0)]


@pytest.mark.parametrize("name", ["gauge.csv", "gauge.csv.gz"])
def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path, name: str) -> None:
    text = "time,value\r\n2026-06-03T12:00:00Z,2\r\n".encode("utf-8-sig")
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert list(read(path)) == [(NOON, 2.0)]


def test_an_empty_value_is_a_missing_value(tmp_path: Path) -> None:
    path = recording(tmp_path, "time,value\n2026-06-03T12:00:00Z,\n2026-06-03T12:00:01Z,  \n")
    assert [math.isnan(value) for _, value in read(path)] == [True, True]


def test_a_time_without_a_zone_is_utc(tmp_path: Path) -> None:
    path = recording(
        tmp_path, "time,value\n2026-06-03 12:00:00,1\n2026-06-03T12:00,2\n 2026-06-03T12:00 ,3\n"
    )
    assert [at for at, _ in read(path)] == [NOON] * 3


def test_a_time_may_be_milliseconds_since_1970(tmp_path: Path) -> None:
    path = recording(tmp_path, "time,value\n1780488000000,1\n1780488000001 ,2\n20260603T1200,3\n")
    assert list(read(path)) == [(NOON, 1.0), (NOON + 1000, 2.0), (NOON, 3.0)]


@pytest.mark.parametrize("column", ["time", "timestamp", "datetime", "date_time", "Time", " Timestamp"])
def test_the_time_column_goes_by_several_names(tmp_path: Path, column: str) -> None:
    path = recording(tmp_path, f"value,{column}\n1,2026-06-03T12:00:00Z\n")
    assert list(read(path)) == [(NOON, 1.0)]


def test_the_only_column_that_is_left_is_the_value(tmp_path: Path) -> None:
    path = recording(tmp_path, "time,site,level\n2026-06-03T12:00:00Z,a,1\n2026-06-03T12:00:00Z,b,2\n")
    assert list(read(path, where={"site": "b"})) == [(NOON, 2.0)]


def test_a_column_can_be_chosen_by_name_and_rows_by_text(tmp_path: Path) -> None:
    path = recording(
        tmp_path, "time,site,value,flow\n2026-06-03T12:00:00Z,a,1,5\n2026-06-03T12:00:00Z,b,2,6\n"
    )
    assert list(read(path, value="flow", where={"site": "b"})) == [(NOON, 6.0)]


@pytest.mark.parametrize(
    ("text", "options", "said", "hint"),
    [
        ("", {}, "gauge.csv has no time column; its columns are none", "name one of them time or timestamp"),
        (
            "date,value\n",
            {},
            "gauge.csv has no time column; its columns are date, value",
            "name one of them time or timestamp",
        ),
        (
            "time,level,flow\n",
            {},
            "gauge.csv has no column 'value'; its columns are time, level, flow",
            "choose one with --column NAME",
        ),
        (
            "time,level\n",
            {"value": "flow"},
            "gauge.csv has no column 'flow'; its columns are time, level",
            "choose one with --column NAME",
        ),
        (
            "time,value\n",
            {"where": {"site": "a"}},
            "gauge.csv has no column 'site'",
            "its columns are time, value",
        ),
        (
            "time,value\nyesterday,1\n",
            {},
            "gauge.csv line 2: 'yesterday' is no time",
            "write times like 2026-06-03T14:30:00Z, or as milliseconds since 1970",
        ),
        (
            "value,time\n1\n",
            {},
            "gauge.csv line 2: '' is no time",
            "write times like 2026-06-03T14:30:00Z, or as milliseconds since 1970",
        ),
        (
            "time,value\n2026-06-03T12:00:00Z\n",
            {},
            "gauge.csv line 2 ends before its value",
            "write every column in every line",
        ),
        (
            'time,value\n2026-06-03T12:00:00Z,1\n2026-06-03T12:00:00Z,"1,5"\n',
            {},
            "gauge.csv line 3: '1,5' is no number",
            "leave a missing value empty",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_to_try(
    tmp_path: Path, text: str, options: dict[str, str], said: str, hint: str
) -> None:
    with pytest.raises(RecordingError) as found:
        list(read(recording(tmp_path, text), **options))  # type: ignore[arg-type]
    assert str(found.value) == said
    assert found.value.hint.startswith(hint)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"cannot read .*nowhere\.csv: No such file"):
        list(read(tmp_path / "nowhere.csv"))


def test_a_recording_in_another_encoding_is_refused_with_a_hint(tmp_path: Path) -> None:
    path = recording(tmp_path, "time,数值\n2026-06-03T12:00:00Z,1\n", encoding="gb18030")
    with pytest.raises(RecordingError, match=r"gauge\.csv is not UTF-8 text") as found:
        list(read(path))
    assert "UTF-8" in found.value.hint


@pytest.mark.parametrize("damage", ["cut", "not zipped", "rotten"])
def test_a_damaged_archive_is_refused_with_a_hint(tmp_path: Path, damage: str) -> None:
    text = b"time,value\n" + b"2026-06-03T12:00:00Z,2\n" * 2_000
    packed = gzip.compress(text)
    path = tmp_path / "gauge.csv.gz"
    path.write_bytes(
        {"cut": packed[: len(packed) // 2], "not zipped": text, "rotten": packed[:12] + b"\xff" * 40}[damage]
    )
    with pytest.raises(RecordingError, match=r"gauge\.csv\.gz cannot be unpacked") as found:
        list(read(path))
    assert found.value.hint == "fetch the file again"


def test_a_recording_with_a_nul_or_an_endless_field_is_no_csv(tmp_path: Path) -> None:
    path = recording(tmp_path, 'time,value\n2026-06-03T12:00:00Z,"' + "x" * 200_000)
    with pytest.raises(RecordingError, match=r"gauge\.csv is no CSV"):
        list(read(path))
