"""The ledger: per minute of arrival and device, received = stored + duplicate + quarantined + rejected."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

MINUTE_US = 60_000_000


class Ledger:
    """The counts of one batch, by device; device 0 is a sender that nobody knows."""

    COLUMNS: ClassVar = (
        "messages", "received", "stored", "duplicate", "quarantined", "rejected", "late", "flagged", "derived",
    )  # fmt: skip

    def __init__(self) -> None:
        self.minute_us = 0
        self.devices: dict[int, dict[str, int]] = {}

    def begin(self, arrived_us: int) -> None:
        """All counts go to the minute in which the batch began."""
        self.minute_us = arrived_us // MINUTE_US * MINUTE_US

    def count(self, device_id: int, **counts: int) -> None:
        """Add single counts."""
        book = self.devices.setdefault(device_id, dict.fromkeys(self.COLUMNS, 0))
        for column, number in counts.items():
            book[column] += number

    def add(self, device: NDArray[np.int32], **marks: NDArray[np.bool_]) -> None:
        """Count the marked rows of each device; `device` and every mark have one entry a row."""
        if not len(device):
            return
        ids, place = np.unique(device, return_inverse=True)
        for column, mark in marks.items():
            numbers = np.bincount(place[mark], minlength=len(ids))
            for device_id, number in zip(ids.tolist(), numbers.tolist(), strict=True):
                if number:
                    self.count(device_id, **{column: number})

    def take_back(self, device: NDArray[np.int32], **marks: NDArray[np.bool_]) -> None:
        """Undo `add` for rows that turned out to be something else."""
        for column, mark in marks.items():
            for device_id in device[mark].tolist():
                self.count(device_id, **{column: -1})

    def total(self, column: str) -> int:
        """One column over all devices."""
        return sum(book[column] for book in self.devices.values())

    @property
    def balance(self) -> int:
        """Zero, or readings were lost on the way or invented."""
        settled = sum(self.total(column) for column in ("stored", "duplicate", "quarantined", "rejected"))
        return self.total("received") - settled
