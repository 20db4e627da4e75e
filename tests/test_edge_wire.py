"""The columnar batch: what is packed is read again, by us and by a stranger; what is wrong is said in a sentence."""

from __future__ import annotations

import math
import struct
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.reading import READING, UNEVALUATED, Readings, gather
from edge.wire import ARRAYS, Malformed, body, count, seal, shown, unpack

TIMES = st.integers(-(2**63), 2**63 - 1)
SAMPLES = st.lists(st.tuples(st.text(max_size=12), TIMES, st.floats(width=64)), min_size=1, max_size=40)


def same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def packed(samples: list[tuple[str, int, float]], boot: str = "b00t", seq: int = 7, base: int = 3) -> bytes:
    return seal(boot, seq, base, body(gather(samples)))


def document(**changes: Any) -> dict[str, Any]:
    """A sound batch of two readings, decoded, with some of its entries changed."""
    sound: dict[str, Any] = cbor2.loads(packed([("pump/level", 5, 1.5), ("pump/flow", 6, 2.5)]))
    return {**sound, **changes}


def foreign_item(data: bytes, at: int) -> tuple[Any, int]:
    """Read one CBOR item with nothing but its definition: major type, count, content (RFC 8949, section 3)."""
    major, count = data[at] >> 5, data[at] & 31
    at += 1
    if count >= 24:
        width = 1 << (count - 24)
        count, at = int.from_bytes(data[at : at + width], "big"), at + width
    if major in (2, 3):
        content = data[at : at + count]
        return (content if major == 2 else content.decode()), at + count
    if major == 6:
        content, at = foreign_item(data, at)
        kind = {69: "H", 79: "q", 86: "d"}[count]
        return [number for (number,) in struct.iter_unpack(f"<{kind}", content)], at
    items = []
    for _ in range(count * (major - 3) if major in (4, 5) else 0):
        item, at = foreign_item(data, at)
        items.append(item)
    if major == 0:
        return count, at
    return (items if major == 4 else dict(zip(items[::2], items[1::2], strict=True))), at


@given(SAMPLES, st.integers(1, 2**40), st.integers(0, 100))
@settings(deadline=None)
def test_what_was_packed_is_unpacked_number_by_number(
    samples: list[tuple[str, int, float]], base: int, ahead: int
) -> None:
    batch = unpack(cbor2.loads(packed(samples, "B7", base + ahead, base)))
    assert tuple(batch.envelope) == ("B7", base + ahead, base)
    names, rows = batch.readings
    found = [(names[row["series"]], int(row["time"]), float(row["value"])) for row in rows]
    assert [entry[:2] for entry in found] == [entry[:2] for entry in samples]
    assert all(same(one[2], other[2]) for one, other in zip(found, samples, strict=True))
    assert set(rows["flag"].tolist()) <= {UNEVALUATED}
    assert len(set(names)) == len(names)


@given(SAMPLES)
@settings(deadline=None)
def test_a_stranger_who_knows_only_the_rfcs_reads_the_same_numbers(
    samples: list[tuple[str, int, float]],
) -> None:
    message = packed(samples)
    read, end = foreign_item(message, 0)
    assert end == len(message)
    assert {key: read[key] for key in ("v", "boot", "seq", "base")} == {
        "v": 1,
        "boot": "b00t",
        "seq": 7,
        "base": 3,
    }
    assert [read["names"][place] for place in read["series"]] == [name for name, _, _ in samples]
    assert read["time"] == [at for _, at, _ in samples]
    assert all(same(one, two) for one, (_, _, two) in zip(read["value"], samples, strict=True))


def test_the_kept_body_does_not_change_when_it_is_sent_again() -> None:
    kept = body(gather([("a/b", 1, 2.0)]))
    first, again = seal("b", 9, 1, kept), seal("b", 9, 9, kept)
    assert first.endswith(kept)
    assert again.endswith(kept)
    assert unpack(cbor2.loads(again)).envelope.base == 9


@pytest.mark.parametrize("tag", sorted(ARRAYS))
def test_a_column_may_come_in_every_little_endian_array_of_rfc_8746(tag: int) -> None:
    column = cbor2.CBORTag(tag, np.array([1, 0], ARRAYS[tag]).tobytes())
    assert unpack(document(value=column)).readings.rows["value"].tolist() == [1.0, 0.0]


def test_a_batch_without_readings_is_malformed_and_its_place_is_known() -> None:
    with pytest.raises(Malformed, match="0 readings") as raised:
        unpack(cbor2.loads(seal("b", 7, 3, body(Readings([], np.empty(0, READING))))))
    assert raised.value.envelope == ("b", 7, 3)


def column(kind: str, numbers: list[Any], tag: int) -> Any:
    return cbor2.CBORTag(tag, np.array(numbers, kind).tobytes())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"v": 2}, "columnar batch of version 2; this hub reads version 1"),
        ({"v": 1 << 20_000}, "columnar batch of version a number of 20001 bits; this hub reads version 1"),
        ({"v": [1]}, "columnar batch of version a list; this hub reads version 1"),
        ({"boot": ""}, "boot must be 1 to 64 letters and digits"),
        ({"boot": "a" * 65}, "boot must be 1 to 64 letters and digits"),
        ({"boot": "a\0b"}, "boot must be 1 to 64 letters and digits"),
        ({"boot": 5}, "boot must be 1 to 64 letters and digits"),
        ({"seq": 0}, "seq and base must be whole numbers with 1 <= base <= seq"),
        ({"seq": 2}, "seq and base must be whole numbers with 1 <= base <= seq"),
        ({"seq": 2**62}, "seq and base must be whole numbers with 1 <= base <= seq"),
        ({"seq": 7.0}, "seq and base must be whole numbers with 1 <= base <= seq"),
        ({"seq": True, "base": True}, "seq and base must be whole numbers with 1 <= base <= seq"),
        ({"base": 0}, "seq and base must be whole numbers with 1 <= base <= seq"),
        ({"names": "pump/level"}, "names must be a list of texts"),
        ({"names": ["a", b"b"]}, "names must be a list of texts"),
        ({"names": ["only one"]}, "series counts outside the table of 1 names"),
        ({"series": column("<i2", [0, -1], 77)}, "series counts outside the table of 2 names"),
        ({"series": column("<f8", [0, 1], 86)}, "series and time must be columns of whole numbers"),
        ({"time": column("<f8", [0, 1], 86)}, "series and time must be columns of whole numbers"),
        ({"time": column("<u8", [0, 2**63], 71)}, "time is out of any range"),
        ({"time": column("<i8", [0], 79)}, "columns differ in length: series 2, time 1, value 2"),
        ({"value": [1.0, 2.0]}, "value must be a little-endian typed array (RFC 8746)"),
        ({"value": cbor2.CBORTag(82, bytes(16))}, "value must be a little-endian typed array (RFC 8746)"),
        ({"value": cbor2.CBORTag(86, "text")}, "value must be a little-endian typed array (RFC 8746)"),
        ({"value": cbor2.CBORTag(86, bytes(15))}, "value holds 15 bytes, no multiple of 8"),
    ],
)
def test_a_malformed_batch_is_refused_in_a_sentence(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Malformed) as refusal:
        unpack(document(**changes))
    assert str(refusal.value) == said


@pytest.mark.parametrize("field", ["v", "boot", "seq", "base", "names", "series", "time", "value"])
def test_a_missing_field_is_named(field: str) -> None:
    incomplete = document()
    del incomplete[field]
    with pytest.raises(Malformed, match=f"^not a columnar batch: {field} missing$"):
        unpack(incomplete)


@pytest.mark.parametrize("other", [None, 5, "text", [], {}, {1: 2}, b""])
def test_something_else_than_a_batch_is_refused(other: object) -> None:
    with pytest.raises(Malformed, match="not a columnar batch"):
        unpack(other)


def test_a_field_that_we_do_not_know_is_no_fault() -> None:
    assert unpack(document(later=1)).envelope.seq == 7


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@settings(deadline=None)
def test_whatever_a_sender_wrote_is_shown_short(value: object) -> None:
    assert 0 < len(shown(value)) <= 80


def test_a_number_too_long_to_print_is_shown_by_its_size() -> None:
    assert shown(1 << 2_000_000) == "a number of 2000001 bits"


def test_a_kept_body_knows_how_many_readings_it_holds() -> None:
    samples = [("river-1/level", 1_790_000_000_000_000 + place, float(place)) for place in range(37)]
    assert count(body(gather(samples))) == 37
