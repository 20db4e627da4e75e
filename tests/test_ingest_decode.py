"""Decoding whatever arrives: what is right is read, everything else is Malformed and nothing worse."""

from __future__ import annotations

import math
from typing import Any

import cbor2
import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.reading import UNEVALUATED, gather
from edge.wire import Malformed, body, seal
from ingest.decode import Decoded, decode

NOW = 1_790_000_000_000_000
COLUMNAR = seal("b00t", 7, 3, body(gather([("pump/level", NOW, 1.5), ("pump/flow", NOW + 1, math.nan)])))
VALID = [
    orjson.dumps({"ts": 1_790_000_000_000, "values": {"level": 1.5}}),
    orjson.dumps([{"level": 1.5, "flow": None}, {"ts": "2026-09-21T14:13:20Z", "level": 2}]),
    orjson.dumps(
        [{"bn": "urn:dev:", "bt": 1_790_000_000.5, "n": "level", "u": "m", "v": 1.5}, {"n": "x", "v": 1}]
    ),
    cbor2.dumps([{-2: "urn:dev:", -3: 1_790_000_000, 0: "level", 2: 1.5}, {0: "x", 4: True}]),
    COLUMNAR,
]


def read(payload: bytes) -> Decoded | None:
    """Decode; None where it is refused, and the refusal is a sentence."""
    try:
        decoded = decode(payload, NOW)
    except Malformed as refusal:
        said = str(refusal)
        assert said
        assert len(said) < 1_000
        return None
    assert len(decoded.rows) or decoded.notes
    assert set(decoded.rows["flag"].tolist()) <= {UNEVALUATED}
    if len(decoded.rows):
        assert 0 <= decoded.rows["series"].min() <= decoded.rows["series"].max() < len(decoded.names)
    assert decoded.units is None or len(decoded.units) == len(decoded.names)
    return decoded


@pytest.mark.parametrize("payload", VALID)
def test_the_formats_are_told_apart_by_their_bytes(payload: bytes) -> None:
    decoded = read(payload)
    assert decoded is not None
    assert decoded.format == ["json", "json", "senml+json", "senml+cbor", "columnar"][VALID.index(payload)]


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=300)
def test_random_bytes_are_refused_in_a_sentence(payload: bytes) -> None:
    read(payload)


@given(st.sampled_from(VALID), st.data())
@settings(deadline=None, max_examples=300)
def test_a_sound_payload_damaged_anywhere_is_read_or_refused(payload: bytes, data: st.DataObject) -> None:
    damaged = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 4))):
        if not damaged:
            break
        at = data.draw(st.integers(0, len(damaged) - 1))
        match data.draw(st.integers(0, 3)):
            case 0:
                damaged[at] ^= 1 << data.draw(st.integers(0, 7))
            case 1:
                del damaged[at : at + data.draw(st.integers(1, 8))]
            case 2:
                damaged[at:at] = data.draw(st.binary(min_size=1, max_size=8))
            case _:
                damaged[at : at + 1] = damaged[at : at + data.draw(st.integers(1, 20))] * 2
    read(bytes(damaged))


NUMBERS: st.SearchStrategy[Any] = (
    st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.sampled_from([0, -0.0, 5e-324, 1e308, -1e308, 2**53, 2**28, -(2**28), 2**62, 2**63])
)
HUGE = st.integers(64, 30_000).map(lambda bits: 1 << bits)
LABELS = [
    "bver",
    "bn",
    "bt",
    "bu",
    "bv",
    "bs",
    "n",
    "u",
    "v",
    "vs",
    "vb",
    "s",
    "t",
    "ut",
    "vd",
    "ts",
    "values",
    "x_",
]
ANYTHING: st.SearchStrategy[Any] = st.none() | st.booleans() | NUMBERS | st.text(max_size=8)
NESTED = st.recursive(
    ANYTHING,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(LABELS), inner),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(st.sampled_from(LABELS), ANYTHING | NESTED, max_size=6), max_size=5)


@given(RECORDS | NESTED | st.dictionaries(st.sampled_from(LABELS), NESTED))
@settings(deadline=None, max_examples=300)
def test_json_of_our_words_in_any_arrangement_is_read_or_refused(document: Any) -> None:
    read(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS))


TAGGED = st.builds(
    cbor2.CBORTag,
    st.sampled_from([2, 3, 4, 4, 4, 5, 30, 28, 29, 35, 69, 79, 86, 0, 1, 55799]),
    st.lists(NUMBERS, max_size=3) | st.binary(max_size=9) | NUMBERS | st.text(max_size=5),
)
CBOR_LABELS = st.sampled_from([*range(-6, 9), *LABELS, 99, -99, b"n", 1.5, None, True])
CBOR_VALUES = ANYTHING | HUGE | TAGGED | st.binary(max_size=5) | NESTED | st.sampled_from([cbor2.undefined])


@given(st.lists(st.dictionaries(CBOR_LABELS, CBOR_VALUES, max_size=6) | CBOR_VALUES, min_size=1, max_size=4))
@settings(deadline=None, max_examples=300)
@example([{"n": "level", "v": 10**400}])
@example([{"n": "level", "v": 1, "t": 10**400}])
@example([{"n": "level", "v": 1, "bver": 1 << 30_000}])
@example([{"n": "level", "v": cbor2.CBORTag(4, [2**40, 1])}])
@example([{"n": "level", "v": 1, "t": cbor2.CBORTag(4, [-(2**40), 1])}])
@example([{"n": "level", "v": [1 << 30_000]}])
@example([{0: "level", 2: cbor2.undefined}])
def test_cbor_of_our_words_in_any_arrangement_is_read_or_refused(document: list[Any]) -> None:
    read(cbor2.dumps(document))


ARRAYS = st.builds(
    cbor2.CBORTag, st.integers(64, 87), st.binary(max_size=32) | st.binary(min_size=8, max_size=8)
)


@given(
    st.fixed_dictionaries(
        {
            "v": st.just(1) | CBOR_VALUES,
            "boot": st.just("b00t") | CBOR_VALUES,
            "seq": st.integers(1, 2**63) | CBOR_VALUES,
            "base": st.just(1) | CBOR_VALUES,
            "names": st.lists(st.text(max_size=3), max_size=3)
            | st.lists(CBOR_VALUES, max_size=2)
            | CBOR_VALUES,
            "series": st.just(cbor2.CBORTag(69, b"\0\0")) | ARRAYS | CBOR_VALUES,
            "time": st.just(cbor2.CBORTag(79, bytes(8))) | ARRAYS | CBOR_VALUES,
            "value": st.just(cbor2.CBORTag(86, bytes(8))) | ARRAYS | CBOR_VALUES,
        }
    )
)
@settings(deadline=None, max_examples=300)
def test_a_columnar_batch_of_any_parts_is_read_or_refused(document: dict[str, Any]) -> None:
    read(cbor2.dumps(document))


@given(st.binary(min_size=4, max_size=4))
@settings(deadline=None)
@example(b"\x01\x00\xa0\x7f")  # a signalling NaN
def test_single_precision_values_of_any_bits_are_read(bits: bytes) -> None:
    batch = {
        **cbor2.loads(seal("b", 1, 1, body(gather([("a", 1, 1.0)])))),
        "value": cbor2.CBORTag(85, bits),
    }
    decoded = read(cbor2.dumps(batch))
    assert decoded is not None
    value, meant = float(decoded.rows["value"][0]), float(np.frombuffer(bits, "<f4")[0])
    assert value == meant or (math.isnan(value) and math.isnan(meant))


def test_a_name_that_comes_in_two_units_is_two_names() -> None:
    decoded = decode(b'[{"n":"level","u":"m","v":1},{"n":"level","u":"cm","v":300},{"n":"level","v":2}]', NOW)
    assert decoded.names == ["level", "level", "level"]
    assert decoded.units == ["m", "cm", None]
    assert decoded.rows["series"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("payload", [b"{}", b"[]", b"[{}]", b'{"values":{}}', b'{"ts":1}', b"\x80", b"\xa0"])
def test_a_payload_without_a_reading_is_refused(payload: bytes) -> None:
    with pytest.raises(Malformed):
        decode(payload, NOW)


@pytest.mark.parametrize(
    "payload", [b'{"a":NaN}', b'{"a":Infinity}', b'{"a":1e999}', b'{"a":1', b"{'a':1}", b'{"a":1}x']
)
def test_json_that_is_none_is_refused_by_its_name(payload: bytes) -> None:
    with pytest.raises(Malformed, match=r"^not JSON: "):
        decode(payload, NOW)
