"""Paper: lines onto a file, where an uplink would send them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO


class Paper:
    """Writes each line at once and keeps nothing."""

    full = False
    waiting = 0

    def __init__(self, file: BinaryIO) -> None:
        self.written = 0
        self._file = file

    def offer(self, line: bytes) -> None:
        """Write a line."""
        self._file.write(line)
        self.written += 1

    def work(self, wait_s: float) -> None:
        """Show what is written, then wait."""
        if wait_s > 0:
            self._file.flush()
            time.sleep(wait_s)
