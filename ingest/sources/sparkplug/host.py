"""The host application's own connection to the broker: its STATE, what edge nodes publish, and requests to be reborn.

Not the connection of the city's topics: Sparkplug wants a will and a session that leaves nothing behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson
import structlog

from edge.link import Address, Client, Unreachable, dial_as, dialect
from edge.reading import now_us
from ingest.intake import Intake
from ingest.message import UNASKED, Message
from ingest.sources.sparkplug.messages import Payload
from ingest.sources.sparkplug.source import NAMESPACE, STATE, Sparkplug
from ingest.sources.sparkplug.values import BOOLEAN

log = structlog.get_logger("ingest.sparkplug")

REBIRTH = b"Node Control/Rebirth"
IN_FLIGHT = 1_000
AWAY_S = 60.0  # paho connects again by itself; where its thread has died it never will
CLOSE_S = 5.0
WAITING_LIMIT = 20_000  # messages in the inbox: nothing holds back a sender of QoS 0, so more are shed


class Connection(Intake):
    """A clean session: every CONNECT has a will with its own time, and nothing is carried over from the last."""

    state_topic: str
    born_ms = 0

    def reconnect(self) -> Any:
        """Connect anew, first or again."""
        self.born_ms = now_us() // 1000
        self.will_set(self.state_topic, state(online=False, time_ms=self.born_ms), qos=1, retain=True)
        with self._out_message_mutex:  # paho would send again what the last session left unacknowledged
            self._out_messages.clear()
            self._inflight_messages = 0
        return super().reconnect()


class Host:
    """One host application with its id, and its connection with a name that nothing else at the broker may have.

    `offer` takes what edge nodes publish, `waiting` says how much of it waits.
    """

    def __init__(
        self,
        broker: str,
        host_id: str,
        client_id: str,
        source: Sparkplug,
        offer: Callable[[Message], None],
        waiting: Callable[[], int],
    ) -> None:
        self._address, self._source = Address(broker), source
        self._client_id = client_id
        self._topic = f"{NAMESPACE}/{STATE}/{host_id}"
        self._offer, self._waiting = offer, waiting
        self._client: Connection | None = None
        self._closing = False
        self._back_us = 0  # when we were connected anew, until the source knows
        self._lost_at = 0.0
        self.online = False
        self.shed = 0  # messages, since the start, because too many waited

    def start(self) -> None:
        """Connect; raises edge.link.Unreachable when nobody answers."""
        client = dial_as(
            Connection,
            self._address,
            self._client_id,
            protocol=dialect(self._address),
            lasting=False,
            in_flight=IN_FLIGHT,
        )
        client.state_topic, client.take = self._topic, self._take
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_subscribe = self._on_subscribe
        self._lost_at, self._client = time.monotonic(), client
        client.loop_start()

    def watch(self, now: int) -> None:
        """Call once a second or so, from the thread that reads: asks for births, and mends a connection that is dead."""
        if self._back_us:
            back_us, self._back_us = self._back_us, 0
            self._source.missed(back_us, now)
        if self.online and self._client is not None:
            for node in self._source.tick(now):
                self._client.publish(command_topic(node), rebirth(now // 1000), qos=0, retain=False)
        elif time.monotonic() - self._lost_at > AWAY_S:
            self._restart()

    def close(self) -> None:
        """Say that we go, and go."""
        client, self._client = self._client, None
        if client is None:
            return
        self._closing = True
        if self.online:
            info = client.publish(
                self._topic, state(online=False, time_ms=now_us() // 1000), qos=1, retain=True
            )
            try:
                info.wait_for_publish(CLOSE_S)
            except (ValueError, RuntimeError) as error:
                log.warning("the broker has not taken our farewell, its will says it", reason=str(error))
        client.disconnect()
        client.loop_stop()
        self.online = False

    def _restart(self) -> None:
        log.error("no connection as Sparkplug host, connecting anew", broker=str(self._address))
        old, self._client = self._client, None
        self._lost_at = time.monotonic()
        if old is not None:
            old.disconnect()
            old.loop_stop()
        try:
            self.start()
        except Unreachable as error:
            log.warning("broker not reachable", reason=str(error))

    def _on_connect(
        self, client: Client, _data: object, _flags: object, reason: Any, _properties: object
    ) -> None:
        if reason.is_failure:
            log.error("broker refuses the Sparkplug host", broker=str(self._address), reason=str(reason))
            return
        # QoS 1, that a death (a will of QoS 1) is not made less of; all else comes as it was sent.
        client.subscribe([(self._topic, 1), *((one, 1) for one in self._source.filters)])

    def _on_subscribe(
        self, client: Client, _data: object, _mid: int, reasons: list[Any], _properties: object
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            log.error("broker refuses our subscriptions, not online as Sparkplug host", reasons=refused)
            return
        self._say_online(client)
        self._back_us, self.online = now_us(), True

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: object, reason: Any, _properties: object
    ) -> None:
        self.online, self._lost_at = False, time.monotonic()
        if reason.is_failure:
            log.warning("broker lost as Sparkplug host, connecting again", reason=str(reason))

    def _say_online(self, client: Any) -> None:
        client.publish(self._topic, state(online=True, time_ms=client.born_ms), qos=1, retain=True)

    def _take(self, topic: bytes, payload: bytes, mid: int) -> None:
        """In paho's thread, which an exception would end."""
        client = self._client
        if client is None:
            return
        if mid:
            client.acknowledge([mid])  # a clean session: what is not read now never comes again
        name = topic.decode("utf-8", "replace")
        if name == self._topic:
            if self.online and not self._closing and is_offline(payload):
                log.info(
                    "told that we are offline, saying that we are not"
                )  # a will of before, or a namesake's
                self._say_online(client)
            return
        if self._waiting() >= WAITING_LIMIT:
            self.shed += 1  # its edge node's next message shows the gap
            return
        self._offer(Message(name, payload, 0, UNASKED, now_us()))


def state(*, online: bool, time_ms: int) -> bytes:
    """The payload of STATE."""
    return orjson.dumps({"online": online, "timestamp": time_ms})


def is_offline(payload: bytes) -> bool:
    """Whether a STATE payload says that its host is offline."""
    try:
        said = orjson.loads(payload[:1000])
    except orjson.JSONDecodeError:
        return False
    return isinstance(said, dict) and said.get("online") is False


def command_topic(node: str) -> str:
    """The topic of commands to an edge node (group/edge)."""
    group, _, edge = node.partition("/")
    return f"{NAMESPACE}/{group}/NCMD/{edge}"


def rebirth(time_ms: int) -> bytes:
    """The command to an edge node to give birth anew. It has no sequence number, and its metric no alias."""
    message = Payload(timestamp=time_ms)
    message.metrics.add(name=REBIRTH, timestamp=time_ms, datatype=BOOLEAN, boolean_value=True)
    payload: bytes = message.SerializeToString()
    return payload
