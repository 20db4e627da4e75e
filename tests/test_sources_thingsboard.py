"""ThingsBoard's telemetry: whose it is, when it was, and which of its values are readings."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cityhub.cli import built
from edge.wire import READINGS_LIMIT, Malformed
from ingest.sources.explain import thingsboard
from ingest.sources.said import Said
from ingest.sources.thingsboard import ThingsBoard
from ingest.sources.thingsboard_types import parse, typed

SHARED = Path(__file__).parents[2] / "shared" / "vectors"
NOW = 1_790_000_000_000_000
OWN = "tb/pump-7/v1/devices/me/telemetry"
GATEWAY = "v1/gateway/telemetry"


def read(topic: str, body: Any) -> list[Said]:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ThingsBoard().read(topic, payload, NOW)


@pytest.mark.parametrize("topic", [OWN, "tb/pump-7/v2/t", "tb/pump-7/v2/t/j"])
@pytest.mark.parametrize(
    ("body", "samples"),
    [
        ({"waterLevel": 1.5}, [("water-level", NOW, 1.5)]),
        ({"ts": 1_451_649_600_512, "values": {"a": 1, "b": True}},
         [("a", 1_451_649_600_512_000, 1.0), ("b", 1_451_649_600_512_000, 1.0)]),
        ([{"ts": 1000, "values": {"a": 1}}, {"a": 2}], [("a", 1_000_000, 1.0), ("a", NOW, 2.0)]),
        ({"ts": 5}, [("ts", NOW, 5.0)]),  # without values it is a key like any other
        ({"a": "12.50", "b": "false"}, [("a", NOW, 12.5), ("b", NOW, 0.0)]),  # ThingsBoard casts them too
        (b'{"a": 1E+1, "b": 42.0}', [("a", NOW, 10.0), ("b", NOW, 42.0)]),
    ],
)  # fmt: skip
def test_a_device_behind_its_prefix(topic: str, body: Any, samples: list[tuple[str, int, float]]) -> None:
    [said] = read(topic, body)
    assert said == Said("pump-7", [(*each, None) for each in samples])


def test_a_gateway_speaks_for_its_devices_and_one_that_is_wrong_harms_no_other() -> None:
    body = {
        "Device A": [
            {"ts": 1000, "values": {"temperature": 42}},
            {"ts": 2000, "values": {"temperature": 43}},
        ],
        "Device B": {"temperature": 1},
        "Device C": [{"ts": "noon", "values": {"temperature": 1}}],
        "Device D": [{"humidity": 80}],
    }
    a, b, c, d = read(GATEWAY, body)
    assert a == Said(
        "Device A", [("temperature", 1_000_000, 42.0, None), ("temperature", 2_000_000, 43.0, None)]
    )
    assert b == Said("Device B", [], ["a dict where a list of telemetry is expected"])
    assert c == Said("Device C", [], ["time 'noon' is no epoch in milliseconds"])
    assert d == Said("Device D", [("humidity", NOW, 80.0, None)])


def test_a_gateway_behind_its_prefix_has_devices_of_its_own() -> None:
    assert read(f"tb/north/{GATEWAY}", {"Pump": [{"a": 1}]}) == [Said("north/Pump", [("a", NOW, 1.0, None)])]


def test_what_is_no_number_is_noted() -> None:
    [said] = read(
        OWN, b'{"fw": "1.2.3", "far": 9.9701010061400066E19, "nested": {"a": 1}, "none": null, "#": 1}'
    )
    [(name, at, value, unit)] = said.samples
    assert (name, at, unit) == ("none", NOW, None)
    assert math.isnan(value)
    assert said.notes == [
        "fw is '1.2.3', no number",
        "far is beyond 64 bits: ThingsBoard keeps it as text",
        "nested is a dict, no number",
        "'#' cannot be a metric's name",
    ]


@pytest.mark.parametrize("topic", ["v1/devices/me/telemetry", "v2/t", "other/d/v1/devices/me/telemetry"])
def test_a_topic_that_names_no_device_of_ours_is_refused(topic: str) -> None:
    with pytest.raises(Malformed, match="names no device"):
        read(topic, {"a": 1})


@pytest.mark.parametrize(
    "topic",
    ["v1/gateway/connect", "v1/gateway/disconnect", "v1/gateway/attributes", "v1/gateway/attributes/request",
     "v1/devices/me/attributes", "tb/pump-7/v1/devices/me/attributes"],
)  # fmt: skip
def test_topics_that_are_no_telemetry_say_nothing(topic: str) -> None:
    assert read(topic, {"device": "Device A"}) == []


@pytest.mark.parametrize(
    ("topic", "body", "why"),
    [
        (OWN, 5, "5 where telemetry is expected"),
        (OWN, [[1]], "a list where telemetry is expected"),
        (OWN, {"ts": 1, "values": 3}, "values is 3, not an object"),
        (OWN, {"ts": 2**60, "values": {}}, "no epoch in milliseconds"),
        (OWN, b"{", "not JSON"),
        (OWN, b"", "empty payload"),
        (GATEWAY, [], "a list where a gateway names its devices"),
        (OWN, {f"k{place}": 1 for place in range(READINGS_LIMIT + 1)}, "at most 10000"),
    ],
)
def test_what_cannot_be_read_is_refused(topic: str, body: Any, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read(topic, body)


def test_another_prefix_is_subscribed_to() -> None:
    assert "site/+/v1/devices/me/telemetry" in ThingsBoard("site").filters
    assert ThingsBoard("site").read("site/x/v2/t", b'{"a":1}', NOW)[0].address == "x"


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("42", "long", 42), ("42.0", "double", 42.0), ("1E+1", "long", 10), ("1.5e1", "long", 15), ("1.5", "double", 1.5),
        ("-9223372036854775808", "long", -(2**63)), ("9223372036854775808", "string", "9223372036854775808"),
        ("1E19", "string", "10000000000000000000"), ('"7"', "long", 7), ('"seven"', "string", "seven"),
        ("true", "boolean", True), ('{"a": [1, 2.5]}', "json", {"a": [1, 2.5]}),
    ],
)  # fmt: skip
def test_values_are_shown_with_the_type_that_thingsboard_gives_them(text: str, kind: str, value: Any) -> None:
    assert typed(parse(f'{{"k": {text}}}'.encode())["k"]) == (kind, value)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["ts", "values", "a"]) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(JSON, st.sampled_from([OWN, GATEWAY]))
@settings(deadline=None)
def test_no_telemetry_breaks_the_reader_or_its_explanation(body: Any, topic: str) -> None:
    payload = json.dumps(body).encode()
    try:
        for said in read(topic, payload):
            assert all(isinstance(value, float) and name for name, _, value, _ in said.samples)
    except Malformed:
        pass
    line = json.dumps({"topic": topic, "payload": payload.decode()})
    for document in thingsboard(line.encode()):
        assert document.keys() >= {"topic", "understood", "not_understood", "notes"}


def test_messages_of_thingsboards_own_tests_are_understood() -> None:
    path = SHARED / "thingsboard.json"
    if not path.exists():
        pytest.skip("the vectors are not beside this clone")
    for vector in json.loads(path.read_text()):
        expected = vector["expected"]
        if vector["name"] == "tb.number":
            found = typed(parse(vector["input"].encode())[expected["key"]])
            assert found == (expected["type"], expected["value"])
        elif vector["name"] == "tb.device.ts_values":
            [said] = read(OWN, vector["input"].encode())
            taken = {name: value for name, _, value, _ in said.samples}
            wanted = {k: float(v) for k, v in expected["values"].items() if isinstance(v, int | float | bool)}
            assert taken == wanted
            assert {at for _, at, _, _ in said.samples} == {expected["ts"] * 1000}
        line = json.dumps({"topic": vector.get("topic", GATEWAY).replace("v1/devices", "tb/d/v1/devices"),
                           "payload": vector["input"]})  # fmt: skip
        if vector["name"] != "tb.number":
            assert CliRunner().invoke(built("decode"), ["decode", "thingsboard", line]).exit_code == 0
