"""Messages on foreign topics explained, for `cityhub decode`: what was understood, what was not, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from edge.reading import now_us
from edge.wire import Malformed
from ingest.sources import document, naming, thingsboard_types
from ingest.sources.chirpstack import MEASURABLE, ChirpStack
from ingest.sources.frigate import Frigate
from ingest.sources.onvif import Onvif, split
from ingest.sources.said import Said
from ingest.sources.shown import NO_TOPIC, Explained, lines, readings, when
from ingest.sources.thingsboard import GATEWAY, SILENT, ThingsBoard, entries_of

BARE_EVENT = "-/onvif-ej/-"
KNOWN_EVENTS = ("join", "ack", "txack", "log", "location", "integration")


def chirpstack(raw: bytes) -> Iterator[Explained]:
    """Events of ChirpStack v4; with `"codec": NAME` in the line that codec reads the bytes."""
    return lines("chirpstack", raw, _chirpstack_topic, _chirpstack)


def _chirpstack_topic(document: Any) -> str:
    if not isinstance(document, dict) or not isinstance(info := document.get("deviceInfo"), dict):
        return ""
    kind = "status" if document.keys() & {"margin", "batteryLevel"} else "up"
    event = kind if document.keys() & {"data", "object", "rxInfo", "margin", "batteryLevel"} else "other"
    return f"application/-/device/{info.get('devEui')}/event/{event}"


def _chirpstack(topic: str, payload: bytes, line: Explained) -> Explained:
    chosen = line.get("codec")
    source = ChirpStack((lambda _: chosen) if isinstance(chosen, str) else lambda _: None)
    event = source.event(topic, payload, now_us())
    body = event.body
    own = {each.metric: each for each in event.fields}
    shown = readings([Said(event.dev_eui, event.samples, event.notes)])
    for entry in shown["understood"]:
        if entry["name"] in own:
            entry |= {"raw": own[entry["name"]].raw.hex(), "meaning": own[entry["name"]].meaning}
    notes = []
    if event.kind not in MEASURABLE and event.kind in KNOWN_EVENTS:
        notes = [f"{event.kind} is known, and says nothing measurable"]
        told = {name: value for name, value in body.items() if isinstance(value, str | int | float)}
        shown["understood"] = [{"name": name, "value": value} for name, value in told.items()]
    elif event.kind not in MEASURABLE:
        shown["not_understood"] = [f"{event.kind:.40} is no event of ChirpStack v4"]
    return {
        "event": event.kind,
        "device": event.dev_eui,
        "id": body.get("deduplicationId"),
        "time": when(event.at_us),
        "codec": event.codec,
        # Absent is their default in the JSON mapping of protobuf.
        **({"fCnt": body.get("fCnt", 0), "fPort": body.get("fPort", 0)} if event.kind == "up" else {}),
        **shown,
        "notes": notes,
    }


def thingsboard(raw: bytes) -> Iterator[Explained]:
    """Telemetry of ThingsBoard's gateways and devices, each value with the type that ThingsBoard gives it."""
    return lines("thingsboard", raw, _thingsboard_topic, _thingsboard)


def _thingsboard_topic(document: Any) -> str:
    if isinstance(document, dict) and document.keys() == {"device"}:
        return "v1/gateway/connect"
    lists = isinstance(document, dict) and [
        isinstance(value, list) and all(isinstance(each, dict) for each in value)
        for value in document.values()
    ]
    return GATEWAY if lists and all(lists) else "tb/-/v1/devices/me/telemetry"


def _thingsboard(topic: str, payload: bytes, line: Explained) -> Explained:
    del line
    arrived_us = now_us()
    prefix = re.match(r"(.*)/[^/]+/v[12]/", topic)
    said = ThingsBoard(prefix[1] if prefix else "tb").read(topic, payload, arrived_us)
    if SILENT.fullmatch(topic):
        told = document.parse(payload)
        return {"understood": [told], "not_understood": [], "notes": ["known, and no telemetry"]}
    written = thingsboard_types.parse(payload)
    # The same entries as the readings: in order, device by device.
    devices = list(written.values()) if topic.endswith(GATEWAY) else [written]
    understood = [
        {
            "device": each.address,
            "key": key,
            "name": naming.metric(key),
            "time": when(at_us),
            "type": kind,
            "value": value,
        }
        for each, body in zip(said, devices, strict=True)
        for at_us, values in _entries(body, arrived_us)
        for key, written_value in values.items()
        for kind, value in [thingsboard_types.typed(written_value)]
    ]
    return {"understood": understood, "not_understood": readings(said)["not_understood"], "notes": []}


def _entries(body: Any, arrived_us: int) -> list[tuple[int, dict[str, Any]]]:
    """Entries with their times as numbers again; none where the readings' notes say already that they are wrong."""
    entries = body if isinstance(body, list) else [body]
    timed = [
        {**each, "ts": document.number(each["ts"])}
        if isinstance(each, dict) and {"ts", "values"} <= each.keys()
        else each
        for each in entries
    ]
    try:
        return list(entries_of(timed, arrived_us))
    except Malformed:
        return []


def frigate(raw: bytes) -> Iterator[Explained]:
    """Messages of Frigate; a count alone does not tell of what."""
    return lines("frigate", raw, _frigate_topic, _frigate)


def _frigate_topic(found: Any) -> str:
    if isinstance(found, dict) and {"type", "after"} <= found.keys():
        return "frigate/events"
    return "frigate/stats" if isinstance(found, dict) and {"cameras", "detection_fps"} & found.keys() else ""


def _frigate(topic: str, payload: bytes, line: Explained) -> Explained:
    del line
    source = Frigate(topic.split("/", 1)[0])
    found = readings(source.read(topic, source.kept(topic, payload), now_us()))
    if found["understood"]:
        return {**found, "notes": []}
    body = document.parse(payload) if payload[:1] == b"{" else {}
    told = [{"name": name, "value": body[name]} for name in ("type", "severity") if name in body]
    return {**found, "understood": told, "notes": ["known, and nothing of it is counted"]}


def onvif(raw: bytes) -> Iterator[Explained]:
    """Events and metadata of ONVIF cameras; without its topic an event tells values, and not what they are of."""
    return lines("onvif", raw, _onvif_topic, _onvif)


def _onvif_topic(found: Any) -> str:
    if isinstance(found, dict) and {"Frame", "VideoAnalytics", "MetadataStream"} & found.keys():
        return "-/onvif-mj/VideoAnalytics/-/-"
    if isinstance(found, dict) and {"Data", "SensorData"} & found.keys():
        return BARE_EVENT
    return ""


def _onvif(topic: str, payload: bytes, line: Explained) -> Explained:
    del line
    source = Onvif()
    found = readings(source.read(topic, payload, now_us()))
    at = split(topic)
    body = document.parse(payload) if payload else {}
    parts = {name: body[name] for name in ("UtcTime", "Source", "Data") if name in body}
    notes = []
    if not payload:
        notes = ["a retained property was deleted"]
    elif not found["understood"] and not found["not_understood"]:
        notes = [NO_TOPIC if topic == BARE_EVENT else "known, and nothing of it is measured"]
        values = parts.get("Data", body.get("SensorData"))
        values = values if isinstance(values, dict) else {}
        found["understood"] = [
            {"name": name, "value": value if (number := document.number(value)) is None else number}
            for name, value in values.items()
        ]
    return {"camera": at and at.prefix, "path": at and at.path, **parts, **found, "notes": notes}
