"""ChirpStack v4: uplinks and states of LoRaWAN devices as its MQTT integration publishes them in JSON.

Source: chirpstack-docs, integrations/events; api/proto/integration/integration.proto in its JSON mapping, in which a
field of its default value (0, false, empty) is absent.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edge.wire import Malformed, shown
from ingest.sources import document, naming
from ingest.sources.lorawan.codecs import CODECS
from ingest.sources.lorawan.uplink import Field
from ingest.sources.said import Said, Sample

TOPIC = re.compile(r"application/([^/]+)/device/([0-9A-Fa-f]{16})/event/([a-z]+)")
MEASURABLE = ("up", "status")
BYTES_LIMIT = 512  # LoRaWAN carries 242 at most
CODEC_TAG = "codec"

CodecOf = Callable[[str], str | None]


@dataclass(slots=True)
class Event:
    """One event of one device, read; `fields` are those that our own codec found in its bytes."""

    kind: str
    dev_eui: str
    at_us: int
    body: dict[str, Any]
    samples: list[Sample] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    codec: str | None = None
    notes: list[str] = field(default_factory=list)


def nobody(dev_eui: str) -> None:
    """No device has a codec here: its tag in ChirpStack may name one."""
    del dev_eui


class ChirpStack:
    """Reads `up` and `status` events. `codec_of` names the codec of a device by its devEui, in lower case.

    Where it knows none the tag `codec` of the device in ChirpStack decides; without either, ChirpStack's own `object` is
    taken. A device has one codec or the other, never both: their names would mix.
    """

    scheme = "chirpstack"
    filters = tuple(f"application/+/device/+/event/{kind}" for kind in MEASURABLE)

    def __init__(self, codec_of: CodecOf = nobody) -> None:
        self._codec_of = codec_of

    def read(self, topic: str, payload: bytes, arrived_us: int) -> list[Said]:
        """What an uplink or a state says of its device; raises Malformed."""
        event = self.event(topic, payload, arrived_us)
        if not event.samples and not event.notes:
            return []
        return [Said(event.dev_eui, event.samples, event.notes)]

    def event(self, topic: str, payload: bytes, arrived_us: int) -> Event:
        """An event with what was found in it; raises Malformed."""
        found = TOPIC.fullmatch(topic)
        if found is None:
            raise Malformed(f"{topic:.120} is no topic of a ChirpStack event")
        body = document.parse_object(payload)
        dev_eui = found[2].lower()
        info = _object(body, "deviceInfo")
        named = info.get("devEui", dev_eui)
        if not isinstance(named, str) or named.lower() != dev_eui:
            raise Malformed(f"the topic speaks of {dev_eui}, the message of {shown(named)}")
        at_us = document.instant(body["time"]) if body.get("time") is not None else arrived_us
        event = Event(found[3], dev_eui, at_us, body)
        if event.kind == "up":
            self._uplink(event, _object(info, "tags").get(CODEC_TAG))
        elif event.kind == "status":
            _status(event)
        document.at_most(len(event.samples))
        return event

    def _uplink(self, event: Event, tag: object) -> None:
        """The readings in an uplink: by our codec, or as ChirpStack decoded them; and how it was heard."""
        body, at_us = event.body, event.at_us
        event.codec = self._codec_of(event.dev_eui) or (tag if isinstance(tag, str) else None)
        if event.codec is not None:
            self._decode(event)
        elif isinstance(body.get("object"), dict):
            found = naming.flatten(body["object"], event.notes)
            event.samples += [(metric, at_us, value, None) for metric, value in found]
        elif body.get("data"):
            event.notes.append("bytes without a codec: name one for the device, or decode them in ChirpStack")
        event.samples += _heard(body.get("rxInfo"), at_us)

    def _decode(self, event: Event) -> None:
        codec, body = CODECS.get(event.codec or ""), event.body
        if codec is None:
            event.notes.append(f"no codec {event.codec!r:.80}; there are {', '.join(sorted(CODECS))}")
            return
        if body.get("joinServerContext") is not None:
            event.notes.append("the payload is still encrypted: ChirpStack does not hold its key")
            return
        uplink = codec(_bytes(body), _port(body))
        event.fields, event.notes = uplink.fields, event.notes + uplink.notes
        event.samples += [
            (each.metric, event.at_us if each.at_us is None else each.at_us, each.value, each.unit)
            for each in uplink.fields
        ]


def _status(event: Event) -> None:
    """Battery and link margin, as the device answered the network's question."""
    body = event.body
    margin, battery = document.number(body.get("margin", 0)), document.number(body.get("batteryLevel", 0))
    outside = body.get("externalPowerSource") is True
    if margin is not None:
        event.samples.append(("link-margin", event.at_us, margin, "dB"))
    if battery is not None and not outside and body.get("batteryLevelUnavailable") is not True:
        event.samples.append(("battery-level", event.at_us, battery, "%"))


def _heard(receptions: object, at_us: int) -> list[Sample]:
    """How the best of the gateways heard the uplink: the strongest signal, and the best ratio to the noise."""
    heard = [each for each in receptions if isinstance(each, dict)] if isinstance(receptions, list) else []
    # 0 dBm does not occur in the air: absent, it was not measured. A ratio of 0 dB does.
    strength = [found for each in heard if (found := document.number(each.get("rssi"))) is not None]
    ratio = [found for each in heard if (found := document.number(each.get("snr", 0))) is not None]
    best: list[Sample] = [("rssi", at_us, max(strength), "dBm")] if strength else []
    return [*best, ("snr", at_us, max(ratio), "dB")] if ratio else best


def _bytes(body: dict[str, Any]) -> bytes:
    text = body.get("data", "")
    if not isinstance(text, str) or len(text) > 2 * BYTES_LIMIT:
        raise Malformed(f"data is {shown(text)}, not the bytes of an uplink in base64")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"data is not base64: {error}") from error


def _port(body: dict[str, Any]) -> int:
    port = body.get("fPort", 0)
    if not isinstance(port, int) or not 0 <= port <= 255:  # noqa: PLR2004 -- one byte
        raise Malformed(f"fPort {shown(port)} is no port")
    return port


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    found = body.get(name)
    if found is not None and not isinstance(found, dict):
        raise Malformed(f"{name} is {shown(found)}, not an object")
    return found or {}
