"""Bombs: small payloads that would cost a parser its memory, its stack or its hours are refused on their bytes."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import cbor2
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.wire import READINGS_LIMIT, Malformed
from ingest.decode import decode
from ingest.limits import (
    DEPTH_LIMIT,
    SIZE_LIMIT,
    check_cbor_depth,
    check_json_depth,
    check_size,
)

ROOT = Path(__file__).parents[1]
RECORD = b'{"level":1}'


def test_nothing_and_too_much_are_refused() -> None:
    with pytest.raises(Malformed, match=r"^empty payload$"):
        check_size(b"")
    with pytest.raises(Malformed, match=r"^262145 bytes; at most 262144 are read$"):
        check_size(bytes(SIZE_LIMIT + 1))
    check_size(bytes(SIZE_LIMIT))


def test_a_compressed_bomb_is_not_inflated_and_the_engineer_is_told_why() -> None:
    with pytest.raises(Malformed, match=r"^gzip: nothing is inflated here"):
        decode(gzip.compress(bytes(64 << 20)), 0)


def nested_json(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_json_as_deep_as_allowed_passes_and_one_level_more_does_not() -> None:
    check_json_depth(nested_json(DEPTH_LIMIT))
    with pytest.raises(Malformed, match=r"^nested deeper than 8 levels$"):
        check_json_depth(nested_json(DEPTH_LIMIT + 1))


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 100_000,
        b'{"a":' * 40_000,
        nested_json(100_000),
        b'[{"a":' * 30_000,
        b'["\\"",' * 30_000,
        b'["]",' * 30_000,
    ],
)
def test_deep_json_is_refused_before_any_parser_sees_it(payload: bytes) -> None:
    with pytest.raises(Malformed, match="nested deeper than 8 levels"):
        decode(payload, 0)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5_000,
        "]" * 5_000,
        '"[[[[[[[[[[[[',
        "\\",
        '\\"[[[[[[[[[[[[[',
        "\\\\",
        '[{"[{"[{"[{"[{"[{"[{',
        "\n[[[[",
    ],
)
def test_brackets_inside_texts_are_no_nesting(text: str) -> None:
    payload = orjson.dumps([{text: 1, "level": text} for _ in range(20)])
    check_json_depth(payload)


@given(
    st.recursive(
        st.none() | st.integers(0, 9) | st.text(alphabet='[]{}",\\:a\n'),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='[]{}",\\'), inner),
        max_leaves=30,
    )
)
@settings(deadline=None, max_examples=200)
def test_json_is_refused_exactly_when_it_is_too_deep(document: object) -> None:
    def depth(value: object) -> int:
        if isinstance(value, dict):
            value = list(value.values())
        return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0

    # The brackets in a long text pass the quick look: what follows is the real count.
    payload = orjson.dumps([document, "[" * (DEPTH_LIMIT + 1)])
    if 1 + depth(document) <= DEPTH_LIMIT:
        check_json_depth(payload)
    else:
        with pytest.raises(Malformed):
            check_json_depth(payload)


def decoded_in_a_child(payload: bytes, seconds: int = 60) -> str:
    """What another process makes of a payload; it is ended where it takes for ever."""
    program = (
        "import sys, resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "from edge.wire import READINGS_LIMIT, Malformed\nfrom ingest.decode import decode\n"
        "try:\n    print(len(decode(sys.stdin.buffer.read(), 0).rows), 'rows')\n"
        "except Malformed as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=payload,
        capture_output=True,
        cwd=ROOT,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-500:]
    return done.stdout.decode().strip()


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 9 + b'\\"' * 130_000,  # a search that begins anew at each quote needs hours for it
        b"[" * 9 + b'"' + b"\\" * 261_000,
        b"[" * 8 + b'"",' * 87_000,
    ],
    ids=["escaped quotes without end", "backslashes without end", "empty texts"],
)
def test_texts_made_to_be_searched_for_ever_are_refused_like_any_other(payload: bytes) -> None:
    assert decoded_in_a_child(payload).startswith(("nested deeper", "not JSON"))


def shared_lists(times: int) -> bytes:
    """A few hundred bytes whose lists share lists that share lists: unfolded, 2 ** times items."""
    lists: list[object] = [cbor2.CBORTag(28, [0, 0])]
    lists += [cbor2.CBORTag(28, [cbor2.CBORTag(29, place)] * 2) for place in range(times)]
    return cbor2.dumps([{"n": "level", "v": lists}])


def test_values_that_unfold_without_end_are_refused_unread() -> None:
    assert len(shared_lists(60)) < 700
    assert decoded_in_a_child(shared_lists(60)) == "CBOR tag 28 is of no use in telemetry"


def nested_cbor(depth: int) -> bytes:
    return b"\x81" * depth + b"\x00"


def test_cbor_as_deep_as_allowed_passes_and_one_level_more_does_not() -> None:
    check_cbor_depth(nested_cbor(DEPTH_LIMIT))
    with pytest.raises(Malformed, match=r"^nested deeper than 8 levels$"):
        check_cbor_depth(nested_cbor(DEPTH_LIMIT + 1))


@pytest.mark.parametrize(
    "payload",
    [
        b"\x81" * 200_000,
        b"\x9f" * 200_000,  # arrays without a length
        b"\xbf" * 200_000,
        b"\xa1\x00" * 100_000,
        b"\xd9\xd9\xf7" * 80_000,  # "this is CBOR", again and again
        b"\x5f" * 200_000,  # byte strings in pieces, each in pieces
        b"\x82\x00" * 100_000,
        nested_cbor(100_000),
    ],
)
def test_deep_cbor_is_refused_before_any_parser_sees_it(payload: bytes) -> None:
    with pytest.raises(Malformed, match="nested deeper than 8 levels"):
        check_cbor_depth(payload)


@pytest.mark.parametrize(
    "head",
    [
        b"\x9a\xee\x6b\x28\x00",
        b"\xba\xee\x6b\x28\x00",
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x81\x9a\xee\x6b\x28\x00",
        b"\xa1\x61n\x9a\xee\x6b\x28\x00",
    ],
)
def test_cbor_that_claims_four_billion_items_is_refused(head: bytes) -> None:
    with pytest.raises(Malformed, match=r"^claims \d+ items in \d+ bytes$"):
        check_cbor_depth(head + bytes(100))


@pytest.mark.parametrize("head", [b"\x5b", b"\x7b"])
def test_a_text_that_claims_exabytes_is_refused_without_room_being_made_for_it(head: bytes) -> None:
    payload = b"\x81\xa1\x61n" + head + b"\x0f\xff\xff\xff\xff\xff\xff\xff" + bytes(50)
    assert decoded_in_a_child(payload).startswith("neither JSON nor CBOR: ")


@pytest.mark.parametrize(
    "payload",
    [
        b"\x9f\x01\x02\xff",  # an array without a length
        b"\xbf\x61a\x01\xff",
        b"\x5f\x41a\x41b\xff",
        b"\x7f\x61a\x61b\xff",
        b"\x9f\x9f\xff\x9f\xff\xff",
        b"\x98\x18" + bytes(24),
        b"\x81\x80" * 1,
        bytes([0x98, 200]) + b"\x81\x00" * 200,  # wide is not deep
    ],
)
def test_honest_cbor_of_every_kind_of_length_passes(payload: bytes) -> None:
    cbor2.loads(payload)
    check_cbor_depth(payload)


@pytest.mark.parametrize("tag", [0, 1, 5, 24, 25, 28, 29, 30, 35, 36, 37, 256, 258, 260, 2**40])
def test_a_tag_that_no_format_of_ours_needs_is_refused(tag: int) -> None:
    with pytest.raises(Malformed, match=f"^CBOR tag {tag} is of no use in telemetry$"):
        check_cbor_depth(cbor2.dumps([{"n": "level", "v": cbor2.CBORTag(tag, 1)}]))


@given(st.binary(max_size=400))
@settings(deadline=None, max_examples=300)
def test_on_any_bytes_the_walk_ends_and_raises_nothing_but_malformed(payload: bytes) -> None:
    for check in (check_cbor_depth, check_json_depth):
        try:
            check(payload)
        except Malformed as refusal:
            said = str(refusal)
            assert said


@given(st.lists(st.sampled_from([0x81, 0x9F, 0xBF, 0xFF, 0x5F, 0x00, 0xA1, 0xC4, 0x61, 0x40]), max_size=60))
@settings(deadline=None, max_examples=300)
def test_cbor_that_the_parser_takes_is_refused_only_for_its_depth(heads: list[int]) -> None:
    payload = bytes(heads)
    try:
        cbor2.loads(payload)
    except Exception:  # noqa: BLE001 -- the parser's own refusals are not ours to test
        return
    try:
        check_cbor_depth(payload)
    except Malformed as refusal:
        said = str(refusal)
        assert "deeper" in said


def test_more_readings_than_one_message_may_carry_are_refused() -> None:
    payload = b"[" + b",".join([b'{"a":1,"b":2}'] * (READINGS_LIMIT // 2 + 1)) + b"]"
    with pytest.raises(Malformed, match=r"^10002 readings in one message; at most 10000$"):
        decode(payload, 0)
