"""Plain telemetry: ThingsBoard's gateway messages, SenML over MQTT or HTTP, values and places on the city's own topics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

UNITS = {
    "level": "m",
    "rain": "mm",
    "battery": "V",
    "tilt": "deg",
    "people": "count",
    "in": "count",
    "out": "count",
    "wind-speed": "m/s",
    "air-temperature": "Cel",
    "power": "W",
    "current": "A",
}


def thingsboard_connect(device: str) -> tuple[str, bytes]:
    """The gateway says that a device is there."""
    return "v1/gateway/connect", json.dumps({"device": device}).encode()


def thingsboard(readings: Mapping[str, list[tuple[int, Mapping[str, float]]]]) -> tuple[str, bytes]:
    """Readings of several devices in one message: device -> (ms, values)."""
    told = {
        device: [{"ts": ts, "values": dict(values)} for ts, values in rows]
        for device, rows in readings.items()
    }
    return "v1/gateway/telemetry", json.dumps(told, separators=(",", ":"), allow_nan=False).encode()


def senml(ts_ms: int, values: Mapping[str, float]) -> bytes:
    """A pack (RFC 8428) whose topic already tells the device: base time, then names, units, values."""
    records: list[dict[str, object]] = []
    for name, value in values.items():
        record: dict[str, object] = {} if records else {"bt": ts_ms / 1000}
        record["n"] = name
        if name in UNITS:
            record["u"] = UNITS[name]
        record["v"] = value
        records.append(record)
    return json.dumps(records, separators=(",", ":"), allow_nan=False).encode()


def values(ts_ms: int, told: Mapping[str, float]) -> bytes:
    """Values of a device whose topic tells who it is."""
    return json.dumps({"ts": ts_ms, "values": dict(told)}, separators=(",", ":"), allow_nan=False).encode()


def positions(ts_ms: int, told: Sequence[tuple[str, float, float, float]]) -> bytes:
    """Places at one moment: (track, lon, lat, accuracy in m) each; without a track it is the device's own."""
    return json.dumps(
        [
            ({"track": track} if track else {}) | {"ts": ts_ms, "lon": lon, "lat": lat, "accuracy": accuracy}
            for track, lon, lat, accuracy in told
        ],
        separators=(",", ":"),
        allow_nan=False,
    ).encode()


def http_post(path: str, host: str, token: str, content: bytes, kind: str = "application/json") -> bytes:
    """A request of HTTP/1.1 that keeps its connection."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    ).encode() + content
