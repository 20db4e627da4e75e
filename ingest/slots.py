"""From names to slots: each message's table of names becomes one column of slots, remembered between messages."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ingest.registry import NONE, Device, Refusal, Registry

Taken = tuple[NDArray[np.int32], dict[int, Refusal]]
"""Slot by place in the table of names (0: refused), and the refusals by place."""


TABLES_LIMIT, NAMES_LIMIT = 200_000, 2_000_000
"""Senders choose these tables, how many there are and how long."""


class Slots:
    """Remembers what each sender's tables of names mean; forgets all when the registry changes."""

    def __init__(self, registry: Registry, create: Callable[[set[tuple[Device, str]]], None]) -> None:
        self._registry, self._create = registry, create
        self._plain: dict[tuple[int, tuple[str, ...]], list[int] | None] = {}
        self._known: dict[tuple[int, tuple[str, ...], tuple[str | None, ...] | None], Taken] = {}
        self._names = 0  # in all tables that are known

    def forget(self) -> None:
        """The registry has changed."""
        self._plain.clear()
        self._known.clear()
        self._names = 0

    def take(self, sender: Device, names: list[str], units: list[str | None] | None) -> Taken:
        """The slots of a table of names; creates series on first sight."""
        key = (sender.id, tuple(names), tuple(units) if units else None)
        taken = self._known.get(key)
        if taken is None:
            if len(self._known) > TABLES_LIMIT or self._names > NAMES_LIMIT:
                self.forget()
            self._names += len(names)
            taken = self._known[key] = self._find(sender, names, units)
        return taken

    def take_plain(self, sender: Device, names: tuple[str, ...]) -> list[int] | None:
        """The slots of a table without units, as numbers; None when any of its names is refused."""
        key = (sender.id, names)
        if key not in self._plain:
            if len(self._plain) > TABLES_LIMIT:
                self._plain.clear()
            slots, refusals = self.take(sender, list(names), None)
            self._plain[key] = None if refusals else slots.tolist()
        return self._plain[key]

    def meet(self, tables: list[tuple[Device, tuple[str, ...]]]) -> None:
        """Make what is missing of many tables at once: a series for itself costs a commit."""
        missing: set[tuple[Device, str]] = set()
        for sender, names in tables:
            if (sender.id, names) not in self._plain:
                for name in names:
                    found = self._registry.resolve(sender, name)
                    if (
                        not isinstance(found, Refusal)
                        and (found[0].id, found[1]) not in self._registry.by_metric
                    ):
                        missing.add(found)
        if missing:
            self._create(missing)

    def _find(self, sender: Device, names: list[str], units: list[str | None] | None) -> Taken:
        meant = [self._registry.resolve(sender, name) for name in names]
        for place, found in enumerate(meant):
            unit = units[place] if units else None
            if unit is not None and not isinstance(found, Refusal):
                device, metric = found
                wanted = self._registry.profiles[device.profile].metric(metric)
                if wanted is not None and unit != wanted.unit:
                    meant[place] = Refusal(
                        "wrong-unit",
                        f"{names[place]:.80} comes in {unit:.20}, its profile says {wanted.unit}",
                    )
        missing = {
            found
            for found in meant
            if not isinstance(found, Refusal) and (found[0].id, found[1]) not in self._registry.by_metric
        }
        if missing:
            self._create(missing)
        slots = np.zeros(len(names), np.int32)
        refusals = {}
        for place, found in enumerate(meant):
            if isinstance(found, Refusal):
                refusals[place] = found
                slots[place] = NONE
            else:
                slots[place] = self._registry.by_metric[found[0].id, found[1]]
        return slots, refusals
