"""The publisher: brings journal records to the broker and forgets them only when the hub says `committed`."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from paho.mqtt.client import MQTTMessage

from edge import carried
from edge.journal import Journal, Record
from edge.link import Address, Client, Unreachable, dial, dialect
from edge.window import Sent, Window

log = structlog.get_logger("edge.publisher")

WINDOW = 200
# The hub commits within a second; silence for this long means that somebody lost a message or an answer.
RESEND_AFTER_S = 20.0
RESEND_AT_MOST_S = 600.0
CONNECT_PAUSE_S = (0.5, 15.0)
READ_AGAIN_S = 1.0
OUTAGE_S = 60.0  # a shorter absence changes nothing: order is worth more than a minute's delay


@dataclass(slots=True)
class Counts:
    """What the publisher has done since it started."""

    published: int = 0
    committed: int = 0
    resent: int = 0
    refused: int = 0


class Publisher:
    """Sends records, at most `window` of them waiting for `committed`; after an outage what is new goes first."""

    def __init__(
        self,
        journal: Journal,
        broker: Address | str,
        department: str,
        device: str,
        *,
        window: int = WINDOW,
        birth: Callable[[], dict[str, Any]] = dict,
        command: Callable[[bytes], None] | None = None,
    ) -> None:
        """`birth` says what the retained status tells beside "online"; `command` is handed what comes as one.

        `command` is called on the network's thread: it must return soon and not raise.
        """
        self.counts = Counts()
        self._journal, self._in_flight = journal, window
        self._address = Address(broker) if isinstance(broker, str) else broker
        self._birth, self._command = birth, command
        self._topic = f"city/v1/{department}/{device}"
        self._client_id = f"edge-{device}"
        waiting: dict[bool, list[Record]] = {False: [], True: []}
        for record in journal.kept():
            waiting[_age_s(record) > OUTAGE_S].append(record)
        self._window = Window(window, pending=waiting[False], backlog=waiting[True])
        self._away_since = time.monotonic()
        self._patience_s = RESEND_AFTER_S
        self._client: Client | None = None
        self._changed = threading.Condition()
        self._connected = self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"publisher {device}", daemon=True)

    def start(self) -> None:
        """Begin to connect and to send; a broker that is not there is waited for, a gateway may wake up alone."""
        self._thread.start()

    def offer(self, record: Record) -> None:
        """A record that the journal has just accepted."""
        with self._changed:
            self._window.offer(record)
            self._changed.notify_all()

    def wait_committed(self, timeout_s: float) -> bool:
        """Wait until the hub has committed everything offered; False when time runs out first."""
        with self._changed:
            return self._changed.wait_for(lambda: self.waiting == 0, timeout_s)

    @property
    def connected(self) -> bool:
        """Whether the broker has let us in."""
        return self._connected

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until the broker has let us in; False when time runs out first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._connected or self._stopping, timeout_s)

    def say(self, kind: str, payload: bytes) -> bool:
        """Publish on our topic `kind` (event, reply) at QoS 1; not kept in the journal. False where nobody listens."""
        client = self._client
        if client is None or not self._connected:
            return False
        return client.publish(f"{self._topic}/{kind}", payload, qos=1).rc == 0

    @property
    def waiting(self) -> int:
        """Records not yet committed."""
        return len(self._window)

    def close(self) -> None:
        """Stop sending and say goodbye; what is not committed stays in the journal."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        client, self._client = self._client, None
        if client is None:  # never connected
            return
        if self._connected:
            farewell = client.publish(f"{self._topic}/status", orjson.dumps({"state": "offline"}), 1, True)
            with suppress(ValueError, RuntimeError):  # the broker has gone first: its will says the same
                farewell.wait_for_publish(2)
        client.disconnect()
        client.loop_stop()

    def _dial(self) -> Client:
        # A clean session: what we wait for is re-sent by us, so the broker need not keep anything while we are away.
        client = dial(
            self._address,
            self._client_id,
            protocol=dialect(self._address),
            lasting=False,
            in_flight=self._in_flight,
        )
        client.will_set(f"{self._topic}/status", orjson.dumps({"state": "offline"}), 1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    def _run(self) -> None:
        if not self._connect():
            return
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._next() is not None, timeout=1.0)
                if self._stopping:
                    return
                self._resend_silent()
                queue = self._next()
                if queue is None:
                    continue
                sent = self._window.send(queue)
            self._send(sent)

    def _connect(self) -> bool:
        """Reach the broker for the first time; paho keeps the connection from then on. False when told to stop."""
        pause = CONNECT_PAUSE_S[0]
        while not self._stopping:
            try:
                client = self._client = self._dial()
            except Unreachable as error:
                log.warning("broker not there yet, readings are kept", reason=str(error), again_in_s=pause)
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, pause)
                pause = min(2 * pause, CONNECT_PAUSE_S[1])
            else:
                client.loop_start()
                return True
        return False

    def _send(self, sent: Sent) -> None:
        record = sent.record
        base = min(self._journal.base(record.boot), record.seq)
        try:
            body = self._journal.read(record)
        except OSError as error:
            log.warning("journal not readable, trying again", reason=str(error))
            with self._changed:
                self._window.put_back(sent)
            time.sleep(READ_AGAIN_S)
            return
        client = self._client
        if body is None:  # committed meanwhile, or lost
            with self._changed:
                self._window.forget(record)
                self._changed.notify_all()
        elif client is not None:
            sealed = carried.seal(record.boot, record.seq, base, body)
            client.publish(f"{self._topic}/{carried.topic(body)}", sealed, qos=1)
            self.counts.published += 1

    def _next(self) -> deque[Record] | None:
        """The queue whose turn it is, while there is somebody to send to."""
        return self._window.turn() if self._connected else None

    def _resend_silent(self) -> None:
        """Take back what has waited too long; with every round in vain, wait longer (caller holds the lock)."""
        if self._take_back(older_than_s=self._patience_s):
            self._patience_s = min(2 * self._patience_s, RESEND_AT_MOST_S)

    def _take_back(self, older_than_s: float) -> int:
        """What was sent, but never committed, goes again (caller holds the lock)."""
        back = self._window.take_back(older_than_s)
        self.counts.resent += back
        return back

    def _on_connect(
        self, client: Client, _data: object, _flags: object, reason: Any, _properties: object
    ) -> None:
        if reason.is_failure:
            log.error("broker refuses us", broker=str(self._address), reason=str(reason))
            return
        client.subscribe(f"{self._topic}/committed", qos=1)
        if self._command is not None:
            client.subscribe(f"{self._topic}/command", qos=1)
        self._say_online(client)
        with self._changed:
            self._connected = True
            self._take_back(older_than_s=0)
            if time.monotonic() - self._away_since > OUTAGE_S:
                self._window.waited_long()
            self._changed.notify_all()

    def _say_online(self, client: Client) -> None:
        said = {"state": "online", "boot": self._journal.boot, **self._birth()}
        client.publish(f"{self._topic}/status", orjson.dumps(said), 1, True)

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: object, reason: Any, _properties: object
    ) -> None:
        with self._changed:
            if self._connected:
                self._away_since = time.monotonic()
            self._connected = False
        if not self._stopping:
            log.warning("broker lost, readings are kept", broker=str(self._address), reason=str(reason))

    def _on_publish(
        self, _client: Client, _data: object, _mid: int, reason: Any, _properties: object
    ) -> None:
        # Anything but plain success means "not delivered" (0x10: nobody listens). The record stays sent and
        # uncommitted, so it goes out again after RESEND_AFTER_S.
        if getattr(reason, "value", 0) != 0:
            self.counts.refused += 1

    def _on_message(self, client: Client, _data: object, message: MQTTMessage) -> None:
        client.ack(message.mid, message.qos)
        if self._command is not None and message.topic == f"{self._topic}/command":
            self._command(bytes(message.payload))
            return
        try:
            said = orjson.loads(message.payload)
            boot, seq = str(said["boot"]), int(said["seq"])
            also = [(int(first), int(last)) for first, last in said.get("also", ())]
        except (ValueError, KeyError, TypeError):
            log.warning("committed message not understood", size=len(message.payload))
            return
        gone = self._journal.prune(boot, seq)
        with self._changed:
            self._window.commit(boot, seq, also)
            self.counts.committed += gone
            self._patience_s = RESEND_AFTER_S
            self._changed.notify_all()


def _age_s(record: Record) -> float:
    """How long ago the record's file was written last; a record knows no time of its own."""
    try:
        return time.time() - record.segment.stat().st_mtime
    except FileNotFoundError:  # committed meanwhile
        return 0.0
