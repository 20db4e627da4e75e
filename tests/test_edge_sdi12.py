"""SDI-12: answers and their check, transcripts explained, and a line of sensors that is asked in turn."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.drivers.dialogue import Heard
from edge.drivers.sdi12 import ANSWER_US, TRIES, Sdi12
from edge.protocols.sdi12.answers import (
    LINE_LIMIT,
    BadAnswer,
    crc,
    identity,
    printed,
    promise,
    values,
    without_check,
)
from edge.protocols.sdi12.explain import explain

HERE = Path(__file__).parent
OURS = json.loads((HERE / "vectors" / "sdi12.json").read_text())
SHARED = HERE.parents[1] / "shared" / "vectors" / "sdi12_modbus_crc.json"
NOW = 1_792_022_400_000_000
SECOND = 1_000_000

LEVEL = {"0": {"parameters": ["level", "water-temperature"]}}
CHECKED = {"0": {"parameters": ["level"], "command": "MC"}}
TILT = {
    "1": {
        "parameters": [{"metric": "tilt", "gain": 0.1, "offset": -5}],
        "command": "C",
        "interval_s": 600,
    }
}
DEVICES = {"0": "river", "1": "slope"}


def line(*sensors: dict[str, Any]) -> Sdi12:
    """A line with these sensors, asked in their order."""
    known = {address: table for each in sensors for address, table in each.items()}
    return Sdi12({address: DEVICES[address] for address in known}, known)


def plain_printed(text: str) -> str:
    register = 0
    for byte in text.encode():
        register ^= byte
        for _ in range(8):
            out = register & 1
            register >>= 1
            register ^= 0xA001 if out else 0
    return "".join(chr(0x40 | (register >> shift) & 0x3F) for shift in (12, 6, 0))


def asked(heard: Heard) -> str:
    return heard.reply.decode()


def said(dialogue: Sdi12, text: str, now: int = NOW) -> Heard:
    return dialogue.hear(text.encode() + b"\r\n", now)


def test_the_check_is_that_of_the_standard() -> None:
    assert crc(b"123456789") == 0xBB3D
    assert printed(b"0+3.14") == "OqZ"
    if not SHARED.exists():
        pytest.skip("../shared/vectors is not there: the checks of others are not tried")
    for vector in json.loads(SHARED.read_text()):
        if "crc_ascii" in vector["expected"]:
            assert printed(vector["input"].encode()) == vector["expected"]["crc_ascii"]


@given(st.text("+-.0123456789abZ", min_size=1, max_size=75))
def test_a_check_holds_for_its_answer_and_for_no_other(text: str) -> None:
    assert printed(text.encode()) == plain_printed(text)
    assert without_check(text + plain_printed(text)) == text
    with pytest.raises(BadAnswer, match="wrong check"):
        without_check("x" + text + plain_printed(text))


@pytest.mark.parametrize("vector", OURS["values"], ids=lambda vector: str(vector["answer"]))
def test_values_are_read_with_their_signs(vector: dict[str, Any]) -> None:
    if "refused" in vector:
        with pytest.raises(BadAnswer, match=vector["refused"]):
            values(vector["answer"])
    else:
        assert values(vector["answer"]) == vector["values"]


@pytest.mark.parametrize(
    "vector", OURS["promises"], ids=lambda vector: f"{vector['command']} {vector['answer']}"
)
def test_the_answer_to_a_start_says_how_many_values_and_when(vector: dict[str, Any]) -> None:
    if "refused" in vector:
        with pytest.raises(BadAnswer, match=vector["refused"]):
            promise(vector["command"], vector["answer"])
    else:
        assert promise(vector["command"], vector["answer"]) == (vector["seconds"], vector["values"])


def test_a_sensor_says_who_it_is() -> None:
    assert identity("014CITYHUB RAIN10100A7") == ("1.4", "CITYHUB", "RAIN10", "100", "A7")
    with pytest.raises(BadAnswer):
        identity("014CITYHUB")


def test_a_measurement_is_fetched_when_the_sensor_says_that_it_is_ready() -> None:
    dialogue = line(LEVEL)
    assert asked(dialogue.tick(NOW)) == "0M!"
    assert asked(said(dialogue, "00052")) == ""
    assert asked(dialogue.tick(NOW + SECOND)) == ""
    assert asked(said(dialogue, "0", NOW + 2 * SECOND)) == "0D0!"
    heard = said(dialogue, "0+3.14-0.5", NOW + 2 * SECOND)
    assert heard.samples == [("river/level", NOW, 3.14), ("river/water-temperature", NOW, -0.5)]
    assert heard.notes == []
    assert dialogue.stations() == ["0"]
    assert asked(dialogue.tick(NOW + 299 * SECOND)) == ""
    assert asked(dialogue.tick(NOW + 300 * SECOND)) == "0M!"


def test_a_measurement_is_fetched_when_its_seconds_have_passed_without_a_word() -> None:
    dialogue = line(LEVEL)
    dialogue.tick(NOW)
    said(dialogue, "00052")
    assert asked(dialogue.tick(NOW + 4 * SECOND)) == ""
    assert asked(dialogue.tick(NOW + 5 * SECOND)) == "0D0!"


def test_values_are_asked_for_page_by_page_until_all_have_come() -> None:
    dialogue = line(LEVEL)
    dialogue.tick(NOW)
    assert asked(said(dialogue, "00002")) == "0D0!"  # at once: no seconds
    assert asked(said(dialogue, "0+3.14")) == "0D1!"
    assert said(dialogue, "0+20").samples[1] == ("river/water-temperature", NOW, 20)


def test_sensors_that_measure_beside_others_leave_the_line_free() -> None:
    dialogue = line(TILT, LEVEL)
    assert asked(dialogue.tick(NOW)) == "1C!"
    assert asked(said(dialogue, "103001")) == "0M!"
    assert asked(said(dialogue, "00002")) == "0D0!"
    assert len(said(dialogue, "0+1+2").samples) == 2
    assert asked(dialogue.tick(NOW + 29 * SECOND)) == ""
    assert asked(dialogue.tick(NOW + 30 * SECOND)) == "1D0!"
    ((name, at, value),) = said(dialogue, "1+100", NOW + 30 * SECOND).samples
    assert (name, at) == ("slope/tilt", NOW)
    assert math.isclose(value, 5)  # 100 * 0.1 - 5


def test_values_with_a_check_are_taken_only_if_it_is_right() -> None:
    dialogue = line(CHECKED)
    assert asked(dialogue.tick(NOW)) == "0MC!"
    assert asked(said(dialogue, "00001")) == "0D0!"
    again = said(dialogue, "0+3.15OqZ")
    assert (asked(again), again.refused, again.samples) == ("0D0!", 1, [])
    assert said(dialogue, "0+3.14OqZ").samples == [("river/level", NOW, 3.14)]


def test_a_check_that_stays_wrong_ends_in_a_missing_value() -> None:
    dialogue = line(CHECKED)
    dialogue.tick(NOW)
    said(dialogue, "00001")
    heards = [said(dialogue, "0+3.15OqZ") for _ in range(TRIES)]
    assert [asked(heard) for heard in heards] == ["0D0!", "0D0!", ""]
    assert math.isnan(heards[-1].samples[0][2])
    assert heards[-1].notes[-1].code == "wrong-check"


def test_continuous_values_are_asked_for_directly() -> None:
    dialogue = line({"0": {"parameters": ["level"], "command": "R0", "interval_s": 60}})
    assert asked(dialogue.tick(NOW)) == "0R0!"
    assert said(dialogue, "0+3.14").samples == [("river/level", NOW, 3.14)]


def test_a_sensor_that_does_not_answer_is_asked_thrice_and_the_next_has_its_turn() -> None:
    dialogue = line(LEVEL, TILT)
    told = [dialogue.tick(NOW + place * ANSWER_US) for place in range(TRIES + 1)]
    assert [asked(heard) for heard in told] == ["0M!", "0M!", "0M!", "1C!"]
    assert [math.isnan(value) for _, _, value in told[-1].samples] == [True, True]
    assert told[-1].notes[0].code == "no-answer"
    assert dialogue.stations() == []


@pytest.mark.parametrize(
    ("answers", "code", "missing"),
    [
        (["00000"], "no-values", 2),
        (["00002", "0"], "given-up", 2),
        (["00003", "0+1", "0+2", "0+3"], "value-count", 0),
        (["00001", "0+1"], "value-count", 1),
        (["00009", *["0+1", "0"]], "given-up", 1),
    ],
)
def test_a_measurement_that_ends_otherwise_is_told_of(answers: list[str], code: str, missing: int) -> None:
    dialogue = line(LEVEL)
    dialogue.tick(NOW)
    heard = [said(dialogue, answer) for answer in answers][-1]
    assert [note.code for note in heard.notes] == [code]
    assert sum(math.isnan(value) for _, _, value in heard.samples) == missing
    assert len(heard.samples) == 2


def test_a_sensor_that_promises_more_than_ten_pages_hold_is_ended() -> None:
    dialogue = line({"0": {"parameters": ["level"], "command": "C"}})
    dialogue.tick(NOW)
    assert asked(said(dialogue, "000020")) == "0D0!"
    heards = [said(dialogue, "0+1") for _ in range(10)]
    assert [note.code for note in heards[-1].notes] == ["few-values"]


def test_our_own_words_and_parity_bits_and_breaks_are_no_answers() -> None:
    dialogue = line(LEVEL)
    dialogue.tick(NOW)
    assert asked(dialogue.hear(b"\0\x000M!00002\r\n", NOW)) == "0D0!"
    even = bytes(byte | (0x80 if byte.bit_count() % 2 else 0) for byte in b"0D0!0+3.14+20\r\n")
    assert [value for _, _, value in dialogue.hear(even, NOW).samples] == [3.14, 20]


def test_a_stranger_on_the_line_is_refused_and_ours_is_heard() -> None:
    dialogue = line(LEVEL)
    dialogue.tick(NOW)
    heard = said(dialogue, "70002")
    assert (heard.refused, [note.code for note in heard.notes]) == (1, ["unexpected"])
    assert asked(said(dialogue, "00002")) == "0D0!"


def test_a_clock_that_is_set_back_keeps_nobody_waiting() -> None:
    dialogue = line(LEVEL)
    dialogue.tick(NOW)
    hour = 3600 * SECOND
    assert asked(dialogue.tick(NOW - hour)) == ""
    assert asked(dialogue.tick(NOW - hour + ANSWER_US)) == "0M!"


@given(st.lists(st.binary(max_size=60), max_size=40), st.lists(st.integers(0, 5), max_size=40))
@settings(max_examples=80, deadline=None)
def test_whatever_the_line_says_nothing_is_raised_and_nothing_grows(
    noise: list[bytes], steps: list[int]
) -> None:
    dialogue, now = line(LEVEL, TILT), NOW
    for data in noise:
        dialogue.hear(data + b"\r\n"[: len(data) % 3], now)
        now += (steps.pop() if steps else 1) * SECOND
        dialogue.tick(now)
        assert len(dialogue._held) <= LINE_LIMIT
        assert len(dialogue._beside) <= 2


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_answers_cut_anywhere_come_to_the_same(cuts: list[int]) -> None:
    dialogue, samples = line(LEVEL), []
    dialogue.tick(NOW)
    for answer in (b"00002\r\n", b"0+3.14-0.5\r\n"):
        place = 0
        for cut in [*cuts, len(answer)]:
            samples += dialogue.hear(answer[place : place + cut], NOW).samples
            place += cut
    assert [value for _, _, value in samples] == [3.14, -0.5]


@pytest.mark.parametrize(
    ("stations", "sensors", "why"),
    [
        ({"?": "river"}, {"?": {"parameters": ["level"]}}, "no address"),
        ({"0": "river"}, {}, "not among the sensors"),
        ({}, LEVEL, "not among the stations"),
        ({"0": "river"}, {"0": {}}, "has no parameters"),
        ({"0": "river"}, {"0": []}, "not a table"),
        ({"0": "river"}, {"0": {"parameters": []}}, "1 to 99 parameters"),
        ({"0": "river"}, {"0": {"parameters": ["level", "level"]}}, "each another metric"),
        ({"0": "river"}, {"0": {"parameters": ["no metric"]}}, "no name of a metric"),
        ({"0": "river"}, {"0": {"parameters": [{"gain": 2}]}}, "has no metric"),
        ({"0": "river"}, {"0": {"parameters": [{"metric": "level", "gain": "2"}]}}, "gain of a parameter"),
        ({"0": "river"}, {"0": {"parameters": ["level"], "command": "X"}}, "command 'X'"),
        ({"0": "river"}, {"0": {"parameters": ["level"], "interval_s": 0}}, "interval_s"),
        ({"0": "river"}, {"0": {"parameters": ["level"], "intervall": 5}}, "known are"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(
    stations: dict[str, str], sensors: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        Sdi12(stations, sensors)


def test_a_transcript_is_explained_line_by_line() -> None:
    documents = list(
        explain(b"0M!00053\r\n0\r\n0D0!0+3.14-2\r\n0D1!0+.5\r\n0MC!00001\n0D0!\n0+3.14OqZ\n0I!\n")
    )
    fields = [{field["name"]: field["value"] for field in document["understood"]} for document in documents]
    assert fields[1] == {"address": "0", "seconds": 5, "values": 3}
    assert fields[2] == {"address": "0", "attention": True}
    assert fields[4] == {"address": "0", "value 1": 3.14, "value 2": -2}
    assert documents[4]["notes"] == ["2 of 3 values"]
    assert fields[6] == {"address": "0", "value 3": 0.5}
    assert fields[10] == {"address": "0", "value 1": 3.14, "check": "OqZ"}
    assert all(not document["not_understood"] for document in documents)


def test_a_lone_answer_is_explained_and_a_wrong_check_is_told() -> None:
    (right,) = explain(b"0+3.14OqZ")
    assert [field["name"] for field in right["understood"]] == ["address", "value 1", "check"]
    (wrong,) = explain(b"0+3.15OqZ")
    assert wrong["understood"] == []
    assert wrong["not_understood"] == ["wrong check: 'OqZ' was sent, 'Cr[' is right"]
    (strange,) = explain(b"hello world")
    assert strange["not_understood"] == ["'hello world' is not an address and values with their signs"]


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_transcript_is_explained_without_a_fault(raw: bytes) -> None:
    for document in explain(raw):
        assert document["understood"] or document["not_understood"]
