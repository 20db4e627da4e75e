"""The journal: what the agent accepted, on disk until the hub says that it is committed.

Segment files of one boot each. A record is `MAGIC length crc seq body`; the CRC covers seq and body. An append
has happened when its fsync returned. At start a torn tail is cut off; a damaged record is counted and stepped over
by searching for the next sound one, so that one flipped bit costs one record.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import struct
import threading
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HEAD = struct.Struct("<4sIIQ")
MAGIC = b"\xc5chJ"
SEGMENT_BYTES = 4 << 20
BODY_LIMIT = 1 << 20


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

    def __init__(self, folder: Path, limit_bytes: int = 1 << 30) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.limit_bytes = folder, limit_bytes
        self.boot = secrets.token_hex(8)
        self.damaged = 0  # accepted records that can no longer be read
        self._claim = _claim(folder)
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
            size = HEAD.size + len(body)
            segment = self._segment_for(size)
            seq, offset = self._seq + 1, self._sizes[segment]
            data = HEAD.pack(MAGIC, len(body), _crc(seq, body), seq) + body
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
        if _record_at(data, 0) == (record.seq, record.length):
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
        for offset, seq, length, sound in _scan(data):
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


def _scan(data: bytes) -> Iterator[tuple[int, int, int, bool]]:
    """Yield `(offset, seq, length, sound)` of each record; what cannot be read is one unsound entry."""
    at = 0
    while at < len(data):
        record = _record_at(data, at)
        if record:
            yield at, *record, True
            at += HEAD.size + record[1]
            continue
        start = at
        at = data.find(MAGIC, at + 1)
        while at != -1 and not _record_at(data, at):
            at = data.find(MAGIC, at + 1)
        if at == -1:
            if _is_whole(data, start):
                yield start, 0, len(data) - start, False
            return  # else a torn tail: its fsync never returned, so it was never accepted
        yield start, 0, at - start, False


def _is_whole(data: bytes, at: int) -> bool:
    """Whether what cannot be read is at least as long as the record it claims to be."""
    if at + HEAD.size > len(data):
        return False
    length: int = HEAD.unpack_from(data, at)[1]
    return at + HEAD.size + length <= len(data)


def _record_at(data: bytes, at: int) -> tuple[int, int] | None:
    if at + HEAD.size > len(data):
        return None
    magic, length, crc, seq = HEAD.unpack_from(data, at)
    body = data[at + HEAD.size : at + HEAD.size + length]
    if magic != MAGIC or length > BODY_LIMIT or len(body) < length or crc != _crc(seq, body):
        return None
    return seq, length


def _crc(seq: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(struct.pack("<Q", seq)))
