"""ChirpStack v4 events: what an uplink says by our codecs or by ChirpStack's, and whose it is."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cityhub.cli import built
from edge.wire import Malformed
from ingest.sources.chirpstack import ChirpStack
from ingest.sources.lorawan.codecs import CODECS
from ingest.sources.said import Said, Sample

SHARED = Path(__file__).parents[2] / "shared" / "vectors"
EUI = "24e124713b492183"
ARRIVED = 1_790_000_000_000_000
AT = 1_789_999_990_775_023  # 2026-09-21T14:13:10.775023Z


def topic(kind: str = "up", eui: str = EUI) -> str:
    return f"application/3d5a/device/{eui}/event/{kind}"


def event(**fields: Any) -> bytes:
    """An event as the JSON mapping writes it; what is given replaces what is there."""
    body: dict[str, Any] = {
        "deduplicationId": "7c2a",
        "time": "2026-09-21T14:13:10.775023242+00:00",
        "deviceInfo": {"devEui": EUI, "tags": {}},
    }
    return json.dumps(body | fields).encode()


def said(payload: bytes, *, source: ChirpStack | None = None, kind: str = "up") -> Said:
    [only] = (source or ChirpStack()).read(topic(kind), payload, ARRIVED)
    assert only.address == EUI
    return only


def values(found: list[Sample]) -> dict[str, float]:
    return {metric: value for metric, _, value, _ in found}


def test_the_best_of_the_gateways_tells_how_the_uplink_was_heard() -> None:
    heard = said(event(rxInfo=[{"rssi": -110, "snr": -7.5}, {"rssi": -95, "snr": -9}, {"gatewayId": "x"}]))
    assert heard.samples == [("rssi", AT, -95.0, "dBm"), ("snr", AT, 0.0, "dB")]


def test_an_absent_ratio_is_its_default_and_an_absent_strength_was_not_measured() -> None:
    assert said(event(rxInfo=[{"gatewayId": "x"}])).samples == [("snr", AT, 0.0, "dB")]


def test_our_codec_reads_the_bytes_and_the_object_is_left_alone() -> None:
    data = base64.b64encode(bytes.fromhex("01755a0382d2040400 01".replace(" ", ""))).decode()
    source = ChirpStack({EUI: "milesight-em310-udl"}.get)
    found = said(event(data=data, fPort=85, object={"distance": 9}), source=source)
    assert found.samples == [
        ("battery-level", AT, 90.0, "%"),
        ("water", AT, 123.4, "cm"),
        ("displaced", AT, 1.0, "1"),
    ]
    assert not found.notes


def test_a_tag_in_chirpstack_names_the_codec_unless_the_hub_knows_one() -> None:
    info = {"devEui": EUI, "tags": {"codec": "cayenne-lpp"}}
    body = event(data=base64.b64encode(bytes.fromhex("036700fa")).decode(), deviceInfo=info)
    assert values(said(body).samples) == {"temperature-3": 25.0}
    assert values(said(body, source=ChirpStack({EUI: "milesight-em400-udl"}.get)).samples) == {
        "air-temperature": -153.6  # the same bytes, little-endian
    }


def test_the_object_of_chirpstack_becomes_metrics_by_their_names() -> None:
    fields = {
        "waterLevel": 1.25,
        "soil_moisture": {"at10cm": 31, "at20cm": "32.5"},
        "lidOpen": False,
        "position": "tilt",
        "PM25Value": 8,
        "probes": [1, {"ph": 7}],
        "missing": None,
        "serial": "6785A12345670001",
    }
    found = said(event(object=fields))
    got = values(found.samples)
    assert math.isnan(got.pop("missing"))
    assert got == {
        "water-level": 1.25,
        "soil-moisture-at10cm": 31.0,
        "soil-moisture-at20cm": 32.5,
        "lid-open": 0.0,
        "position": 1.0,
        "pm25-value": 8.0,
        "probes-1": 1.0,
        "probes-2-ph": 7.0,
    }
    assert found.notes == ["serial is '6785A12345670001', no number"]
    assert {at for _, at, _, _ in found.samples} == {AT}


def test_bytes_that_nobody_can_read_are_said_to_be_so() -> None:
    assert said(event(data="qg==")).notes == [
        "bytes without a codec: name one for the device, or decode them in ChirpStack"
    ]
    unknown = said(event(data="qg=="), source=ChirpStack({EUI: "acme-9"}.get))
    assert unknown.notes[0].startswith("no codec 'acme-9'; there are cayenne-lpp, milesight-")
    sealed = said(event(data="qg==", joinServerContext={}), source=ChirpStack({EUI: "cayenne-lpp"}.get))
    assert sealed.notes == ["the payload is still encrypted: ChirpStack does not hold its key"]


def test_an_uplink_without_a_time_gets_the_hubs() -> None:
    assert said(event(time=None, rxInfo=[{"rssi": -60}])).samples[0][1] == ARRIVED


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"margin": 7, "batteryLevel": 54.3}, {"link-margin": 7.0, "battery-level": 54.3}),
        ({}, {"link-margin": 0.0, "battery-level": 0.0}),  # both absent: both nought
        ({"margin": -3, "externalPowerSource": True}, {"link-margin": -3.0}),
        ({"margin": 5, "batteryLevelUnavailable": True}, {"link-margin": 5.0}),
    ],
)
def test_a_state_tells_margin_and_battery(fields: dict[str, Any], found: dict[str, float]) -> None:
    assert values(said(event(**fields), kind="status").samples) == found


@pytest.mark.parametrize("kind", ["join", "ack", "txack", "log", "location", "integration"])
def test_other_events_say_nothing_measurable(kind: str) -> None:
    assert ChirpStack().read(topic(kind), event(rxInfo=[{"rssi": -60}]), ARRIVED) == []


def test_nobody_speaks_for_another_device() -> None:
    with pytest.raises(Malformed, match=r"^the topic speaks of 0000000000000001, the message of '24e1"):
        ChirpStack().read(topic(eui="0000000000000001"), event(), ARRIVED)


def test_capital_letters_name_the_same_device() -> None:
    found = ChirpStack().read(topic(eui=EUI.upper()), event(rxInfo=[{"rssi": -60}]), ARRIVED)
    assert [each.address for each in found] == [EUI]


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "empty payload"),
        (b"[]", "where an object is expected"),
        (b"{", "not JSON"),
        (b"[" * 17 + b"]" * 17, "nested deeper than 16"),
        (event(time="2026-09-21T14:13:10"), "has no time zone"),
        (event(time=5), "is no text of RFC 3339"),
        (event(time="2026-13-41T00:00:00Z"), "is no RFC 3339 time"),
        (event(deviceInfo=[]), "deviceInfo is a list, not an object"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(payload: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        ChirpStack().read(topic(), payload, ARRIVED)


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"data": "%%"}, "not base64"), ({"data": 5}, "data is 5"), ({"fPort": 256}, "no port")],
)
def test_bytes_that_are_none_are_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(Malformed, match=why):
        ChirpStack({EUI: "cayenne-lpp"}.get).read(topic(), event(**fields), ARRIVED)


def test_only_what_is_measurable_is_subscribed_to() -> None:
    assert ChirpStack().filters == (
        "application/+/device/+/event/up",
        "application/+/device/+/event/status",
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["time", "deviceInfo", "object", "data", "rxInfo", "fPort", "margin", "batteryLevel", "tags"]
)


@given(st.dictionaries(NAMES, JSON, max_size=6), st.sampled_from(["up", "status", "log"]))
@settings(deadline=None)
def test_no_event_breaks_the_reader(body: dict[str, Any], kind: str) -> None:
    source = ChirpStack({EUI: "milesight-ws558"}.get)
    try:
        found = source.read(topic(kind), json.dumps(body).encode(), ARRIVED)
    except Malformed:
        return
    for each in found:
        assert all(isinstance(value, float) and name for name, _, value, _ in each.samples)


def test_events_of_the_documentation_are_understood() -> None:
    path = SHARED / "chirpstack.json"
    if not path.exists():
        pytest.skip("the vectors are not beside this clone")
    for vector in json.loads(path.read_text()):
        line = json.dumps({"topic": vector["topic"], "payload": vector["input"]})
        result = CliRunner().invoke(built("decode"), ["decode", "chirpstack", line])
        assert result.exit_code == 0, vector["name"]
        shown = json.loads(result.stdout)
        assert shown["event"] == vector["topic"].rsplit("/", 1)[-1]
        assert shown["device"] == vector["input"]["deviceInfo"]["devEui"]
        if vector["name"] == "chirpstack.up":
            assert shown["fCnt"] == vector["computed"]["fCnt"]
            assert shown["time"] == "2022-07-18T09:34:15.775023Z"


def test_lines_of_a_log_are_explained_one_by_one() -> None:
    data = base64.b64encode(bytes.fromhex("01755a")).decode()
    good = {"topic": topic(), "payload": json.loads(event(data=data)), "codec": "milesight-em310-tilt"}
    lines = [json.dumps(good), event(rxInfo=[{"rssi": -71}]).decode(), '{"topic": "x/y", "payload": "{}"}']
    result = CliRunner().invoke(built("decode"), ["decode", "chirpstack", "-"], input="\n".join(lines))
    first, bare, wrong = (json.loads(line) for line in result.stdout.splitlines())
    assert first["understood"] == [
        {"device": EUI, "name": "battery-level", "time": "2026-09-21T14:13:10.775023Z", "value": 90.0,
         "unit": "%", "raw": "01755a", "meaning": "battery"},
    ]  # fmt: skip
    assert [entry["name"] for entry in bare["understood"]] == ["rssi", "snr"]
    assert wrong["understood"] == []
    assert wrong["not_understood"] == ["x/y is no topic of a ChirpStack event"]


def test_every_codec_is_offered_by_its_name() -> None:
    assert {"cayenne-lpp", "milesight-em310-udl", "milesight-em500-swl", "milesight-ws558"} <= set(CODECS)
