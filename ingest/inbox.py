"""The inbox: takes messages from the broker, and acknowledges them, in order, when somebody says they are durable."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from edge.link import Address, Client, Unreachable, dial_as, dialect
from edge.reading import now_us
from ingest.intake import Intake
from ingest.message import Message

log = structlog.get_logger("ingest.inbox")

OURS = ("city/v1/+/+/telemetry", "city/v1/+/+/position", "city/v1/+/+/event", "city/v1/+/+/status")
BROKER_DROPPED = b"$SYS/broker/publish/messages/dropped"  # of mosquitto and its kin; others say nothing there
IN_FLIGHT = 5_000
CANARY_EVERY_S = 5.0
CANARY_LOST_S = 15.0
AWAY_S = 60.0  # paho connects again by itself; where its thread has died it never will
# What one transaction takes at most: edge batches of 18 bytes a reading make some 60,000 rows of this.
BATCH_MESSAGES, BATCH_BYTES = 5_000, 1 << 20
LINGER_S = 0.02  # lets a handful of messages gather; a commit costs more than this wait


class Inbox:
    """One subscriber with a stable name and a lasting session: what it has not acknowledged comes again.

    `is_connected()` says yes while paho's thread is dead, so a canary that we send to ourselves is the watchdog.
    """

    def __init__(self, broker: str, client_id: str, filters: Sequence[str] = ()) -> None:
        """`filters` are topics to subscribe to beside our own."""
        self._address, self._client_id = Address(broker), client_id
        self._filters = (*OURS, *filters)
        self._canary = f"city/v1/hub/{client_id}/canary".encode()
        self._waiting: deque[Message] = deque()
        self._arrived = threading.Event()
        self._lock = threading.Lock()
        self._epoch = 0
        self._client: Intake | None = None
        # When the last canary went, and when the first went that has not come back (0: all have).
        self._canary_sent = self._canary_asked = 0.0
        self._lost_at = 0.0
        self.connected = False
        self.broker_dropped = 0  # as far as the broker counts

    def start(self) -> None:
        """Connect; raises edge.link.Unreachable when nobody answers."""
        protocol = dialect(self._address)
        client = dial_as(
            Intake, self._address, self._client_id, protocol=protocol, lasting=True, in_flight=IN_FLIGHT
        )
        client.on_pre_connect = self._on_pre_connect
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.take = self._take
        self._canary_asked, self._lost_at = 0.0, time.monotonic()
        self._client = client
        client.loop_start()

    def take(self, timeout_s: float) -> list[Message]:
        """The messages that wait, in receive order, as many as make a batch; none when none came in time."""
        if not self._waiting:
            self._arrived.clear()
            if not self._waiting and not self._arrived.wait(timeout_s):
                return []
            time.sleep(LINGER_S)
        taken: list[Message] = []
        weight = 0
        while self._waiting and len(taken) < BATCH_MESSAGES and weight < BATCH_BYTES:
            message = self._waiting.popleft()
            taken.append(message)
            weight += len(message.payload)
        return taken

    def offer(self, message: Message) -> None:
        """Put in a message of our own, as if it had come."""
        self._waiting.append(message)
        self._arrived.set()

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Tell the broker that these are durable. Those of an earlier connection come again, and are known then."""
        with self._lock:
            if self._client is not None:
                self._client.acknowledge(
                    message.mid for message in messages if message.epoch == self._epoch and message.mid
                )

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Publish at QoS 1; True when the broker has it within five seconds."""
        client = self._client
        if client is None or not self.connected:
            return False
        info = client.publish(topic, payload, qos=1, retain=retain)
        try:
            info.wait_for_publish(5.0)
        except (ValueError, RuntimeError):
            return False
        return info.is_published()

    def tell(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1 without waiting: whoever misses it asks again."""
        if self._client is not None:
            self._client.publish(topic, payload, qos=1)

    def watch(self) -> None:
        """Call once a second or so: sends the canary, and begins a new connection when it does not come back."""
        now = time.monotonic()
        asked = self._canary_asked
        if (asked and now - asked > CANARY_LOST_S) or (not self.connected and now - self._lost_at > AWAY_S):
            log.error("nothing comes back from the broker, connecting anew", broker=str(self._address))
            self._restart()
        elif self._client is not None and self.connected and now - self._canary_sent > CANARY_EVERY_S:
            self._client.publish(self._canary.decode(), b"", qos=0)
            self._canary_sent = now
            self._canary_asked = asked or now

    @property
    def waiting(self) -> int:
        """Messages received and not yet taken."""
        return len(self._waiting)

    def close(self) -> None:
        """Disconnect; the session stays at the broker and keeps what comes meanwhile."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def _restart(self) -> None:
        old, self._client = self._client, None
        if old is not None:
            old.disconnect()
            old.loop_stop()
        try:
            self.start()
        except Unreachable as error:
            log.warning("broker not reachable", reason=str(error))

    def _on_pre_connect(self, _client: Client, _data: object) -> None:
        with self._lock:  # no acknowledgement may slip from one connection into the next
            self._epoch += 1

    def _on_connect(
        self, client: Client, _data: object, _flags: object, reason: Any, _properties: object
    ) -> None:
        if reason.is_failure:
            log.error("broker refuses us", broker=str(self._address), reason=str(reason))
            return
        heard = [(self._canary.decode(), 0), (BROKER_DROPPED.decode(), 0)]
        client.subscribe([*((each, 1) for each in self._filters), *heard])
        self.connected = True

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: object, reason: Any, _properties: object
    ) -> None:
        self.connected, self._canary_asked, self._lost_at = False, 0.0, time.monotonic()
        if reason.is_failure:
            log.warning("broker lost, connecting again", broker=str(self._address), reason=str(reason))

    def _take(self, topic: bytes, payload: bytes, mid: int) -> None:
        """In paho's thread, which an exception would end."""
        if mid == 0 and topic == self._canary:
            self._canary_asked = 0.0
            return
        if mid == 0 and topic == BROKER_DROPPED:
            self.broker_dropped = int(payload) if payload.isdigit() else 0
            return
        self._waiting.append(Message(topic.decode("utf-8", "replace"), payload, mid, self._epoch, now_us()))
        if not self._arrived.is_set():
            self._arrived.set()
