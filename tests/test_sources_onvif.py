"""ONVIF over MQTT: counters, scenes and sensors of cameras, and nothing of whom they saw."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cityhub.cli import built
from edge.wire import Malformed
from ingest import profile
from ingest.foreign import Foreign
from ingest.registry import Registry
from ingest.sources.onvif import MARKS, Onvif
from ingest.sources.said import Said

SHARED = Path(__file__).parents[2] / "shared" / "vectors"
NOW = 1_790_000_000_000_000
AT = "2026-09-21T14:13:10.5Z"
AT_US = 1_789_999_990_500_000
COUNTING = "gate/onvif-ej/RuleEngine/CountAggregation"
SCENE = "gate/onvif-mj/VideoAnalytics/1/classifier"


def event(data: dict[str, Any], at: str | None = AT, **source: str) -> bytes:
    return json.dumps({"UtcTime": at, "Source": {"VideoSource": "1", **source}, "Data": data}).encode()


def read(topic: str, payload: bytes, source: Onvif | None = None) -> list[Said]:
    return (source or Onvif()).read(topic, payload, NOW)


@pytest.mark.parametrize(
    ("rule", "metric"),
    [
        ("in", "in-total"), ("Inbound", "in-total"), ("EXIT", "out-total"), ("", "count-total"),
        ("Gate 2 entrance", "gate-2-in-total"), ("Truck Counter", "truck-counter-total"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("count", [17, "17", 17.0])
def test_a_running_counter_is_named_by_its_rule(rule: str, metric: str, count: Any) -> None:
    said = read(f"{COUNTING}/Counter/&1/{rule}", event({"Count": count}, Rule=rule))
    assert said == [Said("gate", [(metric, AT_US, 17.0, None)])]


def test_a_rule_with_a_device_of_its_own_has_plain_names() -> None:
    lines = Onvif({"gate/Gate 2 entrance", "gate/Lobby"}.__contains__)
    counted = read(f"{COUNTING}/Counter/&1/x", event({"Count": 5}, Rule="Gate 2 entrance"), lines)
    inside = read(f"{COUNTING}/OccupancyCounter/&1/x", event({"Count": 8}, Rule="Lobby"), lines)
    other = read(f"{COUNTING}/OccupancyCounter/&1/x", event({"Count": 9}, Rule="Hall"), lines)
    assert counted == [Said("gate/Gate 2 entrance", [("in-total", AT_US, 5.0, None)])]
    assert inside == [Said("gate/Lobby", [("occupancy", AT_US, 8.0, None)])]
    assert other == [Said("gate", [("hall-occupancy", AT_US, 9.0, None)])]


def test_a_crossing_is_one_and_two_in_a_millisecond_are_two() -> None:
    topic = "yard/cam-3/onvif-ej/RuleEngine/LineDetector/Crossed/&1/2/fence"
    first, second, again = (
        read(topic, event({"ObjectId": each}, Rule="fence"))[0] for each in ("15", "16", "15")
    )
    [(metric, at, value, _)] = first.samples
    assert (first.address, metric, value) == ("yard/cam-3", "crossed", 1.0)
    assert AT_US <= at < AT_US + MARKS
    assert second.samples[0][1] != at
    assert again == first


@pytest.mark.parametrize(
    ("path", "data", "sample"),
    [
        ("Device/Sensor/Temperature/High", {"Value": 28.65, "Threshold": 25}, ("air-temperature", 28.65)),
        ("Device/Sensor/RelativeHumidity/Low/&x", {"Value": "31.5"}, ("humidity", 31.5)),
        ("VideoSource/ImageTooDark/ImagingService", {"State": "true"}, ("image-too-dark", 1)),
        ("VideoSource/SignalLoss", {"State": False}, ("signal-loss", 0)),
    ],
)
def test_sensors_and_faults_of_the_picture(
    path: str, data: dict[str, Any], sample: tuple[str, float]
) -> None:
    name, value = sample
    assert read(f"gate/onvif-ej/{path}", event(data)) == [Said("gate", [(name, AT_US, float(value), None)])]


def thing(kind: object) -> dict[str, Any]:
    """An object of a scene, with all that a camera may say of somebody."""
    return {
        "@ObjectId": "15",
        "Appearance": {
            "Shape": {"BoundingBox": {"@left": "20.0"}, "Polygon": [{"@x": "20.0"}]},
            "Class": kind,
            "HumanFace": {"Gender": "Female", "Age": {"@Min": "20"}},
            "LicensePlateInfo": {"PlateNumber": {"#text": "B12345"}},
        },
    }


@pytest.mark.parametrize(
    "kind",
    [
        {"@Likelihood": "0.8", "#text": "Human"},
        {"Type": {"@Likelihood": 0.8, "#text": "Human"}},
        {"Type": [{"@Likelihood": 0.1, "#text": "Vehicle"}, {"@Likelihood": 0.8, "#text": "Human"}]},
        {"Type": "Human"},
        "Human",
        {"ClassCandidate": [{"Type": "Animal", "Likelihood": "0.2"}, {"Type": "Human", "Likelihood": "0.7"}]},
    ],
)
def test_a_scene_is_counted_by_the_likeliest_class(kind: object) -> None:
    frame = {
        "@UtcTime": "2026-09-21T14:13:10.5",
        "Object": [thing(kind), thing("Vehicle"), thing("HumanFace"), thing(kind)],
    }
    payload = json.dumps({"Frame": [frame]}).encode()
    kept = Onvif().kept(SCENE, payload)
    for each in (payload, kept):
        [said] = read(SCENE, each)
        assert said.address == "gate"
        assert {name: value for name, at, value, _ in said.samples if at == AT_US} == {
            "people": 2, "vehicles": 1, "bicycles": 0, "animals": 0,
        }  # fmt: skip
    for trace in (b"Female", b"B12345", b"20.0", b"ObjectId"):
        assert trace in payload
        assert trace not in kept


def test_an_empty_scene_is_a_reading_and_one_message_may_hold_several() -> None:
    frames = [{"@UtcTime": f"2026-09-21T14:13:1{second}Z"} for second in range(3)]
    [said] = read(SCENE, json.dumps({"VideoAnalytics": {"Frame": frames}}).encode())
    people = [(at, value) for name, at, value, _ in said.samples if name == "people"]
    assert people == [(AT_US - 500_000 + second * 1_000_000, 0.0) for second in range(3)]
    assert read(SCENE, b'{"Frame": []}') == []


def test_a_sensors_metadata() -> None:
    body = {"SensorData": {"@UtcTime": AT, "@SensorID": "temp_001", "Value": "19.5"}}
    topic = "gate/onvif-mj/SensorData/Temperature"
    assert read(topic, json.dumps(body).encode()) == [Said("gate", [("air-temperature", AT_US, 19.5, None)])]
    own = Onvif({"gate/temp_001"}.__contains__)
    assert read(topic, json.dumps(body).encode(), own)[0].address == "gate/temp_001"
    assert Onvif().kept(topic, json.dumps(body).encode()) == json.dumps(body, separators=(",", ":")).encode()


def test_of_an_event_only_its_values_are_kept() -> None:
    data = {"Count": 4, "ObjectId": "7", "Object": thing("Human"), "PlateNumber": "B12345"}
    kept = json.loads(Onvif().kept(f"{COUNTING}/Counter", event(data, Rule="in")))
    assert kept == {
        "UtcTime": AT,
        "Source": {"VideoSource": "1", "Rule": "in"},
        "Data": {"Count": 4, "ObjectId": "7"},
    }


def test_what_cannot_be_read_is_not_kept_and_stays_unread() -> None:
    kept = Onvif().kept(SCENE, b'{"PlateNumber": "B12345"')
    assert kept.startswith(b"not kept: not JSON")
    assert b"B12345" not in kept
    with pytest.raises(Malformed):
        read(SCENE, kept)


@pytest.mark.parametrize("topic", [f"{COUNTING}/Counter/&1/in", SCENE])
def test_a_retained_message_that_was_deleted_says_nothing(topic: str) -> None:
    assert read(topic, b"") == []
    assert Onvif().kept(topic, b"") == b""


def test_an_event_without_a_time_gets_the_hubs() -> None:
    assert read(f"{COUNTING}/Counter", event({"Count": 1}, at=None))[0].samples[0][1] == NOW


@pytest.mark.parametrize(
    ("topic", "payload", "why"),
    [
        ("gate/onvif-xj/RuleEngine", b"{}", "is no topic of ONVIF"),
        ("/onvif-ej/RuleEngine", b"{}", "is no topic of ONVIF"),
        (f"{COUNTING}/Counter", b"[]", "an object is expected"),
        (f"{COUNTING}/Counter", event({"Count": 1}, at="yesterday"), "no RFC 3339 time"),
    ],
)
def test_what_cannot_be_read_is_refused(topic: str, payload: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=re.escape(why)):
        read(topic, payload)


def test_a_value_that_is_no_number_is_noted() -> None:
    [said] = read(f"{COUNTING}/Counter", event({"Count": "many"}))
    assert (said.samples, said.notes) == ([], ["count-total is 'many', no number"])


def test_faces_plates_and_pictures_are_not_subscribed_to() -> None:
    foreign = Foreign(Registry(), [Onvif()])
    for prefix in ("gate", "axis/ACCC8E000000", "a/b/c"):
        for topic in (
            "onvif-ej/RuleEngine/CountAggregation/Counter/&1/in",
            "onvif-ej/RuleEngine/LineDetector/Crossed/&1/2/fence",
            "onvif-ej/RuleEngine/LineDetector/Crossed",
            "onvif-mj/VideoAnalytics/1/m",
            "onvif-ej/Device/Sensor/Temperature/High",
        ):
            assert foreign.source(f"{prefix}/{topic}") is not None
        for topic in (
            "onvif-ej/RuleEngine/Recognition/Face", "onvif-ej/RuleEngine/Recognition/LicensePlate/&1",
            "onvif-mj/PTZ/1/2", "onvif-mj/AudioAnalytics/1/m", "onvif-ej/UserAlarm/IVA/HumanShapeDetect",
        ):  # fmt: skip
            assert foreign.source(f"{prefix}/{topic}") is None
    assert foreign.source("a/b/c/d/onvif-mj/VideoAnalytics/1/m") is None


def test_the_profile_knows_all_that_a_camera_says_without_rules_of_its_own() -> None:
    [kind] = (each.profile for each in profile.load() if each.profile.profile == "onvif-counting-camera")
    said = {
        "people",
        "vehicles",
        "bicycles",
        "animals",
        "in-total",
        "out-total",
        "count-total",
        "occupancy",
        "crossed",
    }
    assert said <= kind.metrics.keys()
    assert {derived.over for derived in kind.derived.values()} == {"counter"}


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from(["Human", "1", AT, ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([
                "Frame", "Object", "Appearance", "Class", "Type", "ClassCandidate", "Likelihood", "#text", "@UtcTime",
                "UtcTime", "Source", "Data", "Rule", "Count", "SensorData", "Value", "VideoAnalytics",
            ]),
            inner, max_size=5,
        )
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.sampled_from([SCENE, f"{COUNTING}/Counter", "g/onvif-mj/SensorData/Temperature"]), JSON)
@settings(deadline=None, max_examples=300)
def test_no_message_breaks_the_reader(topic: str, body: Any) -> None:
    payload = json.dumps(body).encode()
    for each in (payload, Onvif().kept(topic, payload)):
        try:
            for said in read(topic, each):
                assert all(isinstance(value, float) and name for name, _, value, _ in said.samples)
        except Malformed:
            continue


def test_an_event_without_its_topic_shows_its_values() -> None:
    result = CliRunner().invoke(
        built("decode"), ["decode", "onvif", event({"Count": "12"}, Rule="in").decode()]
    )
    shown = json.loads(result.stdout)
    assert shown["understood"] == [{"name": "Count", "value": 12.0}]
    assert shown["notes"][0].startswith("the payload alone does not tell its topic")


def test_messages_of_the_standard_are_understood() -> None:
    path = SHARED / "onvif_mqtt.json"
    if not path.exists():
        pytest.skip("the vectors are not beside this clone")
    checked = 0
    for vector in json.loads(path.read_text()):
        if "topic" not in vector:
            continue
        body = vector["input"]
        line = json.dumps({"topic": vector["topic"], "payload": body})
        result = CliRunner().invoke(built("decode"), ["decode", "onvif", line])
        assert result.exit_code == 0, vector["name"]
        [entry] = json.loads(result.stdout)["understood"]
        data = body.get("Data") or body.get("SensorData")
        assert entry["device"] == "MyDevice"
        assert entry["value"] == data.get("Value", 1.0)
        checked += 1
    assert checked
