"""The inbox's reader: whatever way the stream is cut, each message arrives once, whole and in order."""

from __future__ import annotations

import socket
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.client import MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from ingest.intake import Intake

Sent = tuple[str, bytes, int]
MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(["city/v1/a/b/telemetry", "t", "x" * 200]),
        st.binary(max_size=40) | st.integers(100, 40_000).map(bytes),
        st.integers(1, 65_535),
    ),
    max_size=8,
)


def varint(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def publish(topic: str, payload: bytes, mid: int, *, five: bool, properties: bytes = b"") -> bytes:
    name = topic.encode()
    content = len(name).to_bytes(2, "big") + name + mid.to_bytes(2, "big")
    content += (varint(len(properties)) + properties if five else b"") + payload
    return b"\x32" + varint(len(content)) + content


def reader(protocol: MQTTProtocolVersion) -> tuple[Intake, socket.socket, list[Sent]]:
    """A client that is connected to the other end of a socket pair."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    client = Intake(CallbackAPIVersion.VERSION2, client_id="test", protocol=protocol, manual_ack=True)
    taken: list[Sent] = []
    client.take = lambda topic, payload, mid: taken.append((topic.decode(), payload, mid))
    client._sock = ours
    return client, theirs, taken


@pytest.mark.parametrize("protocol", [MQTTv311, MQTTv5])
@settings(max_examples=60)
@given(messages=MESSAGES, cuts=st.lists(st.integers(0, 50_000), max_size=6))
def test_a_stream_cut_anywhere_gives_every_message_once_in_order(
    protocol: MQTTProtocolVersion, messages: list[Sent], cuts: list[int]
) -> None:
    client, theirs, taken = reader(protocol)
    five = protocol == MQTTv5
    # A message-expiry property, as a broker of version 5 may add: to be stepped over.
    extra = b"\x02\x00\x00\x00\x3c" if five else b""
    stream = b"".join(publish(*message, five=five, properties=extra) for message in messages)
    marks = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    for start, end in pairwise(marks):
        theirs.sendall(stream[start:end])
        assert client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert taken == messages
    theirs.close()
    client._sock_close()


def test_acknowledgements_go_out_in_order_in_one_piece() -> None:
    client, theirs, _ = reader(MQTTv311)
    client.acknowledge([3, 1, 65_535])
    client.loop_write()
    assert theirs.recv(100) == b"\x40\x02\x00\x03\x40\x02\x00\x01\x40\x02\xff\xff"
    theirs.close()
    client._sock_close()


def test_a_hang_up_ends_the_connection_and_nonsense_does_too() -> None:
    client, theirs, _ = reader(MQTTv311)
    theirs.close()
    assert client.loop_read() == MQTTErrorCode.MQTT_ERR_CONN_LOST
    client, theirs, taken = reader(MQTTv311)
    theirs.sendall(b"\x32\xff\xff\xff\xff\xff\x01")
    assert client.loop_read() == MQTTErrorCode.MQTT_ERR_PROTOCOL
    assert taken == []
    theirs.close()
