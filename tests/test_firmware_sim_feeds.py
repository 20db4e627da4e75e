"""What simulated platforms, cameras and answering devices say, against what their makers printed."""

from __future__ import annotations

import base64
import json
import struct
from random import Random
from typing import Any

import pytest
from test_firmware_sim_protocols import vectors

from firmware_sim.protocols import cameras, chirpstack, modbus, plain, protobuf, sdi12, sparkplug

NOW = 1_790_000_000_123


# --- ChirpStack


def test_an_uplink_has_the_printed_ones_fields_and_no_defaults() -> None:
    endpoint = chirpstack.Endpoint("a840410001810001", "cover-001", "lorawan-cover")
    first, second = (
        json.loads(chirpstack.uplink(endpoint, {"tilt": 1.5, "battery": 3.6}, NOW, Random(1))) for _ in "12"
    )
    printed = vectors("chirpstack")["chirpstack.up"]
    example = printed["input"]
    assert set(example) - set(first) == set()
    assert set(example["deviceInfo"]) == set(first["deviceInfo"])
    assert "fCnt" not in first
    assert second["fCnt"] == 1
    assert endpoint.topic("up").split("/")[::2] == printed["topic"].split("/")[::2]
    assert len(first["time"]) == len(example["time"])
    assert first["object"] == {"tilt": 1.5, "battery": 3.6}
    endpoint.rejoin()
    assert "fCnt" not in json.loads(chirpstack.uplink(endpoint, {}, NOW, Random(1)))


def test_a_covers_bytes_are_those_of_its_class() -> None:
    example = vectors("lorawan_codecs")["milesight.em310-udl"]
    assert (
        chirpstack.payload({"battery": 2.8 + 0.92 * 0.8, "water": 211.6, "tilt": 60}).hex()
        == (example["input"]["hex"])
    )


def test_an_empty_battery_is_not_written_at_all() -> None:
    endpoint = chirpstack.Endpoint("a840410001810001", "cover-001", "lorawan-cover")
    assert "batteryLevel" not in json.loads(chirpstack.status(endpoint, 0, NOW, Random(1)))
    assert json.loads(chirpstack.status(endpoint, 40, NOW, Random(1)))["batteryLevel"] == 40


# --- cameras


def test_an_onvif_message_is_the_printed_one() -> None:
    printed = vectors("onvif_mqtt")["onvif.Core.l8580"]
    made = cameras.onvif_crossed("MyDevice", "MyImportantFence1", 15, 1_223_641_497_321)
    assert made.topic == printed["topic"].replace("&1/2/", "&1/1/")
    told = json.loads(made.payload)
    told["Source"]["AnalyticsConfiguration"] = "2"
    assert told == printed["input"]


def test_a_counter_is_a_retained_property() -> None:
    made = cameras.onvif_count("Gate/east", "out", 17, NOW)
    assert made.retain
    assert made.topic == "Gate/east/onvif-ej/RuleEngine/CountAggregation/Counter/&1/1/out"
    assert json.loads(made.payload)["Data"] == {"Count": 17}


def test_a_scene_lists_everyone_in_view_and_no_more_than_a_camera_tracks() -> None:
    made = cameras.onvif_scene("Gate/east", "profile_1", 3, NOW)
    assert made.topic == "Gate/east/onvif-mj/VideoAnalytics/profile_1/people-counter"
    [frame] = json.loads(made.payload)["Frame"]
    assert [one["@ObjectId"] for one in frame["Object"]] == [1, 2, 3]
    assert frame["@UtcTime"].endswith("Z")
    assert len(json.loads(cameras.onvif_scene("x", "y", 999, NOW).payload)["Frame"][0]["Object"]) == 250
    assert json.loads(cameras.onvif_scene("x", "y", 0, NOW).payload)["Frame"][0]["Object"] == []


def test_frigate_tells_numbers_and_events() -> None:
    assert cameras.frigate_count("gate_west", "person", 12) == ("frigate/gate_west/person", b"12", False)
    event = json.loads(cameras.frigate_event("gate_west", "end", "1.5-abc", 1.5, 5.5, "plaza").payload)
    assert (event["type"], event["before"]["end_time"], event["after"]["end_time"]) == ("end", None, 5.5)
    printed = vectors("frigate")["frigate.events.0"]["input"]["after"]
    assert set(event["after"]) <= set(printed) | {"snapshot"}


# --- ThingsBoard, SenML


def test_a_gateway_message_has_the_documented_shape() -> None:
    printed = json.loads(vectors("thingsboard")["tb.docs.gateway"]["input"])
    rows = {device: [(row["ts"], row["values"]) for row in many] for device, many in printed.items()}
    topic, payload = plain.thingsboard(rows)
    assert topic == vectors("thingsboard")["tb.docs.gateway"]["topic"]
    assert json.loads(payload) == printed


def test_a_senml_pack_gives_its_base_time_once() -> None:
    pack = json.loads(plain.senml(NOW, {"level": 3.2, "rain": 0.4}))
    assert pack == [{"bt": NOW / 1000, "n": "level", "u": "m", "v": 3.2}, {"n": "rain", "u": "mm", "v": 0.4}]


# --- Sparkplug B


def message(payload: bytes) -> dict[str, Any]:
    """A payload as the specification names its fields."""
    told: dict[str, Any] = {"metrics": []}
    for field, value in protobuf.fields(payload):
        if field == 2:
            assert isinstance(value, bytes)
            told["metrics"].append(dict(protobuf.fields(value)))
        else:
            told[{1: "timestamp", 3: "seq"}[field]] = value
    return told


def test_the_reader_of_protocol_buffers_reads_what_others_wrote() -> None:
    listed = vectors("sparkplug_b")["umh.NBIRTH_V1"]
    told = message(base64.b64decode(listed["input"]))
    assert (told["timestamp"], told["seq"]) == (listed["computed"]["timestamp"], 0)
    assert [metric[1] for metric in told["metrics"]] == [b"bdSeq", b"Node Control/Rebirth", b"Temperature"]
    assert [metric[4] for metric in told["metrics"]] == [
        sparkplug.UINT64,
        sparkplug.BOOLEAN,
        sparkplug.DOUBLE,
    ]
    assert told["metrics"][0][11] == 88


def test_a_node_is_born_with_names_and_tells_aliases_afterwards() -> None:
    node = sparkplug.EdgeNode("lanjiang", "plc-01", {"gate-1": ["level"], "gate-2": ["level"]})
    death = node.will(NOW)
    births = node.birth(NOW)
    assert [one.topic for one in births] == [
        "spBv1.0/lanjiang/NBIRTH/plc-01",
        "spBv1.0/lanjiang/DBIRTH/plc-01/gate-1",
        "spBv1.0/lanjiang/DBIRTH/plc-01/gate-2",
    ]
    born = [message(one.payload) for one in births]
    assert [one["seq"] for one in born] == [0, 1, 2]
    assert "seq" not in message(death.payload)
    assert message(death.payload)["metrics"][0][11] == born[0]["metrics"][0][11] == 0
    assert born[0]["metrics"][1][1] == b"Node Control/Rebirth"
    assert born[0]["metrics"][1][14] == 0
    # Nothing measured yet: the metric is there, and null.
    assert born[1]["metrics"][0][7] == 1
    data = message(node.data("gate-2", {"level": 3.5}, NOW + 5).payload)
    [metric] = data["metrics"]
    assert (data["seq"], 1 in metric) == (3, False)
    assert metric[2] == born[2]["metrics"][0][2] != born[1]["metrics"][0][2]
    assert struct.unpack("<d", metric[13]) == (3.5,)


def test_the_sequence_goes_round_over_all_devices_and_a_new_connection_has_a_new_number() -> None:
    node = sparkplug.EdgeNode("lanjiang", "plc-01", {"gate-1": ["level"]}, bd_seq=254)
    node.will(NOW)
    node.birth(NOW)
    told = [message(node.data("gate-1", {"level": n}, NOW).payload)["seq"] for n in range(300)]
    assert told == [(n + 2) % 256 for n in range(300)]
    node.will(NOW)
    assert node.bd_seq == 0
    assert message(node.birth(NOW)[0].payload)["seq"] == 0


def test_only_a_rebirth_command_is_one() -> None:
    node = sparkplug.EdgeNode("lanjiang", "plc-01", {})
    for name, value, wanted in (("Node Control/Rebirth", 1, True), ("Node Control/Reboot", 1, False)):
        command = protobuf.text(
            2, protobuf.text(1, name) + protobuf.number(4, 11) + protobuf.number(14, value)
        )
        assert node.told_to_be_born(command) is wanted
    assert not node.told_to_be_born(b"\xff\xff\xff")


# --- Modbus


def ask(slave: modbus.Slave, unit: int, pdu: bytes) -> bytes:
    answers, left = slave.take(struct.pack(">HHHB", 7, 0, len(pdu) + 1, unit) + pdu)
    assert left == b""
    assert answers[:4] == b"\x00\x07\x00\x00"
    return answers[7:]


def test_registers_are_read_and_exceptions_said() -> None:
    slave = modbus.Slave({1: lambda: modbus.level_sensor(12.3, 3.456)})
    assert ask(slave, 1, bytes.fromhex("0300000004")).hex() == "0308" + "007b" + "0000" + "00000d80"
    assert ask(slave, 1, bytes.fromhex("0400020002")).hex() == "0404" + "00000d80"
    assert ask(slave, 1, bytes.fromhex("0300100001")).hex() == "8302"
    assert ask(slave, 1, bytes.fromhex("0300000000")).hex() == "8303"
    assert ask(slave, 1, bytes.fromhex("2B0E0100")).hex() == "ab01"
    assert ask(slave, 9, bytes.fromhex("0300000001")).hex() == "830b"
    meter = modbus.Slave({2: lambda: modbus.energy_meter(230.0, 5.0, 1100.0, 42.5)})
    assert struct.unpack(">f", ask(meter, 2, bytes.fromhex("04000C0002"))[2:]) == (1100.0,)


def test_requests_may_come_in_pieces_and_noise_ends_the_link() -> None:
    slave = modbus.Slave({1: lambda: modbus.level_sensor(0, 1)})
    request = bytes.fromhex("000100000006010300020002")
    answers, left = slave.take(request[:5])
    assert (answers, left) == (b"", request[:5])
    assert len(slave.take(left + request[5:] + request)[0]) == 2 * 13
    with pytest.raises(ValueError, match="Modbus"):
        slave.take(b"GET / HTTP/1.1\r\n")


# --- SDI-12


def test_a_sensor_measures_and_tells_with_its_check() -> None:
    bus = sdi12.Bus([sdi12.Sensor("0", lambda: [3.14]), sdi12.Sensor("1", lambda: [-1.0, 2.0])])
    assert bus.take(b"0!1I!") == (b"0\r\n114LANJIANGLEVEL1100\r\n", b"")
    assert bus.take(b"1M!1D0!1D") == (b"10002\r\n1-1.000+2.000\r\n", b"1D")
    assert bus.take(b"7M!?!") == (b"", b"")
    told = bus.take(b"0MC!0D0!")[0].split(b"\r\n")
    assert told[0] == b"00001"
    assert told[1][:-3] == b"0+3.140"
    spec = vectors("sdi12_modbus_crc")["sdi12.crc.spec"]
    assert sdi12.check(spec["input"].encode()).decode() == spec["expected"]["crc_ascii"]
    assert told[1][-3:] == sdi12.check(b"0+3.140")


def test_many_values_are_told_on_several_pages() -> None:
    bus = sdi12.Bus([sdi12.Sensor("0", lambda: [1000.5 + n for n in range(9)])])
    told = bus.take(b"0M!0D0!0D1!0D2!0D9!")[0].split(b"\r\n")
    assert told[0] == b"00009"
    assert b"".join(page[1:] for page in told[1:5]).count(b"+") == 9
    assert all(len(page) <= 36 for page in told)
    assert told[4] == b"0"
