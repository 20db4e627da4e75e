"""A gateway at a real broker: its birth, its events, and what it does when the hub tells it to."""

from __future__ import annotations

import base64
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

pytest.importorskip("nacl", reason="pynacl is not installed: it comes with the extra edge")

from faults.proxy import Proxy
from fix_hub import wait_for

from bench.edging import report
from cityhub import changing, signing, trial
from cityhub.foreman import Foreman
from cityhub.gateway import CREDENTIAL, Gateway
from cityhub.processes import command as cityhub_command
from cityhub.services import Broker
from edge.link import Address, dial, dialect

TOPIC = "city/v1/water/gw-1"


class Hub:
    """The other end: hears what the gateway says, sends what it is told to do."""

    def __init__(self, broker: Broker, home: Path) -> None:
        self.key = signing.load(home)
        self.heard: dict[str, list[dict[str, Any]]] = {}
        self._replies: queue.Queue[dict[str, Any]] = queue.Queue()
        address = Address(broker.url)
        self._client = dial(address, "tester", protocol=dialect(address), lasting=False, in_flight=20)
        ready = threading.Event()
        self._client.on_connect = lambda client, *_: client.subscribe(f"{TOPIC}/#", qos=1)
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.on_message = self._hear
        self._client.loop_start()
        assert ready.wait(30)

    def _hear(self, client: Any, _data: object, message: Any) -> None:
        client.ack(message.mid, message.qos)
        kind = message.topic.rpartition("/")[2]
        if kind in {"status", "event", "reply"} and message.payload:
            said = orjson.loads(message.payload)
            self.heard.setdefault(kind, []).append(said)
            if kind == "reply":
                self._replies.put(said)

    def tell(self, action: str, lives_s: float = 60, **arguments: Any) -> dict[str, Any]:
        """Send a command and wait for its last answer."""
        id_, payload = signing.command(self.key, "gw-1", action, arguments, lives_s)
        self.send(payload)
        while True:
            said = self._replies.get(timeout=60)
            if said["id"] == id_ and said["state"] != "applying":
                return said

    def send(self, payload: bytes) -> None:
        """Once the gateway has said that it is online: then the broker has its subscription."""
        wait_for(lambda: self.heard.get("status", [{}])[-1].get("state") == "online", "the gateway")
        self._client.publish(f"{TOPIC}/command", payload, qos=1)

    def reply(self) -> dict[str, Any]:
        return self._replies.get(timeout=60)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def hub(broker: Broker, home: Path) -> Iterator[Hub]:
    opened = Hub(broker, home)
    yield opened
    opened.close()


def written(broker: Broker, home: Path, *, more: str = "", port: int | None = None) -> str:
    """A gateway's file."""
    at = Address(broker.field_url)
    return (
        f'[gateway]\nid = "gw-1"\ndepartment = "water"\nbroker = "mqtt://{at.host}:{port or at.port}"\n'
        f'user = "{at.user}"\nhome = "{home / "gw"}"\nhub_key = "{signing.public(home)}"\n{more}'
        '[[driver]]\nkind = "jsonlines"\nlisten = "127.0.0.1:0"\n'
    )


@contextmanager
def running(broker: Broker, home: Path) -> Iterator[Foreman]:
    """A gateway that runs in a thread of its own."""
    file = home / "gateway.toml"
    if not file.exists():
        file.write_text(written(broker, home))
    foreman = Foreman.upon(file, {CREDENTIAL: Address(broker.field_url).password or ""})
    stopping = threading.Event()
    thread = threading.Thread(target=foreman.run, args=(stopping,), daemon=True)
    thread.start()
    assert foreman.outpost.agent.publisher.wait_connected(30)
    yield foreman
    stopping.set()
    thread.join(30)
    assert not thread.is_alive()


def noted(hub: Hub, foreman: Foreman, code: str) -> str:
    """The text of a note, as the hub hears it."""

    def heard() -> str:
        foreman.outpost.notes.tell(foreman.outpost.agent.publisher.say)
        told = [each["data"] for each in hub.heard.get("event", []) if each["type"] == "notes"]
        return next((note["text"] for data in told for note in data["notes"] if note["code"] == code), "")

    return str(wait_for(heard, f"the note {code}"))


def test_a_gateway_tells_its_birth_and_its_end(broker: Broker, home: Path, hub: Hub) -> None:
    with running(broker, home):
        (birth,) = wait_for(lambda: hub.heard.get("status"), "the birth")
    assert birth["state"] == "online"
    assert birth["commands"] is True
    assert birth["drivers"] == [
        {"name": "jsonlines", "kind": "jsonlines", "listen": "127.0.0.1:0", "stations": [], "listed": 0}
    ]
    wait_for(lambda: hub.heard["status"][-1]["state"] == "offline", "the end")


def test_what_stations_do_wrong_arrives_counted_as_one_event(broker: Broker, home: Path, hub: Hub) -> None:
    with running(broker, home) as foreman:
        for _ in range(3):
            hub.send(b"nonsense")
            assert hub.reply()["code"] == "malformed"
        wait_for(lambda: foreman.outpost.notes.tell(foreman.outpost.agent.publisher.say), "the notes to go")
        assert foreman.outpost.tell_links()
        notes, links = wait_for(lambda: len(hub.heard.get("event", [])) > 1 and hub.heard["event"], "events")
    assert notes["type"] == "notes"
    (found,) = notes["data"]["notes"]
    assert (found["code"], found["count"]) == ("command-refused", 3)
    assert links["type"] == "links"
    assert links["data"]["drivers"][0]["name"] == "jsonlines"


def test_commands_are_obeyed_and_answered(broker: Broker, home: Path, hub: Hub) -> None:
    with running(broker, home) as foreman:
        ping = hub.tell("ping")
        assert ping["state"] == "done"
        assert ping["clock"] in {"synchronised", "unsynchronised", "unknown"}
        before = foreman.outpost.drivers["jsonlines"]
        assert hub.tell("restart-driver", driver="jsonlines")["state"] == "done"
        assert foreman.outpost.drivers["jsonlines"] is not before
        assert hub.tell("capture", state="on")["state"] == "done"
        port = foreman.outpost.drivers["jsonlines"].as_status()["port"]
        with socket.create_connection(("127.0.0.1", port), timeout=30) as sensor:
            sensor.sendall(b'{"device": "river-1", "values": {"level": 3.42}}\n')
            assert sensor.recv(100) == b"ok 1\n"
        told = hub.tell("capture", state="off")["result"]
        assert b"level" in bytes.fromhex(Path(told["file"]).read_text().splitlines()[1].split()[-1])


def test_a_station_is_told_the_time_where_it_is_connected(broker: Broker, home: Path, hub: Hub) -> None:
    text = written(broker, home)
    (home / "gateway.toml").write_text(f'{text}[[driver]]\nkind = "sl651"\nlisten = "127.0.0.1:0"\n')
    with running(broker, home) as foreman:
        port = foreman.outpost.drivers["sl651"].as_status()["port"]
        with socket.create_connection(("127.0.0.1", port), timeout=30) as station:
            station.sendall(report(0x42, 1))
            confirmed = station.recv(1_000)
            assert confirmed[10] == 0x32
            told = hub.tell("set-clock", station="0000000066", anyway="yes")
            assert told["result"] == {"station": "0000000066", "driver": "sl651"}
            question = station.recv(1_000)
    assert question[2:7] == bytes.fromhex("0000000066")
    assert question[10] == 0x4A


@pytest.mark.parametrize(
    ("action", "arguments", "code"),
    [
        ("reboot", {}, "unknown-action"),
        ("restart-driver", {"driver": "x"}, "wrong-argument"),
        ("capture", {"state": "maybe"}, "wrong-argument"),
        ("set-clock", {"station": "0012345678", "anyway": "yes"}, "wrong-argument"),
        ("set-configuration", {}, "wrong-argument"),
        ("set-configuration", {"configuration": "[gateway]"}, "wrong-argument"),
        ("set-configuration", {"configuration": "", "within_s": "soon"}, "wrong-argument"),
        ("set-configuration", {"configuration": "", "lost_s": "1"}, "wrong-argument"),
    ],
)
def test_what_cannot_be_done_is_refused_and_the_gateway_goes_on(
    broker: Broker, home: Path, hub: Hub, action: str, arguments: dict[str, Any], code: str
) -> None:
    with running(broker, home):
        refusal = hub.tell(action, **arguments)
        assert (refusal["state"], refusal["code"]) == ("refused", code)
        assert hub.tell("ping")["state"] == "done"


def test_a_configuration_that_reaches_the_broker_is_kept_also_after_a_restart(
    broker: Broker, home: Path, hub: Hub
) -> None:
    new = written(broker, home, more="journal_mb = 99\n")
    with running(broker, home) as foreman:
        assert hub.tell("set-configuration", configuration=new)["state"] == "done"
        assert foreman.outpost.plan.journal_mb == 99
        assert [each["state"] for each in hub.heard["reply"]] == ["applying", "done"]
    with running(broker, home) as foreman:
        assert foreman.outpost.plan.journal_mb == 99


def test_a_kept_configuration_whose_port_is_taken_at_the_next_start_runs_without_it_and_can_be_reached(
    broker: Broker, home: Path, hub: Hub
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = home / "gateway.toml"
        file.write_text(written(broker, home))
        (home / "gw").mkdir()
        more = f'[[driver]]\nkind = "sl651"\nlisten = "127.0.0.1:{port}"\n'
        trial.keep(home / "gw", written(broker, home) + more, file)
        with running(broker, home) as foreman:
            assert hub.tell("ping")["state"] == "done"
            assert hub.tell("restart-driver", driver="sl651")["code"] == "wrong-argument"
            assert hub.tell("restart-driver", driver="jsonlines")["state"] == "done"
            assert "cannot listen" in noted(hub, foreman, "driver-fault")
            jsonlines, sl651 = foreman.outpost.as_status()["drivers"]
            assert "cannot listen" in sl651["fault"]
            assert "fault" not in jsonlines
            values = dict(each[::2] for each in foreman.outpost._health._samples())
            assert values["gw-1/edge-drivers-failed"] == 1
            # What the hub sends to mend it is taken; what cannot be run is taken back, to as much as there was.
            worse = written(broker, home) + more + more.replace("sl651", "hj212")
            assert hub.tell("set-configuration", configuration=worse)["state"] == "rolled-back"
            assert set(foreman.outpost.drivers) == {"jsonlines", "sl651"}
            taken.close()
            wait_for(
                lambda: foreman.outpost.drivers["sl651"].fault is None, "the port to be opened after all"
            )
            assert foreman.outpost.drivers["sl651"].as_status()["port"] == port


def test_a_kept_configuration_that_cannot_be_run_at_all_gives_way_to_the_files_own_and_says_so(
    broker: Broker, home: Path, hub: Hub
) -> None:
    file = home / "gateway.toml"
    file.write_text(written(broker, home))
    (home / "gw").mkdir()
    trial.keep(home / "gw", written(broker, home, more=f'credential = "{home}/gone"\n'), file)
    with running(broker, home) as foreman:
        assert foreman.outpost.plan.credential is None
        assert hub.tell("ping")["state"] == "done"
        assert "cannot read the credential" in noted(hub, foreman, "configuration-not-run")


def test_a_configuration_that_does_not_reach_the_broker_is_taken_back(
    broker: Broker, home: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changing, "WITHIN_S", (60.0, 0.5, 600.0))
    with socket.create_server(("127.0.0.1", 0)) as free:
        nowhere = free.getsockname()[1]
    with running(broker, home) as foreman:
        back = hub.tell("set-configuration", configuration=written(broker, home, port=nowhere), within_s=1)
        assert back["state"] == "rolled-back"
        assert "not reached within 1 s" in back["reason"]
        assert foreman.outpost.plan.broker.endswith(str(Address(broker.field_url).port))
        assert hub.tell("ping")["state"] == "done"
    assert not (home / "gw" / trial.REMOTE).exists()


@contextmanager
def two_ways(broker: Broker) -> Iterator[tuple[Proxy, Proxy]]:
    """The broker behind two addresses, each of which can be cut."""
    at = Address(broker.field_url)
    ways = Proxy(at.host, at.port), Proxy(at.host, at.port)
    yield ways
    for each in ways:
        each.close()


def leading(broker: Broker, home: Path, way: Proxy) -> str:
    return written(broker, home, port=int(way.url("mqtt://x").rpartition(":")[2]))


def test_a_broker_that_is_lost_after_the_trial_brings_the_configuration_before_back(
    broker: Broker, home: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changing, "LOST_S", (900.0, 0.5, 86_400.0))
    with two_ways(broker) as (old, new):
        (home / "gateway.toml").write_text(leading(broker, home, old))
        with running(broker, home) as foreman:
            before, text = foreman.outpost.plan.broker, leading(broker, home, new)
            assert hub.tell("set-configuration", configuration=text, lost_s=1)["state"] == "done"
            order = hub.heard["reply"][-1]["id"]
            assert foreman.outpost.plan.broker != before
        with running(broker, home) as foreman:  # also after a restart
            assert foreman.outpost.plan.broker != before
            new.cut()
            said = hub.reply()
            assert (said["id"], said["state"]) == (order, "rolled-back")
            assert "not reached for 1 s" in said["reason"]
            assert foreman.outpost.plan.broker == before
            assert hub.tell("ping")["state"] == "done"
            assert "not reached for 1 s" in noted(hub, foreman, "configuration-rolled-back")
        with running(broker, home) as foreman:
            assert foreman.outpost.plan.broker == before


def test_an_outage_of_the_old_broker_and_the_new_one_takes_no_configuration_back(
    broker: Broker, home: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above, and that of a change that leads to the same broker."""
    monkeypatch.setattr(changing, "LOST_S", (900.0, 0.5, 86_400.0))
    with two_ways(broker) as (old, new):
        (home / "gateway.toml").write_text(leading(broker, home, old))
        with running(broker, home) as foreman:
            same = leading(broker, home, old).replace("[[driver]]", "journal_mb = 99\n[[driver]]", 1)
            assert hub.tell("set-configuration", configuration=same)["state"] == "done"
            assert foreman._changing.standby is None
            text = leading(broker, home, new)
            assert hub.tell("set-configuration", configuration=text, lost_s=0)["state"] == "done"
            assert foreman._changing.standby is None
            with monkeypatch.context() as aged:
                aged.setattr(changing, "YOUNG_US", 0)
                assert hub.tell("set-configuration", configuration=same, lost_s=86_400)["state"] == "done"
                wait_for(lambda: foreman._changing.standby is None, "it to be young no more")
                # Nor may an outage in years to come, after a restart, bring a broker of long ago back.
                wait_for(lambda: trial.sent(home / "gw") == (same, None), "what is kept to say so")
            assert hub.tell("set-configuration", configuration=text, lost_s=0)["state"] == "done"
            assert hub.tell("set-configuration", configuration=same, lost_s=1)["state"] == "done"
            young = foreman.outpost.plan.broker
            tried: list[str] = []
            monkeypatch.setattr(changing, "WITHIN_S", (1.0, 1.0, 600.0))
            real = foreman._changing._try

            def noted_try(plan: Gateway, within_s: float, *, partly: bool = False) -> str:
                tried.append(plan.broker)
                return real(plan, within_s, partly=partly)

            monkeypatch.setattr(foreman._changing, "_try", noted_try)
            old.cut()
            new.cut()
            wait_for(lambda: len(tried) > 1, "two tries in vain")
            assert set(tried) == {new.url("mqtt://x").replace("@", "")}
            old.heal()
            wait_for(lambda: foreman.outpost.agent.publisher.connected, "the broker")
            assert foreman.outpost.plan.broker == young
            assert hub.tell("ping")["state"] == "done"
            assert "rolled-back" not in [each["state"] for each in hub.heard["reply"]]


def test_a_configuration_that_cannot_be_kept_is_taken_back(broker: Broker, home: Path, hub: Hub) -> None:
    with running(broker, home) as foreman:
        before = foreman.outpost.plan
        blocked = home / "gw" / f"{trial.REMOTE}.new"
        blocked.mkdir()
        text = written(broker, home, more="journal_mb = 99\n")
        back = hub.tell("set-configuration", configuration=text)
        assert back["state"] == "rolled-back"
        assert "cannot be kept" in back["reason"]
        assert foreman.outpost.plan == before
        assert hub.tell("ping")["state"] == "done"
    assert not (home / "gw" / trial.MARK).exists()


def test_a_trial_that_a_crash_cut_short_is_reported_and_the_configuration_before_runs(
    broker: Broker, home: Path, hub: Hub
) -> None:
    (home / "gw").mkdir()
    trial.begin(home / "gw", "order-7")
    with running(broker, home) as foreman:
        said = hub.reply()
        assert (said["id"], said["state"]) == ("order-7", "rolled-back")
        assert foreman.outpost.plan.journal_mb == 1_024
    assert trial.broken(home / "gw") == ""


def test_a_command_is_not_obeyed_twice_even_after_a_restart(broker: Broker, home: Path, hub: Hub) -> None:
    _, payload = signing.command(hub.key, "gw-1", "ping", {}, 60)
    with running(broker, home):
        hub.send(payload)
        assert hub.reply()["state"] == "done"
    with running(broker, home):
        hub.send(payload)
        assert hub.reply()["code"] == "replayed"


def test_the_command_line_runs_a_file_shows_its_status_and_decodes_its_capture(
    broker: Broker, home: Path, hub: Hub
) -> None:
    file = home / "gateway.toml"
    file.write_text(written(broker, home))
    agent = subprocess.Popen(
        cityhub_command("edge", "run", str(file)),
        env={"PATH": "/usr/bin:/bin", CREDENTIAL: Address(broker.field_url).password or ""},
        stderr=subprocess.DEVNULL,
    )
    try:
        assert wait_for(lambda: hub.heard.get("status"), "the birth")
        wait_for((home / "gw" / "status.json").exists, "the status")
        shown = subprocess.run(
            cityhub_command("edge", "status", str(file)),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert shown.stdout.startswith("gw-1 (")
        assert hub.tell("ping")["state"] == "done"
    finally:
        agent.terminate()
        assert agent.wait(30) == 0
    assert time.time() - (home / "gw" / "status.json").stat().st_mtime < 60


def test_a_hub_key_is_made_once_and_is_the_owners_alone(home: Path) -> None:
    first = signing.public(home)
    assert len(base64.b64decode(first)) == 32
    assert signing.public(home) == first
    assert signing.key_file(home).stat().st_mode & 0o777 == 0o600
