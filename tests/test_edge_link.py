"""The way to the broker: which MQTT it speaks, and what is no broker at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fix_services import on_both_brokers

from cityhub.services import Broker
from edge.link import MQTT_5, MQTT_311, Address, Unreachable, dialect


@contextmanager
def answering(*answers: bytes) -> Iterator[Address]:
    """A server that takes one greeting after the other, answers, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for said in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(100)
                    connection.sendall(said)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield Address(f"mqtt://127.0.0.1:{listener.getsockname()[1]}")
        thread.join(10)


@on_both_brokers
def test_each_broker_is_asked_what_it_speaks(broker: Broker) -> None:
    assert dialect(Address(broker.url)) == (MQTT_5 if "mosquitto" in broker.version else MQTT_311)


def test_a_broker_that_hangs_up_on_version_5_and_answers_3_is_of_the_older_kind() -> None:
    with answering(b"", b"\x20\x02\x00\x05") as address:
        assert dialect(address) == MQTT_311


def test_a_proxy_that_hangs_up_on_every_greeting_is_no_broker_and_tried_again_later() -> None:
    with answering(b"", b"") as address, pytest.raises(Unreachable, match="hangs up"):
        dialect(address)
