"""Links of simulated stations: nothing is lost where connections break, a broker hears births and deaths."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from firmware_sim import scenario
from firmware_sim.field import Sample
from firmware_sim.links.mqtt import client
from firmware_sim.protocols import protobuf
from firmware_sim.protocols.checksum import modbus
from firmware_sim.town import Town, Ways

PATIENCE_S = 30
FLEET = """
world: {kind: basin}
fleets:
  - {id: "gauge-{n}", count: %d, protocol: sl651, address: "003210000{n}", layout: {along: river}, every_s: 300,
     report_s: 300, measure: [level, battery], functions: ["32"], deviations: [%s]}
"""


def frames(stream: bytes) -> tuple[list[bytes], bytes]:
    """Whole frames of a stream by their lengths, and the rest."""
    found = []
    while len(stream) >= 14 and len(stream) >= (size := 17 + int.from_bytes(stream[11:13], "big") % 4096):
        found.append(stream[:size])
        stream = stream[size:]
    return found, stream


def answer(frame: bytes) -> bytes:
    """An acknowledgement: addresses swapped, the same serial number, EOT."""
    content = frame[14:22]
    head = b"\x7e\x7e" + frame[3:8] + frame[2:3] + frame[8:11] + (0x8000 | len(content)).to_bytes(2, "big")
    whole = head + b"\x02" + content + b"\x04"
    return whole + modbus(whole).to_bytes(2, "big")


class Centre:
    """A tiny centre: hears all, answers where it is told to, cuts the first connections."""

    def __init__(self, *, cuts: int = 0) -> None:
        self.heard: list[bytes] = []
        self.pieces: list[int] = []
        self.connections = 0
        self._cuts = cuts
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._door.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(
                target=self._talk, args=(link, self.connections <= self._cuts), daemon=True
            ).start()

    def _talk(self, link: socket.socket, cut: bool) -> None:  # noqa: FBT001 - a test's own
        waiting = b""
        with closing(link):
            while received := link.recv(4096):
                self.pieces.append(len(received))
                found, waiting = frames(waiting + received)
                self.heard += found
                if cut and found:
                    return
                for one in found:
                    if one[10] != 0x2F:
                        link.sendall(answer(one))

    def close(self) -> None:
        self._door.close()


def town(count: int, port: int, deviations: str = "") -> Town:
    played = scenario.parse(FLEET % (count, deviations), "mine.yaml")
    return Town(played, Ways(to={"sl651": ("127.0.0.1", port)}), 0)


def until(done: Callable[[], bool], work: Callable[[], None]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, "it did not come to an end"
        work()


@pytest.mark.parametrize("cuts", [0, 2])
def test_a_report_cut_off_before_its_answer_comes_again_under_its_serial_number(cuts: int) -> None:
    centre = Centre(cuts=cuts)
    played = town(2, centre.port)
    try:
        for step in range(3):
            for device in ("gauge-1", "gauge-2"):
                played.sampled(
                    Sample(300.0 * step, device, {"level": 3.0 + step}), 0, 1_790_000_100 + 300.0 * step
                )
        until(lambda: played.waiting == 0, lambda: played.work(0.05))
    finally:
        played.close()
        centre.close()
    told = {(one[3:8], one[14:16]) for one in centre.heard}
    assert len(told) == 6
    assert len(centre.heard) == 6 + cuts
    assert centre.connections == 2 + cuts
    assert any("6 messages" in line or "8 messages" in line for line in played.conclusion())


def test_habit_h_cuts_frames_anywhere() -> None:
    centre = Centre()
    played = town(1, centre.port, "h")
    try:
        for step in range(4):
            played.sampled(Sample(300.0 * step, "gauge-1", {"level": 3.0}), 0, 1_790_000_100 + 300.0 * step)
        until(lambda: played.waiting == 0, lambda: played.work(0.01))
    finally:
        played.close()
        centre.close()
    assert len(centre.heard) == 4
    assert len(centre.pieces) > 4
    assert min(centre.pieces) < 17


def test_a_station_behind_a_dead_link_keeps_its_reports() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    played = town(1, port)
    try:
        for step in range(4):
            played.sampled(Sample(300.0 * step, "gauge-1", {"level": 3.0}), 0, 1_790_000_100 + 300.0 * step)
        for _ in range(20):
            played.work(0.01)
        assert played.waiting == 4
    finally:
        played.close()


CUT_OFF = """
world: {kind: harbour}
fleets:
  - {id: tide-1, protocol: sl651, address: "0033000001", class: T, every_s: 600, report_s: 600, measure: [level],
     functions: ["32"], layout: {at: [[1500, 0]]}}
"""


def test_what_a_cut_off_station_measured_arrives_when_its_link_is_back() -> None:
    centre = Centre()
    played = Town(scenario.parse(CUT_OFF, "mine.yaml"), Ways(to={"sl651": ("127.0.0.1", centre.port)}), 0)

    def sample(second: float) -> None:
        played.sampled(Sample(second, "tide-1", {"level": second / 1e4}), 0, 1_790_000_000 + second)

    try:
        sample(40_000.0)
        until(lambda: played.waiting == 0, lambda: played.work(0.05))
        for second in (51_000.0, 55_000.0, 60_000.0):
            sample(second)
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            played.work(0.05)
        # Cut off: nothing came through, nothing is lost.
        assert (len(centre.heard), played.waiting) == (1, 3)
        sample(70_000.0)
        until(lambda: played.waiting == 0, lambda: played.work(0.05))
    finally:
        played.close()
        centre.close()
    assert [int.from_bytes(one[14:16], "big") for one in centre.heard] == [1, 2, 3, 4, 5]


# --- a broker


class Host:
    """Hears everything under some topics."""

    def __init__(self, url: str, *topics: str) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.client, host, port = client(url, "host")
        ready = threading.Event()

        def connected(link: paho.Client, *_: Any) -> None:
            link.subscribe([(topic, 1) for topic in topics])

        self.client.on_connect = connected
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = lambda _link, _user, m: self.heard.append((m.topic, bytes(m.payload)))
        self.client.connect(host, port)
        self.client.loop_start()
        assert ready.wait(PATIENCE_S)

    def kinds(self) -> list[str]:
        return [topic.split("/")[2] for topic, _ in self.heard]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


PLC = """
world: {kind: harbour}
fleets:
  - {id: "gate-{n}", count: 2, protocol: sparkplug, address: "gate-{n}", gateway: plc-01, measure: [level],
     layout: {at: [[1500, 0]]}}
  - {id: shed-1, protocol: thingsboard, address: Shed 1, measure: [humidity], layout: {at: [[1500, 0]]}}
"""


@pytest.fixture
def anyone() -> Iterator[str]:
    """A broker that lets anyone publish anywhere on this machine: platforms' topics are not the hub's own."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("no mosquitto: the hub's own broker takes no topics but the city's")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([program, "-p", str(port)], stderr=subprocess.DEVNULL) as running:
        try:
            deadline = time.monotonic() + PATIENCE_S
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline, "mosquitto did not start"
                    time.sleep(0.05)
            yield f"mqtt://127.0.0.1:{port}"
        finally:
            running.terminate()


def test_a_node_is_born_dies_without_a_word_and_is_born_when_told(anyone: str) -> None:
    host = Host(anyone, "spBv1.0/#", "v1/gateway/#")
    played = Town(scenario.parse(PLC, "mine.yaml"), Ways(mqtt=anyone), 0)

    def work() -> None:
        played.work(0.02)

    def sample(second: float) -> None:
        for device in ("gate-1", "gate-2"):
            played.sampled(Sample(second, device, {"level": 3.5}), 1000, 1.0)
        played.sampled(Sample(second, "shed-1", {"humidity": 70.0}), int(second), 1.0)

    try:
        sample(100.0)
        until(lambda: host.kinds().count("DDATA") == 2, work)
        assert host.kinds()[:3] == ["NBIRTH", "DBIRTH", "DBIRTH"] or "telemetry" in host.kinds()
        command = protobuf.text(
            2,
            protobuf.text(1, "Node Control/Rebirth") + protobuf.number(4, 11) + protobuf.number(14, 1),
        )
        until(lambda: any(edge.births for edge in played._edges.values()), work)
        host.client.publish("spBv1.0/lanjiang/NCMD/plc-01", command)
        until(lambda: host.kinds().count("NBIRTH") == 2, work)
        # The harbour's east is cut off: the broker tells the death.
        sample(55_000.0)
        until(lambda: host.kinds().count("NDEATH") == 1, work)
        death = next(payload for topic, payload in host.heard if "NDEATH" in topic)
        births = [payload for topic, payload in host.heard if "NBIRTH" in topic]
        assert bd_seq(death) == bd_seq(births[-1]) == 0
        sheds = sum(topic == "v1/gateway/telemetry" for topic, _ in host.heard)
        sample(60_000.0)
        # It comes back: a birth under a new number, and what was kept.
        sample(70_000.0)
        until(lambda: host.kinds().count("NBIRTH") == 3, work)
        assert bd_seq([payload for topic, payload in host.heard if "NBIRTH" in topic][-1]) == 1
        until(lambda: sum(t == "v1/gateway/telemetry" for t, _ in host.heard) == sheds + 3, work)
        told = [json.loads(payload) for topic, payload in host.heard if topic == "v1/gateway/telemetry"]
        assert [rows["Shed 1"][0]["ts"] for rows in told] == [100, 55_000, 60_000, 70_000]
    finally:
        played.close()
        host.close()


def bd_seq(payload: bytes) -> int:
    """The number of the connection in a birth or a death."""
    for field, value in protobuf.fields(payload):
        if field == 2:
            assert isinstance(value, bytes)
            metric = dict(protobuf.fields(value))
            if metric.get(1) == b"bdSeq":
                number = metric[11]
                assert isinstance(number, int)
                return number
    raise AssertionError("no bdSeq")


def test_paho_is_told_what_an_url_says() -> None:
    made, host, port = client("mqtt://pump%201:secret@broker.example:1884", "x")
    assert (host, port, made.username) == ("broker.example", 1884, "pump 1")
    for odd in ("http://x", "mqtt://", "broker:1883"):
        with pytest.raises(ValueError, match="MQTT"):
            client(odd, "x")


def test_an_address_that_is_taken_is_said(tmp_path: Path) -> None:
    del tmp_path
    text = (
        "world: {kind: basin}\nfleets:\n  - {id: meter-1, protocol: modbus, address: '1', measure: [level]}\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as door, pytest.raises(OSError, match="in use"):
        Town(scenario.parse(text, "mine.yaml"), Ways(listen={"modbus": door.getsockname()}), 0)


def test_a_meter_is_asked_over_tcp() -> None:
    text = (
        "world: {kind: basin}\nfleets:\n  - {id: meter-1, protocol: modbus, address: '1', measure: [level]}\n"
    )
    played = Town(scenario.parse(text, "mine.yaml"), Ways(listen={"modbus": ("127.0.0.1", 0)}), 0)
    played.sampled(Sample(1.0, "meter-1", {"level": 3.456}), 0, 0.0)
    asked = threading.Event()
    got: list[bytes] = []

    def hub() -> None:
        with socket.create_connection(("127.0.0.1", played._doors.ports["modbus"])) as link:
            link.sendall(bytes.fromhex("000100000006010300020002"))
            got.append(link.recv(100))
        asked.set()

    threading.Thread(target=hub, daemon=True).start()
    try:
        until(asked.is_set, lambda: played.work(0.02))
    finally:
        played.close()
    assert got[0].hex() == "000100000007010304" + "00000d80"
