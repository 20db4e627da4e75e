"""The journal: what the agent accepted, on disk until the hub says that it is committed.

Segment files of one boot each. A record is `MAGIC length crc seq body`; the CRC covers seq and body. An append
has happened when its fsync returned. At start a torn tail is cut off; a damaged record inside is counted and
stepped over by searching for the next sound one, so that one flipped bit costs one record.
"""

from __future__ import annotations

import errno
import os
import secrets
import struct
import threading
import zlib
from collections import Counter, deque
from collections.abc import Iterator
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
        self.damaged = 0
        self._lock = threading.Lock()
        self._records: dict[str, deque[Record]] = {}
        self._sizes: dict[Path, int] = {}
        self._live: Counter[Path] = Counter()
        self._seq = 0
        number = 0
        for segment in sorted(folder.glob("*.seg")):
            number = int(segment.name.split("-")[0])
            self._open_segment(segment)
        self._number = number
        self._descriptor = self._new_segment()

    def append(self, body: bytes) -> Record:
        """Keep one batch; when this returns it survives a crash. Raises JournalFull or JournalBroken."""
        if len(body) > BODY_LIMIT:
            raise ValueError(f"a batch of {len(body)} bytes; at most {BODY_LIMIT}")
        with self._lock:
            size = HEAD.size + len(body)
            if sum(self._sizes.values()) + size > self.limit_bytes:
                raise JournalFull(f"the journal holds its {self.limit_bytes} bytes of uncommitted readings")
            if self._sizes[self._segment] > SEGMENT_BYTES:
                os.close(self._descriptor)
                self._descriptor = self._new_segment()
            seq, offset = self._seq + 1, self._sizes[self._segment]
            self._write(HEAD.pack(MAGIC, len(body), _crc(seq, body), seq) + body, offset)
            self._seq = seq
            self._sizes[self._segment] = offset + size
            record = Record(self.boot, seq, self._segment, offset + HEAD.size, len(body))
            self._records.setdefault(self.boot, deque()).append(record)
            self._live[self._segment] += 1
            return record

    def read(self, record: Record) -> bytes:
        """The body of a kept record."""
        with record.segment.open("rb") as file:
            file.seek(record.offset)
            return file.read(record.length)

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
                self._live[record.segment] -= 1
                if not self._live[record.segment] and record.segment != self._segment:
                    record.segment.unlink()
                    del self._sizes[record.segment], self._live[record.segment]
            if not records:
                self._records.pop(boot, None)
            return gone

    def close(self) -> None:
        """Close the file; an empty last segment is removed."""
        with self._lock:
            os.close(self._descriptor)
            if not self._live[self._segment]:
                self._segment.unlink()

    def _write(self, data: bytes, offset: int) -> None:
        try:
            if os.pwrite(self._descriptor, data, offset) != len(data):
                raise OSError(errno.ENOSPC, "short write")  # noqa: TRY301 -- treated below like the write that fails whole
            os.fdatasync(self._descriptor)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                os.ftruncate(self._descriptor, offset)
                raise JournalFull("the disk under the journal is full") from error
            # After a failed fsync the page cache may claim what the disk has lost: never retry, never go on.
            raise JournalBroken(f"{self._segment}: {error.strerror}") from error

    def _new_segment(self) -> int:
        self._number += 1
        self._segment = self.folder / f"{self._number:08d}-{self.boot}.seg"
        descriptor = os.open(self._segment, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self._sizes[self._segment] = 0
        # The file's name must survive a power cut as well as its bytes.
        directory = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return descriptor

    def _open_segment(self, segment: Path) -> None:
        data = segment.read_bytes()
        boot = segment.stem.split("-")[1]
        end = 0
        found = self._records.setdefault(boot, deque())
        for offset, seq, length, sound in _scan(data):
            if sound:
                self._live[segment] += 1
                found.append(Record(boot, seq, segment, offset + HEAD.size, length))
                end = offset + HEAD.size + length
            else:
                self.damaged += 1
        if not found:
            del self._records[boot]
        if end == 0:
            segment.unlink()
            return
        if end < len(data):
            os.truncate(segment, end)
        self._sizes[segment] = end


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
        if at == -1:  # nothing sound follows: a torn tail, never accepted
            return
        yield start, 0, at - start, False


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
