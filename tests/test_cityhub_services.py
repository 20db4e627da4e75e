"""The private broker and database as an operator meets them: real servers, real crashes, this machine."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cityhub.services import Broker, Database, ServiceError, installations, start_broker, start_database
from cityhub.services.installations import Installation
from cityhub.services.rootfs import Unavailable
from cityhub.services.tether import alive

if TYPE_CHECKING:
    from cityhub.services.broker import Kind as BrokerKind
    from cityhub.services.installations import Kind as DatabaseKind

ROOT = Path(__file__).parents[1]
NOT_ROOT = os.geteuid() != 0


@pytest.fixture
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="cityhub-test-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


def broker_or_skip(home: Path, kind: str) -> Broker:
    try:
        return start_broker(home, prefer=cast("BrokerKind", kind), any_device=True)
    except ServiceError as error:
        if "not installed" in str(error):
            pytest.skip(str(error))
        raise


def database_or_skip(home: Path, kind: str) -> Database:
    try:
        return start_database(home, prefer=cast("DatabaseKind", kind))
    except ServiceError as error:
        if str(error).startswith("No private database"):
            pytest.skip(str(error))
        raise


def until(condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
    limit = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < limit, f"not within {limit_s} s: {what}"
        time.sleep(0.02)


def started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def user_ids(pid: int) -> set[str]:
    status = Path(f"/proc/{pid}/status").read_text()
    return set(next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:])


class Device:
    """A paho client that keeps what it is told."""

    def __init__(self, url: str, name: str, *, clean: bool = True) -> None:
        parts = urlsplit(url)
        self.messages: list[tuple[str, bytes]] = []
        self.acknowledged: set[int] = set()
        self.granted: dict[int, int] = {}
        self.connected: list[int] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean)
        self._client.username_pw_set(parts.username, parts.password)
        self._client.on_message = lambda _c, _u, message: self._keep(message)
        self._client.on_publish = lambda _c, _u, mid, _r, _p: self.acknowledged.add(mid)
        self._client.on_subscribe = lambda _c, _u, mid, codes, _p: self.granted.update({mid: codes[0].value})
        self._client.on_connect = lambda _c, _u, _f, code, _p: self.connected.append(code.value)
        assert parts.hostname
        assert parts.port
        self._client.connect(parts.hostname, parts.port)
        self._client.loop_start()
        until(lambda: bool(self.connected), "CONNACK")

    def _keep(self, message: mqtt.MQTTMessage) -> None:
        self.messages.append((message.topic, bytes(message.payload)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Publish with QoS 1 and do not wait; the packet's identifier."""
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def publish_acknowledged(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1 and wait for the acknowledgement."""
        mid = self.publish(topic, payload, retain=retain)
        until(lambda: mid in self.acknowledged, f"PUBACK of {topic}")

    def subscribe(self, topic: str) -> int:
        """Subscribe with QoS 1; the code granted, 128 being a refusal."""
        _, mid = self._client.subscribe(topic, qos=1)
        assert mid is not None
        until(lambda: mid in self.granted, f"SUBACK of {topic}")
        return self.granted[mid]


brokers = pytest.mark.parametrize("kind", ["mosquitto", "nats"])
databases = pytest.mark.parametrize("kind", ["wheel", "rootfs"])


@brokers
def test_a_reading_goes_up_and_its_committed_comes_down(kind: str, home: Path) -> None:
    broker = broker_or_skip(home, kind)
    try:
        assert broker.version.startswith(("mosquitto 2", "nats-server 2"))
        assert broker.protocol == (5 if kind == "mosquitto" else 4)
        with Device(broker.url, "hub") as hub, Device(broker.field_url, "pump-1") as device:
            assert hub.subscribe("city/v1/#") == 1
            assert device.subscribe("city/v1/water/pump-1/committed") == 1
            device.publish_acknowledged("city/v1/water/pump-1/telemetry", b"7")
            until(lambda: bool(hub.messages), "telemetry at the hub")
            assert hub.messages == [("city/v1/water/pump-1/telemetry", b"7")]
            hub.publish_acknowledged("city/v1/water/pump-1/committed", b"seq")
            until(lambda: bool(device.messages), "committed at the device")
            assert device.messages == [("city/v1/water/pump-1/committed", b"seq")]
    finally:
        broker.stop()


@brokers
def test_a_device_that_reads_or_writes_what_is_not_its_own_gets_nowhere(kind: str, home: Path) -> None:
    broker = broker_or_skip(home, kind)
    try:
        with Device(broker.url, "hub") as hub:
            assert hub.subscribe("city/v1/#") == 1
            for number, topic in enumerate(
                ("city/v1/water/pump-1/committed", "city/v1/alarm/1/water/x", "other")
            ):
                # A broker may also hang up on it, so each attempt has its own connection.
                with Device(broker.field_url, f"intruder-{number}") as intruder:
                    intruder.publish(topic, b"forged")
            with Device(broker.field_url, "reader") as reader:
                reader.subscribe("city/v1/#")
                reader.subscribe("city/v1/water/pump-1/telemetry")
                assert reader.subscribe("city/v1/water/pump-1/committed") in {1, 128}
                with Device(broker.field_url, "pump-1") as device:
                    device.publish_acknowledged("city/v1/water/pump-1/telemetry", b"true")
                until(lambda: bool(hub.messages), "the permitted message")
                assert hub.messages == [("city/v1/water/pump-1/telemetry", b"true")]
                # What the hub says last arrives last: had the telemetry been let through, it would be here.
                with Device(broker.url, "hub-2") as second:
                    second.publish_acknowledged("city/v1/water/pump-1/committed", b"end")
                until(
                    lambda: ("city/v1/water/pump-1/committed", b"end") in reader.messages, "the last message"
                )
                assert {topic for topic, _ in reader.messages} == {"city/v1/water/pump-1/committed"}
    finally:
        broker.stop()


@brokers
def test_a_client_without_the_password_is_refused(kind: str, home: Path) -> None:
    broker = broker_or_skip(home, kind)
    port = urlsplit(broker.url).port
    try:
        for url in (f"mqtt://127.0.0.1:{port}", f"mqtt://hub:wrong@127.0.0.1:{port}"):
            with Device(url, "stranger") as stranger:
                assert stranger.connected[0] in {
                    134,
                    135,
                }  # v5's "bad user name or password", "not authorized"
    finally:
        broker.stop()


@brokers
def test_a_broker_started_again_knows_its_port_its_passwords_and_its_messages(kind: str, home: Path) -> None:
    first = broker_or_skip(home, kind)
    try:
        with Device(first.url, "hub", clean=False) as hub:
            hub.subscribe("city/v1/#")
        with Device(first.field_url, "pump-1") as device:
            device.publish_acknowledged("city/v1/water/pump-1/telemetry", b"kept")
            device.publish_acknowledged("city/v1/water/pump-1/status", b"online", retain=True)
    finally:
        first.stop()
    second = broker_or_skip(home, kind)
    try:
        assert second.url == first.url
        with Device(second.url, "hub", clean=False) as hub:
            until(lambda: len(hub.messages) == 2, "both messages kept for the hub")
        with Device(second.url, "another") as another:
            another.subscribe("city/v1/+/+/status")
            until(lambda: bool(another.messages), "the retained message")
    finally:
        second.stop()


@brokers
def test_a_packet_over_the_limit_reaches_nobody(kind: str, home: Path) -> None:
    broker = broker_or_skip(home, kind)
    try:
        with Device(broker.url, "hub") as hub:
            hub.subscribe("city/v1/#")
            with Device(broker.field_url, "bomb") as bomb:
                bomb.publish("city/v1/water/bomb/telemetry", b"x" * 400_000)
                until(lambda: len(bomb.connected) > 1, "the broker hanging up on it")
            with Device(broker.field_url, "pump-1") as device:
                device.publish_acknowledged("city/v1/water/pump-1/telemetry", b"x" * 200_000)
            until(lambda: bool(hub.messages), "the large but permitted message")
            assert [topic for topic, _ in hub.messages] == ["city/v1/water/pump-1/telemetry"]
    finally:
        broker.stop()


@databases
def test_a_database_started_again_has_what_was_committed(kind: str, home: Path) -> None:
    first = database_or_skip(home, kind)
    try:
        assert first.kind == kind
        assert first.version.startswith("PostgreSQL ")
        if kind == "wheel":
            assert (first.timescaledb, first.edition) == (None, "none")
            assert "Plain PostgreSQL" in (first.warning or "")
        else:
            assert first.timescaledb
            assert first.edition == "apache"
            assert first.warning is None
        with psycopg.connect(first.url) as connection:
            connection.execute("CREATE TABLE kept (word text)")
            connection.execute("INSERT INTO kept VALUES ('水位')")
            if first.timescaledb:
                connection.execute("CREATE TABLE r (time timestamptz NOT NULL, value float8)")
                connection.execute("SELECT create_hypertable('r', 'time')")
            settings = {
                name: connection.execute(f"SHOW {name}").fetchone()
                for name in ("timezone", "listen_addresses", "synchronous_commit", "fsync", "server_encoding")
            }
        assert settings == {
            "timezone": ("UTC",),
            "listen_addresses": ("127.0.0.1",),
            "synchronous_commit": ("on",),
            "fsync": ("on",),
            "server_encoding": ("UTF8",),
        }
    finally:
        first.stop()
    second = start_database(home)
    try:
        assert second.kind == kind
        assert second.url == first.url
        with psycopg.connect(second.url) as connection:
            assert connection.execute("SELECT word FROM kept").fetchall() == [("水位",)]
    finally:
        second.stop()


@databases
def test_a_postmaster_killed_at_once_keeps_what_was_committed(kind: str, home: Path) -> None:
    first = database_or_skip(home, kind)
    try:
        with psycopg.connect(first.url) as connection:
            connection.execute("CREATE TABLE kept (x int)")
            connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
        first.kill()
        assert not first.alive()
    finally:
        first.stop()
    second = start_database(home)
    try:
        with psycopg.connect(second.url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    finally:
        second.stop()


@databases
def test_the_role_of_the_hub_is_no_superuser_and_needs_its_password(kind: str, home: Path) -> None:
    database = database_or_skip(home, kind)
    try:
        with psycopg.connect(database.url) as connection:
            row = connection.execute(
                "SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user"
            )
            assert row.fetchone() == (False, False)
        password = urlsplit(database.url).password or ""
        assert len(password) == 32
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(database.url.replace(password, "0" * 32))
        assert password not in repr(database)
        said = "".join(path.read_text() for path in (home / "database").rglob("*.log"))
        assert password not in said
        assert (home / "database/service.json").stat().st_mode & 0o777 == 0o600
    finally:
        database.stop()


@pytest.mark.skipif(NOT_ROOT, reason="only root has something to drop")
@pytest.mark.parametrize("kind", ["mosquitto", "nats", "wheel", "rootfs"])
def test_started_by_root_under_a_closed_directory_nothing_runs_as_root(kind: str, home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    inner = closed / "deep/er"
    service: Broker | Database = (
        broker_or_skip(inner, kind) if kind in {"mosquitto", "nats"} else database_or_skip(inner, kind)
    )
    try:
        assert "0" not in user_ids(service.pid)
        assert str(home) not in Path("/proc/mounts").read_text()
        children = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
        assert all("0" not in user_ids(int(child)) for child in children)
    finally:
        service.stop()
    assert closed.stat().st_mode & 0o777 == 0o700


PARENT = """
import sys, time
from pathlib import Path
from cityhub.services import start_broker, start_database
home, kind = Path(sys.argv[1]), sys.argv[2]
start = start_broker if kind in {"mosquitto", "nats"} else start_database
service = start(home, prefer=kind)
print(service.pid, flush=True)
time.sleep(600)
"""


def parent(home: Path, kind: str) -> "tuple[subprocess.Popen[str], int]":
    """Another process that runs the service, and the service's pid."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(home), kind], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    pid = process.stdout.readline()
    if not pid:
        process.kill()
        process.communicate()
        pytest.fail("the other process could not start the service")
    return process, int(pid)


def skip_unless_available(kind: str) -> None:
    scratch = Path(tempfile.mkdtemp(prefix="cityhub-test-", dir="/tmp"))
    try:
        if kind in {"mosquitto", "nats"}:
            broker_or_skip(scratch, kind).stop()
        else:
            installations.choose(cast("DatabaseKind", kind), lambda _: None)
    except ServiceError as error:
        pytest.skip(str(error))
    finally:
        shutil.rmtree(scratch)


@pytest.mark.parametrize("kind", ["mosquitto", "nats", "wheel", "rootfs"])
def test_a_hub_killed_by_9_takes_its_service_along_and_the_next_start_works(kind: str, home: Path) -> None:
    skip_unless_available(kind)
    process, pid = parent(home, kind)
    since = started(pid)
    process.kill()
    process.communicate()
    # At once, while the old service may still be ending: the start waits for it.
    service: Broker | Database = (
        broker_or_skip(home, kind) if kind in {"mosquitto", "nats"} else database_or_skip(home, kind)
    )
    try:
        assert not alive(pid, since)
    finally:
        service.stop()
    assert not service.alive()


@pytest.mark.parametrize("kind", ["nats", "wheel"])
def test_an_orphan_of_a_killed_hub_and_a_killed_lifeline_is_stopped_by_the_next_start(
    kind: str, home: Path
) -> None:
    skip_unless_available(kind)
    process, pid = parent(home, kind)
    since = started(pid)
    lifeline = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert "lifeline.py" in Path(f"/proc/{lifeline}/cmdline").read_text()
    os.kill(lifeline, signal.SIGKILL)
    process.kill()
    process.communicate()
    assert alive(pid, since)
    service: Broker | Database = (
        broker_or_skip(home, kind) if kind in {"mosquitto", "nats"} else database_or_skip(home, kind)
    )
    try:
        assert not alive(pid, since)
        assert service.alive()
    finally:
        service.stop()


def test_a_stop_after_the_lifeline_was_killed_still_ends_the_service(home: Path) -> None:
    broker = broker_or_skip(home, "nats")
    lifeline = int(Path(f"/proc/{broker.pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(lifeline, signal.SIGKILL)
    broker.stop()
    assert not broker.alive()


def test_ctrl_c_in_the_terminal_does_not_reach_the_service(home: Path) -> None:
    skip_unless_available("nats")
    process, pid = parent(home, "nats")
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        group, session = int(fields[2]), int(fields[3])
        assert group != os.getpgid(process.pid)
        assert session != os.getsid(process.pid)
    finally:
        process.kill()
        process.communicate()
    until(
        lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text(), "its end"
    )


def test_a_second_hub_on_the_same_home_is_told_who_has_it(home: Path) -> None:
    broker = broker_or_skip(home, "nats")
    try:
        with pytest.raises(ServiceError, match=f"already running as pid {os.getpid()}") as told:
            start_broker(home, prefer="nats")
        assert str(os.getpid()) in told.value.hint
        assert broker.alive()
    finally:
        broker.stop()


@pytest.mark.parametrize("kind", ["broker", "database"])
def test_a_port_that_is_taken_is_named_in_one_sentence(kind: str, home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        start = start_broker if kind == "broker" else start_database
        with pytest.raises(ServiceError, match=f"^Port {port} on 127.0.0.1 is already in use.$") as told:
            start(home, port=port)
    assert "choose another port" in told.value.hint


def test_a_remembered_port_that_is_taken_is_replaced_by_a_free_one(home: Path) -> None:
    first = broker_or_skip(home, "nats")
    first.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", urlsplit(first.url).port))
        other.listen()
        second = broker_or_skip(home, "nats")
        second.stop()
    assert urlsplit(second.url).port != urlsplit(first.url).port


def test_a_kind_that_cannot_be_had_is_refused_with_the_reason(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_here() -> Installation:
        raise Unavailable("no local PostgreSQL has the timescaledb extension")

    monkeypatch.setattr(installations, "_local", none_here)
    with pytest.raises(ServiceError, match="no local PostgreSQL has the timescaledb extension") as told:
        start_database(home, prefer="local")
    assert "let CityHub choose" in told.value.hint


def test_where_only_the_wheel_can_be_had_the_warning_says_why(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_here(*_: object) -> Installation:
        raise Unavailable("it is not on this machine")

    monkeypatch.setattr(installations, "_local", none_here)
    monkeypatch.setattr(installations, "_rootfs", none_here)
    try:
        database = start_database(home)
    except ServiceError as error:
        pytest.skip(str(error))
    try:
        assert database.kind == "wheel"
        assert "it is not on this machine" in (database.warning or "")
    finally:
        database.stop()


def test_an_older_local_postgresql_runs_the_same_way(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binaries = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    if not binaries:
        pytest.skip("no local PostgreSQL server is installed")
    found = Installation("local", binaries[0], int(binaries[0].parent.name), timescaledb=False)
    monkeypatch.setattr(installations, "_local", lambda: found)
    database = start_database(home, prefer="local")
    try:
        assert database.version.startswith(f"PostgreSQL {found.major}.")
    finally:
        database.stop()


def test_data_are_not_opened_by_another_kind_than_the_one_that_made_them(home: Path) -> None:
    database_or_skip(home, "wheel").stop()
    with pytest.raises(ServiceError, match="made by the kind wheel"):
        start_database(home, prefer="local")


def test_data_without_their_passwords_are_left_alone(home: Path) -> None:
    database_or_skip(home, "wheel").stop()
    (home / "database/service.json").unlink()
    with pytest.raises(ServiceError, match="passwords of the data"):
        start_database(home)
    assert (home / "database/data/PG_VERSION").exists()


def test_a_database_that_dies_at_its_start_says_its_last_words(home: Path) -> None:
    database_or_skip(home, "wheel").stop()
    (home / "database/data/global/pg_control").unlink()
    with pytest.raises(ServiceError, match="pg_control"):
        start_database(home)


def test_a_home_that_cannot_be_a_directory_is_refused_in_one_sentence(home: Path) -> None:
    (home / "file").touch()
    with pytest.raises(ServiceError, match="state directory") as told:
        start_broker(home / "file", prefer="nats")
    assert told.value.hint


def test_two_starts_at_once_on_one_home_give_one_service(home: Path) -> None:
    skip_unless_available("nats")
    outcomes: list[Broker | ServiceError] = []

    def start() -> None:
        try:
            outcomes.append(start_broker(home, prefer="nats"))
        except ServiceError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    running = [outcome for outcome in outcomes if isinstance(outcome, Broker)]
    try:
        assert len(outcomes) == 4
        assert len(running) == 1
    finally:
        for broker in running:
            broker.stop()


def test_debian_packages_that_are_there_already_need_nothing() -> None:
    if not shutil.which("dpkg-query"):
        pytest.skip("not a Debian machine")
    script = ROOT / "deploy/debian-packages.sh"
    done = subprocess.run(["sh", script, "dpkg"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_debian_package_with_an_odd_name_is_refused() -> None:
    script = ROOT / "deploy/debian-packages.sh"
    done = subprocess.run(["sh", script, "a;b"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "not the name" in done.stderr
