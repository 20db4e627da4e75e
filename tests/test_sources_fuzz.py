"""Mutated messages of every foreign topic: each is read or refused, explained, and nothing is left behind."""

from __future__ import annotations

import gc
import json
import random
import tracemalloc
from collections.abc import Callable

import pytest
from faults.rounds import rounds

from edge.wire import Malformed
from ingest.sources import explain
from ingest.sources.chirpstack import ChirpStack
from ingest.sources.frigate import Frigate
from ingest.sources.lorawan.codecs import CODECS
from ingest.sources.onvif import Onvif
from ingest.sources.said import Said, Source
from ingest.sources.thingsboard import ThingsBoard

NOW = 1_790_000_000_000_000
EUI = "24e124713b492183"
UPLINK = {
    "time": "2026-09-21T14:13:10.775023242+00:00", "deviceInfo": {"devEui": EUI, "tags": {"codec": "milesight-ws558"}},
    "fPort": 85, "data": "CDEAAQWBZAfJAgADdLIIBoMBAAAABIABAAAA", "rxInfo": [{"rssi": -36, "snr": 10.5}],
    "object": {"waterLevel": 1.5, "deep": {"er": [1, {"x": "open"}]}},
}  # fmt: skip
SCENE = {
    "Frame": [{"@UtcTime": "2021-10-05T15:13:27.321", "Object": [
        {"@ObjectId": 1, "Appearance": {"Class": {"Type": [{"@Likelihood": "0.8", "#text": "Human"}]}}}]}]
}  # fmt: skip
ENTRY = {
    "type": "update",
    "before": {"id": "1.5-a", "label": "person", "frame_time": 1.5, "current_zones": []},
    "after": {"id": "1.5-a", "label": "person", "frame_time": 1.7e9, "current_zones": ["yard", "drive"]},
}
MESSAGES: list[tuple[Source, str, object]] = [
    (ChirpStack(), f"application/1/device/{EUI}/event/up", UPLINK),
    (ChirpStack(), f"application/1/device/{EUI}/event/status", {"margin": 7, "batteryLevel": 54.3}),
    (ThingsBoard(), "v1/gateway/telemetry", {"A": [{"ts": 1_700_000_000_000, "values": {"a": 1, "b": "2.5"}}]}),
    (ThingsBoard(), "tb/d/v1/devices/me/telemetry", [{"a": 1e300, "b": True}, {"c": None}]),
    (Onvif(), "cam/onvif-mj/VideoAnalytics/1/m", SCENE),
    (Onvif(), "cam/onvif-ej/RuleEngine/CountAggregation/Counter/&1/in",
     {"UtcTime": "2025-07-15T14:30:00Z", "Source": {"Rule": "in"}, "Data": {"Count": "12"}}),
    (Frigate(), "frigate/events", ENTRY),
    (Frigate(), "frigate/stats", {"cameras": {"gate": {"camera_fps": 5.0}}, "service": {"uptime": 5}}),
    (Frigate(), "frigate/yard/person", 3),
]  # fmt: skip


def mutated(draw: random.Random, payload: bytes) -> bytes:
    """A payload cut, spliced, doubled, or with some of its bytes changed."""
    body = bytearray(payload)
    for _ in range(draw.randint(1, 4)):
        at, kind = draw.randrange(len(body) + 1), draw.randrange(6)
        if kind == 0:
            del body[at:]
        elif kind == 1:
            del body[at : at + draw.randint(1, 8)]
        elif kind == 2:
            body[at:at] = draw.randbytes(draw.randint(1, 4))
        elif kind == 3:
            body[at:at] = body[: draw.randrange(len(body) + 1)]
        elif kind == 4:
            body[at : at + 1] = draw.choice(
                [b"9" * 30, b"[", b"{", b'"', b"-", b"e999", b"null", b"\x00", b"\\u0000"]
            )
        elif at < len(body):
            body[at] ^= 1 << draw.randrange(8)
    return bytes(body)


def names(said: list[Said]) -> list[str]:
    return [metric for each in said for metric, _, _, _ in each.samples]


def without_growth(work: Callable[[int], None], times: int) -> None:
    """Do it often; what it leaves in memory must not depend on how often."""
    work(0)
    tracemalloc.start()
    try:
        for number in range(times):
            work(number)
            if number == times // 4:
                gc.collect()
                before = tracemalloc.get_traced_memory()[0]
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 200_000, f"{grown} bytes are left of {times} messages"


@pytest.mark.parametrize(("source", "topic", "body"), MESSAGES, ids=[each[1] for each in MESSAGES])
def test_a_mutated_message_is_read_or_refused(source: Source, topic: str, body: object) -> None:
    payload, draw = json.dumps(body).encode(), random.Random(5)
    assert names(source.read(topic, payload, NOW))  # the control: as it is, it is read
    explained = getattr(explain, source.scheme)

    def one(number: int) -> None:
        message = mutated(draw, payload)
        try:
            for metric in names(source.read(topic, message, NOW)):
                assert 0 < len(metric) <= 64
        except Malformed:
            pass
        if number % 10 == 0:
            line = json.dumps({"topic": topic, "payload": message.decode("latin-1")}).encode()
            assert len(list(explained(line))) == 1
            assert list(explained(message))

    without_growth(one, rounds("fuzzed messages of platforms"))


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_mutated_bytes_of_a_device_are_read_or_noted(codec: str) -> None:
    draw = random.Random(7)
    payload = bytes.fromhex("01755c038244080400010367fa0003d4000001005046083100010581640374b208ff0bff")

    def one(_: int) -> None:
        uplink = CODECS[codec](mutated(draw, payload), 85)
        assert len(uplink.notes) <= 1

    without_growth(one, rounds("fuzzed messages of platforms"))
