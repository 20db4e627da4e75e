"""What is confirmed to a station before it is a reading: kept on disk, whatever becomes of the link and of us."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path

from edge.command import write_durably

ENTRIES = 256
ENTRY_BYTES = 1 << 20
LIFE_S = 120.0  # nothing goes on after this


class Kept:
    """Entries by name, of all links of an agent. A dialogue reads; who carries it writes, before it is answered."""

    def __init__(self, folder: Path | None = None) -> None:
        """Without a folder they last as long as this object."""
        self._folder = folder
        self._lock = threading.Lock()
        self._entries: dict[str, tuple[bytes, float]] = {}
        for file in sorted(folder.glob("*.kept")) if folder else []:
            self._entries[file.stem] = file.read_bytes(), file.stat().st_mtime

    def get(self, name: str) -> bytes | None:
        """The entry of a name."""
        with self._lock:
            return self._entries.get(name, (None, 0.0))[0]

    def put(self, changes: Mapping[str, bytes | None]) -> None:
        """Change entries, None: forget; when this returns they survive a crash. Raises OSError."""
        with self._lock:
            for name, data in changes.items():
                if data is None:
                    self._forget(name)
                    continue
                if name not in self._entries and len(self._entries) >= ENTRIES:
                    self._make_room()
                if len(data) > ENTRY_BYTES:
                    raise OSError(f"{name} has {len(data)} bytes")
                if self._folder:
                    self._folder.mkdir(mode=0o700, exist_ok=True)
                    write_durably(self._folder / f"{name}.kept", data)
                self._entries[name] = data, time.time()

    def _make_room(self) -> None:
        for name in [name for name, (_, at) in self._entries.items() if abs(time.time() - at) > LIFE_S]:
            self._forget(name)
        if len(self._entries) >= ENTRIES:
            raise OSError(f"{ENTRIES} messages are unfinished")

    def _forget(self, name: str) -> None:
        self._entries.pop(name, None)
        if self._folder:
            (self._folder / f"{name}.kept").unlink(missing_ok=True)
