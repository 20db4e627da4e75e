"""The lookout: what positions say of each watched zone at a moment, noted in the main thread and told in the census's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cityhub.crowd import border
from cityhub.crowd.border import Border
from cityhub.crowd.ground import Ground, Watched
from cityhub.crowd.telling import Presence
from cityhub.crowd.untimed import Untimed, untimed
from cityhub.fencing import Fencing
from ingest.batch import Batch
from ingest.registry import Device, Registry


class Seen(NamedTuple):
    """Who is inside what, and by id of a restricted zone how many positions in it cannot be placed in time."""

    border: Border
    untimed: Mapping[int, int]
    ids: Mapping[str, int]  # of devices, by key

    def presence(self, zone: Watched) -> Presence | None:
        """Who is inside a zone; None where nobody tells any place, and none is asked for."""
        return border.presence(self.border, zone, self.ids)


class Lookout:
    """`seen` is replaced, never changed: another thread reads it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._devices: Mapping[str, Device] = {}
        self._profiles: dict[int, str] = {}
        self._recorded: set[int] = set()
        self._ids: dict[str, int] = {}
        self._untimed = Untimed()
        self.seen = Seen(border.NOBODY, {}, {})

    def observe(self, batch: Batch) -> None:
        """Take in what has no place in time."""
        self._untimed.take(untimed(batch, self._recorded))

    def look(self, fencing: Fencing, at_us: int, ground: Ground) -> None:
        """What is so now."""
        if self._registry.devices is not self._devices:
            self._devices = self._registry.devices
            self._ids = {key: device.id for key, device in self._devices.items()}
            self._profiles = {device.id: device.profile for device in self._devices.values()}
            self._recorded = {device.id for device in self._devices.values() if device.recorded}
        found = border.look(fencing, at_us, self._patience_us)
        self.seen = Seen(found, self._untimed.inside(ground, at_us, self._ids), self._ids)

    def _patience_us(self, device: int) -> int:
        profile = self._registry.profiles.get(self._profiles.get(device, ""))
        return border.patience_us(profile.metrics.values() if profile else ())
