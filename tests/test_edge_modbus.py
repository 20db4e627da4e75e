"""Modbus: maps are read and checked, slaves of a real server are asked, and frames are taken apart."""

from __future__ import annotations

import math
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pymodbus", reason="pymodbus is not installed: it comes with the extra edge")

from pymodbus.server import ServerStop, StartTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge.drivers.conversation import Watch
from edge.drivers.dialogue import Note, Sample
from edge.drivers.modbus import Modbus, Place
from edge.journal import JournalFull
from edge.protocols.modbus.explain import explain
from edge.protocols.modbus.frame import crc16, frames
from edge.protocols.modbus.registers import SHIPPED, MapError, Register, RegisterMap, load, parse


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """Two slaves: unit 1 has holding registers 0..9, unit 2 only 0..1."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    level = struct.unpack(">HH", struct.pack(">i", -1_250))
    devices = [
        SimDevice(
            1, simdata=[SimData(0, values=[123, 0, *level, 7, 8, 9, 10, 11, 12], datatype=DataType.REGISTERS)]
        ),
        SimDevice(2, simdata=[SimData(0, values=[40, 41], datatype=DataType.REGISTERS)]),
    ]
    thread = threading.Thread(
        target=StartTcpServer, args=(devices,), kwargs={"address": ("127.0.0.1", port)}, daemon=True
    )
    thread.start()

    def answers() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    until(answers)
    yield port
    ServerStop()
    thread.join(10)


def place(port: int) -> Place:
    return Place("127.0.0.1", port, "", 9_600, "8N1")


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_slaves_are_asked_and_their_registers_become_readings(server: int) -> None:
    kept: list[Sample] = []
    driver = Modbus(
        "modbus",
        kept.extend,
        place(server),
        {"1": "river-1"},
        {"1": "sl651-sensors"},
        every_s=0.1,
    )
    driver.start()
    until(lambda: len(kept) >= 4)
    driver.close()
    assert driver.fault is None
    assert {name: value for name, _, value in kept} == {
        "river-1/rain-total": pytest.approx(12.3),
        "river-1/level": pytest.approx(-1.25),
    }
    assert driver.total.frames >= 4
    assert driver.total.bytes_in > 0
    assert len(driver.links()) == 1


def test_a_slave_that_is_broken_or_absent_does_not_stop_the_others(server: int, tmp_path: Path) -> None:
    missing = write(tmp_path, "m.yaml", "registers: {level: {address: 400}}")
    own = write(tmp_path, "o.yaml", "registers: {level: {address: 0}}")
    kept: list[Sample] = []
    notes: list[Note] = []
    driver = Modbus(
        "modbus",
        kept.extend,
        place(server),
        {"2": "broken", "9": "absent", "1": "sound"},
        {"2": missing, "9": own, "1": own},
        every_s=0.1,
        timeout_s=0.3,
        watch=Watch(note=lambda _, note: notes.append(note)),
    )
    driver.start()
    until(lambda: len(kept) >= 3)
    driver.close()
    assert {name for name, _, _ in kept} == {"sound/level"}
    codes = {(note.station, note.code) for note in notes}
    assert ("broken", "modbus-exception-2") in codes
    assert any(station == "absent" for station, _ in codes)
    assert driver.refused == len(notes)


def test_a_line_that_is_away_is_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = write(tmp_path, "o.yaml", "registers: {level: {address: 0}}")
    driver = Modbus("modbus", lambda _: None, place(port), {"1": "a"}, {"1": own})
    driver.start()
    time.sleep(0.3)
    assert driver.as_status()["connected"] is False
    driver.close()
    assert driver.fault is None


def test_readings_that_the_journal_does_not_take_are_counted_as_lost(server: int) -> None:
    def full(_: object) -> None:
        raise JournalFull("no room")

    notes: list[Note] = []
    driver = Modbus(
        "modbus", full, place(server), {"1": "a"}, {"1": "sl651-sensors"}, every_s=0.1,
        watch=Watch(note=lambda _, note: notes.append(note)),
    )  # fmt: skip
    driver.start()
    until(lambda: bool(notes))
    driver.close()
    assert notes[0] == Note("a", "journal-full", "2 readings lost: no room")
    assert driver.total.samples == 0


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_map_can_be_asked_for(path: Path) -> None:
    found = load(path.stem)
    assert found.name == path.stem
    assert sum(len(request.registers) for request in found.requests()) == len(found.registers)


@pytest.mark.parametrize(
    ("register", "words", "value"),
    [
        (Register("m", 3, 0, "u16", gain=0.1), [0xFFFF], 6553.5),
        (Register("m", 3, 0, "s16", gain=0.1, offset=5), [0xFFFF], 4.9),
        (Register("m", 3, 0, "u32"), [1, 2], 65_538),
        (Register("m", 3, 0, "u32", low_word_first=True), [1, 2], 131_073),
        (Register("m", 3, 0, "s32"), [0xFFFF, 0xFFFE], -2),
        (Register("m", 3, 0, "f32"), [0x4048, 0xF5C3], 3.140000104904175),
        (Register("m", 3, 0, "f32", low_word_first=True), [0xF5C3, 0x4048], 3.140000104904175),
        (Register("m", 3, 0, "f64"), [0x4009, 0x1EB8, 0x51EB, 0x851F], 3.14),
        (Register("m", 3, 0, "u16", bits=(4, 4)), [0b10000], 1),
        (Register("m", 3, 0, "u16", bits=(4, 6)), [0b1010000], 5),
        (Register("m", 1, 0, "bit"), [1], 1),
    ],
)
def test_registers_become_numbers(register: Register, words: list[int], value: float) -> None:
    assert register.value(words) == pytest.approx(value)


def test_what_the_device_calls_missing_and_what_is_no_number_is_a_missing_value() -> None:
    assert math.isnan(Register("m", 3, 0, "u16", missing=0xFFFF).value([0xFFFF]))
    assert math.isnan(Register("m", 3, 0, "f32").value([0x7FC0, 0]))
    assert math.isnan(Register("m", 3, 0, "f32").value([0x7F80, 0]))


def test_neighbours_are_asked_for_together_and_strangers_are_not() -> None:
    found = RegisterMap(
        "m",
        (
            Register("a", 3, 0, "u16"),
            Register("b", 3, 1, "u32"),
            Register("bit", 3, 0, "u16", bits=(0, 0)),
            Register("far", 3, 5, "u16"),
            Register("other", 4, 3, "u16"),
        ),
    ).requests()
    assert [(each.function, each.address, each.count) for each in found] == [(3, 0, 3), (3, 5, 1), (4, 3, 1)]
    assert found[0].values([7, 0, 1]) == [("a", 7), ("bit", 1), ("b", 1)]


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 3, 4]), st.integers(0, 4_000), st.sampled_from(["u16", "f32", "f64"])),
        min_size=1, max_size=80,
    ),
    st.integers(0, 20),
)  # fmt: skip
def test_no_request_is_longer_than_the_standard_allows_and_none_is_forgotten(
    places: list[tuple[int, int, str]], gap: int
) -> None:
    registers = tuple(
        Register(f"m{number}", function, address, "bit" if function == 1 else kind)
        for number, (function, address, kind) in enumerate(places)
    )
    found = RegisterMap("m", registers, gap).requests()
    assert sorted(each.metric for request in found for each in request.registers) == sorted(
        each.metric for each in registers
    )
    for request in found:
        assert 1 <= request.count <= (2_000 if request.function == 1 else 125)
        assert len(request.values([0] * request.count)) == len(request.registers)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "there are no registers"),
        ({"registers": {"level": {"address": -1}}}, "registers.level.address is -1"),
        ({"registers": {"level": {"address": 65_535, "type": "f32"}}}, "registers.level.address is 65535"),
        ({"registers": {"level": {"adress": 1}}}, "registers.level.adress is not known"),
        ({"registers": {"level": {"address": 1, "type": "u8"}}}, "registers.level.type is 'u8'"),
        ({"registers": {"level": {"address": 1, "function": 1, "type": "u16"}}}, "registers.level.type is 'u16'"),
        ({"registers": {"level": {"address": 1, "gain": "0.1"}}}, "registers.level.gain is '0.1'"),
        ({"registers": {"level": {"address": 1, "bits": [3, 16]}}}, "registers.level.bits is [3, 16]"),
        ({"registers": {"level": {"address": 1, "type": "s16", "bits": 3}}}, "registers.level.bits is 3"),
        ({"registers": {"level": {"address": 1, "word-order": "middle"}}}, "word-order is 'middle'"),
        ({"registers": {"level": 3}}, "registers.level is 3"),
        ({"registers": {"level": {"address": 1}}, "interval": 3}, "interval is not known"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_map_names_the_key_and_what_was_wanted(body: object, said: str) -> None:
    with pytest.raises(MapError) as mistake:
        parse(body, "m.yaml")
    assert str(mistake.value).startswith("m.yaml: ")
    assert said in str(mistake.value)
    assert mistake.value.hint


def test_a_serial_question_and_its_answer_are_taken_apart() -> None:
    # The example of MODBUS over serial line: unit 17 is asked for holding registers 107 to 109.
    question = bytes.fromhex("1103006b0003")
    answer = bytes.fromhex("110306ae4156524340")
    data = b"".join(each + crc16(each).to_bytes(2, "little") for each in (question, answer))
    first, second = explain(data)
    assert {each["name"]: each["value"] for each in first["understood"]} == {
        "unit": 17, "function": 3, "address": 107, "count": 3, "crc": "8776",
    }  # fmt: skip
    assert [each["value"] for each in second["understood"] if each["name"].startswith("register")] == [
        0xAE41, 0x5652, 0x4340,
    ]  # fmt: skip


def test_the_crc_is_that_of_the_standards_check_value() -> None:
    assert crc16(b"123456789") == 0x4B37


def test_tcp_frames_one_after_the_other_with_noise_between_are_all_found() -> None:
    question = bytes.fromhex("000100000006010300000002")
    refusal = bytes.fromhex("000100000003018302")
    found = list(explain(question + b"\x01\xff\x13" + refusal))
    assert [each.get("form") for each in found] == ["tcp", None, "tcp"]
    assert (found[1]["understood"], found[1]["raw"]) == ([], "01FF13")
    (damaged,) = explain(bytes.fromhex("01030400060005DA30"))
    assert damaged["not_understood"][0].endswith("DA30 was sent, DA31 is right")
    assert found[2]["understood"][-1]["meaning"] == "illegal data address"


@given(st.binary(max_size=80))
def test_every_byte_is_in_exactly_one_frame_or_stretch_of_noise(data: bytes) -> None:
    assert b"".join(frame.data for frame in frames(data)) == data
    for each in explain(data):
        assert each["understood"] or each["not_understood"]


def test_a_question_on_a_serial_line_is_not_taken_for_the_header_of_a_tcp_frame() -> None:
    (found,) = explain(bytes.fromhex("010300000002C40B"))
    assert (found["form"], found["understood"][0]["value"], found["understood"][3]["value"]) == ("rtu", 1, 2)
