"""Upkeep: what changes in the registry, or in the zones, reaches every part of the hub that knows of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from alerts.alarms import Alarms
from cityhub.crowd.census import Census
from cityhub.following import Following
from cityhub.kernels import Kernels
from cityhub.setback import Setback
from ingest.counters import Counters
from ingest.quota import Quota, Quotas
from ingest.registry import Device, Registry, Series
from ingest.session import Session
from ingest.slots import Slots

REGISTRY_CHANNEL = "cityhub_registry"
"""NOTIFY channel: somebody has changed devices, profiles or zones."""
LOOK_EVERY_S = 0.05


class Upkeep:
    """In the main thread, between two batches or while one is assembled; never while one is judged."""

    def __init__(
        self,
        session: Session,
        registry: Registry,
        kernels: Kernels,
        counters: Counters,
        census: Census,
        following: Following,
        quotas: Quotas,
        alarms: Alarms,
        *,
        setback: Setback,
        drain: Callable[[], object],
    ) -> None:
        """`drain` waits until what was handed to the writer is committed."""
        self._session, self._registry, self._drain = session, registry, drain
        self._kernels, self._counters, self._quotas, self._alarms = kernels, counters, quotas, alarms
        self._census, self._setback, self._following = census, setback, following
        self.slots = Slots(registry, self._create)
        self._looked_at = 0.0

    def begin(self) -> None:
        """Read everything for the first time; alarms that nothing will end any more return."""
        self._refresh()
        self._session.run(self._alarms.excuse)
        self._release()

    def look_again(self) -> None:
        """Take in what has changed; asks the database only when somebody said so."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_S or not self._session.changed():
            return
        self._looked_at = now
        before = self._registry.unwatched
        self._refresh()
        if self._registry.unwatched != before:
            self._excuse()
        if self._session.run(self._kernels.settle):
            self._drain()  # an alarm that is being written now must not outlive this
            self._release()
        self.slots.forget()

    def _refresh(self) -> None:
        self._following.look_again()
        self._census.look_again()
        self._meet(self._session.run(self._registry.refresh))
        if underived := self._registry.underived():
            self._create(underived)
        stated = {
            key: Quota(profile.quota.messages_per_s, profile.quota.burst)
            for key, profile in self._registry.profiles.items()
            if profile.quota
        }
        self._quotas.configure(self._registry.devices.values(), stated)

    def _excuse(self) -> None:
        """Devices have taken a step in their life: alarms of those out of service return, the others are told anew."""
        self._drain()
        self._session.run(self._alarms.excuse)
        self._session.run(self._kernels.tell_anew)

    def _release(self) -> None:
        self._session.run(lambda connection: self._alarms.release(connection, self._kernels.judged_by))

    def _create(self, wanted: set[tuple[Device, str]]) -> None:
        self._meet(self._session.run(lambda connection: self._registry.create(connection, wanted)))

    def _meet(self, fresh: list[Series]) -> None:
        self._session.run(lambda connection: self._kernels.meet(connection, fresh))
        self._session.run(lambda connection: self._counters.meet(connection, self._registry, fresh))
        self._census.meet(fresh)
        self._setback.meet(fresh)
