"""Thousands of links on one port: who is answered when, who is let go, and what is written down of it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest

from edge import capture
from edge.agent import Agent
from edge.drivers import strangers
from edge.drivers.conversation import Watch
from edge.drivers.dialogue import Heard, Note
from edge.drivers.line import Bridge, Line, SerialPort
from edge.drivers.listener import Listener
from edge.journal import JournalFull, Record
from edge.notes import Notes

NOBODY = "mqtt://field:secret@127.0.0.1:1"


class Echo:
    """A protocol for tests: `N` is a reading and answered `N`; other letters do what they say."""

    def __init__(self) -> None:
        self._heard = 0

    def hear(self, data: bytes, arrived_us: int) -> Heard:
        """One byte is one word."""
        heard = Heard()
        for byte in data.decode():
            if byte.isdigit():
                self._heard += 1
                heard.samples.append((f"echo-1/{'level'}", arrived_us, float(byte)))
                heard.frames += 1
                heard.reply += byte.encode()
            elif byte == "x":
                heard.hang_up = True
            elif byte == "n":
                heard.notes.append(Note("echo-1", "odd", "an n was said"))
            elif byte == "h":
                heard.reply += b"H"
            elif byte == "b":
                raise ZeroDivisionError("a bug")
            elif byte == "w":
                heard.reply += b"W" * 50_000_000
            else:
                heard.refused += 1
        return heard

    def tick(self, now_us: int) -> Heard:
        """Says nothing."""
        assert now_us > 0
        return Heard()

    def stations(self) -> list[str]:
        """One, once it was heard."""
        return ["echo"] if self._heard else []


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    opened = Agent(tmp_path / "journal", NOBODY, "water", "gw-1")
    yield opened
    opened.close()


@pytest.fixture
def listener(agent: Agent) -> Iterator[Listener]:
    started = Listener("echo", agent.accept, Echo)
    started.start()
    yield started
    started.close()
    assert started.fault is None


def dialled(listener: Listener) -> socket.socket:
    return socket.create_connection(("127.0.0.1", listener.port), timeout=30)


def until(true: Callable[[], bool]) -> None:
    """Wait, for as long as a busy machine may take."""
    ends = time.monotonic() + 30
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def all_of(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size and (data := connection.recv(size - len(got))):
        got += data
    return got


def test_what_many_links_say_at_once_is_one_record_and_each_is_answered(
    agent: Agent, listener: Listener
) -> None:
    callers = [dialled(listener) for _ in range(500)]
    for caller in callers:
        caller.sendall(b"7")
    assert {caller.recv(1) for caller in callers} == {b"7"}
    assert agent.accepted == 500
    assert len(agent.journal.kept()) < 100
    assert listener.total.frames == 500
    for caller in callers:
        caller.close()
    until(lambda: not listener.links())


def test_a_reading_is_answered_after_it_is_in_the_journal(
    agent: Agent, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    append = agent.journal.append

    def slowly(body: bytes) -> Record:
        time.sleep(0.3)
        record = append(body)
        kept.append(record.seq)
        return record

    monkeypatch.setattr(agent.journal, "append", slowly)
    with dialled(listener) as caller:
        caller.sendall(b"1")
        assert caller.recv(1) == b"1"
        assert kept == [1]


def test_with_a_full_journal_those_with_readings_are_hung_up_on_and_the_others_are_answered(
    agent: Agent, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: bytes) -> Record:
        raise JournalFull("no room")

    monkeypatch.setattr(agent.journal, "append", full)
    with dialled(listener) as reporting, dialled(listener) as greeting:
        reporting.sendall(b"1")
        greeting.sendall(b"h")
        assert reporting.recv(1) == b""
        assert greeting.recv(1) == b"H"
    assert listener.total.notes == {"journal-full": 1}
    assert listener.total.samples == 0


def test_a_dialogue_that_raises_ends_its_own_link_and_is_told_of(agent: Agent) -> None:
    told: list[tuple[str, Note]] = []
    listener = Listener(
        "echo", agent.accept, Echo, watch=Watch(note=lambda link, note: told.append((link, note)))
    )
    listener.start()
    with dialled(listener) as bad, dialled(listener) as good:
        bad.sendall(b"b")
        assert bad.recv(1) == b""
        good.sendall(b"3n")
        assert good.recv(1) == b"3"
    listener.close()
    assert listener.fault is None
    assert [note.code for _, note in told] == ["driver-fault", "odd"]
    assert listener.total.notes == {"driver-fault": 1, "odd": 1}


def test_a_link_that_the_dialogue_ends_gets_its_answer_first(listener: Listener) -> None:
    with dialled(listener) as caller:
        caller.sendall(b"5x")
        assert all_of(caller, 10) == b"5"


def test_a_link_that_is_silent_too_long_is_closed_and_one_that_speaks_is_not(agent: Agent) -> None:
    listener = Listener("echo", agent.accept, Echo, idle_s=1.5)
    listener.start()
    with dialled(listener) as silent, dialled(listener) as speaking:
        silent.settimeout(0.2)
        ends = time.monotonic() + 30
        gone = False
        while not gone:
            assert time.monotonic() < ends
            speaking.sendall(b"h")
            assert speaking.recv(1) == b"H"
            try:
                gone = silent.recv(1) == b""
            except TimeoutError:
                continue
    listener.close()


def test_a_link_that_never_takes_its_answers_is_dropped(listener: Listener) -> None:
    with dialled(listener) as caller:
        caller.sendall(b"w")
        until(lambda: listener.total.bytes_out > 0 and not listener.links())


def test_more_links_than_allowed_are_turned_away_and_counted(agent: Agent) -> None:
    listener = Listener("echo", agent.accept, Echo, links=2)
    listener.start()
    with dialled(listener) as one, dialled(listener) as two:
        for _ in "12":
            for caller in (one, two):
                caller.sendall(b"1")
                assert caller.recv(1) == b"1"
            with dialled(listener) as three:
                assert three.recv(1) == b""
    listener.close()
    assert (listener.turned_away, listener.let_go) == (2, 0)


def hung_up_on(caller: socket.socket) -> bool:
    """Whether the other end has closed it."""
    caller.setblocking(False)
    try:
        return caller.recv(1) == b""
    except BlockingIOError:
        return False


def spoken(caller: socket.socket) -> socket.socket:
    caller.settimeout(30)
    caller.sendall(b"1")
    assert caller.recv(1) == b"1"
    return caller


def test_whoever_says_no_frame_is_let_go_early_and_a_station_that_has_spoken_stays(agent: Agent) -> None:
    notes = Notes()
    listener = Listener("echo", agent.accept, Echo, greeting_s=1.0, watch=Watch(note=notes.take))
    listener.start()
    with dialled(listener) as station, dialled(listener) as silent, dialled(listener) as noise:
        spoken(station)

        def both_gone() -> bool:
            if not hung_up_on(noise):
                noise.send(b"?")  # not silent, and no station all the same
            return hung_up_on(silent) and len(listener.links()) == 1

        until(both_gone)
        time.sleep(1.5)
        spoken(station)
    listener.close()
    assert (listener.let_go, notes._found["no-greeting"]["count"]) == (2, 2)


def test_silent_links_make_room_the_oldest_first_and_stations_keep_their_place(agent: Agent) -> None:
    """All from one address: whoever can take every link must not shut out a station."""
    listener = Listener("echo", agent.accept, Echo, links=60)
    listener.start()
    with ExitStack() as stack:
        stations = [spoken(stack.enter_context(dialled(listener))) for _ in range(4)]
        silent = [stack.enter_context(dialled(listener)) for _ in range(200)]
        until(lambda: listener.let_go == 144)
        late = [spoken(stack.enter_context(dialled(listener))) for _ in range(4)]
        assert [hung_up_on(each) for each in silent] == [True] * 148 + [False] * 52
        for station in stations + late:
            spoken(station)
        assert len(listener.links()) == 60
    listener.close()
    assert (listener.turned_away, listener.let_go) == (0, 148)


def test_one_address_has_no_more_than_its_share_of_silent_links(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener("echo", agent.accept, Echo, links=20, silent_each=4)
    listener.start()
    at = ("127.0.0.1", listener.port)
    with ExitStack() as stack:

        def come(host: str) -> socket.socket:
            return stack.enter_context(socket.create_connection(at, 30, (host, 0)))

        quiet = [come("127.0.0.2") for _ in range(3)]
        crowd = [come("127.0.0.3") for _ in range(10)]  # at once: they may be stations that all come back
        until(lambda: len(listener.links()) == 13)
        monkeypatch.setattr(strangers, "GRACE_S", 0.0)
        crowd += [come("127.0.0.3") for _ in range(3)]
        until(lambda: listener.let_go == 3)
        assert [hung_up_on(each) for each in crowd] == [True] * 3 + [False] * 10
        crowd += [come("127.0.0.3") for _ in range(40)]  # its own go, not the older ones of another
        until(lambda: listener.let_go == 43)
        assert not any(hung_up_on(each) for each in quiet)
    listener.close()


def test_a_link_that_says_more_than_it_may_at_once_is_heard_to_its_end(listener: Listener) -> None:
    with dialled(listener) as caller:
        caller.sendall(b"?" * 1_000_000 + b"1")
        assert caller.recv(1) == b"1"
    assert listener.total.refused == 1_000_000
    assert listener.total.bytes_in == 1_000_001


def test_the_status_says_what_came_over_each_link(listener: Listener) -> None:
    with dialled(listener) as caller:
        caller.sendall(b"12?n")
        assert all_of(caller, 2) == b"12"
        found = listener.as_status()
        (link,) = found.pop("links")
        assert found == {
            "kind": "echo", "port": listener.port, "turned_away": 0, "let_go": 0, "bytes_in": 4, "bytes_out": 2, "frames": 2,
            "refused": 1, "readings": 2, "notes": {"odd": 1},
        }  # fmt: skip
        assert link["link"] == f"echo/127.0.0.1:{caller.getsockname()[1]}"
        assert link["last_heard_us"] >= link["since_us"] > 0


def test_a_capture_holds_both_ways_and_is_read_back(agent: Agent, tmp_path: Path) -> None:
    taken = capture.Capture(tmp_path / "wire.cap")
    listener = Listener("echo", agent.accept, Echo, watch=Watch(capture=taken))
    listener.start()
    with dialled(listener) as caller:
        for word in (b"1", b"2"):
            caller.sendall(word)
            assert caller.recv(1) == word
        name = f"echo/127.0.0.1:{caller.getsockname()[1]}"
    listener.close()
    taken.close()
    data = (tmp_path / "wire.cap").read_bytes()
    assert capture.is_capture(data)
    assert capture.conversations(data) == {(name, "<"): b"12", (name, ">"): b"12"}
    assert oct((tmp_path / "wire.cap").stat().st_mode & 0o777) == "0o600"


def test_a_capture_stays_within_its_bounds_and_keeps_what_is_newest(tmp_path: Path) -> None:
    taken = capture.Capture(tmp_path / "wire.cap", limit_bytes=20_000)
    for number in range(1_000):
        taken.write(number, "a/b", "<", number.to_bytes(100, "big"))
    taken.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 20_000
    newest = list(capture.read((tmp_path / "wire.cap").read_bytes()))
    assert newest[-1].data == (999).to_bytes(100, "big")


def test_a_bridge_that_hangs_up_is_dialled_again(agent: Agent) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bridge:
        port = bridge.getsockname()[1]
        line = Line("echo", agent.accept, Echo, f"127.0.0.1:{port}", lambda: Bridge("127.0.0.1", port))
        line.start()
        bridge.settimeout(30)
        for word in (b"1", b"2"):
            connection, _ = bridge.accept()
            connection.settimeout(30)
            connection.sendall(word)
            assert connection.recv(1) == word
            connection.close()
        line.close()
    assert line.fault is None
    assert agent.accepted == 2
    assert line.total.bytes_in == 2


def test_a_bridge_that_is_not_there_is_waited_for(agent: Agent) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    line = Line("echo", agent.accept, Echo, "nobody", lambda: Bridge("127.0.0.1", port))
    line.start()
    time.sleep(0.2)
    assert not line.links()
    line.close()
    assert line.fault is None


def test_a_serial_port_carries_the_same_dialogue(agent: Agent) -> None:
    pytest.importorskip("serial")
    ours, theirs = os.openpty()
    device = os.ttyname(theirs)
    line = Line("echo", agent.accept, Echo, device, lambda: SerialPort(device, 9_600, "8N1"))
    line.start()
    until(lambda: line.connected)
    os.write(ours, b"4")
    assert os.read(ours, 1) == b"4"
    until(lambda: line.links()[0].stations == ("echo",))
    line.close()
    os.close(ours)
    os.close(theirs)
    assert agent.accepted == 1
    assert line.fault is None


def test_with_a_full_journal_a_line_is_not_answered_and_begins_anew(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: bytes) -> Record:
        raise JournalFull("no room")

    with socket.create_server(("127.0.0.1", 0)) as bridge:
        port = bridge.getsockname()[1]
        line = Line("echo", agent.accept, Echo, "bridge", lambda: Bridge("127.0.0.1", port))
        line.start()
        bridge.settimeout(30)
        with monkeypatch.context() as patched:
            patched.setattr(agent.journal, "append", full)
            first, _ = bridge.accept()
            first.sendall(b"1")
            assert first.recv(1) == b""
        assert line.total.notes == {"journal-full": 1}
        second, _ = bridge.accept()
        second.sendall(b"2")
        assert second.recv(1) == b"2"
        first.close()
        second.close()
        line.close()
    assert agent.accepted == 1


def test_what_a_stranger_calls_itself_can_always_be_written_down(agent: Agent) -> None:
    class Odd(Echo):
        def stations(self) -> list[str]:
            return ["\udcff", "x" * 500]

    notes = Notes()
    listener = Listener("odd", agent.accept, Odd, watch=Watch(note=notes.take))
    listener.start()
    with dialled(listener) as caller:
        caller.sendall(b"1")
        assert caller.recv(1) == b"1"
        (link,) = orjson.loads(orjson.dumps(listener.as_status()))["links"]
        assert link["stations"] == ["?", "x" * 64]
    listener.close()
    notes.take("odd", Note("\udcff", "odd", "\udc80" * 500))
    told: list[bytes] = []
    assert notes.tell(lambda _, payload: not told.append(payload))  # type: ignore[func-returns-value]
    (found,) = orjson.loads(told[0])["data"]["notes"]
    assert (found["station"], found["count"]) == ("?", 1)


def test_notes_that_nobody_hears_are_counted_on_until_somebody_does() -> None:
    notes = Notes()
    for _ in range(3):
        notes.take("l", Note("s", "odd", "first"))
    assert not notes.tell(lambda _, __: False)
    notes.take("l", Note("s", "odd", "later"))
    told: list[bytes] = []
    assert notes.tell(lambda _, payload: not told.append(payload))  # type: ignore[func-returns-value]
    (found,) = orjson.loads(told[0])["data"]["notes"]
    assert (found["count"], found["text"]) == (4, "first")
    assert not notes.tell(lambda _, __: True)


def test_a_station_is_asked_on_the_link_where_it_was_heard_and_on_no_other(agent: Agent) -> None:
    asked: list[str] = []
    listener = Listener("echo", agent.accept, Echo)
    listener.start()
    with dialled(listener) as one, dialled(listener) as two:
        one.sendall(b"1")
        assert one.recv(1) == b"1"
        two.sendall(b"h")
        assert two.recv(1) == b"H"
        assert listener.order("echo", lambda dialogue: asked.append(dialogue.stations()[0]))
        assert not listener.order("nobody", asked.append)
        until(lambda: asked == ["echo"])
    listener.close()
    assert asked == ["echo"]
