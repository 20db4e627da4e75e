"""A whole hub for a test: its real processes, devices, a webhook receiver and a reader of the live stream."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
import pytest
from fix_services import Private

from api import accounts
from cityhub.commands.device import import_devices
from cityhub.commands.sim import simulator
from cityhub.commands.zone import import_zones
from cityhub.gatekeeper import Gatekeeper
from cityhub.processes import command
from cityhub.services import Broker
from cityhub.settings import Settings, as_environment
from edge.credential import Credential
from edge.link import Address, Client, dial, dialect
from ingest import credentials
from ingest.credentials import Issued

PATIENCE_S = 120.0
ROOT = Path(__file__).parents[1]
CITY = ROOT / "deploy" / "demo"


def wait_for(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Wait until a condition holds, and return what it gave."""
    limit = time.monotonic() + patience_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > limit:
            pytest.fail(f"waited {patience_s:.0f} s in vain for {what}")
        time.sleep(0.05)


@dataclass(slots=True)
class Receiver:
    """A webhook receiver: a real server on loopback that keeps what it gets."""

    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: int = 204
    server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        if self.server is None:
            raise RuntimeError("not started")
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    @property
    def alarms(self) -> list[dict[str, Any]]:
        return [json.loads(body)["data"] for _, body in self.posts]

    def start(self) -> None:
        posts, receiver = self.posts, self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                posts.append((dict(self.headers.items()), body))
                self.send_response(receiver.answer)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()


class House:
    """A hub under test. Parts are started and killed by the test; all of them end with it."""

    def __init__(self, home: Path, database: Private, broker: Broker, stack: ExitStack) -> None:
        self.home, self.database, self.broker, self._stack = home, database, broker, stack
        self.settings = Settings(
            home=home,
            database_url=database.url,
            mqtt_url=broker.url,
            field_mqtt_url=broker.field_url,
            api_port=0,
        )
        self.hub: subprocess.Popen[bytes] | None = None
        self._asked: psycopg.Connection | None = None
        self.url = ""
        self.password = ""

    def city(self) -> None:
        """The zones and devices of the demo."""
        with self.connect() as connection:
            import_zones(connection, CITY / "zones.geojson")
            import_devices(connection, CITY / "devices.csv")

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.database.url, autocommit=True)

    def ask(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows of a query; over one connection, because a test asks until it is told what it waits for."""
        try:
            return self._asking().execute(query, arguments).fetchall()
        except psycopg.OperationalError:  # the database was away since: once more, and then it is
            return self._asking().execute(query, arguments).fetchall()

    def _asking(self) -> psycopg.Connection:
        if self._asked is None or self._asked.closed:
            self._asked = self.connect()
            self._asked.prepare_threshold = None  # tables may change between two questions
            self._stack.callback(self._asked.close)
        return self._asked

    def start_hub(self, program: list[str] | None = None, **environment: str) -> subprocess.Popen[bytes]:
        """Start the hub's process, and wait until it is connected."""
        before = self.ask("select count(*) from hub_run")[0][0]
        self.hub = self._start(program or command("hub"), "hub", environment)
        wait_for(lambda: self._hub_is_up(before), "the hub to connect")
        return self.hub

    def _hub_is_up(self, before: int) -> bool:
        if self.hub is not None and self.hub.poll() is not None:
            pytest.fail(f"the hub ended while it started:\n{(self.home / 'hub.log').read_text()[-3000:]}")
        rows = self.ask("select status ->> 'connected' from hub_run order by started_at desc")
        return len(rows) > before and rows[0][0] == "true"

    def kill_hub(self) -> None:
        """End it as a power cut would: kill -9."""
        if self.hub is None:
            raise RuntimeError("no hub to kill")
        self.hub.send_signal(signal.SIGKILL)
        self.hub.wait()

    def stop_hub(self) -> int:
        """Ask it to end; its exit status."""
        if self.hub is None:
            raise RuntimeError("no hub to stop")
        self.hub.send_signal(signal.SIGTERM)
        return self.hub.wait(30)

    def start_api(self) -> None:
        """Start the API's process and make the first administrator."""
        with self.connect() as connection:
            self.password = accounts.first_administrator(connection) or ""
        log = self.home / "api.log"
        self._start(command("api"), "api", {})
        found = wait_for(
            lambda: [line for line in log.read_text().splitlines() if '"url"' in line], "the API to listen"
        )
        self.url = json.loads(found[0])["url"]

    def keep_the_gate(self) -> None:
        """Let in whoever has a credential, as `cityhub up` does."""
        gatekeeper = Gatekeeper(self.database.url, self.broker.admit)
        gatekeeper.start()
        self._stack.callback(gatekeeper.close)

    def enrolled(self, device: str) -> Credential:
        """A device's own credential, and the broker knows it."""
        with self.connect() as connection:
            issued = credentials.issue(connection, device, "test")
        self._until_admitted(issued)
        at, department = Address(self.broker.device_url), issued.user.split("/")[0]
        return Credential(device, department, issued.user, issued.secret, issued.client_id, at.host, at.port)

    def source(self, name: str, department: str, publish: list[str], subscribe: list[str]) -> str:
        """The broker's URL for a platform that may publish to these filters and read those."""
        with self.connect() as connection:
            issued = credentials.issue_source(connection, name, department, publish, subscribe, "test")
        self._until_admitted(issued)
        at = Address(self.broker.device_url)
        return f"mqtt://{issued.user}:{issued.secret}@{at.host}:{at.port}"

    def _until_admitted(self, issued: Issued) -> None:
        with self.connect() as connection:
            wait_for(lambda: credentials.is_admitted(connection, issued.id), "the broker to know it")

    def start_edge(self, file: Path) -> subprocess.Popen[bytes]:
        """Start an edge agent's process with a gateway's file."""
        return self._start(command("edge", "run", str(file)), "edge", {})

    def start_sim(self, scenario: Path, *options: str, mqtt: str) -> subprocess.Popen[bytes]:
        """Start a simulator's process on a scenario's file; what it says is in a log of the file's name."""
        return self._start(simulator(str(scenario), [], *options), scenario.stem, {"FIRMWARE_SIM_MQTT": mqtt})

    def sign_in(self) -> httpx.Client:
        """A signed-in client of the API."""
        client = httpx.Client(base_url=self.url, headers={"origin": self.url}, timeout=30)
        self._stack.callback(client.close)
        answer = client.post("/api/v1/session", json={"name": "admin", "password": self.password})
        assert answer.status_code == 200, answer.text
        return client

    def listen(self, client: httpx.Client) -> list[dict[str, Any]]:
        """A list that grows with the alarms of the live stream."""
        heard: list[dict[str, Any]] = []
        ready = threading.Event()

        def read() -> None:
            try:
                with client.stream("GET", "/api/v1/stream", timeout=None) as stream:
                    kind = ""
                    for line in stream.iter_lines():
                        ready.set()
                        if line.startswith("event:"):
                            kind = line.removeprefix("event:").strip()
                        elif line.startswith("data:") and kind == "alarm":
                            heard.append(json.loads(line.removeprefix("data:")))
            except (httpx.HTTPError, RuntimeError):
                return  # the test is over

        threading.Thread(target=read, daemon=True).start()
        assert ready.wait(PATIENCE_S)
        return heard

    def publisher(self, user: str = "device") -> Client:
        """A connection to the broker with the field's rights."""
        address = Address(self.broker.field_url)
        client = dial(address, f"test-{user}", protocol=dialect(address), lasting=False, in_flight=100)
        client.loop_start()
        self._stack.callback(client.loop_stop)
        self._stack.callback(client.disconnect)
        wait_for(client.is_connected, "the broker")
        return client

    def send(self, client: Client, topic: str, payload: bytes | dict[str, Any]) -> None:
        """Publish one message at QoS 1 and wait until the broker has it."""
        content = payload if isinstance(payload, bytes) else orjson.dumps(payload)
        client.publish(topic, content, qos=1).wait_for_publish(PATIENCE_S)

    def _start(self, program: list[str], name: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                program,
                env={**os.environ, **as_environment(self.settings), **environment},
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

        def end() -> None:
            # What a test has to say of a proper end it says itself (`stop_hub`); the others need not wait for one.
            process.kill()
            process.wait()

        self._stack.callback(end)
        return process


@pytest.fixture
def house(home: Path, database: Private, broker: Broker) -> Iterator[House]:
    """A hub whose parts the test starts itself."""
    with ExitStack() as stack:
        yield House(home, database, broker, stack)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook receiver."""
    started = Receiver()
    started.start()
    yield started
    started.stop()


@pytest.fixture
def live_hub(house: House) -> House:
    """A hub with the demo's city, its API, and an alarm that stands because the forecourt is full."""
    house.city()
    house.start_hub()
    house.start_api()
    device = house.publisher()
    now = round(time.time() * 1000)
    for second in (4, 3, 2, 1, 0):
        house.send(
            device,
            "city/v1/police/camera-01/telemetry",
            {"ts": now - second * 1000, "values": {"people": 420}},
        )
    wait_for(lambda: house.ask("select 1 from alarm where level = 3"), "the alarm")
    return house
