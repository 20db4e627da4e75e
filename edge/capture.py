"""A capture: what came and went over the wire, in a text file of bounded size that `cityhub decode` reads.

One line a stretch: `2026-11-22T20:31:00.123456Z sl651/10.0.0.7:40112 < 7e7e01...`; `<` came from the field, `>` went to it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import structlog

log = structlog.get_logger("edge.capture")

LIMIT_BYTES = 16 << 20
STRETCH_BYTES = 64 << 10  # a longer stretch becomes several lines
LINE = re.compile(rb"(\S+Z) (\S+) ([<>]) ((?:[0-9a-f]{2})*)")
HEAD = b"# cityhub capture 1\n"

Direction = Literal["<", ">"]


class Stretch(NamedTuple):
    """One line of a capture."""

    at: str
    link: str
    direction: str
    data: bytes


class Capture:
    """Writes to `path`; when that is half of `limit_bytes` it becomes `path.1`, and the older half goes.

    May be called from any thread. A disk that is full ends the capture, never the driver.
    """

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.path, self.failed = path, ""
        self._half = max(limit_bytes // 2, 1 << 10)
        self._lock = threading.Lock()
        self._open()

    def write(self, at_us: int, link: str, direction: Direction, data: bytes) -> None:
        """One stretch; `link` holds no space."""
        at = datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lines = b"".join(
            f"{at} {link} {direction} {data[start : start + STRETCH_BYTES].hex()}\n".encode()
            for start in range(0, len(data), STRETCH_BYTES)
        )
        with self._lock:
            if self.failed:
                return
            try:
                if self._size + len(lines) > self._half:
                    self._file.close()
                    self.path.replace(self.path.with_name(f"{self.path.name}.1"))
                    self._open()
                self._file.write(lines)
                self._size += len(lines)
            except OSError as error:
                self.failed = str(error.strerror)
                log.warning("capture ends", path=str(self.path), reason=self.failed)

    def close(self) -> None:
        """End it; the file stays."""
        with self._lock, suppress(OSError):
            self._file.close()
            self.failed = self.failed or "closed"

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab", buffering=0)
        self.path.chmod(0o600)  # passwords of stations go over these wires
        self._size = self._file.tell()
        if not self._size:
            self._size = self._file.write(HEAD)


def is_capture(data: bytes) -> bool:
    """Whether these are the bytes of a capture file."""
    return data.startswith(HEAD)


def read(data: bytes) -> Iterator[Stretch]:
    """Yield the stretches of a capture file in their order; a line that is none, torn by a power cut, is stepped over."""
    for line in data.splitlines():
        if found := LINE.fullmatch(line):
            at, link, direction, text = found.groups()
            yield Stretch(at.decode(), link.decode(), direction.decode(), bytes.fromhex(text.decode()))


def conversations(data: bytes) -> dict[tuple[str, str], bytes]:
    """All that went one way on one link, by (link, direction), in order of first sight."""
    streams: dict[tuple[str, str], bytearray] = {}
    for stretch in read(data):
        streams.setdefault((stretch.link, stretch.direction), bytearray()).extend(stretch.data)
    return {key: bytes(stream) for key, stream in streams.items()}
