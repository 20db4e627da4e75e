"""Plain JSON telemetry in its forms, and the times that people write."""

from __future__ import annotations

import math
from typing import Any

import pytest

from edge.wire import Malformed
from ingest.plain import Sample, samples

AT = 1_790_000_000_000_000


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"level": 1.5}, [("level", None, 1.5)]),
        ({"level": 1, "flow": -2}, [("level", None, 1.0), ("flow", None, -2.0)]),
        ({"ts": 1_790_000_000_000, "level": 1}, [("level", AT, 1.0)]),
        (
            {"ts": 1_790_000_000_000, "values": {"level": 1, "flow": 2}},
            [("level", AT, 1.0), ("flow", AT, 2.0)],
        ),
        ({"values": {"level": 1}}, [("level", None, 1.0)]),
        ({"values": {"level": 1}, "battery": 7}, [("level", None, 1.0)]),
        ([{"level": 1}, {"ts": 1_790_000_000_000, "level": 2}], [("level", None, 1.0), ("level", AT, 2.0)]),
        ({"open": True, "shut": False}, [("open", None, 1.0), ("shut", None, 0.0)]),
        ({}, []),
        ([], []),
        ({"ts": 1_790_000_000_000}, []),
        ({"level": 2**64 - 1}, [("level", None, 18446744073709551616.0)]),
    ],
)
def test_the_forms_of_plain_json(document: Any, found: list[Sample]) -> None:
    assert samples(document) == found


def test_null_is_a_missing_value() -> None:
    [(metric, at, value)] = samples({"ts": 0, "values": {"level": None}})
    assert (metric, at) == ("level", 0)
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("ts", "us"),
    [
        (1_790_000_000_000, AT),
        (0, 0),
        (-1, -1_000),
        (1_790_000_000_000.25, AT + 250),
        ("2026-09-21T14:13:20Z", AT),
        ("2026-09-21T22:13:20+08:00", AT),
        ("2026-09-21T14:13:20.000001Z", AT + 1),
        ("1970-01-01T00:00:00Z", 0),
        ("0001-01-01T00:00:00+14:00", -62_135_596_800_000_000 - 50_400_000_000),
    ],
)
def test_times_are_epoch_milliseconds_or_rfc_3339(ts: object, us: int) -> None:
    assert samples({"ts": ts, "values": {"level": 1}}) == [("level", us, 1.0)]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (5, "telemetry is an object or an array of objects"),
        ("level", "telemetry is an object or an array of objects"),
        (None, "telemetry is an object or an array of objects"),
        ([{"level": 1}, 5], "entry 1 of the array is no object"),
        ({"values": [1]}, "values must be an object of metrics and numbers"),
        ({"level": "3"}, "level is str '3', not a number"),
        ({"level": [1]}, "level is list [1], not a number"),
        ({"level": {"x": 1}}, "level is dict {'x': 1}, not a number"),
        ({"ts": None, "level": 1}, "ts None is neither epoch milliseconds nor RFC 3339"),
        ({"ts": True, "level": 1}, "ts True is neither epoch milliseconds nor RFC 3339"),
        ({"ts": [1], "level": 1}, "ts [1] is neither epoch milliseconds nor RFC 3339"),
        ({"ts": "now", "level": 1}, "ts 'now' is no RFC 3339 time"),
        (
            {"ts": "2026-09-21T14:13:20", "level": 1},
            "ts '2026-09-21T14:13:20' has no time zone; write Z or +08:00",
        ),
        ({"ts": "2026-09-21", "level": 1}, "ts '2026-09-21' has no time zone; write Z or +08:00"),
        ({"ts": 2**53, "level": 1}, "ts 9007199254740992 is out of any range"),
        ({"ts": math.inf, "level": 1}, "ts inf is out of any range"),
        ({"ts": math.nan, "level": 1}, "ts nan is out of any range"),
    ],
)
def test_what_is_wrong_is_said(document: Any, said: str) -> None:
    with pytest.raises(Malformed) as refusal:
        samples(document)
    assert str(refusal.value) == said


def test_a_long_text_is_not_repeated_whole() -> None:
    with pytest.raises(Malformed) as refusal:
        samples({"level" * 100: "x" * 100_000})
    assert len(str(refusal.value)) < 200
