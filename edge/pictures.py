"""Pictures that stations send, kept as files in a folder of bounded size: what is too old or too much goes, oldest first."""

from __future__ import annotations

import re
import threading
import time
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from edge.command import write_durably
from edge.drivers.dialogue import Picture

log = structlog.get_logger("edge.pictures")

FILES, LIMIT_BYTES, LIFE_S = 10_000, 1 << 30, 30 * 86_400.0
# Ours alone are counted and deleted: the folder may hold what somebody else has put there.
OURS = re.compile(r"[a-z0-9][a-z0-9-]{0,63}-[0-9]{8}T[0-9]{6}Z(-[0-9a-f]{8})?(-incomplete)?\.jpg(\.new)?")


class Pictures:
    """The folder. May be called from any thread; what cannot be kept is the caller's to tell."""

    def __init__(
        self, folder: Path, files: int = FILES, limit_bytes: int = LIMIT_BYTES, life_s: float = LIFE_S
    ) -> None:
        """`life_s` counts from when a picture came, not from the time that its station says. Nothing is written yet."""
        self.folder = folder
        self._files, self._limit, self._life_s = files, limit_bytes, life_s
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, int]] = {}  # when it came and its size, the oldest first
        self._bytes = self.taken = self.let_go = 0
        self._look()

    def keep(self, picture: Picture) -> str:
        """Write one whole, or not at all; its name. One that is there already stays. Raises OSError."""
        with self._lock:
            name = self._name(picture)
            if not OURS.fullmatch(name):
                raise OSError(f"{picture.device!r:.70} makes no name of a file")
            if self._there(name, picture):
                return name
            size = len(picture.jpeg)
            if size > self._limit:
                raise OSError(f"{size} bytes, more than all pictures together may have")
            self._make_room(size, self._files - 1)
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                write_durably(self.folder / name, picture.jpeg)
            except OSError:  # on a full disk what is half written takes the journal's room
                with suppress(OSError):
                    (self.folder / f"{name}.new").unlink(missing_ok=True)
                raise
            self._bytes -= self._kept.pop(name, (0.0, 0))[1]  # a person has taken it away meanwhile
            self._kept[name] = time.time(), size
            self._bytes += size
            self.taken += 1
            return name

    def tidy(self) -> None:
        """Let go what is too old."""
        with self._lock:
            try:
                self._make_room(0, self._files)
            except OSError as error:
                log.warning("old pictures cannot be deleted", folder=str(self.folder), reason=str(error))

    def as_status(self) -> dict[str, Any]:
        """For the status file: what is there, what came and what was deleted since the agent began."""
        return {
            "folder": str(self.folder),
            "files": len(self._kept),
            "bytes": self._bytes,
            "taken": self.taken,
            "let_go": self.let_go,
        }

    def _look(self) -> None:
        """What an earlier run has left, and what a crash has left half written."""
        found = []
        for file in self.folder.glob("*.jpg*") if self.folder.is_dir() else ():
            if not OURS.fullmatch(file.name):
                continue
            if file.suffix == ".new":
                file.unlink(missing_ok=True)
                continue
            told = file.stat()
            found.append((told.st_mtime, told.st_size, file.name))
        self._kept = {name: (at, size) for at, size, name in sorted(found)}
        self._bytes = sum(size for _, size in self._kept.values())

    def _name(self, picture: Picture) -> str:
        """Station and time; where another picture has that name already, its check as well."""
        at = datetime.fromtimestamp(picture.at_us // 1_000_000, UTC)
        name, end = f"{picture.device}-{at:%Y%m%dT%H%M%SZ}", ".jpg" if picture.whole else "-incomplete.jpg"
        if (self.folder / f"{name}{end}").exists() and not self._there(f"{name}{end}", picture):
            return f"{name}-{zlib.crc32(picture.jpeg):08x}{end}"
        return f"{name}{end}"

    def _there(self, name: str, picture: Picture) -> bool:
        """Whether this very picture is there: a message that was not confirmed comes again."""
        try:
            return (self.folder / name).read_bytes() == picture.jpeg
        except FileNotFoundError:
            return False

    def _make_room(self, size: int, files: int) -> None:
        """For one of `size` bytes beside `files` others (caller holds the lock)."""
        oldest = time.time() - self._life_s
        while self._kept:
            name, (at, held) = next(iter(self._kept.items()))
            if at >= oldest and len(self._kept) <= files and self._bytes + size <= self._limit:
                return
            (self.folder / name).unlink(missing_ok=True)
            del self._kept[name]
            self._bytes -= held
            self.let_go += 1
