"""The batch: what one transaction writes, and the counts that must balance while rows are taken out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.reading import FAIL, READING, SUSPECT, Rows
from ingest.fixes import FIX, Fixes
from ingest.ledger import Ledger
from ingest.message import DeadLetter, Message, Report

CALENDAR_FROM_US, CALENDAR_TO_US = -2_208_988_800_000_000, 4_102_444_800_000_000  # 1900, 2100

Seen = dict[tuple[int, int], float]
"""Values by (slot, time in us)."""


@dataclass(slots=True)
class Archived:
    """One line of the raw archive."""

    message: Message
    device_id: int
    first_us: int
    last_us: int
    readings: int
    parser: str


@dataclass(slots=True)
class Batch:
    """What one transaction writes and what is acknowledged after it."""

    messages: list[Message]
    rows: Rows = field(default_factory=lambda: np.empty(0, READING))
    device: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))  # of each row
    source: NDArray[np.intp] = field(
        default_factory=lambda: np.empty(0, np.intp)
    )  # the message of each row, by its place
    newer: NDArray[np.bool_] = field(
        default_factory=lambda: np.empty(0, np.bool_)
    )  # than all before in its series
    late: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))  # stored, but pages nobody
    delayed: NDArray[np.bool_] = field(
        default_factory=lambda: np.empty(0, np.bool_)
    )  # came long after its own time
    marks: Any = None  # what the tally makes of each row; the hub hands it on
    fixes: Fixes = field(default_factory=lambda: np.empty(0, FIX))  # the new ones, in order of arrival
    fix_device: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    fix_source: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    fix_late: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    # Fixes at an impossible time, which are in the dead letters; and the message and device of each.
    fixes_outside: Fixes = field(default_factory=lambda: np.empty(0, FIX))
    fixes_outside_source: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    fixes_outside_device: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    crossings: Any = ()  # what the fences make of them; the hub hands it on
    derived: int = 0  # how many of the last rows are derived
    repeated: Rows = field(default_factory=lambda: np.empty(0, READING))  # duplicates: not among the rows
    refused: Rows = field(default_factory=lambda: np.empty(0, READING))  # for their value: not among the rows
    arrived: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))  # each message, in us
    amended: bool = False  # rows were taken out after the checks had seen them
    held: list[tuple[int, Message]] = field(default_factory=list)  # device id; beyond its quota, unread
    taken_up: list[int] = field(default_factory=list)  # ids under which its messages were held before
    posted: list[int] = field(default_factory=list)  # ids under which its messages had come over HTTP
    archive: list[Archived] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)  # what devices say of themselves
    ledger: Ledger = field(default_factory=Ledger)
    progress: list[tuple[int, str, int, int]] = field(default_factory=list)  # device id, boot, base, seq
    senders: dict[tuple[int, str], tuple[str, str]] = field(default_factory=dict)  # -> department, device
    # After the commit: device id, boot, last number before the first gap, spans committed beyond it.
    committed: list[tuple[int, str, int, list[list[int]]]] = field(default_factory=list)
    events: Any = None  # what the rules found; the hub hands it on

    def drop_duplicates(self, keep: NDArray[np.bool_]) -> None:
        """The table had some of the rows already: take them out and count them for what they are."""
        self.repeated = np.concatenate([self.repeated, self.rows[~keep]])
        self._take_out(~keep, "duplicate")

    def set_aside(self, gone: NDArray[np.bool_], reason: str, detail: str) -> None:
        """The database refuses some of the rows: take them out, into dead letters."""
        received = gone & (np.arange(len(gone)) < len(gone) - self.derived)
        for place, count in zip(*np.unique(self.source[received], return_counts=True), strict=True):
            device_id = int(self.device[received & (self.source == place)][0])
            bury(self, self.messages[place], device_id, reason, detail, int(count))
        self.refused = np.concatenate([self.refused, self.rows[gone]])
        self._take_out(gone, "quarantined")

    def drop_known_fixes(self, keep: NDArray[np.bool_]) -> None:
        """The table had some of the fixes already: what the fences made of them was told with them, and is not told twice."""
        self._take_out_fixes(~keep, "duplicate")

    def set_aside_fixes(self, gone: NDArray[np.bool_], reason: str, detail: str) -> None:
        """The database refuses some of the fixes: take them out, into dead letters.

        What the fences made of them stays in the batch: they have believed it, and an exit must not come without its entry.
        """
        for place, count in zip(*np.unique(self.fix_source[gone], return_counts=True), strict=True):
            device_id = int(self.fix_device[gone & (self.fix_source == place)][0])
            bury(self, self.messages[place], device_id, reason, detail, int(count))
        self._take_out_fixes(gone, "quarantined")

    def _take_out_fixes(self, gone: NDArray[np.bool_], column: str) -> None:
        self.ledger.take_back(self.fix_device, stored=gone, late=gone & self.fix_late)
        self.ledger.add(self.fix_device, **{column: gone})
        self.fixes, self.fix_device = self.fixes[~gone], self.fix_device[~gone]
        self.fix_source, self.fix_late = self.fix_source[~gone], self.fix_late[~gone]

    def _take_out(self, gone: NDArray[np.bool_], column: str) -> None:
        computed = np.arange(len(gone)) >= len(gone) - self.derived
        received = gone & ~computed
        self.ledger.take_back(
            self.device,
            stored=received,
            late=received & self.late,
            flagged=received & flagged(self.rows),
            derived=gone & computed,
        )
        self.ledger.add(self.device, **{column: received})
        self.derived -= int((gone & computed).sum())
        self.rows, self.device, self.source = self.rows[~gone], self.device[~gone], self.source[~gone]
        self.newer, self.late, self.delayed = self.newer[~gone], self.late[~gone], self.delayed[~gone]
        self.marks = None if self.marks is None else self.marks[~gone]
        self.amended = True

    def count_flags(self) -> None:
        """After the checks have marked the rows: how many of the received are suspect or failed."""
        received = len(self.rows) - self.derived
        self.ledger.add(self.device[:received], flagged=flagged(self.rows[:received]))


def flagged(rows: Rows) -> NDArray[np.bool_]:
    """Which rows are suspect or failed."""
    return np.isin(rows["flag"], (SUSPECT, FAIL))


def bury(
    batch: Batch,
    message: Message,
    device_id: int | None,
    reason: str,
    detail: str,
    readings: int,
    name: bytes = b"",
) -> None:
    """Add a dead letter; with a `name` it stands for all that are named so."""
    # PostgreSQL's text holds no NUL, and one bad name must not cost the batch.
    said = detail.replace("\0", "\ufffd")[:2000]
    batch.dead.append(DeadLetter(message, device_id, reason, said, readings, name=name))


def bury_beyond_quota(batch: Batch, message: Message, device_id: int | None, count: int) -> None:
    """Add the one dead letter of a device and minute that stands for all messages beyond its quota; keeps a sample."""
    sender = message.topic if device_id else "senders that nobody knows"
    name = f"{device_id} {batch.ledger.minute_us}".encode()
    detail = f"{sender:.120} sent more than its quota; one message of them all is kept"
    batch.dead.append(
        DeadLetter(message, device_id, "over-quota", detail.replace("\0", "\ufffd"), 1, count, name)
    )


def describe_us(at: int) -> str:
    """A time in microseconds as people read it, also where it lies outside the calendar."""
    try:
        return (
            datetime.fromtimestamp(at / 1_000_000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        )
    except (ValueError, OverflowError, OSError):
        return f"{at} us"
