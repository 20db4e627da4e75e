"""paho's client with a reader of its own: takes what the socket holds at once, and hands messages on as bytes.

paho 2.x wakes, asks the kernel four times and builds a dozen objects for each message: 46 us of the hub's Python,
against 6 us here (python 3.11). All that is not a PUBLISH still goes through paho's own code.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import MQTTErrorCode

CHUNK = 1 << 18
PUBLISH, QOS, QOS_1, PUBACK = 0x30, 0x06, 0x02, 0x40
SHORTEST, MORE = 2, 0x80  # bytes of a packet; the bit that says that a length goes on

Take = Callable[[bytes, bytes, int], None]
"""Topic, payload, message id (0: of QoS 0, not to be acknowledged); must not raise."""


class Intake(Client):
    """Set `take` before connecting."""

    take: Take
    _left = b""

    def reconnect(self) -> MQTTErrorCode:
        """Connect anew: what an old connection left half read means nothing on the next."""
        self._left = b""
        return super().reconnect()

    def acknowledge(self, mids: Iterable[int]) -> None:
        """Acknowledge messages of QoS 1, all in one write."""
        packets = b"".join([b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids])
        if packets:
            self._packet_queue(PUBACK, packets, 0, 1)

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:  # noqa: ARG002 -- paho's signature
        """Read once and handle every packet that has come whole."""
        try:
            data = self._sock_recv(CHUNK)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        if not data:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
        buffer = self._left + data if self._left else data
        rc, at = self._packets(buffer)
        self._left = buffer[at:]
        return self._loop_rc_handle(rc) if rc else rc

    def _packets(self, buffer: bytes) -> tuple[MQTTErrorCode, int]:
        """Handle whole packets; returns where the first begins that is not whole."""
        at, size, five = 0, len(buffer), self._protocol == MQTTv5
        while size - at >= SHORTEST:
            command, length, head = buffer[at], buffer[at + 1], at + 2
            if length & MORE:
                length, head = varint(buffer, at + 1)
                if head < 0:
                    return MQTTErrorCode.MQTT_ERR_PROTOCOL, at
                if head == 0:
                    break
            end = head + length
            if end > size:
                break
            if command & 0xF0 == PUBLISH and command & QOS <= QOS_1:
                text = head + 2 + (buffer[head] << 8 | buffer[head + 1])
                body = text + 2 if command & QOS else text
                if five:
                    skipped, body = (buffer[body], body + 1) if buffer[body] < MORE else varint(buffer, body)
                    body += skipped
                if body > end:
                    return MQTTErrorCode.MQTT_ERR_PROTOCOL, at
                mid = buffer[text] << 8 | buffer[text + 1] if command & QOS else 0
                self.take(buffer[head + 2 : text], buffer[body:end], mid)
            else:
                rc = self._other(command, length, buffer[head:end])
                if rc or self._sock is None:
                    return rc, end
            at = end
        return MQTTErrorCode.MQTT_ERR_SUCCESS, at

    def _other(self, command: int, length: int, packet: bytes) -> MQTTErrorCode:
        blank: Any = {
            "command": 0, "have_remaining": 0, "remaining_count": [], "remaining_mult": 1,
            "remaining_length": 0, "packet": bytearray(), "to_process": 0, "pos": 0,
        }  # fmt: skip
        whole: Any = {
            "command": command,
            "have_remaining": 1,
            "remaining_length": length,
            "packet": bytearray(packet),
        }
        packet_of_paho: Any = {**blank, **whole}
        self._in_packet = packet_of_paho
        try:
            return self._packet_handle()
        except Exception:  # noqa: BLE001 -- a packet that paho cannot read ends the connection, as in paho's own loop
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        finally:
            self._in_packet = blank


def varint(buffer: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer and where it ends; 0 when it is not whole, -1 when it is none."""
    number = 0
    for place in range(4):
        if at + place >= len(buffer):
            return 0, 0
        byte = buffer[at + place]
        number |= (byte & 0x7F) << 7 * place
        if not byte & MORE:
            return number, at + place + 1
    return 0, -1
