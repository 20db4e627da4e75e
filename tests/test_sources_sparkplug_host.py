"""The Sparkplug host at real brokers: its STATE, its will, its session, its requests, and edge nodes end to end."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import orjson
import psycopg
import pytest
from fix_services import Private, on_both_brokers
from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from sparkplug_wire import REBIRTH, metric, nbirth, ndeath, payload

from cityhub.services import Broker, start_broker
from edge.link import Address
from edge.reading import now_us
from ingest import enrolment, quota
from ingest.health import Health
from ingest.inbox import Inbox
from ingest.message import OURS, Message
from ingest.quota import Quotas
from ingest.registry import Registry
from ingest.sources.said import Said
from ingest.sources.sparkplug import host as hosts
from ingest.sources.sparkplug.host import Host, is_offline, rebirth, state
from ingest.sources.sparkplug.source import Sparkplug

STATE = "spBv1.0/STATE/hall"
PATIENCE_S = 20.0


def eventually(condition: Callable[[], Any], what: str) -> Any:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.01)
    pytest.fail(f"{what} did not happen")


class Watcher:
    """Somebody else at the broker: hears everything, may say anything."""

    def __init__(self, url: str, name: str, will: tuple[str, bytes] | None = None) -> None:
        address = Address(url)
        self.heard: list[MQTTMessage] = []
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTv311)
        self._client.username_pw_set(address.user, address.password)
        if will:
            self._client.will_set(*will, qos=1)
        self._client.on_connect = lambda client, *_: client.subscribe("spBv1.0/#", qos=1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda _client, _data, message: self.heard.append(message)
        self._client.connect(address.host, address.port)
        self._client.loop_start()
        assert self._ready.wait(PATIENCE_S)

    def on(self, topic: str) -> list[MQTTMessage]:
        return [message for message in self.heard if message.topic == topic]

    def say(self, topic: str, content: bytes, *, qos: int = 0, retain: bool = False) -> None:
        self._client.publish(topic, content, qos, retain).wait_for_publish(PATIENCE_S)

    def vanish(self) -> None:
        """Lose the connection without a farewell: the broker publishes the will."""
        self._client._sock_close()
        self._client.loop_stop()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def watching(
    broker: Broker, name: str = "watcher", will: tuple[str, bytes] | None = None
) -> Iterator[Watcher]:
    watcher = Watcher(broker.url, name, will)
    yield watcher
    watcher.close()


class Hall:
    """A hub's part of it: an inbox that is offered what the host hears, and a source that reads it."""

    def __init__(self, broker: Broker) -> None:
        self.inbox = Inbox(broker.url, "hall-city")
        self.source = Sparkplug()
        self.host = Host(
            broker.url, "hall", "hall-sparkplug", self.source, self.inbox.offer, lambda: self.inbox.waiting
        )
        self.said: list[Said] = []
        self.taken: list[Message] = []

    def __enter__(self) -> Self:
        self.inbox.start()
        self.host.start()
        eventually(lambda: self.host.online, "the host coming online")
        return self

    def __exit__(self, *_: object) -> None:
        self.host.close()
        self.inbox.close()

    def turn(self) -> Hall:
        """One round of a hub's loop."""
        for message in self.inbox.take(0.05):
            self.taken.append(message)
            self.said += self.source.read(message.topic, message.payload, message.arrived_us)
        self.host.watch(now_us())
        return self

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        return eventually(lambda: self.turn() and condition(), what)

    def values(self, address: str) -> dict[str, float]:
        return {
            name: value for one in self.said if one.address == address for name, _, value, _ in one.samples
        }


def states(watcher: Watcher) -> list[dict[str, Any]]:
    return [json.loads(message.payload) for message in watcher.on(STATE)]


@on_both_brokers
def test_the_first_word_is_a_retained_birth_and_the_last_a_death_of_the_present_time(broker: Broker) -> None:
    with watching(broker) as watcher:
        before = now_us() // 1000
        with Hall(broker):
            eventually(lambda: states(watcher), "a STATE")
        after = now_us() // 1000
        eventually(lambda: len(states(watcher)) >= 2, "the death")
        first, last = states(watcher)[0], states(watcher)[-1]
        assert first.keys() == last.keys() == {"online", "timestamp"}
        assert (first["online"], last["online"]) == (True, False)
        assert before <= first["timestamp"] <= last["timestamp"] <= after
        assert {message.qos for message in watcher.on(STATE)} == {1}
        assert watcher.heard[0].topic == STATE  # nothing was said before the birth
    with watching(broker, "late") as late:
        message = eventually(lambda: late.on(STATE), "the retained STATE")[0]
        assert message.retain
        assert json.loads(message.payload)["online"] is False


@on_both_brokers
def test_a_host_that_vanishes_is_told_offline_by_its_will_with_the_time_of_its_birth(broker: Broker) -> None:
    with watching(broker) as watcher, Hall(broker) as hall:
        born = eventually(lambda: states(watcher), "a STATE")[0]
        client = hall.host._client
        assert client is not None
        client.disconnect = lambda *_a, **_k: None  # type: ignore[method-assign,assignment]
        client.reconnect = lambda: 1  # type: ignore[method-assign]
        client._sock_close()
        eventually(lambda: len(states(watcher)) >= 2, "the will")
        will = watcher.on(STATE)[1]
        assert json.loads(will.payload) == {"online": False, "timestamp": born["timestamp"]}
        assert will.qos == 1
    with watching(broker, "late") as late:
        assert eventually(lambda: late.on(STATE), "the retained will")[0].retain


@on_both_brokers
def test_each_connection_has_a_will_and_a_birth_of_its_own_time(broker: Broker) -> None:
    with watching(broker) as watcher, Hall(broker) as hall:
        eventually(lambda: states(watcher), "a STATE")
        client = hall.host._client
        assert client is not None
        time.sleep(0.01)  # a millisecond must pass
        client._sock_close()
        hall.until(
            lambda: hall.host.online and len([s for s in states(watcher) if s["online"]]) >= 2, "a new birth"
        )
        said = states(watcher)
        births = [one["timestamp"] for one in said if one["online"]]
        deaths = [one["timestamp"] for one in said if not one["online"]]
        assert births[-1] > births[0]
        assert set(deaths) <= {births[0]}
        assert json.loads(client._will_payload) == {"online": False, "timestamp": births[-1]}


@on_both_brokers
def test_who_says_that_we_are_offline_is_answered_at_once_with_the_same_time(broker: Broker) -> None:
    with watching(broker) as watcher, Hall(broker):
        born = eventually(lambda: states(watcher), "a STATE")[0]
        watcher.say(STATE, state(online=False, time_ms=1), qos=1, retain=True)
        eventually(lambda: len(states(watcher)) >= 3, "an answer")
        assert states(watcher)[2] == born
    with watching(broker, "late") as late:
        assert (
            json.loads(eventually(lambda: late.on(STATE), "the retained STATE")[0].payload)["online"] is False
        )


@on_both_brokers
def test_the_death_of_the_host_before_does_not_keep_the_next_offline(broker: Broker) -> None:
    with watching(broker) as watcher:
        watcher.say(STATE, state(online=False, time_ms=1), qos=1, retain=True)
        with Hall(broker):
            eventually(lambda: states(watcher)[-1]["online"], "the birth")


CONNECT, PUBLISH_1_RETAINED, SUBSCRIBE, DISCONNECT = 0x10, 0x33, 0x82, 0xE0
CONNACKS = {5: b"\x20\x03\x00\x00\x00", 4: b"\x20\x02\x00\x01"}


class Notary:
    """A broker that answers what must be answered, and keeps every packet as it came."""

    def __init__(self, version: int) -> None:
        self.packets: list[tuple[int, bytes]] = []
        self._version = version
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        probe, _ = self._listener.accept()  # asks which MQTT is spoken here
        with probe:
            probe.recv(1000)
            probe.sendall(CONNACKS[self._version])
        host, _ = self._listener.accept()
        with host, host.makefile("rb") as stream:
            while command := stream.read(1):
                length = shift = 0
                while (byte := stream.read(1)[0]) & 0x80:
                    length, shift = length | (byte & 0x7F) << shift, shift + 7
                content = stream.read(length | byte << shift)
                self.packets.append((command[0], content))
                host.sendall(self._answer(command[0], content))

    def _answer(self, command: int, content: bytes) -> bytes:
        five = b"\x00" if self._version == 5 else b""  # no properties
        if command == CONNECT:
            return b"\x20" + bytes([2 + len(five)]) + b"\x00\x00" + five
        if command == SUBSCRIBE:
            granted = content[:2] + five + bytes([1] * content.count(b"spBv1.0/"))
            return b"\x90" + bytes([len(granted)]) + granted
        return b"\x40\x02" + field(content)[1][:2] if command == PUBLISH_1_RETAINED else b""

    def close(self) -> None:
        self._thread.join(PATIENCE_S)
        self._listener.close()


@pytest.mark.parametrize("version", CONNACKS)
def test_every_packet_of_a_host_is_the_standards_from_connect_to_disconnect(version: int) -> None:
    notary = Notary(version)
    host = Host(notary.url, "hall", "hall-sparkplug", Sparkplug(), lambda _: None, lambda: 0)
    before = now_us() // 1000
    host.start()
    eventually(lambda: host.online, "the birth")
    host.close()
    notary.close()
    after = now_us() // 1000
    assert [command for command, _ in notary.packets] == [
        CONNECT, SUBSCRIBE, PUBLISH_1_RETAINED, PUBLISH_1_RETAINED, DISCONNECT,
    ]  # fmt: skip
    connect, subscribe, birth, death, _ = (content for _, content in notary.packets)

    # Protocol name, version, flags, keep-alive (MQTT 3.1.1 and 5, section 3.1.2).
    assert connect[2:7] == b"MQTT" + bytes([version])
    flags = connect[7]
    assert flags & 0x02  # Clean Session, Clean Start
    assert flags & 0x04  # a will
    assert flags >> 3 & 3 == 1  # of QoS 1
    assert flags & 0x20  # retained
    rest = connect[10:]
    if version == 5:
        properties, rest = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
        assert properties[:5] == b"\x11\x00\x00\x00\x00"  # Session Expiry Interval 0
    client_id, rest = field(rest)
    assert client_id == b"hall-sparkplug"
    topic, rest = field(rest[1:] if version == 5 else rest)  # no properties of the will
    will, _ = field(rest)
    assert topic == STATE.encode()
    at = json.loads(will)["timestamp"]
    assert json.loads(will) == {"online": False, "timestamp": at}
    assert before <= at <= after

    wanted, rest = [], subscribe[3:] if version == 5 else subscribe[2:]
    while rest:
        one, rest = field(rest)
        wanted.append((one.decode(), rest[0] & 3))
        rest = rest[1:]
    assert wanted == [(STATE, 1), *((one, 1) for one in Sparkplug.filters)]

    said = []
    for publish in (birth, death):
        topic, rest = field(publish)
        assert topic == STATE.encode()
        said.append(json.loads(rest[3:] if version == 5 else rest[2:]))
    assert said[0] == {"online": True, "timestamp": at}
    assert said[1] == {"online": False, "timestamp": said[1]["timestamp"]}
    assert at <= said[1]["timestamp"] <= after


def field(content: bytes) -> tuple[bytes, bytes]:
    """A field that begins with its length in two bytes, and what follows it."""
    end = 2 + int.from_bytes(content[:2], "big")
    return content[2:end], content[end:]


@on_both_brokers
def test_the_session_is_clean_and_leaves_nothing_at_the_broker(broker: Broker) -> None:
    with watching(broker) as watcher:  # what is said while we are away
        watcher.say("spBv1.0/city/NDEATH/pump-7", ndeath(0), qos=1)
        eventually(lambda: watcher.on("spBv1.0/city/NDEATH/pump-7"), "the death")
        with Hall(broker) as hall:
            watcher.say("spBv1.0/city/NBIRTH/pump-7", nbirth(at=1_780_000_000_000))
            hall.until(lambda: hall.taken, "a message")
            assert [message.topic for message in hall.taken] == ["spBv1.0/city/NBIRTH/pump-7"]


@on_both_brokers
def test_an_edge_node_is_heard_from_birth_to_death_through_the_inbox(broker: Broker) -> None:
    at = now_us() // 1000
    will = ("spBv1.0/city/NDEATH/pump-7", ndeath(4))
    with Hall(broker) as hall, watching(broker, "pump-7", will) as node:
        birth = nbirth(metric("Level", "Double", 1.5, alias=1, at=at), at=at, bdseq=4)
        node.say("spBv1.0/city/NBIRTH/pump-7", birth)
        node.say(
            "spBv1.0/city/DBIRTH/pump-7/meter", payload(metric("Flow", "Float", 3.5, alias=2), at=at, seq=1)
        )
        node.say(
            "spBv1.0/city/NDATA/pump-7",
            payload(metric(None, "Double", 2.5, alias=1, said=False), at=at + 1, seq=2),
        )
        hall.until(lambda: hall.values("city/pump-7").get("level") == 2.5, "the data")
        assert hall.values("city/pump-7/meter") == {"online": 1.0, "flow": 3.5}
        assert all(message.mid == 0 and message.epoch != OURS for message in hall.taken)
        node.vanish()
        hall.until(lambda: hall.values("city/pump-7")["online"] == 0, "the death")
        assert hall.values("city/pump-7/meter")["online"] == 0


@on_both_brokers
def test_a_node_that_nobody_knows_is_asked_for_a_rebirth_in_the_form_of_the_standard(broker: Broker) -> None:
    with watching(broker) as watcher, Hall(broker) as hall:
        before = now_us() // 1000
        watcher.say(
            "spBv1.0/city/NDATA/pump-7", payload(metric(None, "Double", 1.0, alias=1, said=False), seq=7)
        )
        found = hall.until(lambda: watcher.on("spBv1.0/city/NCMD/pump-7"), "the request")
        asked = found[0]
        assert (asked.qos, asked.retain) == (0, False)
        at = next(at for at in range(before, now_us() // 1000 + 1) if asked.payload == rebirth(at))
        # By the test's own encoder: name, time, datatype, true; no alias, no sequence number.
        said = metric("Node Control/Rebirth", "Boolean", True, at=at)
        assert asked.payload == payload(said, at=at)
        assert said != REBIRTH
        assert states(watcher)[0]["online"]
        topics = [message.topic for message in watcher.heard]
        assert topics.index(STATE) < topics.index("spBv1.0/city/NCMD/pump-7")
        assert hall.source.asked == 1


@on_both_brokers
def test_after_a_lost_connection_the_nodes_are_asked_how_they_are(broker: Broker) -> None:
    with watching(broker) as watcher, Hall(broker) as hall:
        watcher.say("spBv1.0/city/NBIRTH/pump-7", nbirth(at=1_780_000_000_000))
        hall.until(lambda: hall.said, "the birth")
        assert hall.source.asked == 0
        client = hall.host._client
        assert client is not None
        client._sock_close()
        hall.until(lambda: watcher.on("spBv1.0/city/NCMD/pump-7"), "the request")


@on_both_brokers
def test_topics_that_are_no_text_and_payloads_of_noise_do_not_end_the_connection(broker: Broker) -> None:
    with watching(broker) as watcher, Hall(broker) as hall:
        for noise in (b"", b"\xff" * 50, b"{}", bytes(1000)):
            watcher.say(STATE, noise, qos=1)
        host = hall.host
        host._take(b"spBv1.0/\xff/NDATA/x", b"", 0)
        assert hall.inbox.take(1.0)[0].topic == "spBv1.0/\ufffd/NDATA/x"
        watcher.say("spBv1.0/city/NBIRTH/pump-7", nbirth(at=1_780_000_000_000))
        hall.until(lambda: hall.values("city/pump-7").get("online") == 1, "the birth")


def test_more_messages_than_the_hub_can_take_are_shed_counted_and_told(
    broker: Broker, database: Private, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "WAITING_LIMIT", 3)
    with watching(broker) as watcher, Hall(broker) as hall:
        for number in range(10):
            watcher.say("spBv1.0/city/NDATA/pump-7", payload(seq=number), qos=1)
        eventually(lambda: hall.host.shed, "shedding")
        eventually(lambda: hall.inbox.waiting + hall.host.shed == 10, "all")
        assert hall.inbox.waiting == 3
        with psycopg.connect(database.url, autocommit=True) as connection:
            enrolment.enrol_hub(connection)
            registry = Registry()
            registry.refresh(connection)
            health = Health(
                hall.inbox,
                Quotas(quota.DEVICE, quota.DEPARTMENT),
                registry,
                shed=lambda: hall.host.shed,
                failed=lambda: 2,
                set_back=lambda: 0.0,
            )
            for told in (7, 0):
                health.say(connection)
                *_, own = hall.inbox.take(1.0)
                values = orjson.loads(own.payload)["values"]
                assert (values["shed"], values["census-failed"]) == (told, 2 if told else 0)


def test_a_broker_that_dies_and_comes_again_hears_a_birth_of_the_new_connection(
    broker: Broker, home: Path
) -> None:
    with Hall(broker) as hall:
        client = hall.host._client
        assert client is not None
        first_ms = client.born_ms
        broker.kill()
        eventually(lambda: not hall.host.online, "the loss")
        again = start_broker(home)
        try:
            hall.until(lambda: hall.host.online, "the return")
            with watching(again) as watcher:
                said = json.loads(eventually(lambda: watcher.on(STATE), "the retained STATE")[0].payload)
                assert said == {"online": True, "timestamp": client.born_ms}
                assert client.born_ms > first_ms
        finally:
            hall.host.close()
            again.stop()


def test_a_dead_thread_is_noticed_and_replaced(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "AWAY_S", 0.1)
    with watching(broker) as watcher, Hall(broker) as hall:
        client = hall.host._client
        assert client is not None
        client.loop_stop()  # its thread ends, and says nothing
        hall.host.online = False
        hall.until(lambda: hall.host.online and hall.host._client is not client, "a new connection")
        assert states(watcher)[-1]["online"]


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b"null", b'{"online": 0}', b'{"online": true}', b"\xff"])
def test_only_online_false_is_offline(said: bytes) -> None:
    assert not is_offline(said)
    assert is_offline(b'{"timestamp": 1, "online": false}')
