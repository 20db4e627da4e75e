"""The agent: one gateway's way from drivers to the hub; a reading is accepted when its journal says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from edge import carried, positions, wire
from edge.journal import Journal, WhenFull
from edge.link import Address
from edge.positions import Fix
from edge.publisher import Publisher
from edge.reading import gather

T = TypeVar("T")
BATCH = 2_000
MESSAGE_BYTES = 250_000  # brokers and hub take 256 KiB; the rest is room for topic and envelope


class Agent:
    """Journal and publisher of one gateway. `accept` may be called from any driver's thread."""

    def __init__(
        self,
        folder: Path,
        broker: Address | str,
        department: str,
        device: str,
        *,
        window: int = 200,
        limit_bytes: int = 1 << 30,
        when_full: WhenFull = "refuse",
        birth: Callable[[], dict[str, Any]] = dict,
        command: Callable[[bytes], None] | None = None,
    ) -> None:
        """`birth` and `command`: see edge.publisher.Publisher."""
        self.device = device
        self.journal = Journal(folder, limit_bytes, when_full, carried.count)
        self.publisher = Publisher(
            self.journal, broker, department, device, window=window, birth=birth, command=command
        )
        self.accepted = 0

    def start(self) -> None:
        """Begin to send; a broker that is away is waited for."""
        self.publisher.start()

    def accept(self, samples: Iterable[tuple[str, int, float]], fixes: Iterable[Fix] = ()) -> None:
        """Keep samples `(device/metric, time in us, value)` and fixes; they survive a crash once this returns.

        Raises edge.journal.JournalFull, and then none of the batch at fault was accepted.
        """
        self._keep(list(samples), lambda part: wire.body(gather(part)))
        self._keep(list(fixes), lambda part: positions.body(positions.gather(part)))

    def _keep(self, left: list[T], body_of: Callable[[list[T]], bytes]) -> None:
        for start in range(0, len(left), BATCH):
            self._append(left[start : start + BATCH], body_of)

    def _append(self, part: list[T], body_of: Callable[[list[T]], bytes]) -> None:
        body = body_of(part)
        # Many long names: a broker would hang up on it, for ever.
        if len(body) > MESSAGE_BYTES and len(part) > 1:
            half = len(part) // 2
            self._append(part[:half], body_of)
            self._append(part[half:], body_of)
            return
        self.publisher.offer(self.journal.append(body))
        self.accepted += len(part)

    def close(self) -> None:
        """Stop sending; what the hub has not committed stays on disk for the next start."""
        self.publisher.close()
        self.journal.close()
