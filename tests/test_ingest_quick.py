"""The short way of the commonest payload says what the long way says, or leaves it to the long way."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import Malformed
from ingest import quick
from ingest.decode import decode

ARRIVED = 1_790_000_000_000_000
NAMES = st.sampled_from(["level", "rain", "ts", "values", "a/b", "n", "v"]) | st.text(max_size=5)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
ODD: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.text(max_size=4) | st.lists(st.integers(-9, 9), max_size=2)
)
VALUES = st.dictionaries(NAMES, NUMBERS | ODD, max_size=4)
TIMES = st.integers(-(2**54), 2**54) | NUMBERS | ODD | st.just("2026-01-01T00:00:00Z")
DOCUMENTS = (
    VALUES
    | st.fixed_dictionaries({"ts": TIMES, "values": VALUES | ODD})
    | st.fixed_dictionaries({"values": VALUES})
)


@given(DOCUMENTS | st.lists(VALUES, max_size=2) | NUMBERS)
def test_what_goes_the_short_way_is_what_the_long_way_reads(document: object) -> None:
    payload = orjson.dumps(document)
    short = quick.read(payload, ARRIVED)
    if short is None:
        return
    long = decode(payload, ARRIVED)
    assert (long.format, long.envelope, long.notes) == ("json", None, [])
    assert not any(long.units or [])
    assert [long.names[place] for place in long.rows["series"]] == list(short.names)
    assert set(long.rows["time"].tolist()) == {short.at}
    assert long.rows["value"].tolist() == [float(value) for value in short.values]


def test_a_time_of_null_is_left_to_the_long_way_which_refuses_it() -> None:
    assert quick.read(b'{"ts":null,"values":{"level":0}}', ARRIVED) is None
    assert quick.read(b'{"values":{"level":0}}', ARRIVED) is not None


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_nothing_that_is_malformed_goes_the_short_way(payload: bytes) -> None:
    short = quick.read(payload, ARRIVED)
    if payload and short is not None:
        try:
            decode(payload, ARRIVED)
        except Malformed as error:
            raise AssertionError(f"{payload!r} was taken: {short}") from error


def test_the_forms_that_meters_send_do_go_the_short_way() -> None:
    assert quick.read(b'{"level": 1.5, "rain": 2}', ARRIVED) == (("level", "rain"), ARRIVED, [1.5, 2])
    assert quick.read(b'{"ts": 1790000000000, "values": {"level": 1.5}}', 0) == (("level",), ARRIVED, [1.5])


def test_the_heap_keeps_the_order_of_messages_and_is_empty_after_it_was_given() -> None:
    heap = quick.Heap()
    heap.add(quick.Plain(("a", "b"), 7, [1.0, 2.0]), [4, 5], 0)
    heap.add(quick.Plain(("a",), 8, [3.0]), [4], 2)
    parts: list[Any] = []
    sources: list[Any] = []
    heap.flush(parts, sources)
    heap.flush(parts, sources)
    assert len(parts) == 1
    assert parts[0][["time", "series", "value"]].tolist() == [(7, 4, 1.0), (7, 5, 2.0), (8, 4, 3.0)]
    assert np.array_equal(sources[0], [0, 0, 2])
