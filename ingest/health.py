"""The hub's own health: every ten seconds, as messages like any other, so that ordinary rules watch over the hub too."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import psycopg

from edge.reading import now_us
from ingest.inbox import Inbox
from ingest.message import OURS, Message
from ingest.quota import Quotas
from ingest.registry import HUB, Registry

TOPIC = f"city/v1/{HUB}/{HUB}/telemetry"
CALM = 10
"""So often a device that was beyond its quota is said to be within it again; then it is not spoken of."""

UNBALANCED = """
select coalesce(sum(abs(received - stored - duplicate - quarantined - rejected)), 0)::bigint
from ledger_minute where minute > now() - interval '5 minutes'"""


class Health:
    """Says what has happened since it spoke last; a hub that is not registered itself says nothing."""

    def __init__(
        self,
        inbox: Inbox,
        quotas: Quotas,
        registry: Registry,
        *,
        shed: Callable[[], int],
        failed: Callable[[], int],
        set_back: Callable[[], float],
    ) -> None:
        """Since the start: `shed`, messages of platforms that were let go unread; `failed`, moments of the census.

        `set_back`: by how many seconds the hub's clock was, since this was asked last.
        """
        self._inbox, self._quotas, self._registry, self._count_shed = inbox, quotas, registry, shed
        self._count_failed, self._take_set_back = failed, set_back
        self._dropped = self._shed = self._failed = 0
        self._spoken: dict[int, int] = {}  # device id: how often it may still be said that all is well

    def say(self, connection: psycopg.Connection) -> None:
        """Put one message into the inbox."""
        if HUB not in self._registry.devices:
            return
        row = connection.execute(UNBALANCED).fetchone()  # first: where it fails, this runs again
        refused = self._quotas.take_refused()
        dropped, self._dropped = self._dropped, self._inbox.broker_dropped
        shed, self._shed = self._shed, self._count_shed()
        failed, self._failed = self._failed, self._count_failed()
        values: dict[str, float] = {
            "queue": self._inbox.waiting,
            "held": int(self._quotas.held.sum()),
            "refused": sum(refused.values()),
            "broker-dropped": max(self._dropped - dropped, 0),
            "shed": self._shed - shed,
            "census-failed": self._failed - failed,
            "clock-back": round(self._take_set_back(), 1),
            "unbalanced": row[0] if row else 0,
        }
        values |= self._of_devices(refused)
        at_us = now_us()
        said = orjson.dumps({"ts": at_us // 1000, "values": values})
        self._inbox.offer(Message(TOPIC, said, 0, OURS, at_us))

    def _of_devices(self, refused: dict[int, int]) -> dict[str, int]:
        """What was refused of each device, and zero for a while after."""
        self._spoken |= dict.fromkeys(refused, CALM)
        keys = {device.id: key for key, device in self._registry.devices.items()} if self._spoken else {}
        said = {
            f"{keys[device]}/over-quota": refused.get(device, 0) for device in self._spoken if device in keys
        }
        self._spoken = {device: left - 1 for device, left in self._spoken.items() if left > 1}
        return said
