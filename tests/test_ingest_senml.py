"""SenML as its specification and other implementations state it: records resolved by RFC 8428, section 4.6."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import cbor2
import pytest

from edge.wire import Malformed
from ingest.decode import Decoded, decode
from ingest.senml import LABELS, samples

VECTORS = Path(__file__).parents[1].parent / "shared" / "vectors" / "senml.json"
NOW = 1_790_000_000_000_000
NUMBERS_OF = {name: number for number, name in LABELS.items()}

# What the source accepts and we do not, or the reverse, and why.
WITHOUT_A_NAME = {"silkeh.Numeric_types"}  # records without any name: RFC 8428 section 4.5.1 wants one
NOT_OURS = {"farshidtz.reference.json"}  # tests a codec's fields, not what they mean


def vectors() -> list[Any]:
    if not VECTORS.exists():
        return []
    return [
        pytest.param(entry, id=entry["name"])
        for entry in json.loads(VECTORS.read_text(encoding="utf-8"))
        if "xml" not in entry["input_kind"] and entry["name"] not in NOT_OURS | WITHOUT_A_NAME
    ]


def vector(name: str) -> dict[str, Any]:
    if not VECTORS.exists():
        pytest.skip(f"the vectors are not here: {VECTORS.name} lies in the project's shared folder")
    found: dict[str, Any] = next(
        entry for entry in json.loads(VECTORS.read_text(encoding="utf-8")) if entry["name"] == name
    )
    return found


def payload_of(entry: dict[str, Any]) -> bytes:
    if "hex" in entry["input_kind"]:
        return bytes.fromhex(entry["input"])
    if "base64" in entry["input_kind"]:
        return base64.b64decode(entry["input"])
    return str(entry["input"]).encode()


def generated_at(entry: dict[str, Any]) -> int:
    """The source's clock when it resolved relative times, where it states it."""
    if "now=" in (entry.get("note") or ""):
        return round(float(entry["note"].split("now=")[1].split()[0].rstrip(".")) * 1_000_000)
    return NOW


def as_tuples(decoded: Decoded) -> list[tuple[str, int, float]]:
    return [(decoded.names[row["series"]], int(row["time"]), float(row["value"])) for row in decoded.rows]


def stated(entry: dict[str, Any], now: int) -> list[tuple[str, int, float]]:
    """The source's own resolution: what it says of numbers and truth values, in the order of time."""
    expected = entry["expected"]
    records = [
        (record["n"], record.get("t"), record.get("v", record.get("vb")))
        for record in expected.get("resolved", [])
    ] + [
        (record["n"], record["t"], float(record["value"]))
        for record in expected.get("records", [])
        if record.get("kind") == "Value"
    ]
    numbers = [
        (name, now if at is None else round(at * 1_000_000), float(value))
        for name, at, value in records
        if value is not None
    ]
    return sorted(numbers, key=lambda reading: reading[1])


@pytest.mark.skipif(not VECTORS.exists(), reason="the project's shared folder with the vectors is not here")
@pytest.mark.parametrize("entry", vectors())
def test_a_vector_is_resolved_or_refused_as_its_source_says(entry: dict[str, Any]) -> None:
    now = generated_at(entry)
    if entry["expected"].get("valid") is False:
        with pytest.raises(Malformed):
            decode(payload_of(entry), now)
        return
    decoded = decode(payload_of(entry), now)
    assert decoded.format == ("senml+cbor" if "cbor" in entry["input_kind"] else "senml+json")
    if "v" in entry["expected"]:
        assert decoded.rows["value"].tolist() == entry["expected"]["v"]
    elif entry["expected"]:
        assert as_tuples(decoded) == stated(entry, now)


@pytest.mark.skipif(not VECTORS.exists(), reason="the project's shared folder with the vectors is not here")
def test_a_vectors_units_are_the_sources_units() -> None:
    entry = vector("rfc8428.ex3")
    decoded = decode(payload_of(entry), NOW)
    assert decoded.units is not None
    assert {(decoded.names[place], decoded.units[place]) for place in decoded.rows["series"]} == {
        (record["n"], record["u"]) for record in entry["expected"]["resolved"]
    }


@pytest.mark.skipif(not VECTORS.exists(), reason="the project's shared folder with the vectors is not here")
def test_records_without_any_name_are_no_senml_though_a_library_takes_them() -> None:
    payload = payload_of(vector("silkeh.Numeric_types"))
    with pytest.raises(Malformed, match="name '' is not allowed by SenML"):
        samples(json.loads(payload), NOW)
    # Nothing in it says SenML: it is read as plain JSON whose metric is called "v".
    decoded = decode(payload, NOW)
    assert (decoded.format, decoded.names) == ("json", ["v"])


def test_the_labels_are_the_rfcs_table() -> None:
    # RFC 8428, table 4.
    assert NUMBERS_OF == {
        "bver": -1, "bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6,
        "n": 0, "u": 1, "v": 2, "vs": 3, "vb": 4, "s": 5, "t": 6, "ut": 7, "vd": 8,
    }  # fmt: skip


def resolved(*records: dict[Any, Any]) -> list[tuple[str, int, float]]:
    found, _ = samples(list(records), NOW)
    return [(name, at, value) for name, at, value, _ in found]


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([{"n": "a", "v": 1}], [("a", NOW, 1)]),
        ([{"bn": "dev:", "n": "a", "v": 1}, {"n": "b", "v": 2}], [("dev:a", NOW, 1), ("dev:b", NOW, 2)]),
        ([{"bn": "a", "v": 1}, {"bn": "b", "v": 2}], [("a", NOW, 1), ("b", NOW, 2)]),
        ([{"bn": "a"}, {"v": 1}], [("a", NOW, 1)]),
        # Base value added, alone, and to a missing one.
        ([{"bn": "a", "bv": 10, "v": 1}, {"v": 2}, {"t": 1}], [("a", NOW, 11), ("a", NOW, 12), ("a", NOW + 1_000_000, 10)]),
        # A sum without a value.
        ([{"n": "a", "s": 7}], [("a", NOW, 7)]),
        ([{"n": "a", "bs": 5, "s": 7}], [("a", NOW, 12)]),
        # Truth.
        ([{"n": "a", "vb": True}, {"n": "b", "vb": False}], [("a", NOW, 1), ("b", NOW, 0)]),
        # 2**28 and later is a point in time, what is smaller counts from now.
        ([{"n": "a", "v": 1, "t": 2**28}], [("a", 2**28 * 1_000_000, 1)]),
        ([{"n": "a", "v": 1, "t": 2**28 - 1}], [("a", NOW + (2**28 - 1) * 1_000_000, 1)]),
        ([{"n": "a", "v": 1, "t": -5}], [("a", NOW - 5_000_000, 1)]),
        ([{"n": "a", "bt": 2**28 + 10, "v": 1, "t": -20}], [("a", NOW + (2**28 - 10) * 1_000_000, 1)]),
        # To the microsecond, as the decimals are written.
        ([{"n": "a", "v": 1, "bt": 1320067464.1, "t": 0.2}], [("a", 1_320_067_464_300_000, 1)]),
        ([{"n": "a", "v": 1, "t": 1790000000.000001}], [("a", 1_790_000_000_000_001, 1)]),
        # In the order of time.
        ([{"n": "a", "v": 1, "t": 2}, {"n": "b", "v": 2, "t": 1}], [("b", NOW + 1_000_000, 2), ("a", NOW + 2_000_000, 1)]),
        # Fields nobody knows, and the two spellings of a label.
        ([{"n": "a", "v": 1, "colour": "red"}], [("a", NOW, 1)]),
        ([{0: "a", 2: 1, -3: 2**30, 99: 1}], [("a", 2**30 * 1_000_000, 1)]),
        ([{"bver": 10, "n": "a", "v": 1}, {"bver": 10, "n": "b", "v": 1}], [("a", NOW, 1), ("b", NOW, 1)]),
    ],
)  # fmt: skip
def test_records_are_resolved(records: list[dict[Any, Any]], found: list[tuple[str, int, float]]) -> None:
    assert resolved(*records) == found


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([{"n": "a", "v": 1}, 5], "record 1 is no object"),
        ([{"n": "a"}], "record 0: a has no value"),
        ([{"n": "a", "v": 1, "vs": "x"}], "record 0: has v and vs; one value only"),
        ([{"n": "a", "v": True}], "record 0: v is True, not a number"),
        ([{"n": "a", "v": "1"}], "record 0: v is '1', not a number"),
        ([{"n": "a", "v": None}], "record 0: v is None, not a number"),
        ([{"n": "a", "v": [1]}], "record 0: v is a list, not a number"),
        ([{"n": "a", "v": 10**400}], "record 0: v is out of any range"),
        ([{"n": "a", "vb": 1}], "record 0: vb must be true or false"),
        ([{"n": 5, "v": 1}], "record 0: n is 5, not a text"),
        ([{"n": "a", "u": 5, "v": 1}], "record 0: u is 5, not a text"),
        ([{"n": "a", "v": 1, "t": "now"}], "record 0: t is 'now', not a number"),
        ([{"n": "a", "v": 1, "t": math.inf}], "record 0: t is not finite"),
        ([{"n": "a", "v": 1, "t": 1e300}], "record 0: time 1e+300 s is out of any range"),
        ([{"n": "a", "v": 1, "must_": 1}], "record 0: must understand 'must_', and does not"),
        ([{"n": "a", "v": 1, "bver": 11}], "record 0: SenML version 11; up to 10 is understood"),
        ([{"n": "a", "v": 1, "bver": "10"}], "record 0: SenML version '10'; up to 10 is understood"),
        ([{"n": "a", "v": 1, "bver": 1 << 30_000}], "record 0: SenML version a number of 30001 bits; up to 10 is understood"),
        ([{"n": "a", "v": 1}, {"bver": 5, "n": "a", "v": 1}], "record 1: bver changes inside the pack"),
        ([{"bver": 5, "n": "a", "v": 1}, {"bver": 10, "n": "a", "v": 1}], "record 1: bver changes inside the pack"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_record_is_said(records: list[Any], said: str) -> None:
    with pytest.raises(Malformed) as refusal:
        samples(records, NOW)
    assert str(refusal.value) == said


@pytest.mark.parametrize(
    "name", ["", "-a", ":a", "/a", ".a", "_a", "a b", "a;b", "水位", "a\n", "a\0", "+", "#"]
)
def test_a_name_that_rfc_8428_forbids_is_refused(name: str) -> None:
    with pytest.raises(Malformed, match="is not allowed by SenML"):
        resolved({"n": name, "v": 1})


@pytest.mark.parametrize("name", ["a", "0", "urn:dev:ow:10e2073a01080063", "2001:db8::3", "A/b-c.d_e"])
def test_a_name_that_rfc_8428_allows_is_taken(name: str) -> None:
    assert resolved({"n": name, "v": 1}) == [(name, NOW, 1)]


def test_texts_and_data_are_noted_and_the_numbers_beside_them_taken() -> None:
    decoded = decode(b'[{"n":"a","vs":"open"},{"n":"b","vd":"aGkgCg"},{"n":"c","v":3}]', NOW)
    assert decoded.notes == ["a: text, no number", "b: data, no number"]
    assert as_tuples(decoded) == [("c", NOW, 3)]


def test_a_pack_of_texts_only_is_no_error() -> None:
    decoded = decode(b'[{"n":"a","vs":"open"}]', NOW)
    assert (len(decoded.rows), decoded.notes) == (0, ["a: text, no number"])


def test_cbor_may_write_numbers_as_half_floats_and_decimal_fractions() -> None:
    # RFC 8428, section 6: 27.15 as 2715 * 10**-2, and 1.5 in two bytes.
    payload = b"\x82\xa2\x00\x61a\x02\xc4\x82\x21\x19\x0a\x9b" + b"\xa2\x00\x61b\x02\xf9\x3e\x00"
    assert as_tuples(decode(payload, NOW)) == [("a", NOW, 27.15), ("b", NOW, 1.5)]


def test_the_same_pack_in_json_and_in_cbor_gives_the_same_readings() -> None:
    pack: list[dict[str, Any]] = [
        {"bn": "dev:", "bt": 1_790_000_000, "bu": "m", "n": "a", "v": 1.5},
        {"n": "b", "u": "Cel", "t": -3.25, "v": -2},
        {"n": "c", "vb": True},
    ]
    coded = cbor2.dumps([{NUMBERS_OF[label]: value for label, value in record.items()} for record in pack])
    one, other = decode(json.dumps(pack).encode(), NOW), decode(coded, NOW)
    assert as_tuples(one) == as_tuples(other)
    assert (one.names, one.units) == (other.names, other.units)
