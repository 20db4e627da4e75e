"""Milesight sensors: channel, type, value; a table for each model says what a channel is (README of its decoder)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ingest.sources.lorawan.uplink import Codec, Field, Uplink

Read = Callable[[bytes], list[tuple[str, float]]]
Key = tuple[int, int]

HISTORY = (0x20, 0xCE)


class Channel(NamedTuple):
    """How long a channel's value is, its unit, what it means, and the metrics that it holds."""

    length: int
    unit: str | None
    meaning: str
    read: Read


def _little(metric: str, scale: float = 1, *, signed: bool = False) -> Read:
    """A whole number, little-endian, divided by `scale`."""
    return lambda raw: [(metric, int.from_bytes(raw, "little", signed=signed) / scale)]


def _alarm(value: Read, length: int, metric: str) -> Read:
    """A value followed by a byte that says whether it raised the sensor's own alarm."""
    return lambda raw: [*value(raw[:length]), (metric, float(raw[length] != 0))]


def _angles(raw: bytes) -> list[tuple[str, float]]:
    """Three angles to the horizontal in hundredths of a degree; bit 0 of each says that it passed its threshold."""
    words = [int.from_bytes(raw[place : place + 2], "little", signed=True) for place in (0, 2, 4)]
    x, y, z = ((word >> 1) / 100 for word in words)
    # Lying face up, the z axis stands upright: 90. What is missing to that is the tilt of the cover.
    return [
        ("tilt-x", x),
        ("tilt-y", y),
        ("tilt-z", z),
        ("tilt", 90 - z),
        ("displaced", float(any(word & 1 for word in words))),
    ]


def _lamp(raw: bytes) -> list[tuple[str, float]]:
    """Eight switches: which changed, and which are on; the lamp burns where any is."""
    return [("lamp", float(raw[1] != 0))]


BATTERY = {(0x01, 0x75): Channel(1, "%", "battery", _little("battery-level"))}
ATTRIBUTES = {
    (0xFF, 0x01): 1, (0xFF, 0x08): 6, (0xFF, 0x09): 2, (0xFF, 0x0A): 2, (0xFF, 0x0B): 1, (0xFF, 0x0F): 1,
    (0xFF, 0x16): 8, (0xFF, 0xFF): 2,
}  # fmt: skip
"""Versions, serial number, power on: known, and no readings. Their lengths."""
TEMPERATURE = _little("air-temperature", 10, signed=True)
ECHO = _little("water", 10)  # millimetres
DISTANCE = Channel(2, "cm", "distance from the sensor down to the water", ECHO)
ECHO_ALARM = Channel(3, None, "distance and its alarm", _alarm(ECHO, 2, "level-alarm"))


def _position(metric: str, meaning: str) -> Channel:
    return Channel(1, "1", meaning, _little(metric))


MODELS: Mapping[str, Mapping[Key, Channel]] = {
    "milesight-em310-udl": {
        (0x03, 0x82): DISTANCE,
        (0x04, 0x00): _position("displaced", "position: 0 as mounted, 1 tilted"),
    },
    "milesight-em310-tilt": {(0x03, 0xD4): Channel(6, None, "angles x, y, z and their thresholds", _angles)},
    "milesight-em400-udl": {
        (0x03, 0x67): Channel(2, "Cel", "temperature", TEMPERATURE),
        (0x04, 0x82): DISTANCE,
        (0x05, 0x00): _position("displaced", "position: 0 as mounted, 1 tilted"),
        (0x83, 0x67): Channel(
            3, None, "temperature and its alarm", _alarm(TEMPERATURE, 2, "temperature-alarm")
        ),
        (0x84, 0x82): ECHO_ALARM,
    },
    "milesight-em500-udl": {(0x03, 0x82): DISTANCE},
    "milesight-em500-swl": {
        (0x03, 0x77): Channel(2, "m", "water above the probe", _little("level", 100, signed=True)),
    },
    "milesight-em300-mcs": {
        (0x03, 0x67): Channel(2, "Cel", "temperature", TEMPERATURE),
        (0x04, 0x68): Channel(1, "%", "relative humidity", _little("humidity", 2)),
        (0x06, 0x00): _position("open", "contact: 0 closed, 1 open"),
    },
    "milesight-ws558": {
        (0x03, 0x74): Channel(2, "V", "voltage", _little("voltage", 10)),
        (0x04, 0x80): Channel(4, "W", "active power", _little("power")),
        (0x05, 0x81): Channel(1, "%", "power factor", _little("power-factor")),
        (0x06, 0x83): Channel(4, "kW.h", "energy since installation", _little("energy-total", 1000)),
        (0x07, 0xC9): Channel(2, "A", "current", _little("current", 1000)),
        (0x08, 0x31): Channel(2, "1", "switches that changed, and that are on", _lamp),
    },
}
MODELS = {**MODELS, "milesight-em320-tilt": MODELS["milesight-em310-tilt"]}
HISTORIES: Mapping[str, Channel] = {
    "milesight-em500-udl": DISTANCE,
    "milesight-em500-swl": MODELS["milesight-em500-swl"][0x03, 0x77],
}
"""Models that send again what they could not send in time: a time in seconds, then this value."""
UNITS = {"tilt": "deg", "tilt-x": "deg", "tilt-y": "deg", "tilt-z": "deg", "displaced": "1", "water": "cm",
         "level-alarm": "1", "air-temperature": "Cel", "temperature-alarm": "1"}  # fmt: skip
"""Of channels that hold several metrics."""


def codec(model: str) -> Codec:
    """The codec of one model."""
    channels = {**BATTERY, **MODELS[model]}
    history = HISTORIES.get(model)

    def decode(data: bytes, port: int) -> Uplink:
        del port  # Milesight sends everything on 85
        return _walk(data, channels, history)

    return decode


def _walk(data: bytes, channels: Mapping[Key, Channel], history: Channel | None) -> Uplink:
    """Channel after channel; behind one that the model does not have nobody can tell where the next begins."""
    uplink, at = Uplink(), 0
    while at < len(data):
        key = data[at], data[at + 1] if at + 1 < len(data) else -1
        channel, past = channels.get(key), key == HISTORY and history is not None
        length = (
            4 + history.length if past and history else channel.length if channel else ATTRIBUTES.get(key)
        )
        end = at + 2 + (length or 0)
        if length is None or end > len(data):
            what = "is unknown to this model" if length is None else f"should have {length} bytes"
            uplink.notes.append(f"from byte {at}: {data[at : at + 12].hex()} {what}; the rest is not read")
            break
        raw = data[at + 2 : end]
        if past and history:
            when = int.from_bytes(raw[:4], "little") * 1_000_000
            uplink.fields += _fields(history, raw[4:], data[at:end], when)
        elif channel:
            uplink.fields += _fields(channel, raw, data[at:end], None)
        at = end
    return uplink


def _fields(channel: Channel, value: bytes, raw: bytes, when: int | None) -> list[Field]:
    return [
        Field(metric, found, channel.unit or UNITS[metric], raw, channel.meaning, when)
        for metric, found in channel.read(value)
    ]


CODECS = {model: codec(model) for model in MODELS}
