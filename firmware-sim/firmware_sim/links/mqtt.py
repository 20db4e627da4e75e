"""Connections to a broker: one for all feeds, one for each Sparkplug edge node with its will."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from firmware_sim.feeds import Message
from firmware_sim.protocols.sparkplug import EdgeNode

LIMIT = 50_000
AT_ONCE = 500
RETRY_S = 2.0
KEEPALIVE_S = 20
CLOSE_S = 2.0


def client(url: str, name: str) -> tuple[paho.Client, str, int]:
    """A client for `mqtt://[user:password@]host[:port]`, not connected yet (raises `ValueError`)."""
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise ValueError(f"{url!r} is no MQTT URL")
    made = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, reconnect_on_failure=False)
    if parts.username:
        made.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
    if parts.scheme == "mqtts":
        made.tls_set()
    return made, parts.hostname, parts.port or (8883 if parts.scheme == "mqtts" else 1883)


class Broker:
    """One connection; messages wait in order until it is there, 50,000 at most."""

    def __init__(self, url: str, name: str) -> None:
        self._client, self._host, self._port = client(url, name)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_publish = self._answered
        self._client.max_inflight_messages_set(1000)
        self._queue: deque[Message] = deque()
        self._unanswered: set[int] = set()
        self._up = False
        self._retry_at = 0.0
        self._allowed = True
        self.published = 0
        self.dropped = 0

    def offer(self, message: Message) -> None:
        """Keep a message, or count it as dropped."""
        if len(self._queue) >= LIMIT:
            self.dropped += 1
        else:
            self._queue.append(message)

    def work(self) -> None:
        """Connect where that is to be done, and publish what waits."""
        self._turn()
        if not self._up:
            return
        for _ in range(min(AT_ONCE, len(self._queue))):
            message = self._queue[0]
            handed = self._client.publish(message.topic, message.payload, message.qos, message.retain)
            if handed.rc:
                return
            if message.qos:
                self._unanswered.add(handed.mid)
            self._queue.popleft()
            self.published += 1

    @property
    def waiting(self) -> int:
        """Messages not handed over, or handed over and not answered: who closes on an unread answer resets the link."""
        return len(self._queue) + len(self._unanswered)

    @property
    def full(self) -> bool:
        """Whether more would only wait."""
        return len(self._queue) >= LIMIT // 10

    def lose(self) -> None:
        """The link breaks without a word: the broker publishes the will, if there is one."""
        link = self._client.socket()
        if isinstance(link, socket.socket):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End in order, without the will."""
        if self._up:
            deadline = time.monotonic() + CLOSE_S
            while self._client.want_write() and time.monotonic() < deadline:
                self._client.loop(0.05)
            self._client.disconnect()
            self._client.loop(0.05)

    def _turn(self) -> None:
        """Let the client read and write what there is; connect where there is no connection."""
        if self._client.socket() is None:
            self._up = False
            self._try_to_connect()
            return
        self._client.loop(0)

    def before_connect(self) -> None:
        """What a connection needs to know beforehand."""

    def allowed(self, *, up: bool) -> None:
        """Whether there is a link at all just now; it breaks without a word."""
        if self._allowed and not up:
            self.lose()
        self._allowed = up

    def _try_to_connect(self) -> None:
        now = time.monotonic()
        if now < self._retry_at or not self._allowed:
            return
        self._retry_at = now + RETRY_S
        self.before_connect()
        try:
            self._client.connect(self._host, self._port, KEEPALIVE_S)
        except OSError:
            return

    def _connected(self, _client: paho.Client, _user: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if not reason.is_failure:
            self._up = True

    def _answered(self, _client: paho.Client, _user: Any, mid: int, _reason: Any, _more: Any) -> None:
        self._unanswered.discard(mid)

    def _disconnected(self, _client: paho.Client, _user: Any, _flags: Any, _reason: Any, _more: Any) -> None:
        self._up = False


class Edge(Broker):
    """A Sparkplug edge node: its death is the will, it is born on every connection and when it is told to be."""

    def __init__(self, url: str, node: EdgeNode) -> None:
        super().__init__(url, f"sim-{node.group}-{node.node}")
        self.node = node
        self.births = 0
        self._kept: deque[tuple[str, dict[str, float], int]] = deque(maxlen=LIMIT)
        self._asked = False
        self._born = False
        self._client.on_message = self._heard

    def before_connect(self) -> None:
        """The will names this connection's number."""
        death = self.node.will(_now_ms())
        self._client.will_set(death.topic, death.payload, qos=1, retain=False)
        self._born = False

    def told(self, device: str, values: dict[str, float], ts_ms: int) -> None:
        """A sample of one of its devices."""
        self._kept.append((device, values, ts_ms))

    def work(self) -> None:
        """Be born, then tell; what had to wait is historical."""
        self._turn()
        if not self._up:
            return
        late = not self._born and len(self._kept) > len(self.node.devices)
        if not self._born or self._asked:
            self._client.subscribe(f"spBv1.0/{self.node.group}/NCMD/{self.node.node}", qos=1)
            self._asked = False
            self._born = True
            self.births += 1
            for birth in self.node.birth(_now_ms()):
                self._client.publish(birth.topic, birth.payload)
        for _ in range(min(AT_ONCE, len(self._kept))):
            device, values, ts_ms = self._kept.popleft()
            message = self.node.data(device, values, ts_ms, historical=late)
            self._client.publish(message.topic, message.payload)
            self.published += 1

    @property
    def waiting(self) -> int:
        """Samples not told."""
        return len(self._kept)

    def close(self) -> None:
        """An orderly end tells its death itself: the broker keeps the will to itself then."""
        if self._up:
            bd_seq = self.node.bd_seq
            self.node.bd_seq = (bd_seq - 1) % 256
            death = self.node.will(_now_ms())
            self._client.publish(death.topic, death.payload, qos=1)
        super().close()

    def _heard(self, _client: paho.Client, _user: Any, message: paho.MQTTMessage) -> None:
        if self.node.told_to_be_born(bytes(message.payload)):
            self._asked = True


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
