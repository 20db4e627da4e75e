"""ChirpStack v4: what its MQTT integration publishes for a LoRaWAN device."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

APPLICATION = "17c82e96-be03-4f38-aef3-f83d48582d97"
TENANT = "52f14cd4-c6f1-4fbd-8f87-4025e1d49242"


@dataclass(slots=True)
class Endpoint:
    """One LoRaWAN device as the network server knows it."""

    dev_eui: str  # sixteen hexadecimal digits
    name: str
    profile: str
    dev_addr: str = "00189440"
    f_cnt: int = -1
    info: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        # The same in every message of a device, so it is put together once.
        self.info = _info(self)

    def topic(self, event: str) -> str:
        """Topic of an event."""
        return f"application/{APPLICATION}/device/{self.dev_eui}/event/{event}"

    def rejoin(self) -> None:
        """A reboot: the device joins again and counts from 0."""
        self.f_cnt = -1


_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)


def _json(message: dict[str, Any]) -> bytes:
    return _ENCODER.encode(message).encode()


def _time(time_ms: int, chance: Random) -> str:
    # Nanoseconds, as the network server writes them.
    whole = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03}{chance.randrange(10**6):06}+00:00"


def _uuid(chance: Random) -> str:
    """A random UUID, version 4."""
    digits = f"{chance.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[int(digits[16], 16) & 3]}{digits[17:20]}-{digits[20:]}"


def _info(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "tenantId": TENANT,
        "tenantName": "Lanjiang",
        "applicationId": APPLICATION,
        "applicationName": "city components",
        "deviceProfileId": str(uuid.uuid5(uuid.NAMESPACE_OID, endpoint.profile)),
        "deviceProfileName": endpoint.profile,
        "deviceName": endpoint.name,
        "devEui": endpoint.dev_eui,
        "tags": {},
    }


def payload(values: dict[str, float]) -> bytes:
    """Channel, type, value low byte first: battery 01 75, distance 03 82 (mm), tilt 04 00, as smart covers send."""
    told = b""
    if "battery" in values:
        told += b"\x01\x75" + bytes([max(0, min(100, round((values["battery"] - 2.8) / 0.8 * 100)))])
    if "water" in values:
        told += b"\x03\x82" + max(0, min(round(values["water"] * 10), 0xFFFF)).to_bytes(2, "little")
    if "tilt" in values:
        told += b"\x04\x00" + bytes([values["tilt"] > 20])  # noqa: PLR2004 - degrees, the maker's own limit
    return told


def uplink(endpoint: Endpoint, values: dict[str, float], time_ms: int, chance: Random) -> bytes:
    """Event `up`: protobuf's JSON, so that what is 0 or false is not there at all."""
    endpoint.f_cnt += 1
    message: dict[str, Any] = {
        "deduplicationId": _uuid(chance),
        "time": _time(time_ms, chance),
        "deviceInfo": endpoint.info,
        "devAddr": endpoint.dev_addr,
        "adr": True,
        "dr": 5,
    }
    if endpoint.f_cnt:
        message["fCnt"] = endpoint.f_cnt
    message |= {
        "fPort": 85,
        "data": base64.b64encode(payload(values)).decode(),
        "object": values,
        "rxInfo": [
            {
                "gatewayId": "0016c001f153a14c",
                "uplinkId": chance.getrandbits(32),
                "rssi": -60 - chance.randrange(60),
                "snr": round(chance.uniform(-5, 12), 1),
                "crcStatus": "CRC_OK",
            }
        ],
        "txInfo": {
            "frequency": 486300000,
            "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 7, "codeRate": "CR_4_5"}},
        },
    }
    return _json(message)


def join(endpoint: Endpoint, time_ms: int, chance: Random) -> bytes:
    """Event `join`: no measurement."""
    return _json(
        {
            "deduplicationId": _uuid(chance),
            "time": _time(time_ms, chance),
            "deviceInfo": endpoint.info,
            "devAddr": endpoint.dev_addr,
        }
    )


def status(endpoint: Endpoint, battery: float, time_ms: int, chance: Random) -> bytes:
    """Event `status`: battery in per cent and margin; 0 is not written."""
    message: dict[str, Any] = {
        "deduplicationId": _uuid(chance),
        "time": _time(time_ms, chance),
        "deviceInfo": endpoint.info,
        "margin": 10,
    }
    if battery > 0:
        message["batteryLevel"] = round(battery, 2)
    return _json(message)
