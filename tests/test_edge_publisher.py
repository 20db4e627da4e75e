"""The publisher against a real broker: it forgets a record when the hub says `committed`, and never before."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import cbor2
import orjson
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cityhub.services import Broker, ServiceError, start_broker
from edge import publisher as publishers
from edge.journal import Journal, Record
from edge.link import Client, Unreachable
from edge.publisher import Publisher
from edge.reading import gather
from edge.wire import Batch, body, unpack

if TYPE_CHECKING:
    from cityhub.services.broker import Kind

PATIENCE_S = 60.0
HERE = "city/v1/water/gw-1"


def new_broker(home: Path, kind: str, port: int = 0) -> Broker:
    try:
        return start_broker(home, prefer=cast("Kind", kind), port=port, any_device=True)
    except ServiceError as error:
        if "not installed" in str(error):
            pytest.skip(str(error))
        raise


@pytest.fixture(params=["mosquitto", "nats"])
def home(request: pytest.FixtureRequest) -> Iterator[tuple[Path, str]]:
    # Not under tmp_path: the broker runs as another user, who may not look into pytest's folders.
    path = Path(tempfile.mkdtemp(prefix="cityhub-test-", dir="/tmp"))
    yield path, str(request.param)
    shutil.rmtree(path)


@pytest.fixture
def broker(home: tuple[Path, str]) -> Iterator[Broker]:
    running = new_broker(*home)
    yield running
    running.stop()


class FakeHub:
    """Subscribes as the hub does, keeps what arrives, and says `committed` when the test tells it to."""

    def __init__(self, broker: Broker) -> None:
        parts = urlsplit(broker.url)
        self.batches: list[Batch] = []
        self.status: list[dict[str, str]] = []
        self.changed = threading.Condition()
        self._ready = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="hub", clean_session=True)
        self._client.username_pw_set(parts.username, parts.password)
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(f"{HERE}/telemetry", 1), (f"{HERE}/status", 1)]
        )
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda _c, _u, message: self._take(message)
        self._client.connect(parts.hostname or "", parts.port or 0)
        self._client.loop_start()
        assert self._ready.wait(PATIENCE_S)

    def _take(self, message: mqtt.MQTTMessage) -> None:
        with self.changed:
            if message.topic.endswith("/status"):
                self.status.append(orjson.loads(message.payload))
            else:
                self.batches.append(unpack(cbor2.loads(message.payload)))
            self.changed.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until what has arrived meets a condition."""
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE_S), self.batches

    def seqs(self, boot: str) -> list[int]:
        """The numbers of one boot in the order of their arrival."""
        return [batch.envelope.seq for batch in self.batches if batch.envelope.boot == boot]

    def wait_for(self, boot: str, seqs: set[int], times: int = 1) -> None:
        """Wait until each of these has arrived so many times."""
        self.wait(lambda: all(self.seqs(boot).count(seq) >= times for seq in seqs))

    def say_committed(self, boot: str, seq: int) -> None:
        """Tell the edge agent."""
        self.say(orjson.dumps({"boot": boot, "seq": seq}))

    def say(self, payload: bytes) -> None:
        """Publish on the agent's `committed` topic, and wait until the broker has it."""
        self._client.publish(f"{HERE}/committed", payload, qos=1).wait_for_publish(PATIENCE_S)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def hub(broker: Broker) -> Iterator[FakeHub]:
    opened = FakeHub(broker)
    yield opened
    opened.close()


class Edge:
    """A journal and its publisher."""

    def __init__(self, folder: Path, broker: Broker, window: int = 200) -> None:
        self.journal = Journal(folder)
        self.publisher = Publisher(self.journal, broker.field_url, "water", "gw-1", window=window)

    def accept(self, *values: float) -> None:
        """One record for each value."""
        for value in values:
            kept = self.journal.append(body(gather([("river-1/level", int(value), float(value))])))
            self.publisher.offer(kept)

    def kept(self) -> list[int]:
        """The numbers that the journal still keeps."""
        return [record.seq for record in self.journal.kept()]

    def close(self) -> None:
        """Go, and leave the journal to the next start."""
        self.publisher.close()
        self.journal.close()


@pytest.fixture
def edge(tmp_path: Path, broker: Broker) -> Iterator[Edge]:
    opened = Edge(tmp_path / "journal", broker)
    opened.publisher.start()
    yield opened
    opened.close()


def test_records_arrive_in_order_and_are_pruned_only_when_the_hub_says_committed(
    hub: FakeHub, edge: Edge
) -> None:
    boot = edge.journal.boot
    edge.accept(1, 2, 3, 4, 5)
    hub.wait_for(boot, {1, 2, 3, 4, 5})
    assert hub.seqs(boot) == [1, 2, 3, 4, 5]
    assert {batch.envelope.base for batch in hub.batches} == {1}
    assert [batch.readings.rows["value"].tolist() for batch in hub.batches] == [[1], [2], [3], [4], [5]]
    # The broker has acknowledged them, the hub has received them: neither is a commit.
    assert edge.kept() == [1, 2, 3, 4, 5]
    assert edge.publisher.waiting == 5
    hub.say_committed(boot, 3)
    with edge.publisher._changed:
        assert edge.publisher._changed.wait_for(lambda: edge.publisher.counts.committed == 3, PATIENCE_S)
    assert edge.kept() == [4, 5]
    edge.accept(6)
    hub.wait_for(boot, {6})
    assert hub.batches[-1].envelope.base == 4  # all below it is committed
    hub.say_committed(boot, 6)
    assert edge.publisher.wait_committed(PATIENCE_S)
    assert edge.kept() == []


def test_no_more_than_a_window_is_sent_before_the_hub_answers(
    tmp_path: Path, broker: Broker, hub: FakeHub
) -> None:
    edge = Edge(tmp_path / "journal", broker, window=3)
    edge.publisher.start()
    edge.accept(*range(1, 8))
    boot = edge.journal.boot
    hub.wait_for(boot, {1, 2, 3})
    assert edge.publisher.counts.published == 3
    hub.say_committed(boot, 2)
    hub.wait_for(boot, {4, 5})
    assert hub.seqs(boot) == [1, 2, 3, 4, 5]
    hub.say_committed(boot, 5)
    hub.wait_for(boot, {6, 7})
    edge.close()


def test_what_was_never_committed_is_sent_again_when_the_silence_lasts(hub: FakeHub, edge: Edge) -> None:
    boot = edge.journal.boot
    edge.publisher._patience_s = 0.5  # instead of RESEND_AFTER_S
    edge.accept(1, 2)
    hub.wait_for(boot, {1, 2}, times=2)
    hub.say_committed(boot, 2)
    assert edge.publisher.wait_committed(PATIENCE_S)
    assert edge.publisher.counts.resent >= 2


def test_a_restarted_agent_sends_what_its_former_boots_left_and_the_oldest_first(
    tmp_path: Path, broker: Broker, hub: FakeHub
) -> None:
    folder = tmp_path / "journal"
    boots = []
    for value in (1, 2):
        offline = Edge(folder, broker)
        offline.accept(value, value + 10)
        boots.append(offline.journal.boot)
        offline.close()
    edge = Edge(folder, broker)
    edge.accept(3)
    edge.publisher.start()
    hub.wait_for(edge.journal.boot, {1})
    assert [(batch.envelope.boot, batch.envelope.seq) for batch in hub.batches] == [
        *((boots[0], seq) for seq in (1, 2)),
        *((boots[1], seq) for seq in (1, 2)),
        (edge.journal.boot, 1),
    ]
    # The second boot's answer comes first.
    hub.say_committed(boots[1], 2)
    hub.say_committed(boots[0], 2)
    hub.say_committed(edge.journal.boot, 1)
    assert edge.publisher.wait_committed(PATIENCE_S)
    assert edge.kept() == []
    edge.close()
    assert list(folder.glob("*.seg")) == []


def test_a_late_answer_for_a_record_that_waits_behind_another_boots_does_no_harm(
    tmp_path: Path, broker: Broker, hub: FakeHub
) -> None:
    folder = tmp_path / "journal"
    boots = []
    for value in (1, 2):
        offline = Edge(folder, broker)
        offline.accept(value)
        boots.append(offline.journal.boot)
        offline.close()
    edge = Edge(folder, broker, window=1)
    edge.publisher.start()
    hub.wait_for(boots[0], {1})  # the window is used up: the second boot's record waits
    hub.say_committed(boots[1], 1)
    with edge.publisher._changed:
        assert edge.publisher._changed.wait_for(lambda: edge.publisher.counts.committed == 1, PATIENCE_S)
    assert [record.boot for record in edge.journal.kept()] == [boots[0]]
    hub.say_committed(boots[0], 1)
    edge.accept(3)
    hub.wait_for(edge.journal.boot, {1})
    assert hub.seqs(boots[1]) == []
    hub.say_committed(edge.journal.boot, 1)
    assert edge.publisher.wait_committed(PATIENCE_S)
    edge.close()


def test_after_the_brokers_death_everything_arrives_at_least_once_and_only_committed_is_forgotten(
    home: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishers, "RESEND_AFTER_S", 2.0)  # the hub may come back later than the edge
    broker = new_broker(*home)
    hub = FakeHub(broker)
    edge = Edge(tmp_path / "journal", broker)
    edge.publisher.start()
    boot = edge.journal.boot
    edge.accept(*range(1, 11))
    hub.wait_for(boot, set(range(1, 11)))
    hub.say_committed(boot, 4)
    with edge.publisher._changed:
        assert edge.publisher._changed.wait_for(lambda: edge.publisher.counts.committed == 4, PATIENCE_S)
    hub.close()
    broker.kill()
    edge.accept(*range(11, 31))  # nobody listens: the journal takes them all the same
    assert edge.kept() == list(range(5, 31))
    again = new_broker(*home)  # on its old ports
    late_hub = FakeHub(again)
    # 5 to 10 had arrived, but nobody said that they were committed.
    late_hub.wait_for(boot, set(range(5, 31)))
    assert set(late_hub.seqs(boot)) == set(range(5, 31))
    late_hub.say_committed(boot, 30)
    assert edge.publisher.wait_committed(PATIENCE_S)
    assert edge.kept() == []
    edge.close()
    late_hub.close()
    again.stop()


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b"7", b'"x"', b"null", b'{"boot":"x"}', b'{"seq":1}', b'{"boot":null,"seq":"many"}'],
)
def test_a_committed_message_that_says_nothing_is_passed_over(
    tmp_path: Path, payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append(b"x")
    publisher = Publisher(journal, "mqtt://field:secret@127.0.0.1:1", "water", "gw-1")
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    monkeypatch.setattr(client, "ack", lambda *_: None)
    message = mqtt.MQTTMessage(1, f"{HERE}/committed".encode())
    message.payload = payload
    publisher._on_message(client, None, message)
    assert len(journal.kept()) == 1
    journal.close()


def test_a_record_that_cannot_be_read_for_the_moment_is_sent_later(
    hub: FakeHub, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = edge.journal.boot
    monkeypatch.setattr(publishers, "READ_AGAIN_S", 0.01)
    read, failures = edge.journal.read, iter([OSError("too many open files")] * 3)

    def unsteady(record: Record) -> bytes | None:
        for failure in failures:
            raise failure
        return read(record)

    monkeypatch.setattr(edge.journal, "read", unsteady)
    edge.accept(1, 2, 3)
    hub.wait_for(boot, {1, 2, 3})
    assert hub.seqs(boot) == [1, 2, 3]


def test_a_record_rotten_on_disk_is_stepped_over_and_the_rest_gets_through(
    tmp_path: Path, broker: Broker, hub: FakeHub
) -> None:
    edge = Edge(tmp_path / "journal", broker)
    edge.accept(1, 2, 3)
    boot, rotten = edge.journal.boot, edge.journal.kept()[0]
    with rotten.segment.open("r+b") as file:
        file.seek(rotten.offset)
        file.write(b"\0\0\0\0")
    edge.publisher.start()
    hub.wait_for(boot, {2, 3})
    assert {batch.envelope.base for batch in hub.batches} == {2}  # nobody waits for the lost one
    hub.say_committed(boot, 3)
    assert edge.publisher.wait_committed(PATIENCE_S)
    assert (edge.kept(), edge.journal.damaged) == ([], 1)
    edge.close()


def test_its_status_says_online_and_at_the_end_offline(tmp_path: Path, broker: Broker, hub: FakeHub) -> None:
    edge = Edge(tmp_path / "journal", broker)
    edge.publisher.start()
    hub.wait(lambda: bool(hub.status))
    assert hub.status == [{"state": "online", "boot": edge.journal.boot}]
    edge.close()
    hub.wait(lambda: len(hub.status) > 1)
    assert hub.status[1:] == [{"state": "offline"}]


def test_an_agent_that_wakes_up_before_its_broker_accepts_and_sends_once_the_broker_is_there(
    tmp_path: Path, broker: Broker, hub: FakeHub
) -> None:
    edge = Edge(tmp_path / "journal", broker)
    edge.publisher._dial = _away_twice(edge.publisher._dial)  # type: ignore[method-assign]
    edge.publisher.start()
    edge.accept(1)
    hub.wait_for(edge.journal.boot, {1})
    edge.close()


def _away_twice(dial: Callable[[], Client]) -> Callable[[], Client]:
    left = [2]

    def sometimes() -> Client:
        if left[0]:
            left[0] -= 1
            raise Unreachable("no broker answers")
        return dial()

    return sometimes


def test_after_an_outage_what_is_new_goes_before_the_backlog(
    tmp_path: Path, broker: Broker, hub: FakeHub
) -> None:
    before = Edge(tmp_path / "journal", broker)
    before.accept(*range(1, 31))  # never started: the broker was away
    before.journal.close()
    hours_ago = time.time() - 7200
    for segment in (tmp_path / "journal").glob("*.seg"):
        os.utime(segment, (hours_ago, hours_ago))
    edge = Edge(tmp_path / "journal", broker, window=4)
    edge.accept(100, 101)
    edge.publisher.start()
    # The window holds four, and half of it is the backlog's own.
    hub.wait_for(edge.journal.boot, {1, 2})
    assert [batch.envelope.boot for batch in hub.batches[:2]] == [edge.journal.boot] * 2
    hub.wait_for(before.journal.boot, {1, 2})
    hub.say_committed(edge.journal.boot, 2)
    edge.accept(102)
    hub.wait_for(edge.journal.boot, {3})
    assert max(hub.seqs(before.journal.boot)) == 2, "the backlog left no room for what is live"
    edge.close()


def test_what_is_committed_beyond_a_gap_makes_room_but_stays_in_the_journal(
    tmp_path: Path, broker: Broker, hub: FakeHub
) -> None:
    edge = Edge(tmp_path / "journal", broker, window=3)
    edge.accept(1, 2, 3, 4, 5)
    edge.publisher.start()
    boot = edge.journal.boot
    hub.wait_for(boot, {1, 2, 3})
    hub.say(orjson.dumps({"boot": boot, "seq": 0, "also": [[2, 3]]}))
    hub.wait_for(boot, {4, 5})
    assert len(edge.journal.kept()) == 5
    assert hub.seqs(boot).count(2) == 1, "sent again without need"
    hub.say_committed(boot, 5)
    assert edge.publisher.wait_committed(PATIENCE_S)
    assert edge.journal.kept() == []
    edge.close()
