"""The journal: what the agent accepted, on disk until the hub says that it is committed.

Segment files (edge/segment.py) of one boot each. An append has happened when its fsync returned. At start a torn tail is
cut off; what is damaged is counted and stepped over.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.segment import BODY_LIMIT, HEAD, packed, record_at, scan

SEGMENT_BYTES = 4 << 20

WhenFull = Literal["refuse", "drop-oldest"]
"""What a full journal does with the next batch: nothing, or make room by giving up the oldest, which is counted."""


class JournalFull(Exception):
    """No room: the reading was not accepted. The driver must not say otherwise."""


class JournalBroken(Exception):
    """A write or fsync failed in a way that leaves the disk's content unknown: the agent must stop."""


class JournalTaken(Exception):
    """Another agent works in this folder: two would cut off each other's records. `hint` says what to try."""

    hint = "end the other agent, or give this one a gateway id of its own"


@dataclass(frozen=True, slots=True)
class Record:
    """Where one accepted batch lies."""

    boot: str
    seq: int
    segment: Path
    offset: int
    length: int


class Journal:
    """Append, read and prune records; every method is safe to call from any thread."""

    def __init__(
        self,
        folder: Path,
        limit_bytes: int = 1 << 30,
        when_full: WhenFull = "refuse",
        count: Callable[[bytes], int] = lambda _: 1,
    ) -> None:
        """`count` says how many readings a body holds: so many are counted when it is dropped."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.limit_bytes = folder, limit_bytes
        self._when_full, self._count = when_full, count
        self.boot = secrets.token_hex(8)
        self.damaged = 0  # accepted records that can no longer be read
        self._claim = _claim(folder)
        self._tally = os.open(folder / "dropped", os.O_RDWR | os.O_CREAT, 0o600)
        self.dropped = int.from_bytes(os.pread(self._tally, 8, 0), "little")  # readings, over all runs
        with suppress(
            OSError
        ):  # on a disk that is full already its bytes are not there yet; then it is counted late
            os.pwrite(self._tally, self.dropped.to_bytes(8, "little"), 0)
        self._lock = threading.Lock()
        self._records: dict[str, deque[Record]] = {}
        self._sizes: dict[Path, int] = {}
        self._live: Counter[Path] = Counter()
        self._seq = self._number = 0
        self._broken = ""
        # The segment that is written to begins with the first append: a full disk must not keep the agent from starting,
        # for only an agent that runs can empty the journal.
        self._segment: Path | None = None
        self._descriptor = -1
        tails: Counter[str] = Counter()  # what cannot be read at the end of a boot's last file
        for segment in sorted(folder.glob("*.seg")):
            self._number = int(segment.name.split("-")[0])
            self._open_segment(segment, tails)
        self.damaged += tails.total()

    def append(self, body: bytes) -> Record:
        """Keep one batch; when this returns it survives a crash. Raises JournalFull or JournalBroken."""
        if len(body) > BODY_LIMIT:
            raise ValueError(f"a batch of {len(body)} bytes; at most {BODY_LIMIT}")
        with self._lock:
            if self._broken:
                raise JournalBroken(self._broken)
            while True:
                try:
                    return self._append(body)
                except JournalFull:
                    if self._when_full == "refuse" or not self._drop_oldest():
                        raise

    def _append(self, body: bytes) -> Record:
        size = HEAD.size + len(body)
        segment = self._segment_for(size)
        seq, offset = self._seq + 1, self._sizes[segment]
        data = packed(seq, body)
        try:
            self._write(segment, data, offset)
        except JournalFull:
            if self._live[segment] or not offset:
                raise
            # The disk is full before the segment is, and all in it is committed: this is its room.
            offset = 0
            self._cut(segment, offset)
            self._write(segment, data, offset)
        self._seq = seq
        self._sizes[segment] = offset + size
        record = Record(self.boot, seq, segment, offset + HEAD.size, len(body))
        self._records.setdefault(self.boot, deque()).append(record)
        self._live[segment] += 1
        return record

    def _drop_oldest(self) -> bool:
        """Give up the oldest segment; False where there is nothing to give up."""
        records = next(iter(self._records.values()), None)
        if not records:
            return False
        segment = records[0].segment
        gone = [record for record in records if record.segment == segment]
        data = segment.read_bytes()
        # Counted before it is gone: a crash between the two counts too much, never too little. The eight bytes are
        # there since the start, so that they can be written on a full disk.
        self.dropped += sum(
            self._count(data[record.offset : record.offset + record.length]) for record in gone
        )
        os.pwrite(self._tally, self.dropped.to_bytes(8, "little"), 0)
        os.fdatasync(self._tally)
        for _ in gone:
            records.popleft()
        if not records:
            self._records.pop(gone[0].boot)
        self._live[segment] = 0
        if segment == self._segment:
            self._cut(segment, 0)
        else:
            self._remove(segment)
        return True

    def read(self, record: Record) -> bytes | None:
        """The body of a kept record; None where it was pruned meanwhile, or turns out to be damaged and is lost."""
        with self._lock:
            records = self._records.get(record.boot)
            if not records or record.seq < records[0].seq:
                return None
        try:
            with record.segment.open("rb") as file:
                file.seek(record.offset - HEAD.size)
                data = file.read(HEAD.size + record.length)
        except FileNotFoundError:
            return None
        if record_at(data, 0) == (record.seq, record.length):
            return data[HEAD.size :]
        with self._lock:
            self._lose(record)
        return None

    def kept(self) -> list[Record]:
        """All records not yet pruned, oldest first."""
        with self._lock:
            return [record for records in self._records.values() for record in records]

    def base(self, boot: str) -> int:
        """The lowest number still kept of a boot: everything below it is committed."""
        with self._lock:
            records = self._records.get(boot)
            return records[0].seq if records else self._seq + 1

    def prune(self, boot: str, seq: int) -> int:
        """Forget what the hub has committed; returns how many records that were."""
        with self._lock:
            records = self._records.get(boot, deque())
            gone = 0
            while records and records[0].seq <= seq:
                record = records.popleft()
                gone += 1
                self._release(record.segment)
            if not records:
                self._records.pop(boot, None)
            return gone

    def close(self) -> None:
        """Close the files; a last segment of which nothing is waited for is removed."""
        with self._lock:
            if self._segment is not None:
                os.close(self._descriptor)
                if not self._live[self._segment]:
                    self._segment.unlink(missing_ok=True)
            os.close(self._tally)
            os.close(self._claim)

    def _segment_for(self, size: int) -> Path:
        """The segment that takes the next record; raises JournalFull."""
        segment = self._segment
        # A segment whose records are all committed goes when it has grown, or when its room is wanted.
        spent = segment is not None and self._sizes[segment] > 0 and not self._live[segment]
        if segment is None or self._sizes[segment] > SEGMENT_BYTES or (spent and self._is_full(size)):
            segment = self._next_segment()
        if self._is_full(size):
            raise JournalFull(f"the journal holds its {self.limit_bytes} bytes of uncommitted readings")
        return segment

    def _is_full(self, size: int) -> bool:
        return sum(self._sizes.values()) + size > self.limit_bytes

    def _next_segment(self) -> Path:
        segment = self.folder / f"{self._number + 1:08d}-{self.boot}.seg"
        try:
            descriptor = os.open(segment, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise JournalFull(f"no new file in {self.folder}: {error.strerror}") from error
        last, last_descriptor = self._segment, self._descriptor
        self._segment, self._descriptor, self._number = segment, descriptor, self._number + 1
        self._sizes[segment] = 0
        if last is not None:
            os.close(last_descriptor)
            if not self._live[last]:
                self._remove(last)
        try:
            os.fsync(self._claim)  # the file's name must survive a power cut as well as its bytes
        except OSError as error:
            raise self._break(segment, error) from error
        return segment

    def _write(self, segment: Path, data: bytes, offset: int) -> None:
        try:
            if os.pwrite(self._descriptor, data, offset) != len(data):
                raise OSError(errno.ENOSPC, "short write")  # noqa: TRY301 -- treated below like the write that fails whole
            os.fdatasync(self._descriptor)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                # After a failed fsync the page cache may claim what the disk has lost: never retry, never go on.
                raise self._break(segment, error) from error
            self._cut(segment, offset)
            raise JournalFull("the disk under the journal is full") from error

    def _cut(self, segment: Path, size: int) -> None:
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            raise self._break(segment, error) from error
        self._sizes[segment] = size

    def _break(self, segment: Path, error: OSError) -> JournalBroken:
        self._broken = f"{segment}: {error.strerror}"
        return JournalBroken(self._broken)

    def _release(self, segment: Path) -> None:
        self._live[segment] -= 1
        if not self._live[segment] and segment != self._segment:
            self._remove(segment)

    def _remove(self, segment: Path) -> None:
        del self._sizes[segment], self._live[segment]
        # A file that cannot be removed is read again at the next start: the hub knows its readings.
        with suppress(OSError):
            segment.unlink()

    def _lose(self, record: Record) -> None:
        """A record has rotted on disk since it was accepted: count it and step over it."""
        records = self._records.get(record.boot)
        if records and record in records:
            records.remove(record)
            self.damaged += 1
            self._release(record.segment)
            if not records:
                del self._records[record.boot]

    def _open_segment(self, segment: Path, tails: Counter[str]) -> None:
        data = segment.read_bytes()
        boot = segment.stem.split("-")[1]
        end, unsound = 0, tails[boot]
        found = self._records.setdefault(boot, deque())
        for offset, seq, length, sound in scan(data):
            if not sound:
                unsound += 1
                continue
            # A boot's numbers leave no gap, so where one record is known before, they say how many are lost.
            self.damaged += seq - found[-1].seq - 1 if found else unsound
            unsound = 0
            self._live[segment] += 1
            found.append(Record(boot, seq, segment, offset + HEAD.size, length))
            end = offset + HEAD.size + length
        tails[boot] = unsound
        if not found:
            del self._records[boot]
        if end == 0:
            segment.unlink()
            return
        if end < len(data):
            os.truncate(segment, end)
        self._sizes[segment] = end


def _claim(folder: Path) -> int:
    """Lock the folder for this process's life; raises JournalTaken."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise JournalTaken(f"another agent uses the journal in {folder}") from error
    return descriptor
