"""HJ 212: our own packets, those of others, and what a line does to packets."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.drivers.dialogue import Heard
from edge.drivers.hj212 import STALE_US, Hj212
from edge.protocols.hj212 import measured as measuring
from edge.protocols.hj212 import packet as packets
from edge.protocols.hj212 import times
from edge.protocols.hj212.check import Tail, crc, printed
from edge.protocols.hj212.explain import explain
from edge.protocols.hj212.factors import table
from edge.protocols.hj212.frame import LIMIT, Stream, pack
from edge.protocols.hj212.pieces import LIFE_US, PAUSE_US, TOGETHER

HERE = Path(__file__).parent
OURS = json.loads((HERE / "vectors" / "hj212.json").read_text())["vectors"]
SHARED = HERE.parents[1] / "shared" / "vectors" / "hj212.json"
NOW = 1_792_100_000_000_000
GOOD = next(vector for vector in OURS if vector["name"].startswith("real-time"))


def plain_crc(data: bytes) -> int:
    """Annex A word for word: shift right by eight, XOR the byte, eight shifts."""
    register = 0xFFFF
    for byte in data:
        register = (register >> 8) ^ byte
        for _ in range(8):
            out = register & 1
            register >>= 1
            if out:
                register ^= 0xA001
    return register


def latin(text: str) -> bytes:
    return text.encode("latin-1")


def same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        a[0] == b[0]
        and a[1] == b[1]
        and math.isclose(a[2], b[2]) is not (math.isnan(a[2]) and math.isnan(b[2]))
        for a, b in zip(one, other, strict=True)
    )


def wanted(vector: dict[str, Any], device: str) -> list[Any]:
    return [
        (f"{device}/{metric}", at, math.nan if value is None else value)
        for metric, at, value in vector["samples"]
    ]


def others() -> list[dict[str, Any]]:
    if not SHARED.exists():
        pytest.skip("../shared/vectors is not there: the packets of others are not tried")
    found: list[dict[str, Any]] = json.loads(SHARED.read_text())
    return [vector for vector in found if vector["input_kind"].startswith("text")]


def joined(parts: list[Heard]) -> tuple[list[Any], bytes, int, int]:
    return (
        [sample for heard in parts for sample in heard.samples],
        b"".join(heard.reply for heard in parts),
        sum(heard.frames for heard in parts),
        sum(heard.refused for heard in parts),
    )


@given(st.binary(max_size=1200))
@settings(max_examples=60, deadline=None)
def test_the_check_is_that_of_annex_a(data: bytes) -> None:
    assert crc(data) == plain_crc(data)


def test_the_check_of_long_segments_is_right_at_every_length() -> None:
    for length in [*range(300), 511, 512, 513, 1023, 1024, 1025, 2049, 4097, 9999]:
        data = bytes((length * 7 + place * 13) & 0xFF for place in range(length))
        assert crc(data) == plain_crc(data), length


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: str(vector["name"]))
def test_our_own_packets_say_what_they_were_written_to_say(vector: dict[str, Any]) -> None:
    mn = vector["mn"]
    dialogue = Hj212({mn.lower(): "outlet-1"})
    heard = dialogue.hear(latin("".join(vector["frames"])), NOW)
    end = dialogue.tick(NOW + LIFE_US + STALE_US)
    assert same(heard.samples, wanted(vector, "outlet-1"))
    assert heard.reply == latin(vector["reply"])
    assert heard.refused + end.refused == vector["refused"]
    assert sorted(code for _, code, _ in heard.notes) == sorted(
        code for code in vector["notes"] if code != "cut-off"
    )
    assert all(station in {"outlet-1", ""} for station, _, _ in heard.notes)


def test_an_unlisted_station_is_named_by_its_own_number() -> None:
    heard = Hj212({}).hear(latin(GOOD["frames"][0]), NOW)
    assert same(heard.samples, wanted(GOOD, "hj212-010000a8900016f000169dc0"))


def test_packets_of_others_are_taken_or_refused_as_their_check_says() -> None:
    for vector in others():
        heard = Hj212({}).hear(latin(vector["input"]), NOW)
        if "expected" in vector and vector["expected"].get("valid") is False:
            assert (heard.frames, heard.samples) == (0, []), vector["name"]
        elif vector["computed"]["crc_ok"]:
            assert heard.frames == 1, vector["name"]
        else:
            assert (heard.frames, heard.samples, heard.refused) == (0, [], 1), vector["name"]
            assert "wrong check" in heard.notes[0].text


def test_values_that_others_state_are_read() -> None:
    tried = 0
    for vector in others():
        items = {key: float(text) for key, text in vector["expected"].items() if key.endswith("-Rtd")}
        if not items:
            continue
        fields = {
            field["name"]: field
            for document in explain(latin(vector["input"]))
            for field in document["understood"]
        }
        assert {key: fields[key]["value"] for key in items} == items
        tried += 1
    assert tried


def test_what_others_computed_of_the_parts_is_what_we_find() -> None:
    for vector in others():
        computed = vector.get("computed")
        if not computed or not computed["crc_ok"]:
            continue
        segment = latin(vector["input"])[6 : 6 + computed["length_field"]]
        found = packets.read(segment)
        header = computed["header"]
        assert (found.header.mn, found.header.cn, found.header.st) == (
            header["MN"],
            header["CN"],
            header["ST"],
        )
        assert found.qn == header.get("QN", "")
        assert found.header.flag == (int(header["Flag"]) if "Flag" in header else None)


@given(st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=40, deadline=None)
def test_packets_cut_anywhere_come_to_the_same(cuts: list[int]) -> None:
    stream = b"".join(latin(frame) for vector in OURS for frame in vector["frames"])
    whole = joined([Hj212({}).hear(stream, NOW)])
    dialogue, parts, place = Hj212({}), [], 0
    for cut in cuts:
        parts.append(dialogue.hear(stream[place : place + cut], NOW))
        place += cut
    parts.append(dialogue.hear(stream[place:], NOW))
    again = joined(parts)
    assert same(again[0], whole[0])
    assert again[1:3] == whole[1:3]


def test_packets_that_come_byte_by_byte_come_to_the_same() -> None:
    stream = b"".join(latin(frame) for vector in OURS for frame in vector["frames"])
    whole, dialogue = joined([Hj212({}).hear(stream, NOW)]), Hj212({})
    again = joined([dialogue.hear(stream[place : place + 1], NOW) for place in range(len(stream))])
    assert same(again[0], whole[0])
    assert again[1:3] == whole[1:3]


def test_a_line_that_ends_within_a_packet_ends_it_wherever_the_stream_is_cut() -> None:
    segment = b"ST=32;CN=2011;MN=S1;CP=&&DataTime=20261015\r\n080000;w01001-Rtd=7&&"
    raw = b"##%04d" % len(segment) + segment + b"%04X" % plain_crc(segment) + b"\r\n"
    for cut in range(len(raw)):
        dialogue = Hj212({})
        parts = [dialogue.hear(raw[:cut], NOW), dialogue.hear(raw[cut:], NOW)]
        assert joined(parts)[0] == []


def test_half_a_packet_is_given_up_after_a_while() -> None:
    dialogue = Hj212({})
    dialogue.hear(latin(GOOD["frames"][0])[:60], NOW)
    assert dialogue.tick(NOW + STALE_US - 1).refused == 0
    assert [note.code for note in dialogue.tick(NOW + STALE_US + 1).notes] == ["cut-off"]
    heard = dialogue.hear(latin(GOOD["frames"][0]), NOW)
    assert (heard.frames, heard.refused) == (1, 0)


@given(
    segment=st.binary(min_size=1, max_size=60),
    check=st.sampled_from(["right", "wrong", "lower"]),
    after=st.sampled_from([b"\r\n", b"", b"\r", b"\n", b"##", b"\r\n\r\n", b"\r\n#"]),
    before=st.sampled_from([b"", b"", b"#", b"\r\n"]),
    lie=st.sampled_from([0, 0, 0, 1, -1]),
)
def test_a_packet_that_comes_alone_is_found_where_the_stream_would_find_it(
    segment: bytes, check: str, after: bytes, before: bytes, lie: int
) -> None:
    digits = printed(segment)
    sent = {"right": digits, "wrong": b"%04X" % (int(digits, 16) ^ 1), "lower": digits.lower()}[check]
    data = before + b"##%04d" % max(len(segment) + lie, 0) + segment + sent + after
    found = [each for each in Stream().feed(data) if not each.refused]
    one = Stream().one(data)
    assert one == b"" or [one] == [each.segment for each in found]
    if check != "wrong" and not (before or lie) and after in {b"\r\n", b""} and b"\r\n" not in segment:
        assert one == segment


@given(st.binary(min_size=1, max_size=56), st.binary(max_size=150))
def test_the_check_of_an_answer_in_two_parts_is_that_of_the_whole(begin: bytes, rest: bytes) -> None:
    assert Tail(rest).printed(begin) == printed(begin + rest)


GROUPS = [
    f"{code}-{kind}={value}{rest}"
    for code in ("w01018", "w21003", "SB1", "x99")
    for kind in ("Rtd", "Avg", "RS", "Flag", "Odd")
    for value in ("1.5", "-2", "", "1e3", "x", " 3", "N", "D")
    for rest in ("", ",", f",{code}-Flag=N", f",{code}-Flag=D", f",{code}-Flag= N", ",w01018-Flag=N", ",x=1")
]


@given(
    st.lists(
        st.sampled_from(
            [*GROUPS, "DataTime=20261015080000", "DataTime=20261015080000,w01018-Rtd=4", " ", "="]
        ),
        max_size=8,
    )
)
def test_a_group_means_the_same_whether_its_names_are_known_already_or_not(groups: list[str]) -> None:
    header = packets.read(b"QN=20261015080000001;ST=32;CN=2011;PW=1;MN=A1;Flag=5;CP=&&x-Odd=1&&").header
    packet = packets.Packet(header, "", ";".join(groups))
    header.items.clear()
    cold = measuring.measured(packet)
    warm = measuring.measured(packet)
    plain: dict[str, float] = {}
    notes: packets.Notes = []
    at = ""
    for group in groups:
        at = measuring._group(header, group, at, plain, notes)
    assert str(cold) == str(warm) == str((at, plain, notes))


def pieces() -> list[bytes]:
    vector = next(vector for vector in OURS if vector["name"].startswith("three pieces"))
    return [latin(frame) for frame in vector["frames"]]


def test_what_has_come_of_a_message_in_pieces_is_stored_at_once_and_the_rest_is_told_of() -> None:
    dialogue = Hj212({})
    heard = dialogue.hear(b"".join(pieces()[:2]), NOW)
    assert [name.rpartition("/")[2] for name, _, _ in heard.samples] == [
        "ammonia-minute-avg",
        "cod-minute-avg",
    ]
    assert heard.reply == b""  # the rest is on its way
    assert dialogue.tick(NOW + PAUSE_US).reply != b""
    late = dialogue.tick(NOW + LIFE_US + 1)
    assert [note.code for note in late.notes] == ["piece-missing"]
    assert (late.samples, late.reply) == ([], b"")


def test_a_station_that_waits_for_an_answer_to_each_piece_gets_one_to_each() -> None:
    dialogue, answers = Hj212({}), []
    second, first, _, third = pieces()
    for number, piece in enumerate((first, second, third)):
        now = NOW + number * 3_000_000
        answers.append(dialogue.hear(piece, now).reply)
        answers += [dialogue.tick(now + wait).reply for wait in (1_000_000, PAUSE_US, PAUSE_US + 500_000)]
    assert [bool(answer) for answer in answers] == [
        *[False, False, True, False],
        *[False, False, True, False],
        *[True, False, False, False],
    ]
    assert len(set(filter(None, answers))) == 1


def numbered(number: int, cp: str, qn: str = "20261015080000123") -> bytes:
    """One of two pieces."""
    return pack(f"QN={qn};ST=32;CN=2051;PW=1;MN=A1;Flag=7;PNUM=2;PNO={number};CP=&&{cp}&&")


def test_a_piece_of_a_message_that_is_done_is_answered_again_also_without_a_datatime() -> None:
    dialogue = Hj212({})
    first = numbered(1, "DataTime=20261015080000;w01018-Avg=1")
    last = numbered(2, "w21003-Avg=2")
    whole = dialogue.hear(first + last, NOW)
    assert len(whole.samples) == 2
    for piece in (last, first, last):
        again = dialogue.hear(piece, NOW + PAUSE_US)
        assert again.reply == whole.reply
        assert (again.samples, [note.code for note in again.notes]) == ([], ["resend"])
    # Neither another piece under the same QN, nor the same one long after, is one of it.
    other = dialogue.hear(numbered(2, "w21003-Avg=3"), NOW)
    assert (other.samples, other.reply) == ([], b"")
    late = Hj212({})
    late.hear(first + last, NOW)
    assert late.hear(last, NOW + LIFE_US + 1).reply == b""


def test_a_piece_of_a_message_that_was_not_taken_is_not_answered_when_it_comes_again() -> None:
    dialogue = Hj212({})
    pieces = [numbered(number, "w01018-Avg=1") for number in (1, 2)]  # no DataTime in any
    assert [dialogue.hear(piece, NOW).reply for piece in (*pieces, pieces[1])] == [b"", b"", b""]


def test_no_more_messages_in_pieces_are_open_than_there_is_room_for() -> None:
    dialogue = Hj212({})
    notes = []
    for number in range(TOGETHER + 5):
        segment = (
            f"QN=2026101508000{number:04d};ST=32;CN=2051;PW=1;MN=A1;Flag=7;PNUM=9;PNO=1;"
            "CP=&&DataTime=20261015080000;w01018-Avg=1&&"
        )
        notes += dialogue.hear(pack(segment), NOW).notes
    assert [note.code for note in notes] == ["piece-missing"] * 5
    assert len(dialogue._pieces._open) == TOGETHER


def test_what_is_remembered_between_packets_is_bounded() -> None:
    dialogue = Hj212({})
    for number in range(packets.CACHED + 100):
        dialogue.hear(
            pack(
                f"QN=20261015080005123;ST=32;CN=2011;PW=1;MN=S{number};Flag=4;"
                f"CP=&&DataTime={2000 + number % 50}{1 + number % 12:02d}{1 + number % 28:02d}{number % 24:02d}0000;"
                f"x{number}-Rtd=1&&"
            ),
            NOW,
        )
    assert len(packets._headers) <= packets.CACHED
    assert len(times._minutes) <= times.CACHED
    assert len(dialogue.stations()) == 1000
    one = Hj212({})
    one.hear(b"##9999" + b"x" * 100_000, NOW)
    assert one._stream.waiting <= LIMIT


def test_what_the_names_of_items_mean_is_remembered_within_bounds() -> None:
    dialogue = Hj212({})
    for number in range(packets.KINDS_KEPT + 10):
        items = ";".join(f"x{item}-Rtd=1" for item in range(packets.NAMES + 10))
        heard = dialogue.hear(pack(f"ST={number};CN=2011;MN=S1;CP=&&DataTime=20261015080000;{items}&&"), NOW)
        assert len(heard.samples) == packets.NAMES + 10
    assert len(packets._items) <= packets.KINDS_KEPT
    assert all(len(known) <= packets.NAMES for known in packets._items.values())


@pytest.mark.parametrize("qn", ["2026101508000512\u00e9", "q" * 500, "1;PW=2"])
def test_a_number_that_no_answer_can_repeat_is_told_of_and_the_values_are_taken(qn: str) -> None:
    segment = latin(f"QN={qn};ST=32;CN=2011;MN=S1;Flag=5;CP=&&DataTime=20261015080000;w01001-Rtd=7&&")
    heard = Hj212({}).hear(b"##%04d" % len(segment) + segment + b"%04X" % plain_crc(segment) + b"\r\n", NOW)
    assert len(heard.samples) == 1
    assert ("no-qn" in [note.code for note in heard.notes]) is (heard.reply == b"")


def test_a_stranger_whose_lengths_lie_is_hung_up_on_before_all_of_them_are_checked() -> None:
    heard = Hj212({}).hear(b"##9999" * 40_000, NOW)
    assert heard.hang_up
    assert heard.refused == 7  # of 10,003 bytes each


def test_a_packet_is_explained_field_by_field() -> None:
    (document,) = explain(latin(GOOD["frames"][0]))
    fields = {field["name"]: field for field in document["understood"]}
    assert fields["w01018-Rtd"] == {
        "name": "w01018-Rtd",
        "raw": "63.0",
        "value": 63.0,
        "unit": "mg/L",
        "meaning": "chemical oxygen demand",
        "metric": "cod",
    }
    assert fields["DataTime"]["value"] == "2026-10-15T08:00:00+08:00"
    assert fields["Flag"]["meaning"] == "as of HJ 212-2017, an answer is asked for"
    assert (document["not_understood"], document["notes"]) == ([], [])


def test_what_cannot_be_explained_says_why() -> None:
    documents = list(explain(latin("noise" + GOOD["frames"][0].replace("63.0", "64.0") + "##0101QN=")))
    assert [bool(document["understood"]) for document in documents] == [False, False, False]
    assert [document["not_understood"][0] for document in documents] == [
        "5 bytes that begin no packet (## and four digits)",
        documents[1]["not_understood"][0],
        "a packet ends after 9 bytes: its length says 113",
    ]
    assert documents[1]["not_understood"][0].startswith("wrong check: ")


def test_the_table_of_factors_is_sound() -> None:
    names: dict[str, str] = {}
    for (code, system), factor in table().items():
        assert code == code.lower()
        assert system in {"", "31"}
        assert factor.gain > 0
        assert names.setdefault(factor.metric, factor.unit) == factor.unit, factor.metric


def test_a_link_that_brings_nothing_but_noise_is_hung_up_and_one_that_brings_a_packet_now_and_then_is_not() -> (
    None
):
    stranger, station = Hj212({}), Hj212({})
    noise = b"GET / HTTP/1.1 " * 1_000
    assert not any(station.hear(noise + latin(GOOD["frames"][0]), NOW).hang_up for _ in range(20))
    assert any(stranger.hear(noise, NOW).hang_up for _ in range(20))


@pytest.mark.parametrize(("flag", "stored"), [("n", 63.0), ("t", 63.0), ("d", None), ("N ", 63.0)])
def test_a_flag_in_lower_case_means_what_it_means_in_upper_case(flag: str, stored: float | None) -> None:
    segment = (
        f"ST=32;CN=2011;MN=S1;CP=&&DataTime=20261015080000;w01018-Rtd=63.0,w01018-Flag={flag}&&".encode()
    )
    raw = b"##%04d" % len(segment) + segment + b"%04X" % plain_crc(segment) + b"\r\n"
    ((_, _, value),) = Hj212({}).hear(raw, NOW).samples
    assert value == stored or (stored is None and math.isnan(value))
