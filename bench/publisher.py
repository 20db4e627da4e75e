"""A publisher over a bare socket: MQTT 3.1.1, QoS 1, a window of messages in flight."""

from __future__ import annotations

import socket
import struct
from urllib.parse import unquote, urlsplit

# paho spends about 50 us of Python on each message that it publishes at QoS 1, this about 4: at 15,000
# messages/s paho would take most of one of the two cores and the benchmark would measure its own generator.
PUBLISH_QOS_1 = b"\x32"
PUBACK_BYTES = 4
LAST_MID = 60_000
SEND_S = 30


def varint(number: int) -> bytes:
    """MQTT's remaining length."""
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (128 if number else 0))
        if not number:
            return bytes(out)


class Publisher:
    """One connection. Messages are gathered by `put` and leave with `flush`; acknowledgements are only counted."""

    def __init__(self, url: str, client_id: str) -> None:
        parts = urlsplit(url)
        texts = [client_id, unquote(parts.username or ""), unquote(parts.password or "")]
        body = b"\x00\x04MQTT\x04\xc2\x00\x00" + b"".join(
            len(text).to_bytes(2, "big") + text.encode() for text in texts
        )
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(b"\x10" + varint(len(body)) + body)
        answer = self._socket.recv(PUBACK_BYTES)
        if answer != b"\x20\x02\x00\x00":
            raise ConnectionError(f"the broker refuses the load generator: {answer.hex()}")
        # From here on only the kernel keeps time: with a timeout of Python's own, a look at what is there would wait.
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@qq", SEND_S, 0))
        self._gathered: list[bytes] = []
        self._mid = self._bytes_back = 0
        self.sent = 0

    def put(self, topic: bytes, payload: bytes) -> None:
        """Add one message to those that leave next."""
        self._mid = self._mid % LAST_MID + 1
        self._gathered += (
            PUBLISH_QOS_1,
            varint(4 + len(topic) + len(payload)),
            len(topic).to_bytes(2, "big"),
            topic,
            self._mid.to_bytes(2, "big"),
            payload,
        )
        self.sent += 1

    def flush(self) -> None:
        """Send what was gathered; waits while the broker does not read."""
        if self._gathered:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self._socket.sendall(data)

    @property
    def in_flight(self) -> int:
        """Messages not yet acknowledged, after reading what the broker has said. Raises ConnectionError."""
        while True:
            try:
                # PUBACKs are all that comes back on this connection, four bytes each, in order.
                said = self._socket.recv(1 << 16, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return self.sent - self._bytes_back // PUBACK_BYTES
            if not said:
                raise ConnectionError("the broker has hung up on the load generator")
            self._bytes_back += len(said)

    def close(self) -> None:
        """Say goodbye."""
        self._socket.sendall(b"\xe0\x00")
        self._socket.close()
