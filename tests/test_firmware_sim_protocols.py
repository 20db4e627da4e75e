"""The simulator's encoders, byte by byte against frames that others printed or computed."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.protocols import checksum, hj212
from firmware_sim.protocols.sl651 import body, frame
from firmware_sim.protocols.sl651.body import (
    Number,
    Observed,
    Picture,
    Raw,
    Series,
    Slots,
    Station,
    Status,
    Text,
)
from firmware_sim.protocols.sl651.downlink import Downlinks
from firmware_sim.protocols.sl651.frame import Line

VECTORS = Path(__file__).parents[2] / "shared" / "vectors"


def vectors(name: str) -> dict[str, dict[str, Any]]:
    """Entries of a list of vectors by their names; without the list the test is skipped."""
    path = VECTORS / f"{name}.json"
    if not path.exists():
        pytest.skip(f"no {path}: the vectors lie beside a developer's clone only")
    return {entry["name"]: entry for entry in json.loads(path.read_text(encoding="utf-8"))}


def beijing(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - Beijing time has no zone in these protocols


def minute(text: str) -> Observed:
    return Observed(beijing(f"{text}:00"))


# --- check sums


def test_four_check_sums_are_four_different_ones() -> None:
    assert checksum.modbus(b"123456789") == 0x4B37
    assert checksum.sdi12(b"123456789") == 0xBB3D
    assert checksum.slt427(b"\x00\x01\x02") == 0xA6
    segment = vectors("hj212")["annexA.official"]["input"][6:-6]
    assert checksum.hj212(segment.encode()) == 0x1C80
    assert checksum.modbus(segment.encode()) == 0x0759


# --- SL 651, HEX


def hex_frame(
    line: Line, function: int, serial: int, sent: str, items: list[body.Item], end: int = frame.ETX
) -> str:
    whole = frame.frame(line, function, frame.body(line, serial, beijing(sent), items), end)
    return whole.hex().upper()


def test_a_test_report_is_the_printed_one() -> None:
    told = hex_frame(
        Line("0012345678", 1, "1234"),
        0x30,
        3,
        "2059-10-11 15:49:47",
        [
            Station("0012345678", "H"),
            minute("2059-10-11 15:49"),
            Number("PJ", 0.5),
            Number("PT", 0.5),
            Number("Z", 0.127),
            Number("VT", 11.15),
        ],
    )
    assert told == vectors("sl651")["novrain.Package.decodeTestUplinkMessage"]["input"]


def test_an_even_report_with_gaps_is_the_printed_one() -> None:
    levels = (0.122, 0.122, 0.285, 10.49, 10.49, None, None, None, None, None, 10.49, 10.49)
    told = hex_frame(
        Line("0011223344", 5, "03E8"),
        0x31,
        0x31,
        "2017-07-18 11:00:05",
        [Station("0011223344", "H"), minute("2017-07-18 10:05"), Series(5, "Z", levels)],
    )
    assert told == vectors("sl651")["novrain.Package.decodeEvenTimeUplinkMessage"]["input"]


def test_a_timed_report_is_the_printed_one() -> None:
    told = hex_frame(
        Line("0011223344", 5, "03E8"),
        0x32,
        0x34,
        "2017-07-18 11:00:16",
        [
            Station("0011223344", "H"),
            minute("2017-07-18 11:00"),
            Number("PJ", 4.0),
            Number("PT", 4.0),
            Number("Z", 10.49),
            Number("VT", 10.99),
        ],
    )
    assert told == vectors("sl651")["novrain.Package.decodeIntervalUplinkMessage"]["input"]


def test_an_hour_report_that_tells_end_of_hour_where_its_first_slot_belongs() -> None:
    told = hex_frame(
        Line("0030700300", 16, "1234"),
        0x34,
        48703,
        "2026-07-01 06:00:00",
        [
            Station("0030700300", "H"),
            minute("2026-07-01 06:00"),
            Slots("DRP", (0.0,) * 12),
            Slots("DRZ1", (4.28,) * 12),
            Number("PT", 0.0),
            Number("Z", 4.28),
            Number("VT", 13.7),
        ],
    )
    assert told == vectors("sl651")["beijing.16.34"]["input"]


def test_gaps_filled_with_noughts_are_deviation_b() -> None:
    line = Line("0081100006", 0, "FFFF", deviations=frozenset("bf"))
    told = hex_frame(
        line,
        0x34,
        9655,
        "2026-07-01 06:30:04",
        [
            Station("0081100006", "H"),
            minute("2026-07-01 06:30"),
            Slots("DRZ1", (1.07,) * 7 + (None,) * 5),
            Number("Z", 1.08),
            Number("VT", 12.0),
        ],
    )
    assert told == vectors("sl651")["beijing.22.34"]["input"]


def test_a_definition_of_its_own_and_a_trailing_7e_are_deviations_c_and_e() -> None:
    line = Line("1000000006", 1, "0000", deviations=frozenset("ce"))
    told = hex_frame(
        line,
        0x34,
        12155,
        "2022-12-02 13:15:25",
        [
            Station("1000000006", "H"),
            minute("2022-12-02 12:20"),
            Slots("DRP", (0.0,) * 12),
            minute("2022-12-02 13:15"),
            Number("PT", 319.6),
            minute("2022-12-02 12:20"),
            Slots("DRZ1", (26.05,) * 10 + (27.96,) * 2),
            minute("2022-12-02 13:15"),
            Number("Z", 28.96),
            Number("PJ", 0.0),
            Number("VT", 13.16),
        ],
    )
    assert told == vectors("sl651")["fujian.07.34"]["input"]


def test_f128_and_f028_are_deviation_d() -> None:
    content = body.told(
        [Station("0000000444", "H"), minute("2020-06-02 13:00")], ascii_=False, deviations=frozenset("d")
    )
    assert content.hex().upper() in vectors("sl651")["novrain.Package.nanshuiTimePackage"]["input"]


def test_what_a_person_entered_is_the_printed_one() -> None:
    told = hex_frame(Line("0012345678", 1, "1234"), 0x35, 4, "2059-10-11 15:51:45", [Text(b"Q 1.234")])
    assert told == vectors("sl651")["novrain.Package.decodeArtificalUplinkMessage"]["input"]


def test_asked_elements_are_the_printed_ones() -> None:
    told = hex_frame(
        Line("0011223344", 5, "03E8"),
        0x3A,
        0x38,
        "2017-07-18 11:02:35",
        [
            Station("0011223344", "H"),
            minute("2017-07-18 10:05"),
            Slots("DRZ1", (0.12, 0.12, 0.28, 0.49, 0.49, None, None, None, None, None, 0.49, 0.49)),
        ],
    )
    assert told == vectors("sl651")["novrain.Package.decodeQueryElementUplinkMessage1"]["input"]


def test_a_version_is_the_printed_one() -> None:
    told = hex_frame(
        Line("0011223344", 5, "1234"),
        0x45,
        0x22,
        "2017-07-18 10:19:55",
        [Station("0011223344"), Raw(b"\x11DATA86-SW-V1.2(H)")],
    )
    assert told == vectors("sl651")["novrain.Package.decodeReadSoftUplinkMessage"]["input"]


def test_a_heartbeat_is_the_printed_one() -> None:
    told = hex_frame(Line("9876543210", 0, "1234"), 0x2F, 0x7E08, "2022-10-11 10:07:47", [])
    assert told == vectors("sl651")["csdn.2F.b"]["input"]


def test_a_packet_of_a_picture_is_the_printed_one() -> None:
    printed = vectors("sl651")["novrain.Package.decodePictureUplinkMessagePkg13"]["input"]
    part = bytes.fromhex(printed)[17:-3]
    made = frame.packet(Line("0012345678", 1, "1234"), 0x36, part, (13, 13), frame.ETX)
    assert made.hex().upper() == printed


def test_a_picture_is_cut_into_packets_and_only_the_first_has_a_serial_number() -> None:
    line = Line("1000000006", 1, "0000", deviations=frozenset("e"))
    whole = frame.body(
        line,
        12159,
        beijing("2022-12-05 16:15:19"),
        [Station("1000000006", "H"), minute("2022-12-05 16:15"), Picture(b"\xff\xd8" + bytes(900))],
    )
    made = frame.packets(line, 0x36, whole, 245)
    printed = bytes.fromhex(vectors("sl651")["fujian.09.36"]["input"])
    assert made[0][:44] == printed[:44]
    assert [one[-4] for one in made] == [frame.ETB] * (len(made) - 1) + [frame.ETX]
    assert b"".join(one[17:-4] for one in made) == whole


@pytest.mark.parametrize(
    ("symbol", "value", "printed"),
    [
        ("Z", 0.127, "392300000127"),
        ("Z", -1.5, "392BFF00001500"),
        ("AI", -3.5, "0219FF0035"),
        ("AI", None, "0211FFFF"),
        ("VT", 12.6, "38121260"),
        ("Q", 1234.567, "272B0001234567"),
        ("Z", None, "3923FFFFFFFF"),
        ("Z", -0.0001, "392300000000"),
    ],
)
def test_a_number_is_packed_with_its_length_and_point(symbol: str, value: float | None, printed: str) -> None:
    assert body.told([Number(symbol, value)], ascii_=False).hex().upper() == printed


def test_missing_values_are_as_long_as_the_negative_ones_beside_them() -> None:
    made = body.told([Series(60, "Z", (1.0, None, -1.0))], ascii_=False).hex().upper()
    assert made == "0418000100" + "392B" + "0000001000" + "FFFFFFFFFF" + "FF00001000"


def test_a_value_with_too_many_digits_is_not_told_wrong() -> None:
    with pytest.raises(ValueError, match="digits"):
        body.told([Number("VT", 123.0)], ascii_=False)


def test_rain_that_a_slot_cannot_hold_spills_into_the_next() -> None:
    assert body.slots(Slots("DRP", (30.0, 0.0, None, *(0.0,) * 9))).hex() == "fe2eff" + "00" * 9


def test_status_bits_are_four_bytes() -> None:
    assert body.told([Status(0x00600481)], ascii_=False).hex().upper() == "452000600481"


# --- SL 651, ASCII


def test_an_ascii_report_is_the_oracles_but_for_the_space_that_the_standard_does_not_have() -> None:
    line = Line("0010100001", 1, "A000", ascii_=True)
    content = frame.body(
        line,
        1,
        beijing("2024-01-09 16:01:28"),
        [Station("0010100001", "H"), minute("2024-01-09 16:01"), Number("PJ", 12.0)],
    )
    oracle = vectors("sl651_ascii_oracle")["ascii.up.integer"]["printable"]
    printed = oracle.removesuffix("9EAC").split(">", 2)[2].removesuffix("<03>")
    # Its encoder writes a space behind the time, and 12 for an element of one decimal.
    assert content.decode() == printed.replace("28 ST", "28ST").replace("PJ 12 ", "PJ 12.0 ")
    made = frame.frame(line, 0x32, content)
    assert made[:24] == b"\x01010010100001A00032" + b"%04X" % len(content) + b"\x02"
    assert made[-5:-4] == b"\x03"
    assert int(made[-4:], 16) == checksum.modbus(made[:-4])


def test_ascii_gaps_steps_and_slots() -> None:
    told = body.told(
        [
            Series(5, "Z", (0.122, None, -1.0)),
            Series(60, "PJ", (1.0,)),
            Slots("DRP", (0.1, None, *(0.0,) * 10)),
            Status(0x81),
        ],
        ascii_=True,
    )
    assert told == (b"DRN05 Z 0.122 M -1.000 DRH01 PJ 1.0 DRP 01FF" + b"00" * 10 + b" ZT 00000081 ")


# --- SL 651, downlinks

DOWN = [
    ("novrain.Package.decodeRainfallStationHourlyDownlinkMessage", 0x34, 0x04, 1),
    ("novrain.Package.decodePictureDownlinkMessage", 0x36, 0x05, 0),
    ("novrain.todo.74", 0x4A, 0x05, 0),
    ("csdn.30.down", 0x30, 0x1B, 3),
]


@pytest.mark.parametrize(("name", "function", "end", "serial"), DOWN)
def test_a_downlink_is_found_in_noise_however_it_is_cut(
    name: str, function: int, end: int, serial: int
) -> None:
    printed = bytes.fromhex(vectors("sl651")[name]["input"])
    for cut in (1, 7, 100):
        reader = Downlinks()
        stream = b"\x7e\x00" + printed[:-1] + bytes([printed[-1] ^ 1]) + printed
        found = [one for at in range(0, len(stream), cut) for one in reader.feed(stream[at : at + cut])]
        assert [(one.function, one.end, one.serial) for one in found] == [(function, end, serial)]
        assert found[0].rtu == vectors("sl651")[name]["computed"]["rtu"]
        assert found[0].time == vectors("sl651")[name]["computed"]["send_time"]


def test_an_ascii_downlink_is_read_whole_or_in_packets() -> None:
    listed = vectors("sl651_ascii_oracle")
    asked, settled = (
        Downlinks().feed(bytes.fromhex(listed[name]["input"]))[0]
        for name in ("ascii.down.37", "ascii.ack.m3")
    )
    assert (asked.rtu, asked.function, asked.end, asked.time) == ("0010100001", 0x37, 0x05, "240109160128")
    assert (settled.packet, settled.serial, settled.end) == ((2, 2), 1, 0x1B)


@given(st.binary(max_size=200))
def test_noise_is_no_downlink(noise: bytes) -> None:
    assert Downlinks().feed(noise) == []


# --- HJ 212


def test_the_sample_of_the_annex_is_written_to_the_letter() -> None:
    printed = vectors("hj212")["annexA.official"]["input"].encode()
    assert hj212.packet(printed[6:-6].decode()) == printed
    order = hj212.Orders().feed(b"noise##00" + printed)[0]
    assert (order.head["CN"], order.head["MN"]) == ("1062", "010000A8900016F000169DC0")
    assert order.cp == {"RtdInterval": "30"}


def test_a_real_time_message_is_the_printed_one() -> None:
    logger = hj212.Instrument("Y80110010000010", "22", "123456")
    codes = ("0.00", "0.00", "0.036", "0.033", "25.40", "49.20", "101.94")
    factors = [
        hj212.Factor(f"a21{4 + n if n < 4 else n - 3}", {"Rtd": float(text)}, "N", len(text.split(".")[1]))
        for n, text in enumerate(codes)
    ]
    [made] = hj212.data(
        logger, "20191012133710130", "2011", beijing("2019-10-12 13:37:10"), factors, ack=False
    )
    assert made == vectors("hj212")["guocay.sample5"]["input"].encode()


def test_a_long_message_is_split_into_packets_that_each_stand_alone() -> None:
    logger = hj212.Instrument("010000A8900016F000169DC0", "21")
    factors = [hj212.Factor(f"w{n:05}", {"Min": 1.0, "Avg": 1.5, "Max": 2.0}, "N") for n in range(40)]
    made = hj212.data(logger, "20260101080000000", "2051", beijing("2026-01-01 08:00:00"), factors)
    assert len(made) > 2
    read = [hj212.Orders().feed(one)[0] for one in made]
    assert [one.head["PNO"] for one in read] == [str(n + 1) for n in range(len(made))]
    assert {one.head["PNUM"] for one in read} == {str(len(made))}
    assert {int(one.head["Flag"]) for one in read} == {0b111}
    assert {one.cp["DataTime"] for one in read} == {"20260101080000"}
    assert sum(key.endswith("-Avg") for one in read for key in one.cp) == 40
    assert all(len(one) <= 1024 + 12 for one in made)


def test_a_missing_value_is_told_by_its_flag_alone() -> None:
    assert hj212.group(hj212.Factor("w01001", {"Rtd": None}, "D")) == "w01001-Flag=D"


@given(st.binary(max_size=200))
def test_noise_is_no_order(noise: bytes) -> None:
    assert hj212.Orders().feed(noise) == []
