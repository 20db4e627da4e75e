"""The ledger: per minute of arrival and device, received = stored + duplicate + quarantined + rejected."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

MINUTE_US = 60_000_000
NOBODY = np.empty(0, np.int64)


class Ledger:
    """The counts of one batch, by device; device 0 is a sender that nobody knows."""

    COLUMNS: ClassVar = (
        "messages", "received", "stored", "duplicate", "quarantined", "rejected", "late", "flagged", "derived",
    )  # fmt: skip

    def __init__(self) -> None:
        self.minute_us = 0
        self._counted: dict[str, list[tuple[NDArray[np.int64], NDArray[np.int64]]]] = {
            c: [] for c in self.COLUMNS
        }
        self._totals = dict.fromkeys(self.COLUMNS, 0)

    def begin(self, arrived_us: int) -> None:
        """All counts go to the minute in which the batch began."""
        self.minute_us = arrived_us // MINUTE_US * MINUTE_US

    def count(self, device_id: int, **counts: int) -> None:
        """Add single counts."""
        for column, number in counts.items():
            self._note(column, np.array([device_id]), np.array([number]))

    def add(self, device: NDArray[np.int32], **marks: NDArray[np.bool_]) -> None:
        """Count the marked rows of each device; `device` and every mark have one entry a row."""
        for column, mark in marks.items():
            marked = device if mark.all() else device[mark]
            if len(marked):
                self._note(column, *np.unique(marked, return_counts=True))

    def take_back(self, device: NDArray[np.int32], **marks: NDArray[np.bool_]) -> None:
        """Undo `add` for rows that turned out to be something else."""
        for column, mark in marks.items():
            ids, numbers = np.unique(device[mark], return_counts=True)
            self._note(column, ids, -numbers)

    def table(self) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
        """The devices counted, in order, and each column's numbers for them."""
        ids = np.unique(
            np.concatenate([ids for notes in self._counted.values() for ids, _ in notes] or [NOBODY])
        )
        columns = {}
        for column, notes in self._counted.items():
            columns[column] = np.zeros(len(ids), np.int64)
            for some, numbers in notes:
                columns[column][np.searchsorted(ids, some)] += numbers
        return ids.astype(np.int64), columns

    @property
    def devices(self) -> dict[int, dict[str, int]]:
        """The same by device."""
        ids, columns = self.table()
        return {
            device: {column: int(columns[column][place]) for column in self.COLUMNS}
            for place, device in enumerate(ids.tolist())
        }

    def total(self, column: str) -> int:
        """One column over all devices."""
        return self._totals[column]

    @property
    def balance(self) -> int:
        """Zero, or readings were lost on the way or invented."""
        settled = sum(self.total(column) for column in ("stored", "duplicate", "quarantined", "rejected"))
        return self.total("received") - settled

    def _note(self, column: str, ids: NDArray[Any], numbers: NDArray[Any]) -> None:
        self._counted[column].append((ids, numbers))
        self._totals[column] += int(numbers.sum())
