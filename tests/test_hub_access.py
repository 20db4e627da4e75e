"""Who may enter the broker, and what they may do there: real brokers, credentials out of the database."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import psycopg
import pytest
from fix_hub import House, wait_for
from fix_services import Private, on_both_brokers
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from cityhub import gatekeeper
from cityhub.gatekeeper import Gatekeeper
from cityhub.processes import command
from cityhub.services import Broker, mosquitto, nats
from edge.link import Address
from ingest import credentials, enrolment
from ingest.credentials import CredentialError, Grant, Issued
from ingest.enrolment import Entry

NUMBERS = count(1)
FLEET = [
    Entry("pump-1", "Pump 1", "water", "river-gauge"),
    Entry("pump-2", "Pump 2", "water", "river-gauge"),
    Entry("cover-1", "Cover 1", "municipal", "manhole-cover", gateway="gateway-1"),
    Entry("gateway-1", "Gateway 1", "water", "gateway"),
]


class Client:
    """A client that keeps what happens to it."""

    def __init__(self, url: str, user: str, secret: str, name: str = "", *, again: bool = False) -> None:
        at = Address(url)
        self.heard: list[tuple[str, bytes]] = []
        self.codes: list[int] = []
        self.ended = 0
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=name or f"edge-{user.replace('/', '-')}-{next(NUMBERS)}",
            reconnect_on_failure=again,
        )
        self._client.username_pw_set(user, secret)
        self._client.on_connect = lambda _c, _d, _f, code, _p: self.codes.append(code.value)
        self._client.on_disconnect = lambda *_: setattr(self, "ended", self.ended + 1)
        self._client.on_message = lambda _c, _d, message: self.heard.append(
            (message.topic, bytes(message.payload))
        )
        self._client.connect(at.host, at.port)
        self._client.loop_start()
        wait_for(lambda: self.codes, "CONNACK")

    @property
    def is_in(self) -> bool:
        return self.codes[-1] == 0 and not self.ended

    def say(self, topic: str, payload: bytes = b"1") -> None:
        self._client.publish(topic, payload, qos=1)

    def ask_for(self, *topics: str) -> None:
        done: list[Any] = []
        self._client.on_subscribe = lambda *found: done.append(found)
        for topic in topics:
            self._client.subscribe(topic, qos=1)
        wait_for(lambda: len(done) == len(topics) or self.ended, "SUBACK")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


Connect = Callable[..., Client]


@pytest.fixture
def connect() -> Iterator[Connect]:
    clients: list[Client] = []

    def make(*arguments: Any, **more: Any) -> Client:
        clients.append(Client(*arguments, **more))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


class Gate:
    """A broker with its gatekeeper and the registry behind it."""

    def __init__(self, connection: psycopg.Connection, broker: Broker) -> None:
        self.connection, self.broker, self.url = connection, broker, broker.device_url
        hub = Address(broker.url)
        self.hub = (broker.url, hub.user, hub.password)

    def issue(self, device: str) -> Issued:
        issued = credentials.issue(self.connection, device, "test")
        wait_for(lambda: credentials.is_admitted(self.connection, issued.id), "the broker to know it")
        return issued


@pytest.fixture
def gate(database: Private, broker: Broker) -> Iterator[Gate]:
    with psycopg.connect(database.url, autocommit=True) as connection:
        enrolment.enrol(connection, FLEET)
        gatekeeper = Gatekeeper(database.url, broker.admit)
        gatekeeper.start()
        yield Gate(connection, broker)
        gatekeeper.close()


def heard_at_the_hub(gate: Gate, connect: Connect, forged: list[str], device: Issued, end: str) -> set[str]:
    """What reaches the hub when a device says all this, each on a connection of its own, and `end` last."""
    hub = connect(*gate.hub, name=f"hub-ear-{next(NUMBERS)}")
    hub.ask_for("#")
    for topic in forged:  # a broker may also hang up on it
        one = connect(gate.url, device.user, device.secret)
        one.say(topic)
        one.say(end, topic.encode())
        wait_for(lambda: (end, topic.encode()) in hub.heard or one.ended, "the end, or being thrown out")  # noqa: B023
        one.close()
    last = connect(gate.url, device.user, device.secret)
    last.say(end, b"last")
    wait_for(lambda: (end, b"last") in hub.heard, "the last message")
    hub.close()
    last.close()
    return {topic for topic, _ in hub.heard}


@on_both_brokers
def test_a_device_publishes_under_its_own_topic_and_nowhere_else(gate: Gate, connect: Connect) -> None:
    pump = gate.issue("pump-1")
    own = [f"city/v1/water/pump-1/{leaf}" for leaf in credentials.PUBLISHED]
    forged = [
        *(
            "city/v1/water/pump-2/telemetry",
            "city/v1/municipal/pump-1/telemetry",
            "city/v1/water/pump-10/telemetry",
        ),
        *("city/v1/water/pump-1/committed", "city/v1/water/pump-1/command", "city/v1/water/pump-1/other"),
        *("city/v1/hub/hub/telemetry", "city/v1/alarm/4/water/x", "application/1/device/2/event/up"),
        *("city/v1/water/pump-1", "city/v1/water/pump-1/telemetry/deeper", "pump-1/telemetry"),
    ]
    heard = heard_at_the_hub(gate, connect, [*own, *forged], pump, own[0])
    assert heard == set(own)


@on_both_brokers
def test_a_device_receives_what_is_said_to_it_and_to_nobody_else(gate: Gate, connect: Connect) -> None:
    pump = gate.issue("pump-1")
    own = ("city/v1/water/pump-1/committed", "city/v1/water/pump-1/command")
    connect(*gate.hub, name="hub-before").say("city/v1/water/pump-2/command", b"kept")
    listener = connect(gate.url, pump.user, pump.secret)
    listener.ask_for(*own)
    hub = connect(*gate.hub, name="hub-mouth")
    others = [
        "city/v1/water/pump-2/committed",
        "city/v1/water/pump-2/telemetry",
        "$MQTT/sub/x",
        "$SYS/broker/uptime",
    ]
    for wide in ("#", "city/v1/#", "city/v1/+/+/command", "$MQTT/sub/#", "$SYS/#", *others):
        curious = connect(gate.url, pump.user, pump.secret)
        curious.ask_for(wide)
        for topic in others[:2]:
            hub.say(topic, b"secret")
        hub.say(own[1], wide.encode())
        wait_for(lambda: (own[1], wide.encode()) in listener.heard or listener.ended, "a command")  # noqa: B023
        assert {topic for topic, _ in curious.heard} <= set(own), wide
        curious.close()
        if listener.ended:  # mosquitto: the same user is the same client
            listener = connect(gate.url, pump.user, pump.secret)
            listener.ask_for(*own)
    assert {topic for topic, _ in listener.heard} <= set(own)


@on_both_brokers
def test_a_gateway_speaks_for_the_devices_behind_it_and_for_no_other(gate: Gate, connect: Connect) -> None:
    gateway = gate.issue("gateway-1")
    own, behind = "city/v1/water/gateway-1/telemetry", "city/v1/municipal/cover-1/telemetry"
    heard = heard_at_the_hub(gate, connect, [behind, "city/v1/water/pump-1/telemetry"], gateway, own)
    assert heard == {own, behind}
    gate.connection.execute("update device set gateway_id = null where key = 'cover-1'")
    gate.connection.execute("select pg_notify('cityhub_registry', '')")
    wait_for(
        lambda: heard_at_the_hub(gate, connect, [behind], gateway, own) == {own}, "the cover to be let go of"
    )


@on_both_brokers
def test_a_revoked_device_is_thrown_out_and_does_not_come_back_while_the_others_stay(
    gate: Gate, connect: Connect
) -> None:
    pump, other = gate.issue("pump-1"), gate.issue("pump-2")
    thrown = connect(gate.url, pump.user, pump.secret)
    stays = connect(gate.url, other.user, other.secret)
    assert thrown.is_in
    assert stays.is_in
    assert credentials.revoke(gate.connection, "pump-1") == [pump.id]
    wait_for(lambda: thrown.ended, "being thrown out")
    again = connect(gate.url, pump.user, pump.secret)
    assert again.codes[0] != 0
    assert stays.is_in
    # Its next credential opens, the old secret never again.
    fresh = gate.issue("pump-1")
    assert connect(gate.url, fresh.user, fresh.secret).is_in
    assert not connect(gate.url, pump.user, pump.secret).is_in


@on_both_brokers
def test_a_device_that_is_retired_or_given_away_is_shut_out(gate: Gate, connect: Connect) -> None:
    pump, other = gate.issue("pump-1"), gate.issue("pump-2")
    retired, moved = connect(gate.url, pump.user, pump.secret), connect(gate.url, other.user, other.secret)
    with gate.connection.transaction():
        gate.connection.execute("update device set retired_at = now() where key = 'pump-1'")
        gate.connection.execute(
            "update device set department_id = (select id from department where key = 'municipal') where key = 'pump-2'"
        )
        gate.connection.execute("select pg_notify('cityhub_registry', '')")
    wait_for(lambda: retired.ended and moved.ended, "both being thrown out")
    wait_for(lambda: not credentials.is_admitted(gate.connection, pump.id), "it to be written down")
    gate.connection.execute("update device set retired_at = null where key = 'pump-1'")
    kept = gate.connection.execute("select revoked_at is null from credential where id = %s", (pump.id,))
    assert kept.fetchone() == (False,), "taken back, a device is enrolled anew"


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
def test_nobody_throws_another_out_by_taking_its_client_id(gate: Gate, connect: Connect) -> None:
    pump, other = gate.issue("pump-1"), gate.issue("pump-2")
    hub = connect(*gate.hub, name="cityhub")
    victim = connect(gate.url, pump.user, pump.secret)
    for taken in ("edge-pump-1", "water/pump-1", "cityhub"):
        assert connect(gate.url, other.user, other.secret, name=taken).is_in
    victim.say("city/v1/water/pump-1/status")
    assert victim.is_in
    assert hub.is_in
    # A control: the same credential twice is the same client.
    connect(gate.url, pump.user, pump.secret, name="another")
    wait_for(lambda: victim.ended, "the older of two with one credential to go")


@on_both_brokers
def test_credentials_of_hub_and_devices_do_not_open_the_others_door(gate: Gate, connect: Connect) -> None:
    pump = gate.issue("pump-1")
    assert not connect(gate.url, pump.user, "wrong").is_in
    assert not connect(gate.url, "water/pump-2", pump.secret).is_in
    if gate.broker.version.startswith("mosquitto"):
        assert not connect(gate.broker.url, pump.user, pump.secret).is_in
        assert not connect(gate.url, gate.hub[1], gate.hub[2]).is_in
    else:
        assert re.fullmatch("cityhub-[0-9a-f]{24}", gate.broker.client_id)


@on_both_brokers
def test_a_source_speaks_on_its_own_filters_alone(gate: Gate, connect: Connect) -> None:
    source = credentials.issue_source(
        gate.connection, "lorawan", "water", ["application/+/device/+/event/+"], ["application/+/device/+/command/down"], "test"
    )  # fmt: skip
    wait_for(lambda: credentials.is_admitted(gate.connection, source.id), "the broker to know it")
    up = "application/a1/device/ff/event/up"
    forged = [
        "application/a1/device/ff/command/down",
        "city/v1/water/lorawan/telemetry",
        "spBv1.0/g/NBIRTH/n",
    ]
    assert heard_at_the_hub(gate, connect, forged, source, up) == {up}
    ear = connect(gate.url, source.user, source.secret)
    ear.ask_for("application/+/device/+/command/down")
    connect(*gate.hub, name="hub-mouth").say("application/a1/device/ff/command/down", b"!")
    wait_for(lambda: ear.heard, "the downlink")
    with pytest.raises(CredentialError, match="not the source's own"):
        credentials.issue_source(gate.connection, "bad", "water", ["city/v1/+/+/telemetry"], [], "test")
    for taken in ("hub", "field", "gatekeeper"):
        with pytest.raises(CredentialError, match="the broker's own"):
            credentials.issue_source(gate.connection, taken, "water", ["application/#"], [], "test")


@given(
    st.lists(
        st.sampled_from(["+", "#", "city", "v1", "a", "spBv1.0", "", "a+", "$SYS", "b#"]),
        min_size=1,
        max_size=5,
    )
)
def test_no_filter_of_a_source_reaches_the_topics_of_devices(levels: list[str]) -> None:
    topic_filter = "/".join(levels)
    if credentials._fault(topic_filter):
        return
    for topic in ("city/v1/water/pump-1/telemetry", "city/x", "$SYS/broker"):
        assert not mqtt.topic_matches_sub(topic_filter, topic)
    assert all(len(level) == 1 or not {"+", "#"} & set(level) for level in levels)


def test_a_dot_in_a_topic_is_two_slashes_to_the_nats_server() -> None:
    assert nats.subject("spBv1.0/+/NDATA/#") == "spBv1//0.*.NDATA.>"


def test_an_impostor_within_a_payload_is_a_dead_letter(house: House, connect: Connect) -> None:
    with house.connect() as connection:
        enrolment.enrol(connection, FLEET)
        gatekeeper = Gatekeeper(house.database.url, house.broker.admit)
        gatekeeper.start()
        pump = credentials.issue(connection, "pump-1", "test")
        wait_for(lambda: credentials.is_admitted(connection, pump.id), "the broker to know it")
    house.start_hub()
    device = connect(house.broker.device_url, pump.user, pump.secret)
    now = time.time()
    for name in ("pump-2/level", "ghost-9/level", "cover-1/tilt"):
        device.say("city/v1/water/pump-1/telemetry", f'[{{"n":"{name}","v":1,"t":{now}}}]'.encode())
    device.say("city/v1/water/pump-1/telemetry", b'{"values":{"level":2.5}}')
    wait_for(lambda: house.ask("select 1 from latest"), "its own reading")
    reasons = house.ask("select reason, count(*) from dead_letter group by 1 order by 1")
    assert reasons == [("not-its-gateway", 2), ("unknown-device", 1)]
    assert house.ask("select distinct device.key from series join device on device.id = device_id") == [
        ("pump-1",)
    ]
    gatekeeper.close()


def test_the_gatekeeper_goes_on_whatever_the_broker_does(
    database: Private, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gatekeeper, "AGAIN_S", 0.05)
    told: list[list[str]] = []
    faults = [ValueError("no process number"), OSError("no such file")]

    def admit(found: Sequence[Grant]) -> None:
        if faults:
            raise faults.pop()
        told.append([grant.user for grant in found])

    with psycopg.connect(database.url, autocommit=True) as connection:
        enrolment.enrol(connection, FLEET)
        credentials.issue(connection, "pump-1", "test")
        keeper = Gatekeeper(database.url, admit)
        keeper.start()
        assert told == [["water/pump-1"]]
        credentials.revoke(connection, "pump-1")
        wait_for(lambda: told[-1] == [], "the revocation to be told")
        keeper.close()


def test_a_broker_of_the_citys_own_follows_the_registry(
    database: Private, home: Path, connect: Connect
) -> None:
    binary = mosquitto.program()
    if binary is None:
        pytest.skip("mosquitto is not installed")
    page = (Path(__file__).parents[1] / "docs" / "broker.md").read_text()
    written = re.findall(r"```\n(per_listener.*?)```", page, re.DOTALL)[0]
    folder, pid = home / "cityhub", home / "mosquitto.pid"
    folder.mkdir(mode=0o700)
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = (one.getsockname()[1], two.getsockname()[1])
    for old, new in (
        ("/run/mosquitto/mosquitto.pid", str(pid)), ("/etc/mosquitto", str(home)),
        ("1884", str(ports[0])), ("1883", str(ports[1])), ("persistence true", "persistence false"),
    ):  # fmt: skip
        assert old in written
        written = written.replace(old, new)
    if os.geteuid() == 0:
        written += "user root\n"
    (home / "mosquitto.conf").write_text(written)
    (home / "hub.passwords").write_text(f"hub:{credentials.pbkdf2('hub')}\n")
    (home / "hub.access").write_text("user hub\ntopic readwrite #\n")
    environment = {
        **os.environ,
        "CITYHUB_DATABASE_URL": database.url,
        "CITYHUB_MQTT_URL": f"mqtt://127.0.0.1:{ports[0]}",
    }
    with psycopg.connect(database.url, autocommit=True) as connection:
        enrolment.enrol(connection, FLEET)
        pump = credentials.issue(connection, "pump-1", "test")
        once = subprocess.run(
            command("broker", "export", str(folder)),
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "1 credentials written" in once.stdout
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
        assert pump.secret not in "".join(path.read_text() for path in folder.iterdir())
        broker = subprocess.Popen([binary, "-d", "-c", str(home / "mosquitto.conf")])
        broker.wait()
        wait_for(pid.exists, "mosquitto's pid file")
        follower = subprocess.Popen(
            command("broker", "export", str(folder), "--follow", "--pid", str(pid)),
            env=environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert follower.stdout is not None
            assert "follows" in follower.stdout.readline()
            url = f"mqtt://127.0.0.1:{ports[1]}"
            thrown = connect(url, pump.user, pump.secret)
            assert thrown.is_in
            fresh = credentials.issue(connection, "pump-2", "test")
            wait_for(lambda: credentials.is_admitted(connection, fresh.id), "the second to be written")
            wait_for(lambda: connect(url, fresh.user, fresh.secret).is_in, "the second to be let in")
            credentials.revoke(connection, "pump-1")
            wait_for(lambda: thrown.ended, "being thrown out")
            assert not connect(url, pump.user, pump.secret).is_in
        finally:
            follower.send_signal(signal.SIGTERM)
            follower.communicate(timeout=20)
            os.kill(int(pid.read_text()), signal.SIGTERM)
            shutil.rmtree(folder)
