"""A connection to the broker: MQTT 5 where the broker speaks it, else 3.1.1; every fault is heard."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

MQTT_5, MQTT_311 = int(MQTTv5), int(MQTTv311)
SESSION_S = 7 * 24 * 3600
KEEPALIVE_S = 15
CONNACK = 0x20

__all__ = [
    "Address",
    "AddressError",
    "Client",
    "ConnectFlags",
    "DisconnectFlags",
    "Unreachable",
    "dial",
    "dial_as",
    "dialect",
]


C = TypeVar("C", bound=Client)


class Unreachable(Exception):
    """The broker does not answer; `hint` says what to try."""

    hint = "is the broker running, and is its address right? CITYHUB_MQTT_URL says where it is"


class AddressError(ValueError):
    """Not an address of a broker; `hint` says what one looks like."""

    hint = "write it like mqtt://user:password@host:1883"


class Address:
    """`mqtt://user:password@host:port` or `mqtts://...`, taken apart; printing it shows no password."""

    def __init__(self, url: str, ca: Path | None = None) -> None:
        """`ca`: the certificates that a broker over TLS is checked against; without it, those of the system."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise AddressError("this is no address of a broker") from error
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise AddressError("this is no address of a broker")  # not shown: it may hold a password
        self.tls = parts.scheme == "mqtts"
        self.host, self.port = parts.hostname, port or (8883 if self.tls else 1883)
        self.user = unquote(parts.username) if parts.username else None
        self.password = unquote(parts.password) if parts.password else None
        self._ca = ca

    def context(self) -> ssl.SSLContext:
        """What TLS goes by; raises OSError where the certificates cannot be read."""
        return ssl.create_default_context(cafile=str(self._ca) if self._ca else None)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def dialect(address: Address, timeout_s: float = 5.0) -> int:
    """Ask the broker which MQTT it speaks: a version 5 greeting that is not answered in kind means 3.1.1."""
    answer = _greet(address, MQTT_5, timeout_s)
    # A CONNACK of version 5 carries a property length after the reason code (even where it refuses our empty
    # name and password); older brokers answer code 1, "unacceptable protocol version", or just hang up.
    if len(answer) > 4 and answer[0] == CONNACK and answer[3] not in (0x01, 0x84):  # noqa: PLR2004
        return MQTT_5
    if not answer and not _greet(address, MQTT_311, timeout_s):
        raise Unreachable(f"{address} hangs up on every greeting")  # a proxy before a broker that is away
    return MQTT_311


def _greet(address: Address, version: int, timeout_s: float) -> bytes:
    """Connect without a name and return the beginning of the answer; nothing, where the other end hangs up."""
    client_id = f"probe-{os.getpid()}".encode()
    # CONNECT: protocol name, version, clean start, keep-alive, no properties (version 5 only), client id.
    properties = b"\x00" if version == MQTT_5 else b""
    content = (
        b"\x00\x04MQTT" + bytes([version]) + b"\x02\x00\x0f" + properties
        + len(client_id).to_bytes(2, "big") + client_id
    )  # fmt: skip
    try:
        with socket.create_connection((address.host, address.port), timeout=timeout_s) as plain:
            stream = (
                address.context().wrap_socket(plain, server_hostname=address.host) if address.tls else plain
            )
            stream.sendall(b"\x10" + bytes([len(content)]) + content)
            return stream.recv(64)
    except ConnectionResetError:
        return b""
    except OSError as error:
        raise Unreachable(f"no broker answers at {address}: {error}") from error


def dial(address: Address, client_id: str, *, protocol: int, lasting: bool, in_flight: int) -> Client:
    """A client, configured but not yet connected; the caller sets its callbacks, then starts its loop.

    `lasting` keeps the session at the broker while we are away; `in_flight` bounds what is unacknowledged each way.
    Acknowledgements of received messages are the caller's.
    """
    return dial_as(Client, address, client_id, protocol=protocol, lasting=lasting, in_flight=in_flight)


def dial_as(
    kind: type[C], address: Address, client_id: str, *, protocol: int, lasting: bool, in_flight: int
) -> C:
    """The same with a client of another kind."""
    client = kind(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=MQTTv5 if protocol == MQTT_5 else MQTTv311,
        clean_session=None if protocol == MQTT_5 else not lasting,
        manual_ack=True,
    )
    client.username_pw_set(address.user, address.password)
    if address.tls:
        client.tls_set_context(address.context())
    client.max_inflight_messages_set(in_flight)
    client.reconnect_delay_set(min_delay=1, max_delay=15)
    properties = None
    if protocol == MQTT_5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_S if lasting else 0
        properties.ReceiveMaximum = in_flight
    client.connect_async(
        address.host,
        address.port,
        keepalive=KEEPALIVE_S,
        clean_start=not lasting,
        properties=properties,
    )
    return client
