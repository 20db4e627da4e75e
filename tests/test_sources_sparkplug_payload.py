"""Sparkplug payloads: datatypes, arrays, names and units; vectors of the standard; bytes that are no payload."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import string
import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import sparkplug_wire as wire
from hypothesis import given
from hypothesis import strategies as st
from sparkplug_wire import TYPES, chunk, metric, nbirth, ndeath, payload, properties, template, whole
from typer.testing import CliRunner

from cityhub.cli import built
from edge.wire import Malformed
from ingest.limits import SIZE_LIMIT
from ingest.sources.sparkplug import names, values
from ingest.sources.sparkplug.explain import explain
from ingest.sources.sparkplug.payload import DEPTH_LIMIT, METRICS_LIMIT, read
from ingest.sources.sparkplug.source import Sparkplug

SHARED = Path(__file__).parents[2] / "shared" / "vectors" / "sparkplug_b.json"
OURS = Path(__file__).parent / "vectors" / "sparkplug.json"
T0 = 1_780_000_000_000
US = T0 * 1000
INTEGERS = {
    "Int8": 8,
    "Int16": 16,
    "Int32": 32,
    "Int64": 64,
    "UInt8": 8,
    "UInt16": 16,
    "UInt32": 32,
    "UInt64": 64,
}


def only(content: bytes) -> Any:
    (found,) = read(content).metrics
    return found


@given(
    st.sampled_from(sorted(INTEGERS)).flatmap(
        lambda kind: st.tuples(
            st.just(kind),
            st.integers(-(2 ** (INTEGERS[kind] - 1)), 2 ** (INTEGERS[kind] - 1) - 1)
            if kind[0] == "I"
            else st.integers(0, 2 ** INTEGERS[kind] - 1),
        )
    )
)
def test_integers_of_every_datatype_come_back_from_the_wire(case: tuple[str, int]) -> None:
    kind, number = case
    found = only(payload(metric("M", kind, number)))
    assert values.exact(found.datatype, found.carrier, found.raw) == number


@pytest.mark.parametrize(
    ("kind", "raw", "meant"),
    [
        ("Int8", 0xE9, -23),
        ("Int8", 0xFFFFFFE9, -23),
        ("Int16", 0xFFFF, -1),
        ("Int16", 0xFFFFFFFF, -1),
        ("Int8", 127, 127),
    ],
)
def test_negatives_come_in_their_own_width_or_in_the_fields(kind: str, raw: int, meant: int) -> None:
    assert values.number(TYPES[kind], "int_value", raw) == meant


@pytest.mark.parametrize(
    ("kind", "field", "raw"),
    [
        ("UInt32", "long_value", 3_000_000_000),
        ("Float", "double_value", 1.5),
        ("Double", "float_value", 1.5),
        ("Double", "int_value", 3),
        ("Int64", "int_value", 7),
        ("Boolean", "int_value", 1),
    ],
)
def test_a_number_in_a_field_of_another_datatype_is_understood(kind: str, field: str, raw: float) -> None:
    assert values.number(TYPES[kind], field, raw) == raw


@pytest.mark.parametrize(
    ("kind", "field", "raw"),
    [
        ("Int8", "int_value", 256),
        ("Int16", "int_value", 65_536),
        ("UInt8", "int_value", 256),
        ("UInt16", "int_value", 0xFFFFFFFF),
        ("UInt32", "long_value", 1 << 32),
        ("Boolean", "int_value", 2),
        ("Int32", "string_value", b"7"),
        ("Float", "boolean_value", True),
        ("Int8", "float_value", 1.0),
    ],
)
def test_a_number_that_its_datatype_does_not_have_is_refused(kind: str, field: str, raw: Any) -> None:
    with pytest.raises(values.OutOfType):
        values.number(TYPES[kind], field, raw)


@given(st.lists(st.booleans(), max_size=70))
def test_booleans_of_any_number_come_back_from_their_bits(flags: list[bool]) -> None:
    bits = "".join("01"[flag] for flag in flags)
    bits += "1" * (-len(bits) % 8)  # padding is nobody's business
    packed = bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits), 8))
    assert values.elements(TYPES["BooleanArray"], struct.pack("<I", len(flags)) + packed) == flags


@pytest.mark.parametrize(
    ("kind", "code"),
    [("Int8", "b"), ("Int16", "h"), ("Int32", "i"), ("Int64", "q"), ("UInt8", "B"), ("UInt16", "H"), ("UInt32", "I"),
     ("UInt64", "Q"), ("Float", "f"), ("Double", "d"), ("DateTime", "Q")],
)  # fmt: skip
def test_arrays_are_little_endian(kind: str, code: str) -> None:
    expected = [1, 0, 100]
    assert values.elements(TYPES[f"{kind}Array"], struct.pack(f"<3{code}", *expected)) == expected


def test_texts_of_an_array_end_with_zero_bytes() -> None:
    assert values.elements(TYPES["StringArray"], b"ABC\0\0h\xc3\xa9\0") == ["ABC", "", "hé"]


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("Int16Array", b"123"),
        ("BooleanArray", b"\x09\0\0\0\xff"),
        ("BooleanArray", b"\1"),
        ("StringArray", b"a\0b"),
        ("Int8", b"1"),
    ],
)
def test_bytes_that_are_no_such_array_are_refused(kind: str, raw: bytes) -> None:
    with pytest.raises(values.OutOfType):
        values.elements(TYPES[kind], raw)


def vectors(path: Path, begins: str) -> list[Any]:
    found = json.loads(path.read_text()) if path.exists() else []
    return [pytest.param(case, id=case["name"]) for case in found if case["name"].startswith(begins)] or [
        pytest.param(None, marks=pytest.mark.skip(reason=f"no {path.name} beside this repository"))
    ]


@pytest.mark.parametrize("case", vectors(SHARED, "array."))
def test_arrays_of_the_standards_text(case: dict[str, Any]) -> None:
    # Where the printed bytes are an erratum, those that encode the printed values are in `computed`.
    printed = re.sub("[^0-9A-F]", "0", case["input"])
    raw = bytes.fromhex(case.get("computed", {}).get("little_endian_hex", printed))
    said = re.findall(r"\[.*?\]", case["expected"]["value_text"])[-1]
    expected = json.loads(said)
    assert values.elements(case["datatype"], raw) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("case", vectors(SHARED, "umh."))
def test_captured_payloads(case: dict[str, Any]) -> None:
    found = read(base64.b64decode(case["input"]))
    if "metric_count" in case["expected"]:
        assert len(found.metrics) == case["expected"]["metric_count"]
    said = case["computed"]
    assert (found.time_ms, found.seq) == (said["timestamp"], said["seq"])
    for one, expected in zip(found.metrics, said["metrics"], strict=True):
        carrier = next(key for key in expected if key.endswith("_value"))
        assert (one.name, one.alias, one.datatype) == (
            expected.get("name"),
            expected["alias"],
            expected["datatype"],
        )
        assert (one.carrier, one.raw) == (carrier, expected[carrier])


@pytest.mark.parametrize("case", vectors(SHARED, "spec.payload"))
def test_printed_messages_of_the_standard_by_our_own_encoder(case: dict[str, Any]) -> None:
    said = case["input"]
    made = [
        metric(one["name"], one["dataType"], one["value"], at=one["timestamp"]) for one in said["metrics"]
    ]
    topic, kind = case["topic"], case["topic"].split("/")[2]
    found = Sparkplug().read(topic, payload(*made, at=said["timestamp"], seq=said.get("seq")), US)
    taken = {name: value for each in found for name, _, value, _ in each.samples}
    if kind == "DBIRTH":
        numbers = [one for one in said["metrics"] if one["dataType"] == "Boolean"]
        assert taken == {"online": 1.0} | {names.metric_name(one["name"]): 0.0 for one in numbers}
        assert found[0].address == "Sparkplug B Devices/Raspberry Pi/Pibrella"
        assert "Properties/Hardware Make (String)" in found[0].notes[0]
    elif kind == "NDEATH":
        assert taken == {"online": 0.0}
    else:
        assert found == []


@pytest.mark.parametrize("case", vectors(OURS, ""))
def test_payloads_of_our_own_file(case: dict[str, Any]) -> None:
    source = Sparkplug()
    for step in case["messages"]:
        said = source.read(step["topic"], bytes.fromhex(step["payload"]), step["arrived_us"])
        found = [
            [each.address, name, at, "missing" if value != value else value, unit, each.late]  # noqa: PLR0124 -- NaN
            for each in said
            for name, at, value, unit in each.samples
        ]
        assert found == step["expected"]
    assert source.tick(case["messages"][-1]["arrived_us"]) == case["asked"]


@pytest.mark.parametrize(
    ("written", "here"),
    [
        ("Temperature/Inlet", "temperature-inlet"),
        ("PM2.5", "pm2-5"),
        ("waterLevel", "water-level"),
        ("pH", "ph"),
        ("Basin/pHValue", "basin-ph-value"),
        ("xAxis", "x-axis"),
        ("  Flow  Rate [m3/s] ", "flow-rate-m3-s"),
        ("level", "level"),
    ],
)
def test_names_become_those_of_profiles(written: str, here: str) -> None:
    assert names.metric_name(written) == here


@given(st.text(min_size=1, max_size=300))
def test_every_name_becomes_one_that_a_series_may_have(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", names.metric_name(name))


def test_names_that_lose_too_much_stay_apart() -> None:
    many = ["水位", "流量", "水位1", "流量1", "---", "/", "a" * 61, "a" * 62, "é", "è"]
    assert len({names.metric_name(name) for name in many}) == len(many)


@pytest.mark.parametrize(
    ("written", "ucum"),
    [
        ("°C", "Cel"),
        ("m³/s", "m3/s"),
        (" kPa ", "kPa"),
        ("kW", "kW"),
        ("mW", "mW"),
        ("MW", "MW"),
        ("NTU", "[NTU]"),
        ("%", "%"),
    ],
)
def test_units_become_ucum(written: str, ucum: str) -> None:
    assert names.unit(written) == ucum


@pytest.mark.parametrize("written", ["", "furlong", "Mw", "a", "KW", "x" * 1000])
def test_units_that_are_not_certain_are_none(written: str) -> None:
    assert names.unit(written) is None


def test_properties_tell_unit_and_quality_whatever_else_they_hold() -> None:
    pairs = properties(EngUnit="°C", Quality=192) + chunk(1, "more keys than values")
    found = only(payload(metric("T", "Double", 1.0, properties=pairs)))
    assert (found.unit, found.quality) == ("°C", 192)


def test_a_text_that_is_no_utf_8_costs_nothing_but_itself() -> None:
    bad = chunk(1, b"\xff\xfe") + whole(4, TYPES["Double"]) + wire.double(13, 1.0)
    assert [one.name for one in read(payload(bad, metric("T", "Double", 1.0))).metrics] == [
        "\ufffd\ufffd",
        "T",
    ]


def test_fields_of_later_versions_are_stepped_over() -> None:
    found = read(payload(metric("T", "Double", 1.0) + chunk(200, b"later"), seq=1) + whole(77, 1))
    assert (found.seq, len(found.metrics)) == (1, 1)


def nested(depth: int) -> bytes:
    made = metric("leaf", "Double", 1.0)
    for level in range(depth):
        made = metric(f"t{level}", "Template", template(made))
    return payload(made)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\xff" * 20, "protobuf"),
        (b"{}", "protobuf"),
        (chunk(2, b"\x0a\xff"), "protobuf"),
        (bytes(SIZE_LIMIT + 1), "at most"),
        (chunk(2, b"") * (METRICS_LIMIT + 1), "metrics"),
        (payload(metric("t", "Template", template(*[b""] * METRICS_LIMIT))), "members"),
        (nested(DEPTH_LIMIT + 1), "nested"),
        (nested(90), "protobuf"),
        (payload(metric("n" * 1001, "Double", 1.0)), "name"),
    ],
    ids=["empty", "noise", "json", "cut", "large", "many", "many members", "deep", "deeper", "long name"],
)
def test_what_is_no_payload_is_refused_with_the_reason(content: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read(content)


def test_control_what_lies_just_within_the_limits_is_read() -> None:
    assert len(read(chunk(2, b"") * METRICS_LIMIT).metrics) == METRICS_LIMIT
    assert read(nested(DEPTH_LIMIT)).size == DEPTH_LIMIT + 1


def life() -> list[tuple[str, bytes]]:
    """A node's life with all that a payload may hold: what is damaged should reach everywhere."""
    pump = template(metric("Speed", "Int32", -7, alias=20), metric("Hot", "Boolean", True), ref="Motor")
    rich = [
        metric("Level", "Double", 1.5, alias=1, at=T0, properties=properties(engUnit="m", Quality=192)),
        metric("Lanes", "Int8Array", bytes.fromhex("E97B"), alias=2),
        metric("Flags", "BooleanArray", b"\x03\0\0\0\xa0", alias=3),
        metric("Make", "String", "Acme", alias=4),
        metric("Pump", "Template", pump, alias=5),
        metric(
            "Rows",
            "DataSet",
            whole(1, 1) + chunk(2, "a") + whole(3, 3) + chunk(4, chunk(1, whole(1, 7))),
            alias=6,
        ),
    ]
    data = payload(
        metric(None, "Double", 2.5, alias=1, at=T0 + 1, said=False),
        metric(None, None, alias=2, null=True),
        at=T0,
        seq=2,
    )
    return [
        ("spBv1.0/g/NBIRTH/e", nbirth(*rich, at=T0)),
        ("spBv1.0/g/DBIRTH/e/d", payload(metric("Tilt", "Int16", -5, alias=1), at=T0, seq=1)),
        ("spBv1.0/g/NDATA/e", data),
        ("spBv1.0/g/DDATA/e/d", payload(metric(None, "Int16", -6, alias=1, said=False), at=T0, seq=3)),
        ("spBv1.0/g/DDEATH/e/d", payload(at=T0, seq=4)),
        ("spBv1.0/g/NDEATH/e", ndeath(0)),
    ]


def invented(dice: random.Random, depth: int = 0) -> bytes:
    """A metric whose frame is sound, and whose fields are anything: what byte damage seldom leaves whole."""
    made = b""
    for _ in range(dice.randint(0, 8)):
        number = dice.choice([1, 2, 2, 3, 4, 4, 4, *range(5, 21)])
        match dice.randrange(6):
            case 0 | 1:
                made += whole(
                    number,
                    dice.choice([0, 1, dice.randrange(40), dice.getrandbits(32), dice.getrandbits(64)]),
                )
            case 2:
                made += chunk(
                    number, dice.choice([b"Level", b"bdSeq", b"", dice.randbytes(9), b"\x05\0\0\0\xff"])
                )
            case 3:
                made += wire.double(number, dice.choice([1.5, float("nan"), float("inf"), -0.0, 1e308]))
            case 4:
                made += wire.single(number, dice.choice([1.5, float("nan"), float("-inf")]))
            case _ if depth < 6:
                inner = [invented(dice, depth + 1) for _ in range(dice.randint(0, 3))]
                made += chunk(
                    dice.choice([9, 17, 18]), b"".join(chunk(dice.randint(1, 5), one) for one in inner)
                )
    return made


def damaged(content: bytes, others: list[bytes], dice: random.Random) -> bytes:
    if dice.random() < 0.6:
        made = chunk(2, invented(dice)) * dice.choice([1, 1, 2]) + content + chunk(2, invented(dice))
        return made + (
            whole(dice.choice([1, 3]), dice.getrandbits(dice.choice([3, 8, 9, 64])))
            if dice.random() < 0.5
            else b""
        )
    broken = bytearray(content)
    for _ in range(dice.randint(1, 5)):
        at, length = dice.randrange(len(broken) + 1), dice.randint(1, 12)
        match dice.randrange(7):
            case 0 if at < len(broken):
                broken[at] ^= 1 << dice.randrange(8)
            case 1:
                del broken[at : at + length]
            case 2:
                broken[at:at] = dice.randbytes(length)
            case 3:
                broken[at:at] = broken[at : at + length] * dice.randint(1, 40)
            case 4:
                other = dice.choice(others)
                place = dice.randrange(len(other))
                broken[at:at] = other[place : place + 20]
            case 5:
                broken[at : at + length] = b"\xff" * 9 + b"\x01"
            case _:
                del broken[at:]
    return bytes(broken)


MUTATIONS = 1_000_000 if os.environ.get("CITYHUB_SOAK") else 4_000
SLOWEST_S = 0.2


def test_damaged_messages_are_read_or_refused_none_takes_long_and_nothing_grows() -> None:
    dice, told = random.Random("sparkplug"), life()
    contents = [content for _, content in told]
    source, slowest, of, refused = Sparkplug(), 0.0, b"", 0
    now = US
    for number in range(MUTATIONS):
        topic, content = told[number % len(told)]
        topic = topic.replace("/e", f"/e{dice.randrange(50)}", 1)
        content = damaged(content, contents, dice) if dice.random() < 0.8 else content
        now += 1000
        begun = time.thread_time()
        try:
            for said in source.read(topic, content, now):
                assert all(
                    0 <= at < 1 << 63 and re.fullmatch("[a-z0-9][a-z0-9-]*", name)
                    for name, at, _, _ in said.samples
                )
        except Malformed:
            refused += 1
        if number % 100 == 0:
            source.tick(now)
            json.dumps(list(explain(content)))
        if (took := time.thread_time() - begun) > slowest:
            slowest, of = took, content
    assert slowest < SLOWEST_S, of
    assert 0 < refused < MUTATIONS
    assert len(source._nodes) <= 50
    assert source._metrics == sum(len(b.by_name) for n in source._nodes.values() for b in n.branches.values())
    assert source._held == sum(
        len(one.payload.metrics) >= 0 and one.weight for n in source._nodes.values() for one in n.held
    )
    assert sum(len(node.held) for node in source._nodes.values()) <= 50 * 64


def test_the_same_messages_over_and_over_leave_nothing_behind() -> None:
    source, told = Sparkplug(), life()

    def lives(count: int) -> int:
        for _ in range(count):
            for topic, content in told:
                source.read(topic, content, US)
            source.tick(US)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        first = lives(100)
        assert lives(300) - first < 50_000
    finally:
        tracemalloc.stop()


def command(*arguments: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(built("decode"), ["decode", "sparkplug", *arguments])
    return [{"exit": result.exit_code}, *(json.loads(line) for line in result.stdout.splitlines())]


def test_decode_explains_a_payload_metric_by_metric() -> None:
    status, said = command(life()[0][1].hex())
    assert status["exit"] == 0
    assert (said["format"], said["time"], said["seq"]) == ("sparkplug", "2026-05-28T20:26:40.000Z", 0)
    by_name = {one["name"]: one for one in said["understood"]}
    assert by_name["Level"] == {
        "name": "Level", "metric": "level", "alias": 1, "time": "2026-05-28T20:26:40.000Z", "datatype": "Double",
        "field": "double_value", "properties": {"engUnit": "m", "Quality": "good"}, "value": 1.5,
    }  # fmt: skip
    assert by_name["Lanes"]["value"] == [-23, 123]
    assert by_name["Flags"]["value"] == [True, False, True]
    assert by_name["Make"]["value"] == "Acme"
    assert by_name["Rows"]["value"] == {"columns": ["a"], "types": ["Int32"], "rows": [[7]]}
    assert [one["value"] for one in by_name["Pump"]["value"]["members"]] == [-7, True]
    assert "metric" not in by_name["bdSeq"]


def test_decode_says_what_a_number_without_its_birth_cannot_tell() -> None:
    _, said = command(payload(metric(None, "Int8", -1, alias=3, said=False), seq=3).hex())
    assert "its datatype is in the birth" in said["not_understood"][0]


def test_decode_reads_state_and_refuses_noise() -> None:
    status, said = command(b'{"online":true,"timestamp":1780000000000}'.hex())
    assert status["exit"] == 0
    assert said["understood"][0] == {"name": "online", "value": True}
    status, said = command(b"\xff\xff\xff".hex())
    assert status["exit"] == 1
    assert "protobuf" in said["not_understood"][0]


def test_every_datatype_has_the_name_of_the_standard() -> None:
    assert {name: number for number, name in enumerate(values.NAMES) if name in TYPES} == TYPES
    assert all(letter in string.ascii_letters + string.digits for name in values.NAMES for letter in name)
