"""`cityhub decode sl651` explains every field, in both directions and encodings."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from fix_sl651 import RTU, SENT, hexframe, report, textframe

from edge.protocols.sl651.explain import frames
from edge.protocols.sl651.functions import FUNCTIONS
from edge.protocols.sl651.settings import SETTINGS


def one(raw: bytes) -> dict[str, Any]:
    (told,) = frames(raw)
    return told


def values(told: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each["value"] for each in told["understood"]}


def test_every_byte_of_a_frame_is_in_a_field() -> None:
    raw = hexframe(report("2019000015392300001234381212 08".replace(" ", "")))
    told = one(raw)
    packed = "".join(each["raw"] for each in told["understood"])
    assert packed == raw.hex().upper()
    assert (told["not_understood"], told["notes"]) == ([], [])
    assert values(told) == {
        "start": "HEX/BCD",
        "centre": 1,
        "station": RTU,
        "password": "1234",
        "function": "32",
        "direction": "up",
        "length": 38,
        "body": "STX",
        "serial": 9,
        "sent": "2026-07-01T05:01:37+08:00",
        "ST": RTU,
        "TT": "2026-07-01T05:00:00+08:00",
        "PJ": 1.5,
        "Z": 1.234,
        "VT": 12.08,
        "end": "ETX",
        "crc": raw[-2:].hex().upper(),
    }


def test_units_and_meanings_are_said() -> None:
    fields = {
        each["name"]: each
        for each in one(hexframe(report("3923FFFFFFFF3308054520000004 80".replace(" ", ""))))["understood"]
    }
    assert (fields["Z"]["value"], fields["Z"]["unit"]) == (None, "m")
    assert fields["Z"]["meaning"] == "water level of a river or of the tide; missing"
    assert fields["UC"]["value"] == 5.0
    assert fields["ZT"]["value"] == "00000480"
    assert fields["door-open"]["value"] == 0.0


def test_a_text_frame_says_the_same_as_a_packed_one() -> None:
    told = one(textframe(f"0009{SENT}ST {RTU} H TT 2607010500 PJ 1.5 Z 1.234 VT 12.08 ".encode()))
    packed = one(hexframe(report("2019000015392300001234381212 08".replace(" ", ""))))
    for name, value in values(packed).items():
        if name not in {"start", "length", "crc"}:
            assert values(told)[name] == value, name
    assert told["encoding"] == "ASCII"


def test_orders_are_explained() -> None:
    told = one(hexframe(bytes.fromhex("0000260701050140"), func=0x4A, down=True, end=5))
    assert told["direction"] == "down"
    assert values(told)["sent"] == "2026-07-01T05:01:40+08:00"
    assert told["understood"][-2]["meaning"] == "the end of a question or an order"
    told = one(
        hexframe(
            bytes.fromhex("000026070105014026063008260701080418000005" + "3923"), func=0x38, down=True, end=5
        )
    )
    assert values(told)["from"] == "2026-06-30T08:00:00+08:00"
    assert values(told)["until"] == "2026-07-01T08:00:00+08:00"
    assert {"04", "39"} <= values(told).keys()
    told = one(hexframe(bytes.fromhex("0000260701050140" + "3923FF3311"), func=0x3A, down=True, end=5))
    assert {"39", "FF33"} <= values(told).keys()
    told = one(hexframe(bytes.fromhex("0000260701050140" + "2808002300001000"), func=0x42, down=True, end=5))
    assert "28" in values(told)
    told = one(hexframe(bytes.fromhex("0009260701050140"), down=True, end=0x15, number=3, total=9))
    assert values(told)["packet"] == "3 of 9"
    assert told["understood"][-2]["meaning"] == "send this packet again"


def test_settings_are_explained_by_the_table_of_their_function() -> None:
    body = (
        f"0009{SENT}F1F1{RTU}0120050000000310123404500221809415317200970805 3801A130123456780C0802".replace(
            " ", ""
        )
    )
    told = values(one(hexframe(bytes.fromhex(body), func=0x41)))
    assert told["04"] == "IPv4 218.94.153.172:9708"
    assert told["05"] == "short message 13012345678"
    assert told["0C"] == "reports and waits"
    told = values(
        one(hexframe(bytes.fromhex(f"0009{SENT}F1F1{RTU}2823FF0012502008 08".replace(" ", "")), func=0x43))
    )
    assert (told["28"], told["20"]) == (-1.25, 8.0)


def test_answers_with_a_form_of_their_own_are_explained() -> None:
    head = f"0009{SENT}F1F1{RTU}"
    told = values(one(hexframe(bytes.fromhex(head) + b"\x06V1.2.3", func=0x45)))
    assert told["version"] == "V1.2.3"
    counters = "".join(f"{place:04X}" for place in range(1, 33))
    told = values(one(hexframe(bytes.fromhex(head + counters), func=0x50)))
    assert (told["ERC7"], told["ERC32"]) == (7, 32)
    assert values(one(hexframe(bytes.fromhex(head + "FF"), func=0x4F)))["quota"] == "in force"


@pytest.mark.parametrize("func", sorted(FUNCTIONS))
def test_every_function_has_a_meaning_and_is_read_up_and_down(func: int) -> None:
    for down in (False, True):
        told = one(hexframe(bytes.fromhex(f"0009{SENT}"), func=func, down=down))
        assert FUNCTIONS[func] in {each["meaning"] for each in told["understood"]}


def test_several_frames_noise_and_packets_are_told_one_after_the_other() -> None:
    body = report("F3F3") + b"\xff\xd8" + bytes(300) + b"\xff\xd9"
    stream = (
        hexframe(report("38121208"))
        + b"noise"
        + textframe(f"0009{SENT}ST {RTU} H TT 2607010500 VT 12 ".encode())
        + hexframe(body[:200], func=0x36, number=1, total=2, end=0x17)
        + hexframe(body[200:], func=0x36, number=2, total=2)
        + hexframe(report("38121208"))[:-1]
    )
    told = list(frames(stream))
    assert [each.get("encoding") for each in told] == [
        "HEX/BCD",
        None,
        "ASCII",
        "HEX/BCD",
        "HEX/BCD",
        "HEX/BCD",
        None,
    ]
    assert told[1]["not_understood"][0].startswith("noise: 5 bytes")
    assert values(told[5])["PIC"] == "304 bytes"
    assert told[6]["not_understood"] == [
        f"cut: frame without an end: {len(hexframe(report('38121208'))) - 1} of {len(hexframe(report('38121208')))} bytes"
    ]


def test_what_is_wrong_is_said_beside_what_was_understood() -> None:
    told = one(hexframe(report("2019A00000F55C" + "0064" * 12 + "3923"), func=0x34, centre=0))
    assert [each.split(":")[0] for each in told["not_understood"]] == ["cut-short", "digits-invalid"]
    assert {each.split(":")[0] for each in told["notes"]} >= {"series-definition", "hour-end", "centre-zero"}


def test_the_table_of_settings_is_whole() -> None:
    assert len(SETTINGS) == 152


def test_the_command_prints_a_line_a_frame() -> None:
    raw = hexframe(report("38121208")) * 2
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cityhub.cli", "decode", "sl651", raw.hex()],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert [json.loads(line)["station"] for line in done.stdout.splitlines()] == [RTU, RTU]


@pytest.mark.parametrize(
    ("observed", "span", "why"),
    [
        ("2607010400", "the first at 04:00, the last at 04:55", 'hour_slots = "last"'),
        ("2607010500", "the first at 04:05, the last at 05:00", "the time said is the last slot's"),
    ],
)
def test_of_an_hour_report_it_is_said_which_slot_its_time_was_taken_for(
    observed: str, span: str, why: str
) -> None:
    told = one(hexframe(report("F460" + "01" * 12, observed=observed), func=0x34))
    (rain,) = [each for each in told["understood"] if each["name"] == "DRP"]
    assert span in rain["meaning"]
    assert why in rain["meaning"]


def test_a_wrong_check_is_told_with_the_right_one() -> None:
    raw = hexframe(report("38121208"))
    (told,) = frames(raw[:-2] + b"\0\0")
    right = raw[-2:].hex().upper()
    assert told["not_understood"] == [
        f"crc: CRC wrong in a frame of {len(raw)} bytes: 0000 was sent, {right} is right"
    ]
    assert told["station"] == RTU
