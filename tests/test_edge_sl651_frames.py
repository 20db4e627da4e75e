"""Frames of SL 651 in a stream: cut anywhere, with noise and lies between."""

from __future__ import annotations

from itertools import pairwise

import pytest
from fix_sl651 import RTU, hexframe, report, textframe
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.protocols.sl651.frame import Fault, Frame, Splitter


def split(*pieces: bytes) -> tuple[list[Frame], list[Fault]]:
    splitter = Splitter()
    found = [each for piece in pieces for each in splitter.feed(piece)]
    found += splitter.flush()
    return (
        [each for each in found if isinstance(each, Frame)],
        [each for each in found if isinstance(each, Fault)],
    )


def test_a_frame_is_taken_apart_in_both_directions_and_encodings() -> None:
    body = bytes.fromhex("0005260701050137")
    (up,), faults = split(hexframe(body))
    assert (up.text, up.down, up.centre, up.rtu, up.password, up.func) == (False, False, 1, RTU, "1234", 0x32)
    assert (up.body, up.end, up.total, faults) == (body, 3, 0, [])
    (down,), _ = split(hexframe(body, down=True, end=5))
    assert (down.down, down.centre, down.rtu, down.end) == (True, 1, RTU, 5)
    (up,), _ = split(textframe(b"0005260701050137 "))
    assert (up.text, up.down, up.centre, up.rtu, up.body) == (True, False, 1, RTU, b"0005260701050137 ")
    (down,), _ = split(textframe(b"0005260701050137", down=True, end=4))
    assert (down.text, down.down, down.centre, down.rtu) == (True, True, 1, RTU)


@pytest.mark.parametrize("make", [hexframe, textframe])
def test_a_packet_says_which_of_how_many_it_is(make: object) -> None:
    (frame,), _ = split(make(b"\xff\xd8", number=3, total=4095))  # type: ignore[operator]
    assert (frame.number, frame.total, frame.body) == (3, 4095, b"\xff\xd8")


@given(st.integers(0, 8 * 40 - 1))
def test_one_bit_wrong_is_no_frame(bit: int) -> None:
    raw = bytearray(hexframe(bytes.fromhex("0005260701050137" + "2019000000" * 3)))
    frames, _ = split(bytes(raw))
    assert len(frames) == 1  # the control
    raw[bit // 8] ^= 1 << bit % 8
    frames, _ = split(bytes(raw))
    assert frames == []


def test_a_length_that_lies_swallows_no_later_frame_and_holds_none_back() -> None:
    good = hexframe(report(serial=2))
    for lie in (0x000, 0x001, 0x02A, 0x100, 0xFFF):
        lying = bytearray(hexframe(report(serial=1)))
        lying[11:13] = lie.to_bytes(2)
        splitter = Splitter()
        found = [each for each in splitter.feed(bytes(lying) + good) if isinstance(each, Frame)]
        assert [each.body[:2] for each in found] == [b"\0\2"], hex(lie)  # at once, not when the lie is over
        found = [each for each in splitter.feed(good * 3) if isinstance(each, Frame)]
        assert len(found) == 3


def test_a_7e_after_the_crc_is_told_and_costs_nothing() -> None:
    raw = hexframe(report())
    frames, faults = split(raw + b"~" + raw + b"~")
    assert [len(frames), [each.code for each in faults]] == [2, ["trailing-7e", "trailing-7e"]]
    frames, faults = split(raw + raw)  # the control
    assert [len(frames), faults] == [2, []]


def test_a_body_may_hold_what_looks_like_frames() -> None:
    inner = hexframe(report())[:-1] + b"\0"  # whole but for its CRC
    frames, faults = split(hexframe(b"\0\1\x26\7\1\5\1\x37" + b"~~~~\1" + inner + b"\1~~"))
    assert [len(frames), faults] == [1, []]


def test_noise_is_one_fault_a_stretch() -> None:
    raw = hexframe(report())
    frames, faults = split(b"+CSQ: 21\r\n" + raw + bytes(300) + raw + b"\1" * 50)
    assert [len(frames), [each.code for each in faults]] == [2, ["noise"] * 3]
    assert "2B4353513A203231" in faults[0].text


PIECES = st.one_of(
    st.binary(max_size=40),
    st.just(b"~"),
    st.just(b"~~"),
    st.integers(1, 60000).map(lambda serial: hexframe(report(serial=serial))),
    st.integers(1, 60000).map(lambda serial: textframe(b"%04X260701050137 VT 12.1 " % serial)),
    st.tuples(st.integers(1, 99), st.integers(0, 60), st.integers(0, 255)).map(
        lambda made: b"".join((hexframe(report(serial=made[0]))[: made[1]], bytes((made[2],))))
    ),
    st.integers(0, 0xFFF).map(
        lambda lie: hexframe(report())[:11] + lie.to_bytes(2) + hexframe(report())[13:]
    ),
)


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=8), st.data())
def test_where_a_stream_is_cut_changes_nothing(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    edges = [0, *cuts, len(stream)]
    parts = [stream[begin:end] for begin, end in pairwise(edges)]
    whole = split(stream)
    assert split(*parts) == whole
    assert split(*(stream[at : at + 1] for at in range(len(stream)))) == whole


@settings(max_examples=100)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30).filter(lambda each: b"~" not in each and b"\1" not in each),
            st.integers(1, 60000),
        ),
        max_size=10,
    )
)
def test_every_whole_frame_is_found_whatever_lies_between(pieces: list[bytes | int]) -> None:
    stream = b"".join(each if isinstance(each, bytes) else hexframe(report(serial=each)) for each in pieces)
    frames, _ = split(stream)
    assert [int.from_bytes(each.body[:2]) for each in frames] == [
        each for each in pieces if isinstance(each, int)
    ]


def test_a_stream_of_beginnings_stays_small() -> None:
    splitter = Splitter()
    start = hexframe(report(), lie=0xFFF)[:14]
    for _ in range(2000):
        splitter.feed(start)
        assert len(splitter._buffer) < 4200
        assert len(splitter._open) < 400
