"""Sensors on a real socket: each is told what is on disk, and what was refused and why."""

from __future__ import annotations

import errno
import math
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cbor2
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import carried, positions
from edge.agent import Agent
from edge.drivers.jsonlines import LINE_LIMIT, JsonLines, LineRefused, read_line
from edge.journal import Journal, JournalBroken, JournalFull, Record
from edge.reading import now_us
from edge.wire import seal, unpack

NOBODY = "mqtt://field:secret@127.0.0.1:1"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    opened = Agent(tmp_path / "journal", NOBODY, "water", "gw-1")
    yield opened
    opened.close()


@pytest.fixture
def driver(agent: Agent) -> Iterator[JsonLines]:
    started = JsonLines(agent)
    started.start()
    yield started
    started.close()


class Sensor:
    """A socket that speaks in lines."""

    def __init__(self, driver: JsonLines) -> None:
        self.socket = socket.create_connection(("127.0.0.1", driver.port), timeout=30)
        self._answers = self.socket.makefile("r", encoding="utf-8", newline="\n")

    def say(self, *lines: object) -> None:
        """Send lines: bytes as they are, anything else as JSON."""
        self.socket.sendall(
            b"".join(line if isinstance(line, bytes) else orjson.dumps(line) + b"\n" for line in lines)
        )

    def hear(self) -> str:
        """The next line that was answered; empty when the driver has hung up."""
        return self._answers.readline()

    def hear_until(self, last: str) -> list[str]:
        """What was answered up to a line."""
        heard: list[str] = []
        while not heard or heard[-1] not in {last, ""}:
            heard.append(self.hear())
        return heard

    def close(self) -> None:
        """Hang up."""
        self._answers.close()
        self.socket.close()


@pytest.fixture
def sensor(driver: JsonLines) -> Iterator[Sensor]:
    opened = Sensor(driver)
    yield opened
    opened.close()


def on_disk(journal: Journal) -> list[tuple[str, int, float]]:
    """Everything that the journal keeps, read back from its files."""
    found: list[tuple[str, int, float]] = []
    for record in journal.kept():
        body = journal.read(record)
        assert body is not None
        if carried.topic(body) == carried.POSITION:
            continue
        names, rows = unpack(cbor2.loads(seal("b", 1, 1, body))).readings
        found += [(names[row["series"]], int(row["time"]), float(row["value"])) for row in rows]
    return found


def places_on_disk(journal: Journal) -> list[tuple[str, int, float, float, float]]:
    """Every fix that the journal keeps, as (name, time, lon, lat, accuracy)."""
    found = []
    for record in journal.kept():
        body = journal.read(record)
        assert body is not None
        if carried.topic(body) == carried.POSITION:
            said, _ = positions.unpack(cbor2.loads(positions.seal(None, body)))
            columns = (said.time, said.lon, said.lat, said.accuracy)
            found += [(said.names[track], *row) for track, *row in zip(said.track, *columns, strict=True)]
    return found


def line(number: int, **values: float) -> dict[str, Any]:
    return {"device": "river-1", "ts": 1_790_000_000_000 + number, "values": values or {"level": number}}


def test_lines_are_answered_with_ok_and_are_on_disk_by_then(agent: Agent, sensor: Sensor) -> None:
    for number in range(1, 4):
        sensor.say(line(number, level=number, flow=-number))
        assert sensor.hear() == f"ok {number}\n"
        assert on_disk(agent.journal)[-2:] == [
            ("river-1/level", (1_790_000_000_000 + number) * 1000, number),
            ("river-1/flow", (1_790_000_000_000 + number) * 1000, -number),
        ]


def test_a_line_may_tell_a_place_beside_values_or_alone_and_whose_it_is(
    agent: Agent, driver: JsonLines, sensor: Sensor
) -> None:
    place = {"lon": 120.613, "lat": 31.28}
    sensor.say(
        {"device": "medic-1", "ts": 1_790_000_000_000, **place, "accuracy": 6},
        {
            "device": "medic-1",
            "ts": 1_790_000_001_000,
            **place,
            "values": {"battery": 3.9},
            "track": "medic-1",
        },
        {"device": "camera-9", "ts": 1_790_000_001_000, **place, "track": 17, "accuracy": -1},
        {"device": "camera-9", "ts": 1_790_000_002_000, **place, "track": "x"},
    )
    assert sensor.hear_until("ok 4\n")[-1] == "ok 4\n"
    assert on_disk(agent.journal) == [("medic-1/battery", 1_790_000_001_000_000, 3.9)]
    found = places_on_disk(agent.journal)
    assert [(name, at // 1_000_000 - 1_790_000_000) for name, at, *_ in found] == [
        ("medic-1", 0),
        ("medic-1", 1),
        ("camera-9/17", 1),
        ("camera-9/x", 2),
    ]
    assert {row[2:4] for row in found} == {(120.613, 31.28)}
    assert [row[4] for row in found][:1] == [6.0]
    assert all(math.isnan(row[4]) for row in found[1:])
    assert driver.links()[0].stations == ("medic-1", "camera-9")
    assert driver.total.samples == 5


def test_while_the_disk_is_slow_nobody_is_told_ok(
    agent: Agent, sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on = threading.Event(), threading.Event()
    append = agent.journal.append

    def slow(body: bytes) -> Record:
        writing.set()
        assert go_on.wait(30)
        return append(body)

    monkeypatch.setattr(agent.journal, "append", slow)
    sensor.say(line(1))
    assert writing.wait(30)
    sensor.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        sensor.socket.recv(1)
    sensor.socket.settimeout(30)
    go_on.set()
    assert sensor.hear() == "ok 1\n"
    assert len(on_disk(agent.journal)) == 1


def test_a_line_without_a_time_gets_the_agents(agent: Agent, sensor: Sensor) -> None:
    before = now_us()
    sensor.say({"device": "river-1", "values": {"level": 1}})
    assert sensor.hear() == "ok 1\n"
    assert before <= on_disk(agent.journal)[0][1] <= now_us()


def test_a_malformed_line_is_refused_with_its_number_and_the_others_are_kept(
    agent: Agent, driver: JsonLines, sensor: Sensor
) -> None:
    sensor.say(line(1), b'{"device": "river-1"\n', line(3), b"\n", line(5))
    heard = sensor.hear_until("ok 5\n")
    assert [answer.split(" ", 2)[:2] for answer in heard if answer.startswith("error")] == [
        ["error", "2"],
        ["error", "4"],
    ]
    assert heard[-1] == "ok 5\n"
    assert driver.refused == 2
    assert [value for _, _, value in on_disk(agent.journal)] == [1, 3, 5]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"level=3", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"device":"a","values":{"level":NaN}}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "a line is one object"),
        (b'"river-1"', "a line is one object"),
        (b'{"values":{"level":1}}', "device must be lower-case letters, digits and hyphens, at most 64"),
        (b'{"device":"River","values":{"level":1}}', "device must be lower-case"),
        (b'{"device":"a/b","values":{"level":1}}', "device must be lower-case"),
        (b'{"device":"' + b"a" * 65 + b'","values":{"level":1}}', "device must be lower-case"),
        (b'{"device":"a"}', "values must be an object of 1 to 200 numbers"),
        (b'{"device":"a","values":{}}', "values must be an object of 1 to 200 numbers"),
        (b'{"device":"a","values":[1]}', "values must be an object of 1 to 200 numbers"),
        (
            orjson.dumps({"device": "a", "values": {f"m{n}": n for n in range(201)}}),
            "values must be an object of 1 to 200 numbers",
        ),
        (b'{"device":"a","ts":"now","values":{"level":1}}', "ts must be epoch milliseconds"),
        (b'{"device":"a","ts":-1,"values":{"level":1}}', "ts must be epoch milliseconds"),
        (b'{"device":"a","ts":1.5,"values":{"level":1}}', "ts must be epoch milliseconds"),
        (b'{"device":"a","ts":true,"values":{"level":1}}', "ts must be epoch milliseconds"),
        (b'{"device":"a","ts":9007199254740992,"values":{"level":1}}', "ts must be epoch milliseconds"),
        (b'{"device":"a","values":{"level":"3"}}', "level must be a number"),
        (b'{"device":"a","values":{"level":true}}', "level must be a number"),
        (b'{"device":"a","values":{"level":null}}', "level must be a number"),
        (b'{"device":"a","values":{"a b":1}}', "metric 'a b' is not a name"),
        (b'{"device":"a","values":{"a/b":1}}', "metric 'a/b' is not a name"),
        (b'{"device":"a","values":{"":1}}', "metric '' is not a name"),
        (b'{"device":"a","lon":120.6}', "lat must be a number"),
        (b'{"device":"a","lon":"120.6","lat":31}', "lon must be a number"),
        (b'{"device":"a","lon":31.3,"lat":120.6}', "lon 31.3, lat 120.6 is no place on earth"),
        (b'{"device":"a","lon":120.6,"lat":31.3,"accuracy":"good"}', "accuracy must be a number"),
        (b'{"device":"a","lon":120.6,"lat":31.3,"track":""}', "track must be a text of 1 to 120"),
        (b'{"device":"a","lon":120.6,"lat":31.3,"track":1.5}', "track must be a text of 1 to 120"),
        (b'{"device":"a","lon":120.6,"lat":31.3,"values":{}}', "values must be an object"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(said: bytes, reason: str) -> None:
    with pytest.raises(LineRefused) as refusal:
        read_line(said, 0)
    assert str(refusal.value).startswith(reason)
    assert "\n" not in str(refusal.value)  # it goes back as one line


@given(
    st.binary(max_size=80)
    | st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["device", "ts", "values", "lon", "lat", "track"]), inner)
        ),
    ).map(orjson.dumps)
)
@settings(deadline=None, max_examples=200)
def test_no_line_does_more_than_be_refused(said: bytes) -> None:
    with suppress(LineRefused):
        samples, fixes = read_line(said, 5)
        times = [sample[1] for sample in samples] + [fix[1] for fix in fixes]
        assert all(-(2**63) <= at < 2**63 for at in times)


def test_a_line_that_does_not_end_is_refused_and_its_sender_hung_up_on(agent: Agent, sensor: Sensor) -> None:
    sensor.say(line(1), b"x" * (2 * LINE_LIMIT))
    assert sensor.hear_until("ok 1\n") == ["error 2 line longer than 65536 bytes\n", "ok 1\n"]
    with pytest.raises((ConnectionResetError, EOFError)):  # noqa: PT012 -- the end of a stream is no exception
        if sensor.hear() == "":
            raise EOFError
    assert [value for _, _, value in on_disk(agent.journal)] == [1]


def test_two_callers_are_told_of_their_own_lines_only(
    agent: Agent, driver: JsonLines, sensor: Sensor
) -> None:
    other = Sensor(driver)
    sensor.say(line(1), line(2), line(3))
    other.say(b"nonsense\n", line(5))
    assert sensor.hear_until("ok 3\n")[-1] == "ok 3\n"
    heard = other.hear_until("ok 2\n")
    assert heard[0].startswith("error 1 not JSON")
    assert heard[-1] == "ok 2\n"
    other.close()
    assert sorted(value for _, _, value in on_disk(agent.journal)) == [1, 2, 3, 5]


def test_a_caller_gone_in_the_middle_of_a_line_leaves_its_whole_lines_and_disturbs_nobody(
    agent: Agent, driver: JsonLines, sensor: Sensor
) -> None:
    gone = Sensor(driver)
    gone.say(line(1))
    assert gone.hear() == "ok 1\n"
    gone.say(b'{"device": "river-1", "values": {"level": 2')
    gone.close()
    sensor.say(line(3))
    assert sensor.hear() == "ok 1\n"
    assert [value for _, _, value in on_disk(agent.journal)] == [1, 3]
    assert driver.fault is None


def test_a_line_in_pieces_is_one_line(agent: Agent, sensor: Sensor) -> None:
    for piece in orjson.dumps(line(7)) + b"\r\n":
        sensor.say(bytes([piece]))
    assert sensor.hear() == "ok 1\n"
    assert [value for _, _, value in on_disk(agent.journal)] == [7]


def test_a_caller_that_says_all_and_then_only_listens_is_answered(agent: Agent, sensor: Sensor) -> None:
    # As `nc -N` does: the lines, the end of the stream, then it waits for the answer.
    sensor.say(line(1), line(2))
    sensor.socket.shutdown(socket.SHUT_WR)
    assert sensor.hear_until("ok 2\n")[-1] == "ok 2\n"
    assert sensor.hear() == ""
    assert len(on_disk(agent.journal)) == 2


def test_with_a_full_journal_nobody_hears_ok_and_everybody_is_hung_up_on(
    agent: Agent, driver: JsonLines, sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: bytes) -> Record:
        raise JournalFull("no room")

    with monkeypatch.context() as patched:
        patched.setattr(agent.journal, "append", full)
        sensor.say(line(1))
        assert sensor.hear() == ""
    assert driver.fault is None
    later = Sensor(driver)
    later.say(line(2))
    assert later.hear() == "ok 1\n"
    later.close()


@pytest.mark.parametrize("error", [JournalBroken("fsync failed"), ZeroDivisionError("a bug")])
def test_a_broken_journal_or_a_bug_ends_the_driver_where_the_agent_sees_it(
    agent: Agent, driver: JsonLines, sensor: Sensor, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(_: bytes) -> Record:
        raise error

    monkeypatch.setattr(agent.journal, "append", fails)
    sensor.say(line(1))
    assert sensor.hear() == ""
    driver._thread.join(30)
    assert driver.fault is error


def test_no_descriptor_left_for_a_new_caller_does_not_end_the_driver(
    driver: JsonLines, sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor.say(line(1))
    assert sensor.hear() == "ok 1\n"
    tried = threading.Event()

    class Exhausted:
        """The listener of a process that has used up its descriptors."""

        def __init__(self, real: socket.socket) -> None:
            self._real = real

        def accept(self) -> tuple[socket.socket, Any]:
            """Fails the first time."""
            if not tried.is_set():
                tried.set()
                raise OSError(errno.EMFILE, "Too many open files")
            return self._real.accept()

    listener = driver._listener
    greet = driver._greet

    def exhausted() -> None:
        driver._listener = Exhausted(listener)  # type: ignore[assignment]
        try:
            greet()
        finally:
            driver._listener = listener

    monkeypatch.setattr(driver, "_greet", exhausted)
    late = Sensor(driver)
    late.say(line(2))
    assert late.hear() == "ok 1\n"
    assert tried.is_set()
    late.close()


def test_closing_takes_what_has_arrived_and_answers_it(agent: Agent, driver: JsonLines) -> None:
    caller = Sensor(driver)
    caller.say(line(1))
    assert caller.hear() == "ok 1\n"
    driver.close()
    assert caller.hear() == ""
    caller.close()
    assert len(on_disk(agent.journal)) == 1


def test_a_thousand_long_names_go_out_in_messages_that_a_broker_takes(agent: Agent) -> None:
    samples = [(f"{'d' * 64}/{number:064d}", number, 1.0) for number in range(2_000)]
    agent.accept(samples)
    sizes = [record.length for record in agent.journal.kept()]
    assert len(sizes) > 1
    assert max(sizes) + 1_000 < 256 << 10
    assert on_disk(agent.journal) == samples
    assert agent.accepted == 2_000


def test_many_samples_are_kept_in_their_order_over_several_records(agent: Agent) -> None:
    samples = [(f"river-1/m{number % 7}", number, float(number)) for number in range(4_500)]
    agent.accept(samples)
    assert len(agent.journal.kept()) == 3
    assert on_disk(agent.journal) == samples


def test_no_samples_are_no_record(agent: Agent) -> None:
    agent.accept([])
    assert agent.journal.kept() == []


def test_an_agent_whose_broker_is_away_can_be_closed(tmp_path: Path) -> None:
    agent = Agent(tmp_path / "other", NOBODY, "water", "gw-2")
    agent.start()
    agent.accept([("river-1/level", 1, 1.0)])
    agent.close()
    again = Journal(tmp_path / "other")
    assert len(again.kept()) == 1
    again.close()
