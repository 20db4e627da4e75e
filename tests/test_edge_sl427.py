"""SL/T 427 and SZY 206: our own frames, those of others, and what a line does to frames."""

from __future__ import annotations

import json
import math
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.drivers.conversation import Watch
from edge.drivers.dialogue import Heard
from edge.drivers.kept import ENTRIES, Kept
from edge.drivers.listener import Listener
from edge.drivers.sl427 import SLOW_US, STALE_US, Sl427
from edge.protocols.sl427.check import crc8
from edge.protocols.sl427.explain import explain
from edge.protocols.sl427.frame import LIMIT, pack
from edge.protocols.sl427.message import address_of, place
from edge.protocols.sl427.pieces import LIFE_US
from edge.protocols.sl427.values import decimal, time_us

HERE = Path(__file__).parent
OURS = json.loads((HERE / "vectors" / "sl427.json").read_text())["vectors"]
SHARED = HERE.parents[1] / "shared" / "vectors" / "szy206_slt427.json"
NOW = OURS[0]["now"]
LEVEL = next(vector for vector in OURS if vector["name"].startswith("three levels"))
MINUTE_US = 60_000_000


class Link(Sl427):
    """A link whose owner keeps what is to be kept."""

    def __init__(self, stations: dict[str, str], store: Kept | None = None, **options: Any) -> None:
        self.store = store or Kept()
        super().__init__(stations, **options, kept=self.store.get)

    def hear(self, data: bytes, arrived_us: int) -> Heard:
        heard = super().hear(data, arrived_us)
        self.store.put(heard.keep or {})
        return heard

    def tick(self, now_us: int) -> Heard:
        heard = super().tick(now_us)
        self.store.put(heard.keep or {})
        return heard


def plain_crc(data: bytes) -> int:
    register = 0
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = ((register << 1) ^ 0xE5) & 0xFF if register & 0x80 else register << 1
    return register


def others(kind: str) -> list[dict[str, Any]]:
    if not SHARED.exists():
        pytest.skip("../shared/vectors is not there: the frames of others are not tried")
    return [vector for vector in json.loads(SHARED.read_text()) if vector["input_kind"] == kind]


def same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        a[:2] == b[:2] and math.isclose(a[2], b[2]) is not (math.isnan(a[2]) and math.isnan(b[2]))
        for a, b in zip(one, other, strict=True)
    )


def dialogue_for(vector: dict[str, Any]) -> Link:
    address = vector["address"]
    return Link(
        {address: "well-1"},
        szy206=[address] if vector.get("szy206") else [],
        quality={address: vector.get("quality", {})},
    )


def stream_of(vector: dict[str, Any]) -> bytes:
    return bytes.fromhex("".join(vector["frames"]))


def joined(parts: list[Heard]) -> tuple[list[Any], bytes, int]:
    return (
        [sample for heard in parts for sample in heard.samples],
        b"".join(heard.reply for heard in parts),
        sum(heard.frames for heard in parts),
    )


@given(st.binary(max_size=700))
@settings(max_examples=60, deadline=None)
def test_the_check_is_that_of_the_polynomial(data: bytes) -> None:
    assert crc8(data) == plain_crc(data)


def test_the_check_of_a_picture_is_right_at_every_length() -> None:
    for length in [*range(100, 400, 3), 1024, 5000, 65_535]:
        data = bytes((length + place * 7) & 0xFF for place in range(length))
        assert crc8(data) == plain_crc(data), length


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: str(vector["name"]))
def test_our_own_frames_say_what_they_were_written_to_say(vector: dict[str, Any]) -> None:
    dialogue = dialogue_for(vector)
    heard = dialogue.hear(stream_of(vector), vector["now"])
    wanted = [
        (f"well-1/{metric}", at, math.nan if value is None else value)
        for metric, at, value in vector["samples"]
    ]
    assert same(heard.samples, wanted)
    assert heard.reply.hex() == vector["reply"]
    assert sorted(code for _, code, _ in heard.notes) == sorted(vector["notes"])
    assert heard.refused == vector["refused"]


def test_an_unlisted_station_is_named_by_its_own_address() -> None:
    heard = Link({}).hear(stream_of(LEVEL), NOW)
    assert {name.partition("/")[0] for name, _, _ in heard.samples} == {"sl427-1101080405"}


def test_real_frames_of_others_are_read_as_they_compute() -> None:
    for vector in others("hex frame"):
        computed = vector["computed"]
        dialogue = Link({computed["address"]: "meter"}, szy206=[computed["address"]])
        heard = dialogue.hear(bytes.fromhex(vector["input"]), NOW)
        assert (heard.frames, heard.refused) == (1, 0), vector["name"]
        assert dialogue.stations() == [computed["address"].lower()]
        (document,) = explain(bytes.fromhex(vector["input"]))
        fields = {field["name"]: field for field in document["understood"]}
        assert fields["L"]["value"] == computed["L"]
        assert fields["AFN"]["value"] == computed["AFN"]
        assert f"FCB {computed['FCB']}, kind {computed['type']}:" in fields["C"]["meaning"]
        assert fields["CS"]["value"] == computed["cs_calc"]
        assert "SZY 206" in document["notes"][0]


def test_a_real_frame_is_read_to_its_values() -> None:
    vector = next(vector for vector in others("hex frame") if vector["name"] == "szy206.b3")
    heard = Link({"5303810D00": "meter"}, szy206=["530381/13"]).hear(bytes.fromhex(vector["input"]), NOW)
    found = {name: value for name, _, value in heard.samples}
    assert found["meter/flow"] == 5.9
    assert found["meter/volume-total"] == 106182
    assert (found["meter/mains-lost"], found["meter/remaining-water-alarm"], found["meter/battery-low"]) == (
        1,
        1,
        0,
    )


def test_what_others_state_of_parts_is_what_we_find() -> None:
    for vector in others("hex bytes"):
        raw, expected = bytes.fromhex(vector["input"]), vector["expected"]
        if "crc8" in expected:
            assert f"{crc8(raw):02X}" == expected["crc8"]
        elif "time" in expected:
            assert time_us(raw, NOW) == 1_778_566_500_000_000  # 2026-05-12 14:15 in Beijing
        elif expected.get("valid") is False:
            assert time_us(raw, NOW) is None
        elif "admin" in expected:
            assert place(raw) == f"district {expected['admin']}, station {expected['station']}"
        elif "negative" in expected:
            assert (decimal(raw, 0, signed=True).value < 0) is expected["negative"]


def test_an_address_may_be_written_as_on_the_nameplate() -> None:
    assert address_of("110108/1284") == "1101080405"
    assert address_of("00418203AB") == "00418203ab"
    for wrong in ("110108/99999", "1101", "110108-1284", "11010804050"):
        with pytest.raises(ValueError, match="is no address"):
            address_of(wrong)


@given(st.lists(st.integers(0, 90), max_size=8))
@settings(max_examples=40, deadline=None)
def test_frames_cut_anywhere_come_to_the_same(cuts: list[int]) -> None:
    stream = b"".join(stream_of(vector) for vector in OURS)
    whole = joined([Link({}).hear(stream, NOW)])
    dialogue, parts, place_ = Link({}), [], 0
    for cut in cuts:
        parts.append(dialogue.hear(stream[place_ : place_ + cut], NOW))
        place_ += cut
    parts.append(dialogue.hear(stream[place_:], NOW))
    again = joined(parts)
    assert same(again[0], whole[0])
    assert again[1:] == whole[1:]


def test_frames_that_come_byte_by_byte_come_to_the_same() -> None:
    stream = b"".join(stream_of(vector) for vector in OURS)
    whole, dialogue = joined([Link({}).hear(stream, NOW)]), Link({})
    again = joined([dialogue.hear(stream[place_ : place_ + 1], NOW) for place_ in range(len(stream))])
    assert same(again[0], whole[0])
    assert again[1:] == whole[1:]


def test_a_frame_behind_half_a_frame_is_found_when_the_rest_does_not_come() -> None:
    dialogue = Link({})
    assert dialogue.hear(b"\x68\xff\x68" + stream_of(LEVEL), NOW).frames == 0
    assert dialogue.tick(NOW + STALE_US - 1).frames == 0
    late = dialogue.tick(NOW + STALE_US + 1)
    assert (late.frames, late.refused) == (1, 2)
    assert len(late.samples) == len(LEVEL["samples"])


def test_a_split_message_without_its_end_is_told_of() -> None:
    split = next(vector for vector in OURS if vector["name"].startswith("split"))
    dialogue = Link({})
    assert dialogue.hear(bytes.fromhex("".join(split["frames"][:2])), NOW).samples == []
    late = dialogue.tick(NOW + LIFE_US + 1)
    assert [note.code for note in late.notes] == ["piece-missing"]
    assert late.refused == 1


def test_the_last_frame_of_a_split_message_that_comes_again_is_confirmed_and_is_no_message_of_its_own() -> (
    None
):
    split = next(vector for vector in OURS if vector["name"].startswith("split"))
    dialogue = Link({})
    frames = [bytes.fromhex(frame) for frame in split["frames"]]
    first = dialogue.hear(b"".join(frames), NOW)
    again = dialogue.hear(frames[-1], NOW + MINUTE_US)
    assert (again.samples, [note.code for note in again.notes]) == ([], ["resend"])
    assert again.reply
    assert again.reply[:-12] == first.reply[-len(again.reply) :][:-12]  # but for the time in it
    assert dialogue.hear(b"".join(frames), NOW + 2 * MINUTE_US).samples == first.samples


SPLIT = [
    bytes.fromhex(frame)
    for frame in next(vector for vector in OURS if vector["name"].startswith("split"))["frames"][:3]
]
LOGIN = pack(bytes((0xB0, 0x11, 1, 8, 4, 5, 0x02, 0xF0)))
BROKEN = b"h\x0bh no frame\x00\x16"


def said(link: Link, frames: list[bytes], at: int = NOW) -> list[tuple[bool, int, list[str]]]:
    """Of each frame: whether it was confirmed, how many readings it brought, and the notes."""
    heard = [link.hear(each, at + number * 1_000_000) for number, each in enumerate(frames)]
    return [(bool(each.reply), len(each.samples), [note.code for note in each.notes]) for each in heard]


def whole(found: list[tuple[bool, int, list[str]]]) -> list[int]:
    return [readings for _, readings, _ in found if readings]


READINGS = said(Link({}), SPLIT)[-1][1]


def test_the_last_frame_of_a_split_message_is_not_confirmed_where_one_before_it_is_missing() -> None:
    link = Link({})
    first, second, last = SPLIT
    found = said(link, [first, last, last])
    assert [confirmed for confirmed, _, _ in found] == [True, False, False]
    assert found[1][2] == ["piece-missing", "first-unsure"]
    found = said(link, [second, last])  # sent again without the first, which we have given up
    assert [each[:2] for each in found] == [(False, 0), (False, 0)]
    assert whole(said(link, SPLIT)) == [READINGS]


def test_a_split_message_whose_first_frame_was_damaged_is_not_read_and_not_confirmed_until_it_comes_whole() -> (
    None
):
    link = Link({})
    found = said(link, [LOGIN, BROKEN, *SPLIT[1:]])
    assert [each[:2] for each in found[2:]] == [(False, 0)] * 2
    assert found[2][2] == ["refused", "first-unsure"]
    assert whole(said(link, [SPLIT[2], *SPLIT])) == [READINGS]  # the last, then all of it once more


def test_a_station_that_waits_for_the_confirmation_of_a_damaged_frame_gets_it_when_it_says_it_again() -> None:
    link = Link({})
    found = said(link, [LOGIN, BROKEN, SPLIT[0], SPLIT[0], BROKEN, SPLIT[1], SPLIT[1], SPLIT[2]])
    assert [each[0] for each in found] == [True, False, False, True, False, False, True, True]
    assert whole(found) == [READINGS]


def test_the_end_of_a_split_message_alone_is_no_message() -> None:
    assert said(Link({}), [SPLIT[2], SPLIT[2], SPLIT[2]])[-1][:2] == (False, 0)


def test_a_split_message_goes_on_after_the_agent_was_killed_between_its_frames(tmp_path: Path) -> None:
    assert said(Link({}, Kept(tmp_path / "kept")), SPLIT[:2])[-1][0]  # confirmed, so it is on the disk
    found = said(Link({}, Kept(tmp_path / "kept")), [LOGIN, SPLIT[2]])
    assert found[-1][:2] == (True, READINGS)
    # And again: its confirmation was lost, and so were we.
    found = said(Link({}, Kept(tmp_path / "kept")), [SPLIT[2]])
    assert found == [(True, 0, ["resend"])]
    late = Link({}, Kept(tmp_path / "kept"))
    assert said(late, SPLIT[2:], NOW + 2 * LIFE_US)[0][:2] == (False, 0)


def test_of_a_split_message_that_says_nothing_the_last_frame_is_never_confirmed() -> None:
    link = Link({})
    frames = [pack(bytes((0xC2, number)) + bytes.fromhex("1101080405c0") + bytes(9)) for number in (2, 1)]
    found = said(link, [*frames, frames[1]])
    assert [each[0] for each in found] == [True, False, False]
    assert found[1][2] == ["unfit"]


def test_what_cannot_be_kept_is_not_confirmed(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"a file where the folder should be")
    watch = Watch(kept=Kept(tmp_path / "kept"))
    link = Listener("sl427", lambda *_: None, lambda: Sl427({}, kept=watch.kept.get), watch=watch)
    link.start()
    with socket.create_connection(("127.0.0.1", link.port), 30) as station:
        station.sendall(SPLIT[0])
        assert station.recv(100) == b""
    link.close()
    assert link.fault is None


def test_no_more_is_kept_than_the_bounds_say(tmp_path: Path) -> None:
    store = Kept(tmp_path / "kept")
    store.put({f"sl427-{number}": b"1" for number in range(ENTRIES)})
    store.put({"sl427-0": b"2", "sl427-1": None})
    store.put({"sl427-x": b"3"})
    with pytest.raises(OSError, match="unfinished"):
        store.put({"sl427-y": b"4"})
    assert len(list((tmp_path / "kept").iterdir())) == ENTRIES
    assert Kept(tmp_path / "kept").get("sl427-x") == b"3"


def test_a_picture_that_was_cut_off_does_not_hold_back_the_frames_behind_it_for_ever() -> None:
    dialogue, report = Link({}), bytes.fromhex(OURS[0]["frames"][0])
    dialogue.hear(bytes.fromhex("681068831101080405" + "83ffff") + b"\x55" * 40, NOW)
    came: list[Heard] = []
    for second in range(0, SLOW_US // 1_000_000 + 40, 20):
        came += [dialogue.hear(report, NOW + second * 1_000_000), dialogue.tick(NOW + second * 1_000_000 + 1)]
    samples, reply, frames = joined(came)
    assert frames == SLOW_US // 1_000_000 // 20 + 2
    assert samples
    assert reply


def test_no_more_is_held_than_the_bounds_say() -> None:
    dialogue = Link({})
    dialogue.hear((b"\x68\x01\x68\x80" + bytes(5) + b"\x83\xff\xff" + b"\x55" * 40) * 4000, NOW)
    assert dialogue._stream.waiting <= LIMIT + 16


def test_the_clock_of_a_station_of_szy_206_is_the_nearest_month_that_fits() -> None:
    january = 1_798_761_900_000_000  # 2027-01-01 08:05 in Beijing
    assert time_us(bytes.fromhex("0050073100"), january) == january - 1455 * MINUTE_US  # 31 December, 07:50
    assert time_us(bytes.fromhex("0005080100"), january) == january
    assert time_us(bytes.fromhex("0000083200"), january) is None


def test_what_cannot_be_read_is_explained_with_a_reason() -> None:
    documents = list(explain(bytes.fromhex("001122") + stream_of(LEVEL) + stream_of(LEVEL)[:9]))
    assert [bool(document["understood"]) for document in documents] == [False, True, False]
    assert documents[0]["not_understood"] == ["3 bytes: no 68 in them"]
    assert documents[2]["not_understood"] == [f"a frame ends after 9 bytes: L says {len(stream_of(LEVEL))}"]
    assert documents[2]["raw"] == stream_of(LEVEL)[:9].hex().upper()
    setting = pack(
        bytes((0x00,)) + bytes.fromhex("1101080405") + b"\x11" + bytes.fromhex("301514126526") + b"\x00" * 9
    )
    (document,) = explain(setting)
    clock = next(field for field in document["understood"] if field["name"] == "clock")
    assert clock["value"] == "2026-05-12T14:15:30+08:00"
    assert document["not_understood"][0].startswith("9 bytes, password and time tag")


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: str(vector["name"]))
def test_every_frame_of_ours_is_explained_without_a_fault(vector: dict[str, Any]) -> None:
    for document in explain(stream_of(vector)):
        assert document["format"] == "sl427"
        assert document["understood"] or document["not_understood"]


def test_a_link_that_brings_nothing_but_noise_is_hung_up_and_one_that_brings_a_frame_now_and_then_is_not() -> (
    None
):
    stranger, station = Link({}), Link({})
    noise = b"GET / HTTP/1.1 " * 1_000
    assert not any(station.hear(noise + stream_of(LEVEL), NOW).hang_up for _ in range(20))
    assert any(stranger.hear(noise, NOW).hang_up for _ in range(20))
