"""Frigate: what is counted, who entered a zone, and that nothing of who it was is read or kept."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ingest_batch import ALONE, NOW, Hub
from typer.testing import CliRunner

from cityhub.cli import built
from edge.wire import Malformed
from ingest.foreign import Foreign
from ingest.message import Message
from ingest.registry import Registry
from ingest.sources.frigate import LABELS, MARKS, Frigate
from ingest.sources.said import Said

SHARED = Path(__file__).parents[2] / "shared" / "vectors"
FRAME = 1_790_000_123.25
FRAME_US = 1_790_000_123_250_000


def side(zones: list[str], **fields: Any) -> dict[str, Any]:
    """One side of an event, with all that Frigate recognises."""
    return {
        "id": "1790000100.5-q3kd8a", "camera": "gate", "frame_time": FRAME, "label": "person", "sub_label": ["Ann Lee", 0.9],
        "false_positive": False, "end_time": None, "box": [1, 2, 3, 4], "current_zones": zones,
        "entered_zones": ["ever"], "recognized_license_plate": "B12345", "attributes": {"face": 0.9}, "thumbnail": None,
    } | fields  # fmt: skip


def event(kind: str, before: dict[str, Any] | None, after: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "before": before, "after": after}).encode()


def read(topic: str, payload: bytes) -> list[Said]:
    return Frigate().read(topic, payload, NOW)


def passed(payload: bytes) -> dict[str, list[str]]:
    """Who passed, by zone."""
    said = read("frigate/events", payload)
    for each in said:
        for _, at, value, unit in each.samples:
            assert FRAME_US <= at < FRAME_US + MARKS
            assert (value, unit) == (1.0, "1")
    return {each.address: [sample[0] for sample in each.samples] for each in said}


@pytest.mark.parametrize(
    ("topic", "payload", "address", "metric", "value"),
    [
        ("frigate/gate/person", b"3", "frigate/gate", "people", 3),
        ("frigate/steps/person/active", b"0", "frigate/steps", "people-active", 0),
        ("frigate/gate/car", b" 12\n", "frigate/gate", "car", 12),
        ("frigate/gate/all", b"7", "frigate/gate", "objects", 7),
        ("frigate/gate/all/active", b"7", "frigate/gate", "objects-active", 7),
        ("frigate/available", b"online", "frigate", "online", 1),
        ("frigate/available", b"stopped", "frigate", "online", 0),
        ("frigate/available", b"offline", "frigate", "online", 0),
        ("frigate/gate/status/detect", b"offline", "frigate/gate", "online", 0),
    ],
)
def test_a_count_is_a_reading_at_its_arrival(
    topic: str, payload: bytes, address: str, metric: str, value: float
) -> None:
    assert read(topic, payload) == [Said(address, [(metric, NOW, float(value), "1")])]


def test_a_camera_that_was_switched_off_is_neither_there_nor_gone() -> None:
    [said] = read("frigate/gate/status/detect", b"disabled")
    assert math.isnan(said.samples[0][2])


@pytest.mark.parametrize(
    ("kind", "before", "after", "found"),
    [
        ("new", side([], false_positive=True), side([]), {}),
        ("new", side([], false_positive=True), side(["yard"]), {"frigate/yard": ["in"]}),
        # Nothing was told of it while it might have been a false alarm, so it enters now.
        ("new", side(["yard"], false_positive=True), side(["yard"]), {"frigate/yard": ["in"]}),
        ("update", side(["yard"]), side(["yard"]), {}),
        ("update", side(["yard"]), side(["yard", "drive"]), {"frigate/drive": ["in"]}),
        ("update", side(["yard"]), side(["drive"]), {"frigate/drive": ["in"], "frigate/yard": ["out"]}),
        ("update", side(["yard", "drive"]), side([]), {"frigate/drive": ["out"], "frigate/yard": ["out"]}),
        # Lost in the yard: whoever it was is not there any more.
        ("end", side(["yard"]), side(["yard"], end_time=FRAME), {"frigate/yard": ["out"]}),
        ("end", side(["yard"]), side([], end_time=FRAME), {"frigate/yard": ["out"]}),
        ("end", side([]), side(["yard"], end_time=FRAME), {"frigate/yard": ["in", "out"]}),
        ("update", side([], label="truck"), side(["yard"], label="truck"), {"frigate/yard": ["truck-in"]}),
        ("update", side([]), side(["yard"], false_positive=True), {}),
        ("update", side([]), side(["yard"], label="umbrella"), {}),
        ("update", None, side(["yard"]), {"frigate/yard": ["in"]}),
    ],
)  # fmt: skip
def test_who_enters_and_leaves_a_zone(
    kind: str, before: dict[str, Any] | None, after: dict[str, Any], found: dict[str, list[str]]
) -> None:
    assert passed(event(kind, before, after)) == found
    kept = Frigate().kept("frigate/events", event(kind, before, after))
    assert passed(kept) == found


def test_two_who_enter_in_one_frame_are_two_readings_and_each_is_the_same_when_it_comes_again() -> None:
    one, two = (
        event("update", side([], id=name), side(["yard"], id=name)) for name in ("1.5-aaaaaa", "1.5-bbbbbb")
    )
    [first], [second], [again] = (read("frigate/events", payload) for payload in (one, two, one))
    assert first.samples[0][1] != second.samples[0][1]
    assert first == again


@pytest.mark.parametrize("payload", [event("new", side(["a"]), side(["b"])), event("end", None, side(["b"]))])
def test_nothing_is_kept_by_which_somebody_could_be_found(payload: bytes) -> None:
    kept = Frigate().kept("frigate/events", payload)
    assert b"Ann Lee" in payload
    for trace in (b"Ann", b"B12345", b"q3kd8a", b"face", b"box", b"thumbnail", b"plate"):
        assert trace not in kept
    unread = Frigate().kept("frigate/events", b'{"sub_label": "Ann Lee"')
    assert unread.startswith(b"not kept: not JSON")
    assert b"Ann" not in unread
    with pytest.raises(Malformed):  # it stays a dead letter
        read("frigate/events", unread)
    assert Frigate().kept("frigate/gate/person", b"3") == b"3"


def test_neither_archive_nor_dead_letters_hold_what_a_camera_recognised() -> None:
    hub = Hub([Frigate()])
    hub.registry.addresses = {("frigate", "frigate/yard"): ALONE}
    late = side(["yard"], frame_time=NOW / 1e6)
    batch = hub.take([Message("frigate/events", event("new", None, late), 1, 1, NOW)])
    [letter] = batch.dead  # a gauge counts nobody
    assert letter.reason == "unknown-metric"
    for message in (letter.message, *batch.messages):
        assert b"current_zones" in message.payload
        assert b"Ann" not in message.payload


def test_no_picture_and_no_switch_is_subscribed_to() -> None:
    source = Foreign(Registry(), [Frigate()])
    wanted = [f"frigate/gate/{label}{active}" for label in LABELS for active in ("", "/active")]
    for topic in [
        *wanted,
        "frigate/events",
        "frigate/available",
        "frigate/stats",
        "frigate/gate/status/detect",
    ]:
        assert source.source(topic) is not None
    for topic in [
        "frigate/gate/person/snapshot", "frigate/gate/thumbnail", "frigate/gate/motion", "frigate/gate/detect/set",
        "frigate/reviews", "frigate/tracked_object_update", "frigate/gate/detect/state", "frigate/restart",
    ]:  # fmt: skip
        assert source.source(topic) is None
    assert not any("#" in each for each in Frigate().filters)


def test_health_of_cameras_and_of_frigate() -> None:
    stats = {
        "cameras": {"gate": {"camera_fps": 5.1, "process_fps": 5.0, "skipped_fps": 0.1, "detection_fps": 2.0, "pid": 7}},
        "detection_fps": 2.0,
        "detectors": {"cpu": {"inference_speed": 9}},
        "service": {"uptime": 3600, "last_updated": 1_790_000_001,
                    "storage": {"/media": {"total": 1000, "used": 250}, "/scratch": {"total": 0, "used": 0}}},
    }  # fmt: skip
    at = 1_790_000_001_000_000
    gate, own = read("frigate/stats", json.dumps(stats).encode())
    assert gate.address == "frigate/gate"
    assert {name: value for name, _, value, _ in gate.samples} == {
        "camera-fps": 5.1, "process-fps": 5.0, "skipped-fps": 0.1, "detection-fps": 2.0,
    }  # fmt: skip
    assert own == Said(
        "frigate",
        [("detection-fps", at, 2.0, "Hz"), ("uptime", at, 3600.0, "s"), ("storage-used", at, 25.0, "%")],
    )
    old = {"gate": {"camera_fps": 5}, "detectors": {}, "service": {}}
    assert read("frigate/stats", json.dumps(old).encode()) == [
        Said("frigate/gate", [("camera-fps", NOW, 5.0, "Hz")])
    ]


@pytest.mark.parametrize(
    ("topic", "payload", "why"),
    [
        ("frigate/gate/person", b"many", "b'many' is no count"),
        ("frigate/gate/person", b"-1", "no count"),
        ("frigate/available", b"maybe", "neither online"),
        ("frigate/events", b"[]", "an object is expected"),
        ("frigate/events", b'{"type": "old", "after": {}}', "event of type 'old'"),
        ("frigate/events", event("new", None, side(["a"], frame_time="now")), "no epoch in seconds"),
        ("frigate/events", event("new", None, side([], current_zones="yard")), "not a list of names"),
    ],
)
def test_what_cannot_be_read_is_refused(topic: str, payload: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=re.escape(why)):
        read(topic, payload)


@pytest.mark.parametrize("topic", ["frigate/gate/person", "frigate/events", "frigate/available"])
def test_a_retained_message_that_was_deleted_says_nothing(topic: str) -> None:
    assert read(topic, b"") == []
    assert Frigate().kept(topic, b"") == b""


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.sampled_from(["new", "end", "person", "yard", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "before", "after", "label", "current_zones", "frame_time", "service", "cameras"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.sampled_from(["frigate/events", "frigate/stats"]), JSON)
@settings(deadline=None)
def test_no_message_breaks_the_reader(topic: str, body: Any) -> None:
    payload = json.dumps(body).encode()
    kept = Frigate().kept(topic, payload)
    for each in (payload, kept):
        try:
            for said in read(topic, each):
                assert all(isinstance(value, float) for _, _, value, _ in said.samples)
        except Malformed:
            continue


def test_messages_of_the_documentation_are_understood() -> None:
    path = SHARED / "frigate.json"
    if not path.exists():
        pytest.skip("the vectors are not beside this clone")
    for vector in json.loads(path.read_text()):
        given_ = vector["input"]
        line = json.dumps({"topic": vector["topic"], "payload": given_})
        result = CliRunner().invoke(built("decode"), ["decode", "frigate", line])
        assert result.exit_code == 0, vector["name"]
        assert "John" not in result.stdout
        if vector["name"] == "frigate.events.0":
            [said] = read(vector["topic"], json.dumps(given_).encode())
            assert said.address == f"frigate/{vector['computed']['entered_since_before'][0]}"
            assert [sample[0] for sample in said.samples] == ["in"]
