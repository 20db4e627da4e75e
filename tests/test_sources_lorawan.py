"""LoRaWAN codecs: bytes written by hand from the makers' tables, and bytes that no device sends."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.sources.lorawan.codecs import CODECS

SHARED = Path(__file__).parents[2] / "shared" / "vectors"
U2, S2, U4 = struct.Struct("<H"), struct.Struct("<h"), struct.Struct("<I")


def read(codec: str, data: bytes) -> dict[str, float]:
    uplink = CODECS[codec](data, 85)
    assert not uplink.notes
    return {each.metric: each.value for each in uplink.fields}


@pytest.mark.parametrize(
    ("codec", "data", "found"),
    [
        ("milesight-em310-udl", b"\x01\x75\x50\x03\x82" + U2.pack(875) + b"\x04\x00\x00",
         {"battery-level": 80, "water": 87.5, "displaced": 0}),
        ("milesight-em400-udl", b"\x03\x67" + S2.pack(-55) + b"\x84\x82" + U2.pack(300) + b"\x01\x05\x00\x01",
         {"air-temperature": -5.5, "water": 30, "level-alarm": 1, "displaced": 1}),
        ("milesight-em400-udl", b"\x83\x67" + S2.pack(601) + b"\x00",
         {"air-temperature": 60.1, "temperature-alarm": 0}),
        ("milesight-em500-swl", b"\x01\x75\x64\x03\x77" + S2.pack(247), {"battery-level": 100, "level": 2.47}),
        ("milesight-em300-mcs", b"\x03\x67" + S2.pack(308) + b"\x04\x68\x65\x06\x00\x01",
         {"air-temperature": 30.8, "humidity": 50.5, "open": 1}),
        ("milesight-ws558",
         b"\x08\x31\x02\x02\x05\x81\x62\x07\xc9" + U2.pack(431) + b"\x03\x74" + U2.pack(2268) + b"\x06\x83"
         + U4.pack(1_234_567) + b"\x04\x80" + U4.pack(98),
         {"lamp": 1, "power-factor": 98, "current": 0.431, "voltage": 226.8, "energy-total": 1234.567, "power": 98}),
        ("milesight-ws558", b"\x08\x31\xff\x00", {"lamp": 0}),
        # A serial number and versions between the readings: known, and no readings.
        ("milesight-em310-udl", b"\xff\x0b\xff\xff\x16\1\2\3\4\5\6\7\x08\xff\x09\1\0\x01\x75\x01", {"battery-level": 1}),
        ("cayenne-lpp", bytes.fromhex("0367011005 6700ff".replace(" ", "")),
         {"temperature-3": 27.2, "temperature-5": 25.5}),
        ("cayenne-lpp", bytes.fromhex("0671 04d2 fb2e 0000".replace(" ", "")),
         {"acceleration-6-x": 1.234, "acceleration-6-y": -1.234, "acceleration-6-z": 0}),
        ("cayenne-lpp", bytes.fromhex("0188 06765f f2960a 0003e8".replace(" ", "")),
         {"position-1-lat": 42.3519, "position-1-lon": -87.9094, "position-1-alt": 10}),
        ("cayenne-lpp", bytes.fromhex("0000 01".replace(" ", "")), {"digital-in-0": 1}),
    ],
)  # fmt: skip
def test_bytes_become_readings(codec: str, data: bytes, found: dict[str, float]) -> None:
    assert read(codec, data) == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize(
    ("z", "flags", "tilt", "displaced"),
    [(90.0, 0, 0.0, 0), (60.5, 1, 29.5, 1), (0.0, 0, 90.0, 0), (-90.0, 1, 180.0, 1)],
)
def test_a_cover_that_lies_face_up_is_not_tilted(z: float, flags: int, tilt: float, displaced: int) -> None:
    data = b"\x03\xd4" + b"".join(S2.pack(round(angle * 100) * 2 + flags) for angle in (1.25, -1.25, z))
    assert read("milesight-em310-tilt", data) == {
        "tilt-x": 1.25, "tilt-y": -1.25, "tilt-z": z, "tilt": tilt, "displaced": displaced,
    }  # fmt: skip


def test_what_could_not_be_sent_in_time_comes_with_its_own() -> None:
    uplink = CODECS["milesight-em500-swl"](b"\x20\xce" + U4.pack(1_789_000_000) + S2.pack(120), 85)
    assert [(each.metric, each.at_us, each.value) for each in uplink.fields] == [
        ("level", 1_789_000_000_000_000, 1.2)
    ]


@pytest.mark.parametrize(
    ("codec", "data", "note"),
    [
        (
            "milesight-em310-udl",
            "01755c7777",
            "from byte 3: 7777 is unknown to this model; the rest is not read",
        ),
        (
            "milesight-em310-udl",
            "01755c038244",
            "from byte 3: 038244 should have 2 bytes; the rest is not read",
        ),
        ("milesight-em310-udl", "01755c03", "from byte 3: 03 is unknown to this model; the rest is not read"),
        ("cayenne-lpp", "0066010167", "from byte 3: 0167 should have 2 bytes; the rest is not read"),
        ("cayenne-lpp", "00660105ee", "from byte 3: 05ee is no type of Cayenne LPP; the rest is not read"),
    ],
)
def test_what_stands_before_an_unknown_channel_is_kept(codec: str, data: str, note: str) -> None:
    uplink = CODECS[codec](bytes.fromhex(data), 85)
    assert len(uplink.fields) == 1
    assert uplink.notes == [note]


@given(st.sampled_from(sorted(CODECS)), st.binary(max_size=242))
@settings(deadline=None, max_examples=500)
def test_no_bytes_break_a_codec(codec: str, data: bytes) -> None:
    uplink = CODECS[codec](data, 1)
    assert all(each.raw in data for each in uplink.fields)
    assert len(uplink.notes) <= 1
    assert uplink.notes or sum({id(each.raw): len(each.raw) for each in uplink.fields}.values()) <= len(data)


def test_the_makers_example_says_what_the_maker_says() -> None:
    path = SHARED / "lorawan_codecs.json"
    if not path.exists():
        pytest.skip("the vectors are not beside this clone")
    [vector] = (each for each in json.loads(path.read_text()) if each["name"] == "milesight.em310-udl")
    found = read("milesight-em310-udl", bytes.fromhex(vector["input"]["hex"]))
    expected = vector["expected"]
    assert found == {
        "battery-level": expected["battery"],
        "water": expected["distance"] / 10,
        "displaced": float(expected["tilt"] == "tilt"),
    }
