"""The journal against a plain model: what it accepted is there after every crash, and what is lost is counted."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge import journal as journals
from edge.journal import (
    Journal,
    JournalBroken,
    JournalFull,
    JournalTaken,
    Record,
)
from edge.segment import BODY_LIMIT, HEAD, MAGIC

# Magic numbers and whole heads inside a body must not mislead the search for the next record.
BODIES = st.one_of(
    st.binary(max_size=60),
    st.binary(max_size=20).map(lambda rest: MAGIC + rest),
    st.binary(max_size=20).map(lambda rest: HEAD.pack(MAGIC, len(rest), 0, 1) + rest),
)


class Crashed:
    """A journal that can be reopened as a kill -9 would leave it: its files copied while it is still open."""

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="cityhub-journal-"))
        self._lives = 0
        self.journal = Journal(self._root / "0")

    def die(self) -> Path:
        """Leave the old journal as it is; its folder's copy is what the next life finds."""
        self._lives += 1
        folder = self._root / str(self._lives)
        shutil.copytree(self.journal.folder, folder)
        self.journal.close()
        return folder

    def rise(self, folder: Path) -> None:
        self.journal = Journal(folder)

    def remove(self) -> None:
        self.journal.close()
        shutil.rmtree(self._root)


class JournalMachine(RuleBasedStateMachine):
    """Appends, prunes, crashes and damages, in any order, held against dictionaries.

    `wanted` must be there, `pruned` may come back after a crash (the hub knows them), nothing else may appear.
    """

    def __init__(self) -> None:
        super().__init__()
        self.saved_segment_bytes = journals.SEGMENT_BYTES
        journals.SEGMENT_BYTES = 150  # a few records fill a segment
        self.disk = Crashed()
        self.wanted: dict[tuple[str, int], bytes] = {}
        self.pruned: dict[tuple[str, int], bytes] = {}
        self.boots = [self.disk.journal.boot]
        self.next_seq = 1
        self.lost = 0

    @property
    def journal(self) -> Journal:
        return self.disk.journal

    def read_all(self) -> dict[tuple[str, int], bytes | None]:
        return {(record.boot, record.seq): self.journal.read(record) for record in self.journal.kept()}

    @initialize()
    def begin(self) -> None:
        assert self.journal.kept() == []

    @rule(body=BODIES)
    def append(self, body: bytes) -> None:
        record = self.journal.append(body)
        assert (record.boot, record.seq) == (self.boots[-1], self.next_seq)
        assert (record.boot, record.seq) not in self.wanted
        self.wanted[record.boot, record.seq] = body
        self.next_seq += 1

    @precondition(lambda self: self.wanted)
    @rule(data=st.data(), late=st.integers(0, 2))
    def prune(self, data: st.DataObject, late: int) -> None:
        waiting = {boot for boot, _ in self.wanted}
        # By the order of their lives: names are random, and hypothesis must be able to repeat its choice.
        boot = self.boots[
            data.draw(st.sampled_from([life for life, boot in enumerate(self.boots) if boot in waiting]))
        ]
        seqs = sorted(seq for of, seq in self.wanted if of == boot)
        upto = data.draw(st.sampled_from(seqs)) + (late if boot != self.boots[-1] else 0)
        gone = [seq for seq in seqs if seq <= upto]
        assert self.journal.prune(boot, upto) >= len(gone)  # also what a crash has brought back
        for seq in gone:
            self.pruned[boot, seq] = self.wanted.pop((boot, seq))
        assert all((record.boot, record.seq > upto) != (boot, False) for record in self.journal.kept())

    @rule(boot=st.sampled_from(["", "no-such-boot"]), seq=st.integers(0, 99))
    def prune_an_unknown_boot(self, boot: str, seq: int) -> None:
        assert self.journal.prune(boot, seq) == 0

    @rule()
    def close_and_open_again(self) -> None:
        folder = self.journal.folder
        self.journal.close()
        self.disk.rise(folder)
        self.new_life(damaged=0)

    @rule()
    def crash(self) -> None:
        self.disk.rise(self.disk.die())
        self.new_life(damaged=0)

    @rule(body=BODIES, data=st.data())
    def crash_in_the_middle_of_an_append(self, body: bytes, data: st.DataObject) -> None:
        """The last record is there in part, any part: its fsync never returned, so it was never accepted."""
        self.append(body)
        record = self.journal.kept()[-1]
        del self.wanted[record.boot, record.seq]
        folder = self.disk.die()
        whole = record.offset + record.length
        os.truncate(
            folder / record.segment.name,
            data.draw(st.integers(whole - HEAD.size - record.length, whole - 1)),
        )
        self.disk.rise(folder)
        self.new_life(damaged=0)

    @precondition(lambda self: self.wanted)
    @rule(data=st.data())
    def crash_and_find_a_bit_flipped(self, data: st.DataObject) -> None:
        """Only the damaged record is lost, and it is counted."""
        record = data.draw(st.sampled_from([kept for kept in self.journal.kept() if self.is_wanted(kept)]))
        folder = self.disk.die()
        path = folder / record.segment.name
        content = bytearray(path.read_bytes())
        # The length of the last record excepted: longer than its file it looks like a torn one.
        last = record.offset + record.length == len(content)
        begin = record.offset - HEAD.size
        places = [
            place
            for place in range(begin, record.offset + record.length)
            if not (last and begin + 4 <= place < begin + 8)
        ]
        content[data.draw(st.sampled_from(places))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(content)
        self.disk.rise(folder)
        del self.wanted[record.boot, record.seq]
        self.new_life(damaged=1)

    def is_wanted(self, record: Record) -> bool:
        return (record.boot, record.seq) in self.wanted

    def new_life(self, damaged: int) -> None:
        # Damage of an earlier life is counted again for as long as its neighbours are kept. Two damages at the end of
        # a file may look like one torn record: only the first is sure to be counted.
        self.lost += damaged
        assert (damaged if self.lost == damaged else 0) <= self.journal.damaged <= self.lost
        assert self.journal.boot not in self.boots
        self.boots.append(self.journal.boot)
        self.next_seq = 1

    @invariant()
    def everything_wanted_is_kept_in_order_and_nothing_is_invented(self) -> None:
        found = self.read_all()
        known = {**self.pruned, **self.wanted}
        assert self.wanted.keys() <= found.keys() <= known.keys()
        assert found == {key: known[key] for key in found}
        order = [(self.boots.index(record.boot), record.seq) for record in self.journal.kept()]
        assert order == sorted(order)

    @invariant()
    def base_says_that_all_below_it_is_committed(self) -> None:
        for boot in {boot for boot, _ in self.wanted}:
            lowest = min(seq for of, seq in self.wanted if of == boot)
            assert self.journal.base(boot) <= lowest

    def teardown(self) -> None:
        journals.SEGMENT_BYTES = self.saved_segment_bytes
        self.disk.remove()


TestJournalAgainstItsModel = JournalMachine.TestCase
TestJournalAgainstItsModel.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    opened = Journal(folder)
    yield opened
    opened.close()


def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "SEGMENT_BYTES", 100)


def segments(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.seg"))


def failing(error: int) -> Any:
    def fail(*_: object) -> int:
        raise OSError(error, os.strerror(error))

    return fail


def test_reopened_it_keeps_exactly_what_was_accepted(folder: Path) -> None:
    first = Journal(folder)
    bodies = [f"body {number}".encode() for number in range(20)]
    for body in bodies:
        first.append(body)
    first.close()
    second = Journal(folder)
    assert [second.read(record) for record in second.kept()] == bodies
    assert [record.seq for record in second.kept()] == list(range(1, 21))
    assert {record.boot for record in second.kept()} == {first.boot} != {second.boot}
    second.close()


def test_boots_are_kept_in_the_order_in_which_they_ran(folder: Path) -> None:
    boots = []
    for _ in range(12):
        journal = Journal(folder)
        journal.append(b"x")
        boots.append(journal.boot)
        journal.close()
    journal = Journal(folder)
    assert [record.boot for record in journal.kept()] == boots
    journal.close()


def test_a_journal_that_was_never_written_to_leaves_no_file(journal: Journal, folder: Path) -> None:
    assert journal.kept() == []
    assert segments(folder) == []


def test_a_second_agent_on_the_same_folder_is_turned_away(journal: Journal, folder: Path) -> None:
    record = journal.append(b"mine")
    with pytest.raises(JournalTaken, match="another agent uses the journal in"):
        Journal(folder)
    assert journal.read(record) == b"mine"


def test_a_body_over_the_limit_is_the_callers_fault(journal: Journal) -> None:
    with pytest.raises(ValueError, match="at most 1048576"):
        journal.append(bytes(BODY_LIMIT + 1))
    assert len(journal.read(journal.append(bytes(BODY_LIMIT))) or b"") == BODY_LIMIT


def test_at_its_limit_it_says_full_and_accepts_nothing(folder: Path) -> None:
    journal = Journal(folder, limit_bytes=3 * (HEAD.size + 10))
    for _ in range(3):
        journal.append(bytes(10))
    kept = journal.kept()
    with pytest.raises(JournalFull, match="uncommitted readings"):
        journal.append(bytes(10))
    assert journal.kept() == kept
    journal.close()
    again = Journal(folder)
    assert len(again.kept()) == 3
    again.close()


def test_full_it_takes_readings_again_once_all_is_committed(folder: Path) -> None:
    journal = Journal(folder, limit_bytes=3 * (HEAD.size + 10))
    for _ in range(4):
        for _ in range(3):
            journal.append(bytes(10))
        with pytest.raises(JournalFull):
            journal.append(bytes(10))
        assert journal.prune(journal.boot, 2**40) == 3
    assert journal.append(b"on").seq == 13
    journal.close()


def test_segments_whose_records_are_all_committed_leave_the_disk(
    journal: Journal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    for _ in range(30):
        journal.append(bytes(40))
    assert len(segments(folder)) == 15
    journal.prune(journal.boot, 15)
    assert len(segments(folder)) == 8
    journal.prune(journal.boot, 29)
    assert len(segments(folder)) == 1
    assert [record.seq for record in journal.kept()] == [30]


def test_committed_record_by_record_it_does_not_grow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each segment is wholly committed at the moment when it is full: nobody comes back to prune in it.
    small_segments(monkeypatch)
    journal = Journal(folder, limit_bytes=1_000)
    for _ in range(100):
        record = journal.append(bytes(40))
        journal.prune(record.boot, record.seq)
    assert len(segments(folder)) == 1
    journal.close()
    assert segments(folder) == []


def test_a_record_pruned_by_another_thread_reads_as_none(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    records = [journal.append(bytes(60)) for _ in range(5)]
    journal.prune(journal.boot, 4)
    assert [journal.read(record) for record in records] == [None, None, None, None, bytes(60)]


def test_a_record_that_rots_while_the_agent_runs_is_counted_and_stepped_over(journal: Journal) -> None:
    records = [journal.append(f"body {number}".encode()) for number in range(3)]
    with records[0].segment.open("r+b") as file:
        file.seek(records[0].offset)
        file.write(b"X")
    assert journal.read(records[0]) is None
    assert journal.damaged == 1
    assert journal.base(journal.boot) == 2  # so that the hub need not wait for it
    assert [journal.read(record) for record in journal.kept()] == [b"body 1", b"body 2"]


def test_neighbouring_damaged_records_are_counted_one_by_one(folder: Path) -> None:
    journal = Journal(folder)
    records = [journal.append(f"body {number}".encode()) for number in range(6)]
    journal.close()
    content = bytearray(records[0].segment.read_bytes())
    for damaged in (2, 3):
        content[records[damaged].offset] ^= 255
    records[0].segment.write_bytes(content)
    again = Journal(folder)
    assert again.damaged == 2
    assert [record.seq for record in again.kept()] == [1, 2, 5, 6]
    again.close()


def test_a_damaged_only_record_is_counted_though_nothing_sound_is_left(folder: Path) -> None:
    journal = Journal(folder)
    record = journal.append(b"the only one")
    journal.close()
    content = bytearray(record.segment.read_bytes())
    content[-1] ^= 1
    record.segment.write_bytes(content)
    again = Journal(folder)
    assert (again.damaged, again.kept()) == (1, [])
    again.close()


@pytest.mark.parametrize("error", [errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_failed_write_or_fsync_breaks_the_journal_for_good(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: int
) -> None:
    journal = Journal(folder)
    journal.append(b"before")
    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing(error))
        with pytest.raises(JournalBroken, match=os.strerror(error)):
            journal.append(b"lost")
    # The disk works again, but nobody knows what it holds.
    with pytest.raises(JournalBroken, match=os.strerror(error)):
        journal.append(b"after")
    assert [journal.read(record) for record in journal.kept()] == [b"before"]
    journal.close()


def test_a_folder_that_cannot_be_synced_breaks_the_journal(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing(errno.EIO))
        with pytest.raises(JournalBroken):
            journal.append(b"x")
    with pytest.raises(JournalBroken):
        journal.append(b"x")


def test_a_disk_that_fills_in_the_middle_of_a_record_leaves_nothing_of_it(
    journal: Journal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(b"before")
    size = (folder / segments(folder)[0]).stat().st_size
    write = os.pwrite

    def short(descriptor: int, data: bytes, offset: int) -> int:
        return write(descriptor, data[: len(data) // 2], offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", short)
        with pytest.raises(JournalFull, match="disk under the journal is full"):
            journal.append(b"does not fit")
    assert (folder / segments(folder)[0]).stat().st_size == size
    assert journal.append(b"fits again").seq == 2
    assert [journal.read(record) for record in journal.kept()] == [b"before", b"fits again"]


def test_a_disk_too_full_for_a_new_segment_is_full_and_nothing_worse(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    journal.append(bytes(200))
    opened = os.open
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", failing(errno.ENOSPC))
        for _ in range(2):
            with pytest.raises(JournalFull, match=os.strerror(errno.ENOSPC)):
                journal.append(b"x")
    assert os.open is opened
    assert journal.append(b"later").seq == 2
    assert [journal.read(record) for record in journal.kept()] == [bytes(200), b"later"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount the tiny disk that this test fills")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no tiny disk can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_on_a_disk_that_is_really_full_nothing_accepted_is_lost_and_it_recovers(tiny_disk: Path) -> None:
    journal = Journal(tiny_disk / "journal")
    accepted = []
    with pytest.raises(JournalFull, match="disk under the journal is full"):  # noqa: PT012 -- which one is the last is the disk's to say
        while True:
            accepted.append(journal.append(bytes(3_000)).seq)
    assert [record.seq for record in journal.kept()] == accepted
    journal.close()
    # Restarted on the full disk it still serves what it holds, which is what empties it.
    again = Journal(tiny_disk / "journal")
    assert [len(again.read(record) or b"") for record in again.kept()] == [3_000] * len(accepted)
    assert again.damaged == 0
    again.prune(journal.boot, accepted[-1])
    assert again.append(bytes(3_000)).seq == 1
    again.close()


def test_told_to_drop_the_oldest_a_full_journal_counts_what_it_gives_up_through_restarts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_segments(monkeypatch)
    accepted: list[bytes] = []
    for life in range(4):
        journal = Journal(folder, limit_bytes=600, when_full="drop-oldest", count=lambda body: body[0])
        for number in range(25):
            accepted.append(bytes([1 + (life + number) % 3]) + bytes(39))
            journal.append(accepted[-1])
        kept = [journal.read(record) for record in journal.kept()]
        assert kept == accepted[-len(kept) :], "not the oldest went"
        assert journal.dropped == sum(body[0] for body in accepted[: -len(kept)])
        journal.close()


def test_what_is_committed_counts_for_nothing_when_it_makes_room(folder: Path) -> None:
    journal = Journal(folder, limit_bytes=3 * (HEAD.size + 10), when_full="drop-oldest")
    for _ in range(3):
        journal.append(bytes(10))
    journal.prune(journal.boot, 2)
    journal.append(bytes(10))
    assert journal.dropped == 1
    assert [record.seq for record in journal.kept()] == [4]
    journal.close()


def test_told_to_drop_the_oldest_it_goes_on_for_ever_on_a_full_disk_and_counts(tiny_disk: Path) -> None:
    journal = Journal(tiny_disk / "journal", when_full="drop-oldest")
    for _ in range(100):
        journal.append(bytes(3_000))
    assert journal.dropped == 100 - len(journal.kept()) > 0
    journal.close()
    again = Journal(tiny_disk / "journal", when_full="drop-oldest")
    assert again.dropped == journal.dropped
    again.close()
