"""SL 651 from bytes to readings: our own vectors, those of others, every element, every deviation with its control."""

from __future__ import annotations

import csv
import json
import math
import re
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fix_sl651 import ARRIVED_US, RTU, hexframe, report, textframe

from edge.drivers.dialogue import Heard
from edge.drivers.sl651 import Sl651
from edge.protocols.sl651 import elements, explain

HERE = Path(__file__).parent
OURS = json.loads((HERE / "vectors/sl651.json").read_text())
THEIRS = HERE.parents[1] / "shared/vectors/sl651.json"
DEVICE = f"sl651-{RTU}"


def hear(raw: bytes, **options: Any) -> Heard:
    return Sl651(**options).hear(raw, ARRIVED_US)


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def readings(heard: Heard) -> list[list[Any]]:
    return [[name, at, None if math.isnan(value) else value] for name, at, value in heard.samples]


def codes(heard: Heard) -> list[str]:
    return [each.code for each in heard.notes]


@pytest.mark.parametrize("vector", OURS["vectors"], ids=lambda each: each["name"])
def test_our_vectors(vector: dict[str, Any]) -> None:
    heard = hear(bytes.fromhex(vector["frame"]))
    expected = vector["expected"]
    assert readings(heard) == [[name, us(at), value] for name, at, value in expected["samples"]]
    assert codes(heard) == expected["notes"]
    assert (heard.frames, heard.refused) == (expected["frames"], 0)
    if end := expected.get("reply_end"):
        place = -5 if heard.reply.startswith(b"\x01") else -3
        assert heard.reply[place] == int(end, 16)


@pytest.mark.skipif(not THEIRS.exists(), reason="the vectors of others are not beside the project")
def test_the_frames_of_others_say_what_their_sources_state() -> None:
    checked = 0
    for vector in json.loads(THEIRS.read_text()):
        if vector["input_kind"] != "hex frame" or not re.fullmatch("([0-9A-F]{2})+", vector["input"]):
            continue
        raw, expected = bytes.fromhex(vector["input"]), vector["expected"]
        told = next(iter(explain.frames(raw)))
        if expected.get("crc_ok") is False:
            assert told["understood"] == []
            continue
        fields = {each["name"]: each for each in told["understood"]}
        assert told["direction"] == expected.get("direction", told["direction"]).lower(), vector["name"]
        assert told["function"] == expected.get("func", told["function"])
        assert told["station"] == expected.get("station", told["station"])
        assert fields["crc"]["raw"] == expected.get("crc", fields["crc"]["raw"])
        end = re.sub(r"\(.*", "", expected.get("end_char", fields["end"]["value"]))
        assert end in {fields["end"]["value"], fields["end"]["raw"]}
        if at := expected.get("obs_time"):
            assert fields["TT"]["value"].replace("T", " ").startswith(at)
        checked += 1
    assert checked > 50


@pytest.mark.skipif(not THEIRS.exists(), reason="the vectors of others are not beside the project")
def test_the_values_that_others_assert() -> None:
    checked = 0
    for vector in json.loads(THEIRS.read_text()):
        by_index = vector["expected"].get("elements_by_index", {})
        wanted = {
            int(each["id"], 16): each["values"]
            for each in by_index.values()
            if "values" in each and re.fullmatch("0x[0-9A-Fa-f]{2}", each["id"])
        }
        if not wanted or vector["input_kind"] != "hex frame":
            continue
        heard = hear(bytes.fromhex(vector["input"]))
        for ident, values in wanted.items():
            metric = elements.kind(ident).metric
            found = {round(value, 3) for name, _, value in heard.samples if name.endswith(f"/{metric}")}
            assert set(values) <= found, (vector["name"], metric)
            checked += 1
    assert checked >= 8


def rows() -> list[dict[str, str]]:
    text = (HERE.parent / "edge/protocols/sl651/elements.csv").read_text()
    return list(csv.DictReader(text.splitlines()))


def test_the_table_has_all_131_elements_each_once() -> None:
    assert len(rows()) == 131
    for column in ("ident", "symbol"):
        assert len({each[column] for each in rows()}) == 131
    metrics = [each["metric"] for each in rows() if each["metric"]]
    # Rain of five minutes comes alone and in the slots of an hour: it is one series.
    assert [each for each in set(metrics) if metrics.count(each) > 1] == ["rain-5min"]
    assert len(metrics) == 124
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", each) for each in metrics)
    assert all(each["unit"] for each in rows() if each["metric"])


@pytest.mark.parametrize(
    "row",
    [each for each in rows() if re.fullmatch(r"N\d+\.\d", each["form"])],
    ids=lambda each: each["symbol"],
)
def test_each_number_of_the_table_is_read_in_both_encodings(row: dict[str, str]) -> None:
    digits, decimals = (int(each) for each in row["form"][1:].split("."))
    text = "123456789012"[:digits]
    size = (digits + 1) // 2
    packed = f"{row['ident']}{size << 3 | decimals:02X}{text.zfill(2 * size)}"
    written = f"{text[: digits - decimals]}.{text[digits - decimals :]}" if decimals else text
    expected = [[f"{DEVICE}/{row['metric']}", us("2026-07-01T05:00:00+08:00"), float(written)]]
    assert readings(hear(hexframe(report(packed)))) == expected
    body = f"0009260701050137ST {RTU} H TT 2607010500 {row['symbol']} {written} "
    assert readings(hear(textframe(body.encode()))) == expected


def test_the_definition_in_the_frame_counts_not_that_of_the_table() -> None:
    for packed, value in (
        ("392300012345", 12.345),
        ("391A123456", 1234.56),
        ("39121234", 12.34),
        ("390812", 12),
    ):
        assert hear(hexframe(report(packed))).samples[0][2] == value


def test_a_station_that_is_listed_has_its_device_and_one_that_is_not_its_address() -> None:
    raw = hexframe(report("38121208", rtu="00418D2337"), rtu="00418D2337")
    assert hear(raw, stations={"00418d2337": "dam-7"}).samples[0][0] == "dam-7/battery"
    assert hear(raw, stations={RTU: "river-1"}).samples[0][0] == "sl651-00418d2337/battery"


def test_a_link_may_refuse_whoever_is_not_listed_and_says_nothing_to_him() -> None:
    raw = hexframe(report("38121208", rtu="00418D2337"), rtu="00418D2337")
    heard = hear(raw, stations={RTU: "river-1"}, refuse_unlisted=True)
    assert (heard.samples, heard.reply, heard.refused, codes(heard)) == ([], b"", 1, ["unlisted"])
    heard = hear(hexframe(report("38121208")), stations={RTU: "river-1"}, refuse_unlisted=True)  # the control
    assert (len(heard.samples), heard.refused, codes(heard)) == (1, 0, [])


def test_elements_of_the_makers_own_can_be_named() -> None:
    heard = hear(hexframe(report("FF33110203C1120125")), metrics={"FF33": "rssi", "c1": "snr"})
    assert [name.split("/")[1] for name, _, _ in heard.samples] == ["rssi", "snr"]


def test_the_time_of_an_hour_report_can_be_said() -> None:
    raw = hexframe(report("F460" + "00" * 12, observed="2607010300"), func=0x34)
    first, last = us("2026-07-01T03:00:00+08:00"), us("2026-07-01T02:05:00+08:00")
    assert hear(raw).samples[0][1] == first  # two hours old: nothing speaks against the standard
    assert hear(raw, hour_slots="last").samples[0][1] == last
    ahead = hexframe(report("F460" + "00" * 12), func=0x34)
    assert hear(ahead, hour_slots="first").samples[0][1] == us("2026-07-01T05:00:00+08:00")


def test_hours_of_a_query_follow_one_another() -> None:
    hours = "".join(f"{hour:02X}" * 12 for hour in range(16))
    heard = hear(hexframe(report("0418000000F460" + hours, observed="2606301005"), func=0x38))
    assert len(heard.samples) == 192
    assert heard.samples[0][1:] == (us("2026-06-30T10:05:00+08:00"), 0.0)
    assert heard.samples[-1][1:] == (us("2026-07-01T02:00:00+08:00"), 1.5)


def test_a_base_level_that_moves_is_told() -> None:
    link, told = Sl651(), []
    for serial, level in enumerate((31_000, 31_010, 31_500, 31_500), 1):
        body = report(f"F5C0{'0064' * 12}3923{level:08d}", observed="2607010405", serial=serial)
        told.append(codes(link.hear(hexframe(body, func=0x34), ARRIVED_US)))
    assert told == [[], [], ["base-moved"], []]


def test_zeros_are_no_slots_where_the_base_is_known_from_the_reports_before() -> None:
    def hour(link: Sl651, slots: str, level: int, serial: int) -> Heard:
        body = report(f"F5C0{slots}3923{level:08d}", observed="2607010405", serial=serial)
        return link.hear(hexframe(body, func=0x34), ARRIVED_US)

    zeros = "006B" * 7 + "0000" * 5
    link = Sl651()
    assert codes(hour(link, "0064" * 12, 31_000, 1)) == []
    heard = hour(link, zeros, 31_080, 2)
    assert codes(heard) == ["slots-zero"]
    assert sum(math.isnan(value) for _, _, value in heard.samples) == 5
    dry = hour(link, zeros, 30_000, 3)  # the control: the level says that it is so
    assert (codes(dry), [value for _, _, value in dry.samples].count(0.0)) == ([], 5)
    assert codes(hour(Sl651(), zeros, 31_080, 1)) == []  # nothing is known yet


def test_a_step_of_nothing_is_for_hours_alone() -> None:
    heard = hear(hexframe(report("041800000039230000100000002000"), func=0x31))
    assert (readings(heard), codes(heard)) == (
        [[f"{DEVICE}/level", us("2026-07-01T05:00:00+08:00"), 1.0]],
        ["step-zero"],
    )


def test_a_series_of_a_day_that_nobody_knows_is_dropped_and_told() -> None:
    raw = report("04180001003923" + "00001000" * 3, observed="5907010500")
    heard = hear(hexframe(raw, func=0x31))
    assert (heard.samples, codes(heard)) == ([], ["time-implausible", "series-dropped"])
    heard = hear(hexframe(report("04180001003923" + "00001000" * 3), func=0x31))  # the control
    assert (len(heard.samples), codes(heard)) == (3, [])


def test_times_that_are_none_are_told_and_the_time_of_sending_is_taken() -> None:
    for wrong in ("2613010500", "26070125AA", "0007010500"):
        heard = hear(hexframe(report("38121208", observed=wrong)))
        assert heard.samples == [(f"{DEVICE}/battery", us("2026-07-01T05:01:37+08:00"), 12.08)]
        assert codes(heard) in (["time-invalid"], ["time-implausible"])


def test_the_hydrological_day_ends_at_eight_and_its_rain_keeps_the_time_of_its_end() -> None:
    heard = hear(hexframe(report("1F190003052019000000", observed="2607010800", sent="260701080010")))
    at = us("2026-07-01T08:00:00+08:00")
    assert readings(heard) == [[f"{DEVICE}/rain-1d", at, 30.5], [f"{DEVICE}/rain-today", at, 0.0]]


@pytest.mark.parametrize("cut", range(1, 34))
def test_a_body_that_ends_early_gives_what_came_before(cut: int) -> None:
    whole = report("392300012345" + "38121208")
    heard = hear(hexframe(whole[:-cut]))
    kept = [name.split("/")[1] for name, _, _ in heard.samples]
    assert kept == (["level"] if cut <= 4 else [])
    told = set(codes(heard)) - {"time-implausible", "no-class"}
    # Where an element ends, the end is no fault.
    assert told == (set() if cut in {4, 10, 17, 18, 25} else {"cut-short"})
    assert bool(heard.reply) == (cut <= 25)  # what has no number and time cannot be acknowledged
    assert heard.refused == (cut > 25)


def test_unknown_functions_are_told_and_read_only_where_they_look_like_reports() -> None:
    heard = hear(hexframe(report("38121208"), func=0xE5))
    assert (len(heard.samples), codes(heard)) == (1, ["function-unknown"])
    heard = hear(hexframe(bytes.fromhex("0009260701050137") + b"\x39\x12\x12\x34", func=0x05))
    assert (heard.samples, codes(heard)) == ([], ["function-unknown"])
    assert codes(hear(hexframe(report("38121208")))) == []  # the control


def test_a_frame_to_a_station_that_comes_back_is_no_reading() -> None:
    heard = hear(hexframe(report("38121208"), down=True, end=5))
    assert (heard.samples, heard.reply, codes(heard)) == ([], b"", ["direction"])


def test_a_series_without_a_time_is_dropped_and_told() -> None:
    body = bytes.fromhex(f"0009260701050137F1F1{RTU}48F0F026AA01050004180001003923" + "00001000" * 3)
    heard = hear(hexframe(body, func=0x31))
    assert (heard.samples, codes(heard)) == ([], ["time-invalid", "series-dropped"])


def test_a_value_of_a_series_that_cannot_be_read_is_left_out_of_it() -> None:
    heard = hear(hexframe(report("041800001039230000100000A0100000003000"), func=0x31))
    minutes = [(at - us("2026-07-01T05:00:00+08:00")) // 60_000_000 for _, at, _ in heard.samples]
    assert (minutes, [each[2] for each in heard.samples]) == ([0, 20], [1.0, 3.0])
    assert codes(heard) == ["digits-invalid"]


def test_what_is_odd_about_one_message_is_bounded() -> None:
    heard = hear(hexframe(report("2008AA" * 1000)))
    assert len(heard.notes) == 41
    assert heard.notes[-1].text == "960 more of one message"


def test_the_page_names_every_code_that_a_note_can_have() -> None:
    root = HERE.parent
    page = (root / "docs/protocols/sl651.md").read_text()
    sources = [*(root / "edge/protocols/sl651").glob("*.py"), root / "edge/drivers/sl651.py"]
    code = r'"([a-z0-9]+(?:-[a-z0-9]+)*)"'
    told = {
        found
        for path in sources
        for pattern in (
            rf"Note\([^\n]*?, {code},",
            rf"_trouble\(\s*{code},",
            rf"Fault\(\s*{code},",
            rf"append\(\({code},",
        )
        for found in re.findall(pattern, path.read_text())
    }
    assert len(told) > 30
    assert {each for each in told if f"`{each}`" not in page} == set()


def test_the_example_of_the_page_is_a_gateways_file() -> None:
    page = (HERE.parent / "docs/protocols/sl651.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0]
    (given,) = tomllib.loads(example)["driver"]
    heard = hear(
        hexframe(report("FF33110203"), rtu="00418D2337"), stations=given["stations"], **given["options"]
    )
    assert heard.samples[0][0].endswith("/rssi")
    assert Sl651(given["stations"]).device("00418D2337") == "river-1"


@pytest.mark.parametrize(("written", "value"), [(".25", 0.25), ("-.5", -0.5), ("3.", 3.0), ("+1.5", 1.5)])
def test_a_number_of_an_ascii_message_may_leave_out_what_says_nothing(written: str, value: float) -> None:
    heard = hear(textframe(f"0009260701050137ST {RTU} H TT 2607010500 Z {written} ".encode()))
    assert [each[2] for each in heard.samples] == [value]
