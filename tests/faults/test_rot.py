"""C3: bits flip and files are cut short in the edge journal: what is damaged is counted, everything else is whole."""

from __future__ import annotations

import os
import random
from pathlib import Path
from zlib import crc32

import pytest
from faults.rounds import rounds

from edge import journal as journals
from edge import segment
from edge.journal import Journal

RECORDS = 60


def written(folder: Path, moments: random.Random) -> dict[tuple[str, int], bytes]:
    """A journal of several segments, and what it accepted."""
    journal = Journal(folder)
    accepted = {}
    for _ in range(RECORDS):
        body = moments.randbytes(moments.randrange(1, 80))
        record = journal.append(body)
        accepted[record.boot, record.seq] = body
    journal.close()
    return accepted


def damage(folder: Path, moments: random.Random) -> None:
    """One bit, or the end of a file: not of the last one, where only the numbers that follow could tell."""
    path = moments.choice(sorted(folder.glob("*.seg"))[:-1])
    content = bytearray(path.read_bytes())
    if moments.random() < 0.8:
        content[moments.randrange(len(content))] ^= 1 << moments.randrange(8)
    else:
        del content[moments.randrange(110, len(content)) :]
    path.write_bytes(content)


def differences(folder: Path, times: int) -> list[str]:
    """Damage journals, open them, and say where they keep another account than they should."""
    moments, wrong = random.Random(3), []
    for number in range(times):
        place = folder / str(number)
        accepted = written(place, moments)
        damage(place, moments)
        journal = Journal(place)
        found = {(record.boot, record.seq): journal.read(record) for record in journal.kept()}
        missing = accepted.keys() - found.keys()
        if len(missing) != journal.damaged:
            wrong.append(f"{number}: {len(missing)} are missing, {journal.damaged} counted")
        if any(accepted.get(key) != body for key, body in found.items()):
            wrong.append(f"{number}: changed or invented")
        journal.close()
        for path in [*place.iterdir(), place]:
            path.rmdir() if path.is_dir() else path.unlink()
    return wrong


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "SEGMENT_BYTES", 700)
    monkeypatch.setattr(os, "fdatasync", lambda _: None)  # the damage is ours, not the disk's
    monkeypatch.setattr(os, "fsync", lambda _: None)


def test_damage_in_the_journal_costs_the_damaged_record_is_counted_and_spares_the_rest(
    tmp_path: Path,
) -> None:
    assert differences(tmp_path, rounds("journal damages")) == []


def test_control_a_journal_without_checksums_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "_crc", lambda *_: crc32(b""))
    assert differences(tmp_path, 50)
