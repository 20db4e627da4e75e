"""Cayenne LPP: channel, type, value, big-endian; the type says what it is, the channel which one of the device's."""

from __future__ import annotations

from typing import NamedTuple

from ingest.sources.lorawan.uplink import Field, Uplink


class Kind(NamedTuple):
    """A data type: the parts of its value, each with its bytes and what one step is worth."""

    name: str
    unit: str | None
    parts: tuple[tuple[str, int, float], ...]  # suffix, bytes, steps in one unit
    signed: bool = False


def _one(name: str, unit: str | None, width: int, steps: float, *, signed: bool = False) -> Kind:
    return Kind(name, unit, (("", width, steps),), signed)


def _axes(name: str, unit: str, steps: float) -> Kind:
    return Kind(name, unit, (("-x", 2, steps), ("-y", 2, steps), ("-z", 2, steps)), signed=True)


# The types of the first edition, then those that its libraries have since added.
KINDS = {
    0: _one("digital-in", "1", 1, 1),
    1: _one("digital-out", "1", 1, 1),
    2: _one("analog-in", None, 2, 100, signed=True),
    3: _one("analog-out", None, 2, 100, signed=True),
    101: _one("illuminance", "lx", 2, 1),
    102: _one("presence", "1", 1, 1),
    103: _one("temperature", "Cel", 2, 10, signed=True),
    104: _one("humidity", "%", 1, 2),
    113: _axes("acceleration", "[g]", 1000),
    115: _one("air-pressure", "hPa", 2, 10),
    134: _axes("rotation", "deg/s", 100),
    136: Kind("position", None, (("-lat", 3, 10_000), ("-lon", 3, 10_000), ("-alt", 3, 100)), signed=True),
    100: _one("generic", None, 4, 1),
    116: _one("voltage", "V", 2, 100),
    117: _one("current", "A", 2, 1000),
    118: _one("frequency", "Hz", 4, 1),
    120: _one("percentage", "%", 1, 1),
    121: _one("altitude", "m", 2, 1, signed=True),
    125: _one("concentration", "[ppm]", 2, 1),
    128: _one("power", "W", 2, 1),
    130: _one("distance", "m", 4, 1000),
    131: _one("energy-total", "kW.h", 4, 1000),
    132: _one("direction", "deg", 2, 1),
    142: _one("switch", "1", 1, 1),
}


def decode(data: bytes, port: int) -> Uplink:
    """Fields named by type and channel: `temperature-3`; never raises."""
    del port
    uplink, at = Uplink(), 0
    while at < len(data):
        kind = KINDS.get(data[at + 1]) if at + 1 < len(data) else None
        width = sum(part[1] for part in kind.parts) if kind else 0
        end = at + 2 + width
        if kind is None or end > len(data):
            what = f"should have {width} bytes" if kind else "is no type of Cayenne LPP"
            uplink.notes.append(f"from byte {at}: {data[at : at + 12].hex()} {what}; the rest is not read")
            break
        place = at + 2
        for suffix, size, steps in kind.parts:
            value = int.from_bytes(data[place : place + size], "big", signed=kind.signed) / steps
            name = f"{kind.name}-{data[at]}{suffix}"
            uplink.fields.append(
                Field(name, value, kind.unit, data[at:end], f"{kind.name}, channel {data[at]}")
            )
            place += size
        at = end
    return uplink


CODECS = {"cayenne-lpp": decode}
